//! The provisioning service over AMQP, frame by frame as Microsoft's clients ask it.

#![allow(clippy::unwrap_used)] // helpers of tests

use iothub_emulator::AmqpPort;
use serde_json::{Value, json};

use crate::support::amqp::{Client, Frame, V};
use crate::support::{Credentials, Hub, token};

const SCOPE: &str = "0ne00000001";

async fn start() -> Hub {
    let hub = Hub::start_with(|options| {
        options.amqp = Some(AmqpPort::At("127.0.0.1:0".parse().unwrap()));
    })
    .await;
    let certificate = json!({"certificate": hub.ca.pem});
    let fleet = json!({"attestation": {"type": "x509", "x509": {"signingCertificates": {"primary": certificate}}}});
    assert_eq!(hub.put("/enrollmentGroups/fleet", &fleet).await.0, 200);
    hub
}

/// An individual enrollment with a key, and a token of it.
async fn with_key(hub: &Hub, id: &str) -> String {
    let enrollment = json!({"attestation": {"type": "symmetricKey"}});
    let (status, made) = hub.put(&format!("/enrollments/{id}"), &enrollment).await;
    assert_eq!(status, 200, "{made}");
    let key = made["attestation"]["symmetricKey"]["primaryKey"].as_str();
    let resource = format!("{SCOPE}/registrations/{id}");
    token(&resource, key.unwrap(), 3600, Some("registration"))
}

async fn sasl(hub: &Hub, mechanism: &str, response: &str) -> (Client, bool) {
    let address = hub.emulator.amqp_addr().unwrap();
    let mut client = Client::dial(address, &hub.server_ca).await;
    let taken = client.sasl(mechanism, response.as_bytes()).await;
    (client, taken)
}

async fn certified(hub: &Hub, credentials: &Credentials) -> Client {
    let address = hub.emulator.amqp_addr().unwrap();
    let mut client = Client::dial_as(address, &hub.server_ca, credentials).await;
    client.begin().await;
    client
}

/// Attaches both links; the frame that says how that went.
async fn links(client: &mut Client, id: &str) -> Frame {
    let address = format!("amqps://global/{SCOPE}/registrations/{id}");
    let version = || {
        let name = V::Symbol("com.microsoft:api-version");
        vec![(name, V::Text("2019-03-31"))]
    };
    client.attach(0, true, &address, version()).await;
    client.attach(1, false, &address, version()).await;
    client.expect(0x12).await;
    let next = client.frame().await.unwrap();
    match next.code {
        0x12 => {
            client.credit(0, 0, 10).await;
            next
        }
        _ => next,
    }
}

/// Asks; the disposition, and the answer where it was accepted.
async fn ask(
    client: &mut Client,
    delivery: u32,
    operation: (&str, &str),
    body: &str,
) -> Result<(Value, Frame), Frame> {
    let properties = [V::Null, V::Null, V::Null, V::Null, V::Null, V::Text("c-1")];
    let application = vec![
        (V::Text("iotdps-operation-type"), V::Text(operation.0)),
        (V::Text("iotdps-operation-id"), V::Text(operation.1)),
    ];
    let properties = Vec::from(properties);
    client
        .whole(1, delivery, vec![], properties, application, body)
        .await;
    let disposition = client.expect(0x15).await;
    if !disposition.is_accepted() {
        return Err(disposition);
    }
    let answer = client.expect(0x14).await;
    assert!(answer.has("c-1"));
    let at = answer.bytes.iter().position(|it| *it == b'{').unwrap();
    Ok((serde_json::from_slice(&answer.bytes[at..]).unwrap(), answer))
}

/// Registers and asks until there is an end of it.
async fn register(client: &mut Client, id: &str) -> Value {
    assert_eq!(links(client, id).await.code, 0x12);
    let body = json!({"registrationId": id}).to_string();
    let (begun, frame) = ask(client, 1, ("iotdps-register", ""), &body)
        .await
        .unwrap_or_else(|it| panic!("{}", String::from_utf8_lossy(&it.bytes)));
    assert_eq!(begun["status"], "assigning");
    assert!(frame.has("retry-after") && frame.has("Retry-After"));
    let operation = begun["operationId"].as_str().unwrap().to_owned();
    let status = ("iotdps-get-operationstatus", operation.as_str());
    let (mut done, frame) = ask(client, 2, status, "").await.ok().unwrap();
    assert!(!frame.has("etry-"));
    assert_eq!(done["status"], "assigned");
    done["registrationState"].take()
}

#[tokio::test]
async fn a_device_with_a_certificate_is_assigned() {
    let hub = start().await;
    let mut client = certified(&hub, &hub.ca.device("dev-1")).await;
    let state = register(&mut client, "dev-1").await;
    assert_eq!(state["deviceId"], "dev-1");
    assert_eq!(state["assignedHub"], "hub.localhost");
    let known = ask(&mut client, 3, ("iotdps-get-registration", ""), "").await;
    assert_eq!(known.ok().unwrap().0["deviceId"], "dev-1");
    // A version of before 2019-04-15 has no word for who comes back.
    let mut again = certified(&hub, &hub.ca.device("dev-1")).await;
    assert_eq!(
        register(&mut again, "dev-1").await["substatus"],
        "initialAssignment"
    );
}

#[tokio::test]
async fn a_device_with_a_key_is_assigned() {
    let hub = start().await;
    let token = with_key(&hub, "dev-2").await;
    let response = format!("\0{SCOPE}/registrations/dev-2\0{token}");
    let (mut client, taken) = sasl(&hub, "PLAIN", &response).await;
    assert!(taken);
    client.begin().await;
    let state = register(&mut client, "dev-2").await;
    assert_eq!(state["deviceId"], "dev-2");
    // The connection is its own, and no service's.
    for (handle, address) in [
        (2, format!("{SCOPE}/registrations/other")),
        (3, "/messages/devicebound".to_owned()),
        (4, "/devices/dev-2/messages/events".to_owned()),
    ] {
        client.attach(handle, false, &address, vec![]).await;
        assert!(client.expect(0x16).await.has("amqp:unauthorized-access"));
    }
}

#[tokio::test]
async fn who_may_not_is_told_so() {
    let hub = start().await;
    let token = with_key(&hub, "dev-3").await;
    let forged = token.replace("sig=", "sig=A");
    for (mechanism, response) in [
        ("PLAIN", format!("\0{SCOPE}/registrations/dev-3\0{forged}")),
        ("PLAIN", format!("\0{SCOPE}/registrations/dev-4\0{token}")),
        ("PLAIN", format!("\0other/registrations/dev-3\0{token}")),
        ("PLAIN", format!("\0{SCOPE}/registrations/\0{token}")),
        // A trusted platform module is not emulated.
        ("TPM", format!("\0{SCOPE}\0dev-3\0key")),
    ] {
        let (_, taken) = sasl(&hub, mechanism, &response).await;
        assert!(!taken, "{mechanism} {response:?}");
    }
    // Nothing was shown, another's certificate, one of an unknown CA.
    let address = hub.emulator.amqp_addr().unwrap();
    let mut none = Client::dial(address, &hub.server_ca).await;
    none.begin().await;
    assert_eq!(links(&mut none, "dev-3").await.code, 0x16);
    let mut other = certified(&hub, &hub.ca.device("other")).await;
    let refused = links(&mut other, "dev-5").await;
    assert!(refused.code == 0x16 && refused.has("amqp:unauthorized-access"));
}

#[tokio::test]
async fn a_refusal_is_a_rejection_with_the_error() {
    let hub = start().await;
    let mut client = certified(&hub, &hub.ca.device("dev-1")).await;
    assert_eq!(links(&mut client, "dev-1").await.code, 0x12);
    for (delivery, (operation, body, condition, code)) in [
        (
            ("iotdps-get-operationstatus", "x"),
            "",
            "amqp:not-found",
            "404",
        ),
        (
            ("iotdps-register", ""),
            r#"{"tpm":{"endorsementKey":"x"}}"#,
            "com.microsoft:argument-error",
            "400",
        ),
        (
            ("iotdps-register", ""),
            r#"{"registrationId":"dev-2"}"#,
            "com.microsoft:argument-error",
            "400",
        ),
        (("no-such", ""), "", "com.microsoft:argument-error", "400"),
    ]
    .into_iter()
    .enumerate()
    {
        let delivery = u32::try_from(delivery).unwrap();
        let refused = ask(&mut client, delivery, operation, body).await;
        let refused = refused.err().unwrap();
        assert!(refused.has(condition), "{operation:?} {body}");
        assert!(refused.has(&format!(r#""errorCode":{code}"#)));
    }
}

#[tokio::test]
async fn a_service_that_is_busy_says_for_how_long() {
    let hub = start().await;
    let fault = json!({"kind": "provisioning", "status": 429, "retryAfter": 7, "device": "dev-1"});
    let (status, answer) = hub.post("/admin/faults", &fault).await;
    assert!((200..300).contains(&status), "{answer}");
    let mut client = certified(&hub, &hub.ca.device("dev-1")).await;
    assert_eq!(links(&mut client, "dev-1").await.code, 0x12);
    let refused = ask(&mut client, 0, ("iotdps-register", ""), "").await;
    let refused = refused.err().unwrap();
    assert!(refused.has("com.microsoft:device-container-throttled"));
    // An int of 7 under both names.
    for name in ["Retry-After", "retry-after"] {
        let value = [name.as_bytes(), &[0x71, 0, 0, 0, 7]].concat();
        assert!(refused.bytes.windows(value.len()).any(|it| it == value));
    }
}
