//! The commands of the Azure CLI for what only Azure Resource Manager can do, ready to be copied.

use crate::hub::sas::ConnectionString;

/// Uploads a CA and proves it: two commands, with the tool's own `ca prove` between.
pub fn add_authority(hub: &str, name: &str, path: &str) -> String {
    let proof = format!(
        "{}/proof.pem",
        path.rsplit_once('/').map_or(".", |(folder, _)| folder)
    );
    format!(
        "az iot hub certificate create --hub-name {hub} --name {name} --path {path}\n\
         etag=$(az iot hub certificate show --hub-name {hub} --name {name} --query etag -o tsv)\n\
         code=$(az iot hub certificate generate-verification-code --hub-name {hub} --name {name} \
         --etag \"$etag\" --query properties.verificationCode -o tsv)\n\
         iothub-provision ca prove --name {name} \"$code\"\n\
         etag=$(az iot hub certificate show --hub-name {hub} --name {name} --query etag -o tsv)\n\
         az iot hub certificate verify --hub-name {hub} --name {name} --etag \"$etag\" \
         --path {proof} --query properties.isVerified"
    )
}

/// Lists CAs, with whether each is proved: `properties.isVerified`.
pub fn list_authorities(hub: &str) -> String {
    format!(
        "az iot hub certificate list --hub-name {hub} \
         --query 'value[].{{name:name,etag:etag,isVerified:properties.isVerified}}' -o table"
    )
}

/// Deletes a CA.
pub fn delete_authority(hub: &str, name: &str) -> String {
    format!(
        "etag=$(az iot hub certificate show --hub-name {hub} --name {name} --query etag -o tsv)\n\
         az iot hub certificate delete --hub-name {hub} --name {name} --etag \"$etag\""
    )
}

/// Registers a device that a CA has signed.
pub fn create_device(hub: &str, id: &str) -> String {
    format!("az iot hub device-identity create --hub-name {hub} --device-id {id} --am x509_ca")
}

/// Shows the ID scope of a DPS instance.
pub fn id_scope(dps: &str, group: &str) -> String {
    format!(
        "az iot dps show --name {dps} --resource-group {group} --query properties.idScope -o tsv"
    )
}

/// Makes an enrolment group with a CA as its certificate.
pub fn enrollment_group(dps: &str, group: &str, id: &str, path: &str) -> String {
    format!(
        "az iot dps enrollment-group create --dps-name {dps} --resource-group {group} \
         --enrollment-id {id} --certificate-path {path} --provisioning-status enabled"
    )
}

/// Shows telemetry as it comes in.
pub fn monitor(hub: &str) -> String {
    format!("az iot hub monitor-events -n {hub} --timeout 0")
}

/// Lets only certificates in.
pub fn enforce_x509(hub: &str, group: &str) -> String {
    format!(
        "az resource update -n {hub} -g {group} --resource-type Microsoft.Devices/IotHubs \
         --set properties.disableDeviceSAS=true properties.disableModuleSAS=true"
    )
}

/// The short name of a hub, which the Azure CLI wants: the first part of its host name.
pub fn short_name(access: &ConnectionString) -> &str {
    access.host().split('.').next().unwrap_or_default()
}
