//! The registry of devices.

use serde_json::{Value, json};

use crate::error::{Error, Kind};
use crate::hub::Hub;
use crate::hub::sas::escaped;

/// How a device proves who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authentication {
    /// A certificate that a registered CA has signed.
    CertificateAuthority,
    /// One certificate, by its thumbprint.
    Thumbprint(String),
}

impl Hub {
    /// A device, or `None` if the hub does not know it.
    ///
    /// # Errors
    /// As every call.
    pub fn device(&self, id: &str) -> Result<Option<Value>, Error> {
        self.find(&device_path(id))
    }

    /// Registers a device, or changes it.
    ///
    /// # Errors
    /// As every call.
    pub fn put_device(
        &self,
        id: &str,
        authentication: &Authentication,
        enabled: bool,
    ) -> Result<Value, Error> {
        let authentication = match authentication {
            Authentication::CertificateAuthority => json!({"type": "certificateAuthority"}),
            Authentication::Thumbprint(thumbprint) => json!({"type": "selfSigned",
                "x509Thumbprint": {"primaryThumbprint": thumbprint,
                                   "secondaryThumbprint": thumbprint}}),
        };
        let status = if enabled { "enabled" } else { "disabled" };
        let body = json!({"deviceId": id, "status": status, "authentication": authentication});
        self.put(&device_path(id), body)
    }

    /// Enables or disables a device as it is (the way to revoke it).
    ///
    /// # Errors
    /// As every call; [`Kind::Server`] if there is no such device.
    pub fn set_enabled(&self, id: &str, enabled: bool) -> Result<Value, Error> {
        let Some(mut device) = self.device(id)? else {
            return Err(Error::new(
                Kind::Server,
                format!("the hub does not know the device {id}"),
            )
            .advise("register it: iothub-provision hub device create"));
        };
        device["status"] = json!(if enabled { "enabled" } else { "disabled" });
        self.call("PUT", &device_path(id), Some(&device))
    }

    /// Deletes a device.
    ///
    /// # Errors
    /// As every call.
    pub fn delete_device(&self, id: &str) -> Result<(), Error> {
        self.call("DELETE", &device_path(id), None).map(drop)
    }

    /// All devices.
    ///
    /// # Errors
    /// As every call.
    pub fn devices(&self) -> Result<Vec<Value>, Error> {
        match self.call("GET", "/devices", None)? {
            Value::Array(devices) => Ok(devices),
            _ => Ok(Vec::new()),
        }
    }
}

fn device_path(id: &str) -> String {
    format!("/devices/{}", escaped(id))
}
