"""Microsoft's Python clients: azure-iot-device, azure-iot-hub and azure-iothub-provisioningserviceclient."""
import base64
import hashlib
import hmac
import json
import os
import sys

from emulator import HTTPS_PORT, Emulator, check, wait

hub = Emulator(sys.argv[1])
os.environ["REQUESTS_CA_BUNDLE"] = hub.ca

from azure.iot.device import IoTHubDeviceClient, Message, MethodResponse, ProvisioningDeviceClient, X509  # noqa: E402
from azure.iot.hub import IoTHubRegistryManager  # noqa: E402
from azure.iot.hub.models import CloudToDeviceMethod, QuerySpecification, Twin, TwinProperties  # noqa: E402
from provisioningserviceclient import (EnrollmentGroup, IndividualEnrollment, ProvisioningServiceClient,  # noqa: E402
                                       QuerySpecification as EnrollmentQuery)
from provisioningserviceclient.models import AttestationMechanism  # noqa: E402

CA = open(hub.ca).read()
service = None
device = None
got = {"c2d": [], "desired": []}


def x509(name):
    certificate, key = hub.make_device(name)
    return X509(cert_file=certificate, key_file=key)


def registry():
    global service
    text = hub.connection_string.replace("HostName=localhost", f"HostName=localhost:{HTTPS_PORT}")
    service = IoTHubRegistryManager(text)
    made = service.create_device_with_certificate_authority("dev1", "enabled")
    assert made.device_id == "dev1" and made.authentication.type == "certificateAuthority"
    assert service.get_device("dev1").status == "enabled"
    service.create_device_with_sas("sas1", "", "", "enabled")


def connect():
    global device
    device = IoTHubDeviceClient.create_from_x509_certificate(
        x509("dev1"), hostname="localhost", device_id="dev1", server_verification_cert=CA)
    device.on_message_received = got["c2d"].append
    device.on_twin_desired_properties_patch_received = got["desired"].append

    def method(request):
        device.send_method_response(MethodResponse.create_from_method_request(request, 200, {"was": request.payload}))
    device.on_method_request_received = method
    device.connect()
    assert wait(lambda: service.get_device("dev1").connection_state == "Connected")


def telemetry():
    message = Message('{"temperature":21.5}', content_encoding="utf-8", content_type="application/json")
    message.message_id = "m 1"
    message.custom_properties["b"] = "x y/&="
    device.send_message(message)
    line = hub.telemetry("dev1")[0]
    assert line["body"] == {"temperature": 21.5} and line["properties"] == {"b": "x y/&="}, line
    assert line["systemProperties"]["messageId"] == "m 1", line
    assert line["systemProperties"]["contentType"] == "application/json", line


def twin():
    assert device.get_twin()["desired"]["$version"] == 1
    device.patch_twin_reported_properties({"led": 1})
    assert service.get_twin("dev1").properties.reported["led"] == 1


def desired():
    document = Twin(properties=TwinProperties(desired={"interval": 1}), tags={"site": "A"})
    service.update_twin("dev1", document, service.get_twin("dev1").etag)
    wait(lambda: {"interval": 1, "$version": 2} in got["desired"])


def method():
    answer = service.invoke_device_method("dev1", CloudToDeviceMethod(
        method_name="led", payload={"on": True}, response_timeout_in_seconds=10, connect_timeout_in_seconds=5))
    assert answer.status == 200 and answer.payload == {"was": {"on": True}}, answer


def query():
    found = service.query_iot_hub(QuerySpecification(query="SELECT * FROM devices WHERE tags.site = 'A'"))
    assert [item.device_id for item in found.items] == ["dev1"], found.items


def statistics():
    assert service.get_device_registry_statistics().total_device_count == 2
    assert service.get_service_statistics().connected_device_count == 1


def c2d():
    hub.rest("POST", "devices/dev1/messages/deviceBound", b"hello",
             {"iothub-messageid": "m1", "iothub-app-colour": "red", "iothub-ack": "full"})
    wait(lambda: got["c2d"])
    message = got["c2d"][0]
    assert message.data == b"hello" and message.custom_properties["colour"] == "red", message
    assert message.message_id == "m1" and message.ack == "full", message
    wait(lambda: hub.rest("GET", "admin/devices/dev1/messages") == [])


def reconnect():
    hub.rest("POST", "admin/faults", {"kind": "dropEvery", "messages": 1, "device": "dev1", "times": 1})
    device.send_message(Message("after the drop"))
    lines = hub.telemetry("dev1", 2)
    assert lines[-1]["body"] == "after the drop", lines


def sas():
    key = service.get_device("sas1").authentication.symmetric_key.primary_key
    client = IoTHubDeviceClient.create_from_connection_string(
        f"HostName=localhost;DeviceId=sas1;SharedAccessKey={key}", server_verification_cert=CA)
    client.connect()
    client.send_message("token")
    assert hub.telemetry("sas1")[0]["body"] == "token"
    client.shutdown()


def thumbprint():
    certificate = x509("thumb1")
    service.create_device_with_x509("thumb1", hub.thumbprint("thumb1"), "0" * 40, "enabled")
    client = IoTHubDeviceClient.create_from_x509_certificate(
        certificate, hostname="localhost", device_id="thumb1", server_verification_cert=CA)
    client.connect()
    client.send_message("thumbprint")
    assert hub.telemetry("thumb1")[0]["body"] == "thumbprint"
    client.shutdown()


def disabled():
    entry = service.get_device("thumb1")
    service.update_device_with_x509("thumb1", entry.etag, hub.thumbprint("thumb1"), "0" * 40, "disabled")
    client = IoTHubDeviceClient.create_from_x509_certificate(
        x509("thumb1"), hostname="localhost", device_id="thumb1", server_verification_cert=CA, connection_retry=False)
    try:
        client.connect()
    except Exception as error:
        assert "not authorised" in str(error.__cause__).lower() or "Credential" in type(error).__name__, error
    else:
        raise AssertionError("a disabled device was let in")
    assert "DeviceDisabled" in hub.refusals("thumb1")


def dps_service():
    text = hub.connection_string.replace("HostName=localhost", f"HostName=localhost:{HTTPS_PORT}")
    key = base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
    client = ProvisioningServiceClient.create_from_connection_string(text)
    group = EnrollmentGroup.create("line1", AttestationMechanism.create_with_x509_signing_certs(hub.read("root.pem")))
    assert client.create_or_update(group).enrollment_group_id == "line1"
    assert client.get_enrollment_group("line1").attestation.type == "x509"
    hub.make_device("single1")
    single = IndividualEnrollment.create(
        "single1", AttestationMechanism.create_with_x509_client_certs(hub.read("single1.pem")), device_id="renamed")
    made = client.create_or_update(single)
    assert made.device_id == "renamed" and made.etag, made
    query = client.create_individual_enrollment_query(EnrollmentQuery("SELECT * FROM enrollments"))
    assert "single1" in [it.registration_id for it in query.next()]
    client.delete(made)
    try:
        client.get_individual_enrollment("single1")
    except Exception as error:
        assert "404" in str(error), error
    else:
        raise AssertionError("a deleted enrollment is still there")
    client.delete_enrollment_group_by_param("line1")
    hub.rest("PUT", "enrollmentGroups/keys", {"attestation": {
        "type": "symmetricKey", "symmetricKey": {"primaryKey": key, "secondaryKey": key}}})


def dps_group_key():
    master = base64.b64decode("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")
    key = base64.b64encode(hmac.new(master, b"keyed1", hashlib.sha256).digest()).decode()
    client = ProvisioningDeviceClient.create_from_symmetric_key(
        provisioning_host="localhost", registration_id="keyed1", id_scope="0ne00000001", symmetric_key=key,
        server_verification_cert=CA)
    assert client.register().status == "assigned"


def dps_disabled():
    client = ProvisioningServiceClient.create_from_connection_string(
        hub.connection_string.replace("HostName=localhost", f"HostName=localhost:{HTTPS_PORT}"))
    group = client.get_enrollment_group("fleet")
    hub.rest("PUT", "enrollmentGroups/fleet", {"provisioningStatus": "disabled", "attestation": {"type": "x509", "x509": {
        "signingCertificates": {"primary": {"certificate": hub.read("root.pem")}}}}})
    assert group.provisioning_status != "disabled"
    try:
        ProvisioningDeviceClient.create_from_x509_certificate(
            provisioning_host="localhost", registration_id="dps3", id_scope="0ne00000001", x509=x509("dps3"),
            server_verification_cert=CA).register()
    except Exception as error:
        assert "disabled" in str(error.__cause__ or error).lower(), error
    else:
        raise AssertionError("a disabled enrollment was used")


def dps_group():
    hub.rest("PUT", "enrollmentGroups/fleet", {"attestation": {"type": "x509", "x509": {
        "signingCertificates": {"primary": {"certificate": hub.read("root.pem")}}}}})
    client = ProvisioningDeviceClient.create_from_x509_certificate(
        provisioning_host="localhost", registration_id="dps1", id_scope="0ne00000001", x509=x509("dps1"),
        server_verification_cert=CA)
    client.provisioning_payload = {"model": "thingy91"}
    result = client.register()
    assert result.status == "assigned" and result.registration_state.assigned_hub == "localhost", result
    assert json.loads(str(result.registration_state.response_payload).replace("'", '"')) == {"model": "thingy91"}


def dps_individual():
    key = "AAECAwQFBgcICQoLDA0ODw=="
    hub.rest("PUT", "enrollments/dps2", {"deviceId": "named", "attestation": {
        "type": "symmetricKey", "symmetricKey": {"primaryKey": key, "secondaryKey": key}}})
    client = ProvisioningDeviceClient.create_from_symmetric_key(
        provisioning_host="localhost", registration_id="dps2", id_scope="0ne00000001", symmetric_key=key,
        server_verification_cert=CA)
    result = client.register()
    assert result.status == "assigned" and result.registration_state.device_id == "named", result


def etag():
    try:
        service.update_twin("dev1", Twin(tags={"a": 1}), "AAAAAAAAAAA=")
    except Exception as error:
        assert "412" in str(getattr(error, "status_code", error)) or "Precondition" in str(error), error
    else:
        raise AssertionError("a stale etag was taken")


def delete():
    service.delete_device("dev1")
    wait(lambda: not device.connected)


for name, run in [("registry", registry), ("connect x509", connect), ("telemetry", telemetry), ("twin get and report", twin),
                  ("twin desired", desired), ("method", method), ("query", query), ("statistics", statistics),
                  ("twin etag", etag), ("c2d", c2d), ("reconnect", reconnect), ("connect sas", sas),
                  ("connect thumbprint", thumbprint), ("disabled is refused", disabled), ("dps service", dps_service),
                  ("dps group x509", dps_group), ("dps group key", dps_group_key), ("dps individual key", dps_individual),
                  ("dps disabled", dps_disabled), ("delete drops", delete)]:
    check(name, run)
hub.stop()
os._exit(0)  # the clients' threads would go on trying
