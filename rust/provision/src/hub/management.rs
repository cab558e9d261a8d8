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
    token: Secret,
}

impl Resource {
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
            token,
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
        let mut headers = vec![
            ("content-type", "application/json".to_owned()),
            ("authorization", format!("Bearer {}", self.token.expose())),
        ];
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
