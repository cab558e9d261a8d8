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
    /// A device, or its module if the id is `DEVICE/MODULE`; `None` if the hub does not know it.
    ///
    /// # Errors
    /// As every call.
    pub fn device(&self, id: &str) -> Result<Option<Value>, Error> {
        self.find(&device_path(id))
    }

    /// Registers a device or a module, or changes it.
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
        let body = match id.split_once('/') {
            None => json!({"deviceId": id, "status": status, "authentication": authentication}),
            Some(_) if !enabled => return Err(no_status(id)),
            Some((device, module)) => {
                json!({"deviceId": device, "moduleId": module, "authentication": authentication})
            }
        };
        self.put(&device_path(id), body)
    }

    /// Enables or disables a device as it is (the way to revoke it).
    ///
    /// # Errors
    /// As every call; [`Kind::Server`] if there is no such device.
    pub fn set_enabled(&self, id: &str, enabled: bool) -> Result<Value, Error> {
        if id.contains('/') {
            return Err(no_status(id));
        }
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

/// A device's path, or that of its module if the id is `DEVICE/MODULE`.
fn device_path(id: &str) -> String {
    match id.split_once('/') {
        None => format!("/devices/{}", escaped(id)),
        Some((device, module)) => {
            format!("/devices/{}/modules/{}", escaped(device), escaped(module))
        }
    }
}

fn no_status(id: &str) -> Error {
    Error::new(
        Kind::Usage,
        format!("{id} is a module, which cannot be disabled"),
    )
    .advise("disable its device, or delete the module")
}
