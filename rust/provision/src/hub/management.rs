//! What is Azure Resource Manager's: the CA certificates of a hub or of a provisioning service, and
//! the ID scope. A bearer token says who asks.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::error::{Error, Kind};
use crate::http::{Request, send};
use crate::hub::client::answered;
use crate::hub::sas::escaped;
use crate::pki::Certificate;
use crate::secret::Secret;

/// A hub or a provisioning service, as Azure Resource Manager sees it.
pub struct Resource {
    url: String,
    version: &'static str,
    token: Option<Secret>,
}

impl Resource {
    /// A resource of the emulator at this address, which answers in Azure Resource Manager's shapes
    /// and asks nobody for a token: the hub with this host name, or without one the provisioning
    /// service.
    pub fn emulator(address: &str, hostname: Option<&str>) -> Self {
        let (kind, name) = match hostname {
            Some(host) => ("IotHubs", host.split('.').next().unwrap_or_default()),
            None => ("provisioningServices", "emulator"),
        };
        Self {
            url: format!(
                "{}/subscriptions/{NO_SUBSCRIPTION}/resourceGroups/emulator/providers/\
                 Microsoft.Devices/{kind}/{}",
                address.trim_end_matches('/'),
                escaped(name)
            ),
            version: match hostname {
                Some(_) => HUB_VERSION,
                None => DPS_VERSION,
            },
            token: None,
        }
    }

    /// The resource with this id, `/subscriptions/…/providers/Microsoft.Devices/IotHubs/NAME` or
    /// `…/provisioningServices/NAME`. `management` is Azure Resource Manager's address.
    ///
    /// # Errors
    /// [`Kind::Usage`] if it is another id, [`Kind::Content`] if the token is none.
    pub fn new(management: &str, id: &str, token: Secret) -> Result<Self, Error> {
        let lower = id.to_ascii_lowercase();
        let version = if lower.contains("/microsoft.devices/iothubs/") {
            HUB_VERSION
        } else if lower.contains("/microsoft.devices/provisioningservices/") {
            DPS_VERSION
        } else {
            return Err(Error::new(
                Kind::Usage,
                format!("{id} is the id of neither a hub nor a provisioning service"),
            )
            .advise("az iot hub show -n HUB --query id -o tsv prints it"));
        };
        if id.contains(|c: char| c.is_whitespace() || c.is_control() || "?#\"".contains(c)) {
            return Err(Error::new(
                Kind::Usage,
                format!("{id:?} has characters that no resource id has"),
            )
            .advise("az iot hub show -n HUB --query id -o tsv prints it"));
        }
        let text = token.expose();
        if text.is_empty() || text.contains(|c: char| !c.is_ascii_graphic()) {
            return Err(
                Error::new(Kind::Content, "the token is empty or has spaces in it")
                    .advise("az account get-access-token --query accessToken -o tsv prints one"),
            );
        }
        Ok(Self {
            url: format!(
                "{}/{}",
                management.trim_end_matches('/'),
                id.trim_matches('/')
            ),
            version,
            token: Some(token),
        })
    }

    /// Uploads a CA. `proof` signs the verification code that Azure then shows; without it the CA
    /// is taken as verified. Returns it as Azure shows it, and whether that is new.
    ///
    /// # Errors
    /// [`Kind::Unreachable`], [`Kind::Denied`] or [`Kind::Server`], as every call; what `proof`
    /// says; [`Kind::Exists`] if another certificate has that name.
    pub fn add_authority(
        &self,
        name: &str,
        certificate: &Certificate,
        proof: Option<impl FnOnce(&str) -> Result<Certificate, Error>>,
    ) -> Result<(Value, bool), Error> {
        let found = self.authority(name)?;
        if let Some(found) = &found {
            let thumbprint = found["properties"]["thumbprint"]
                .as_str()
                .unwrap_or_default()
                .to_uppercase();
            if thumbprint != certificate.thumbprint_sha1() {
                return Err(Error::new(
                    Kind::Exists,
                    format!("another certificate is registered as {name}"),
                )
                .advise("delete it first: iothub-provision hub ca delete"));
            }
            if found["properties"]["isVerified"] == true {
                return Ok((found.clone(), false));
            }
        }
        let path = certificate_path(name);
        let body = |certificate: &Certificate| STANDARD.encode(certificate.der());
        let uploaded = match (found, &proof) {
            (Some(found), Some(_)) => found,
            (found, _) => {
                let properties =
                    json!({"certificate": body(certificate), "isVerified": proof.is_none()});
                let upload = json!({ "properties": properties });
                self.call("PUT", &path, found.as_ref(), Some(&upload))?
            }
        };
        let Some(proof) = proof else {
            return Ok((uploaded, true));
        };
        let asked = format!("{path}/generateVerificationCode");
        let asked = self.call("POST", &asked, Some(&uploaded), None)?;
        let code = asked["properties"]["verificationCode"]
            .as_str()
            .ok_or_else(|| Error::new(Kind::Server, "the answer holds no verification code"))?;
        let proof = json!({"certificate": body(&proof(code)?)});
        let verified = self.call(
            "POST",
            &format!("{path}/verify"),
            Some(&asked),
            Some(&proof),
        )?;
        if verified["properties"]["isVerified"] == true {
            Ok((verified, true))
        } else {
            Err(Error::new(
                Kind::Server,
                format!("{name} is registered, but not verified"),
            )
            .advise("run the same command again"))
        }
    }

    /// The CAs: `{"value": […]}`.
    ///
    /// # Errors
    /// As every call.
    pub fn authorities(&self) -> Result<Value, Error> {
        self.call("GET", "/certificates", None, None)
    }

    /// Deletes a CA.
    ///
    /// # Errors
    /// As every call; [`Kind::Server`] if there is none of that name.
    pub fn delete_authority(&self, name: &str) -> Result<(), Error> {
        let Some(found) = self.authority(name)? else {
            return Err(
                Error::new(Kind::Server, format!("no CA is registered as {name}"))
                    .advise("list them: iothub-provision hub ca list"),
            );
        };
        self.call("DELETE", &certificate_path(name), Some(&found), None)
            .map(drop)
    }

    /// The ID scope of a provisioning service.
    ///
    /// # Errors
    /// As every call; [`Kind::Server`] if it is a hub.
    pub fn id_scope(&self) -> Result<String, Error> {
        let found = self.call("GET", "", None, None)?;
        let scope = found["properties"]["idScope"].as_str();
        scope.map(str::to_owned).ok_or_else(|| {
            Error::new(Kind::Server, "the resource has no ID scope")
                .advise("give the id of the provisioning service, not of the hub")
        })
    }

    /// Lets devices and modules in with certificates alone (`disableDeviceSAS`,
    /// `disableModuleSAS`), or with shared keys again. Returns whether that is new.
    ///
    /// # Errors
    /// As every call; [`Kind::Usage`] if it is not a hub.
    pub fn enforce_x509(&self, enforced: bool) -> Result<bool, Error> {
        if self.version != HUB_VERSION {
            return Err(
                Error::new(Kind::Usage, "only a hub has shared keys of devices")
                    .advise("give the id of the hub: az iot hub show -n HUB --query id -o tsv"),
            );
        }
        let mut hub = self.call("GET", "", None, None)?;
        let names = ["disableDeviceSAS", "disableModuleSAS"];
        let is_same = |name: &str| hub["properties"][name].as_bool().unwrap_or(false) == enforced;
        if names.into_iter().all(is_same) {
            return Ok(false);
        }
        for name in names {
            hub["properties"][name] = json!(enforced);
        }
        self.call("PUT", "", Some(&hub), Some(&hub)).map(|_| true)
    }

    fn authority(&self, name: &str) -> Result<Option<Value>, Error> {
        let all = self.authorities()?;
        let mut all = all["value"].as_array().into_iter().flatten();
        Ok(all.find(|found| found["name"] == name).cloned())
    }

    /// `seen` is what is changed, as it was last seen: Azure refuses if it has changed since.
    fn call(
        &self,
        method: &str,
        path: &str,
        seen: Option<&Value>,
        body: Option<&Value>,
    ) -> Result<Value, Error> {
        let url = format!("{}{path}?api-version={}", self.url, self.version);
        let text = body.map(Value::to_string);
        let mut headers = vec![("content-type", "application/json".to_owned())];
        let token = self.token.as_ref();
        headers.extend(token.map(|token| ("authorization", format!("Bearer {}", token.expose()))));
        let etag = seen.and_then(|seen| seen["etag"].as_str());
        headers.extend(etag.map(|etag| ("if-match", etag.to_owned())));
        // Azure wants a length where there is no body.
        let empty = (method == "POST").then_some([].as_slice());
        let request = Request {
            method,
            url: &url,
            headers,
            body: text.as_deref().map(str::as_bytes).or(empty),
        };
        answered(method, &format!("…{path}"), send(&request)?)
    }
}

fn certificate_path(name: &str) -> String {
    format!("/certificates/{}", escaped(name))
}

const HUB_VERSION: &str = "2023-06-30";
const DPS_VERSION: &str = "2022-02-05";
/// The emulator has no subscriptions; the path has one.
const NO_SUBSCRIPTION: &str = "00000000-0000-0000-0000-000000000000";
