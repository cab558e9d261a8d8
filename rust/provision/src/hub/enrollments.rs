//! The Device Provisioning Service: whom it lets in.

use serde_json::{Value, json};

use crate::error::Error;
use crate::hub::Hub;
use crate::hub::sas::escaped;
use crate::pki::Certificate;

impl Hub {
    /// Makes an enrollment group of the Device Provisioning Service: every device that this CA has
    /// signed is let in. The connection string is that of the provisioning service.
    ///
    /// # Errors
    /// As every call.
    pub fn put_enrollment_group(&self, id: &str, ca: &Certificate) -> Result<Value, Error> {
        let certificates = json!({"primary": {"certificate": ca.pem()}});
        let body = json!({"enrollmentGroupId": id, "provisioningStatus": "enabled",
            "attestation": {"type": "x509", "x509": {"signingCertificates": certificates}}});
        self.put(&enrollment_path(id), body)
    }

    /// All enrollment groups.
    ///
    /// # Errors
    /// As every call.
    pub fn enrollment_groups(&self) -> Result<Vec<Value>, Error> {
        let query = json!({"query": "SELECT * FROM enrollmentGroups"});
        match self.call("POST", "/enrollmentGroups/query", Some(&query))? {
            Value::Array(groups) => Ok(groups),
            _ => Ok(Vec::new()),
        }
    }

    /// Deletes an enrollment group. Devices that are registered stay so.
    ///
    /// # Errors
    /// As every call.
    pub fn delete_enrollment_group(&self, id: &str) -> Result<(), Error> {
        self.call("DELETE", &enrollment_path(id), None).map(drop)
    }

    /// Enrolls one device by its certificate; `device_id` is the id that it gets, the registration
    /// id without it. It goes before any group.
    ///
    /// # Errors
    /// As every call.
    pub fn put_enrollment(
        &self,
        id: &str,
        device_id: Option<&str>,
        certificate: &Certificate,
    ) -> Result<Value, Error> {
        let certificates = json!({"primary": {"certificate": certificate.pem()}});
        let mut body = json!({"registrationId": id, "provisioningStatus": "enabled",
            "attestation": {"type": "x509", "x509": {"clientCertificates": certificates}}});
        if let Some(device_id) = device_id {
            body["deviceId"] = json!(device_id);
        }
        self.put(&format!("/enrollments/{}", escaped(id)), body)
    }

    /// All enrollments of single devices.
    ///
    /// # Errors
    /// As every call.
    pub fn enrollments(&self) -> Result<Vec<Value>, Error> {
        let query = json!({"query": "SELECT * FROM enrollments"});
        match self.call("POST", "/enrollments/query", Some(&query))? {
            Value::Array(devices) => Ok(devices),
            _ => Ok(Vec::new()),
        }
    }

    /// Deletes the enrollment of a device. If it is registered it stays so.
    ///
    /// # Errors
    /// As every call.
    pub fn delete_enrollment(&self, id: &str) -> Result<(), Error> {
        self.call("DELETE", &format!("/enrollments/{}", escaped(id)), None)
            .map(drop)
    }
}

fn enrollment_path(id: &str) -> String {
    format!("/enrollmentGroups/{}", escaped(id))
}
