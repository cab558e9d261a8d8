//! The commands of the Azure CLI for what only Azure Resource Manager can do, ready to be copied.
//!
//! Every name and path is quoted for the shell, so that none is read as a command.

use crate::error::Error;
use crate::hub::sas::ConnectionString;
use crate::shell::{Shell, check};

/// A name in a command: written out, or a variable that an earlier line has set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Name {
    /// The name itself.
    Text(String),
    /// A variable of the shell.
    Variable(&'static str),
}

/// The names that a subscription's resources have in the article that this tool follows: the first
/// four digits of its id are a part of each, since the name of a hub is known to the whole world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// The hub, `iot-hub001-0xacc5-dev`.
    pub hub: Name,
    /// The provisioning service, `provs-iotcore-0xacc5-dev`.
    pub dps: Name,
    /// The CA's certificate, `cert-0xacc5-subca`.
    pub certificate: Name,
    /// The resource group.
    pub group: Name,
}

/// Where a CA is registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// With the hub.
    Hub,
    /// With the provisioning service.
    Dps,
}

/// The commands, for one shell and one set of names.
#[derive(Clone, Debug)]
pub struct Commands {
    shell: Shell,
    names: Names,
}

impl Name {
    /// A name that is written out.
    ///
    /// # Errors
    /// [`crate::Kind::Usage`] if it has control characters or double quotes in it.
    pub fn text(name: &str) -> Result<Self, Error> {
        if name.is_empty() {
            return Err(Error::new(crate::Kind::Usage, "a name is empty")
                .advise("give the name, or leave the option out"));
        }
        check(name).map(|()| Name::Text(name.to_owned()))
    }
}

impl Names {
    /// A hub of this name, with a CA that is registered under its own name.
    ///
    /// # Errors
    /// As [`Name::text`].
    pub fn of_hub(hub: &str, ca: &str) -> Result<Self, Error> {
        Ok(Self {
            hub: Name::text(hub)?,
            dps: Name::text("DPS")?,
            certificate: Name::text(ca)?,
            group: Name::text("RESOURCE_GROUP")?,
        })
    }

    /// The names for a subscription with this id.
    ///
    /// # Errors
    /// As [`Name::text`]; [`crate::Kind::Usage`] if it does not begin with four hexadecimal digits.
    pub fn of_subscription(id: &str, ca: &str, group: &str) -> Result<Self, Error> {
        let digits = id.get(..4).unwrap_or_default();
        if digits.len() != 4 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(Error::new(
                crate::Kind::Usage,
                format!("{id:?} is not the id of a subscription"),
            )
            .advise("az account show --query id -o tsv prints it"));
        }
        let digits = digits.to_ascii_lowercase();
        Ok(Self {
            hub: Name::text(&format!("iot-hub001-0x{digits}-dev"))?,
            dps: Name::text(&format!("provs-iotcore-0x{digits}-dev"))?,
            certificate: Name::text(&format!("cert-0x{digits}-{ca}"))?,
            group: Name::text(group)?,
        })
    }
}

impl Commands {
    /// The commands for this shell.
    pub fn new(shell: Shell, names: Names) -> Self {
        Self { shell, names }
    }

    /// Sets the variables `hub`, `dps` and `certificate` to the names of the subscription that the
    /// Azure CLI is logged in to.
    pub fn derive_names(&self, ca: &str) -> String {
        let id = "az account show --query id -o tsv";
        match self.shell {
            Shell::Bash => format!(
                "digits=$({id} | cut -c1-4)\n\
                 hub=\"iot-hub001-0x$digits-dev\"\n\
                 dps=\"provs-iotcore-0x$digits-dev\"\n\
                 certificate=\"cert-0x$digits-{ca}\""
            ),
            Shell::PowerShell => format!(
                "$digits = ({id}).Substring(0, 4)\n\
                 $hub = \"iot-hub001-0x$digits-dev\"\n\
                 $dps = \"provs-iotcore-0x$digits-dev\"\n\
                 $certificate = \"cert-0x$digits-{ca}\""
            ),
        }
    }

    /// Uploads a CA and proves it, with the tool's own `ca prove` between. `path` is the
    /// certificate in the folder of the CA `ca`; the proof is made beside it.
    ///
    /// # Errors
    /// As [`Name::text`], for the path.
    pub fn add_authority(&self, service: Service, ca: &str, path: &str) -> Result<String, Error> {
        check(path)?;
        let folder = path.rfind(['/', '\\']).map_or("", |end| &path[..=end]);
        let proof = self.shell.quoted(&format!("{folder}proof.pem"));
        let home = home_option(self.shell, folder);
        let path = self.shell.quoted(path);
        let etag = self.shell.variable("etag");
        let code = self.shell.variable("code");
        let (base, at) = self.certificates(service);
        let show = format!("{base} show {at} --query etag -o tsv");
        let ask = format!(
            "{base} generate-verification-code {at} --etag {etag} \
             --query properties.verificationCode -o tsv"
        );
        Ok([
            format!("{base} create {at} --path {path}"),
            self.shell.assigned("etag", &show),
            self.shell.assigned("code", &ask),
            format!("iothub-provision{home} ca prove --name {ca} {code}"),
            self.shell.assigned("etag", &show),
            format!(
                "{base} verify {at} --etag {etag} --path {proof} --query properties.isVerified"
            ),
        ]
        .join("\n"))
    }

    /// Lists CAs, with whether each is proved: `properties.isVerified`.
    pub fn list_authorities(&self) -> String {
        format!(
            "az iot hub certificate list --hub-name {} \
             --query 'value[].{{name:name,etag:etag,isVerified:properties.isVerified}}' -o table",
            self.shown(&self.names.hub)
        )
    }

    /// Deletes a CA.
    pub fn delete_authority(&self, service: Service) -> String {
        let (base, at) = self.certificates(service);
        let show = format!("{base} show {at} --query etag -o tsv");
        format!(
            "{}\n{base} delete {at} --etag {}",
            self.shell.assigned("etag", &show),
            self.shell.variable("etag")
        )
    }

    /// Registers a device that a CA has signed, or a module of it if the id is `DEVICE/MODULE`.
    ///
    /// # Errors
    /// As [`Name::text`].
    pub fn create_device(&self, id: &str) -> Result<String, Error> {
        check(id)?;
        let hub = self.shown(&self.names.hub);
        let quoted = |id| self.shell.quoted(id);
        Ok(match id.split_once('/') {
            None => format!(
                "az iot hub device-identity create --hub-name {hub} --device-id {} --am x509_ca",
                quoted(id)
            ),
            Some((device, module)) => format!(
                "az iot hub module-identity create --hub-name {hub} --device-id {} --module-id {} \
                 --am x509_ca",
                quoted(device),
                quoted(module)
            ),
        })
    }

    /// Shows the ID scope of the provisioning service.
    pub fn id_scope(&self) -> String {
        format!(
            "az iot dps show --name {} --resource-group {} --query properties.idScope -o tsv",
            self.shown(&self.names.dps),
            self.shown(&self.names.group)
        )
    }

    /// Links the hub to the provisioning service, which assigns devices to it then.
    pub fn link_hub(&self) -> String {
        format!(
            "az iot dps linked-hub create --dps-name {} --resource-group {} --hub-name {}",
            self.shown(&self.names.dps),
            self.shown(&self.names.group),
            self.shown(&self.names.hub)
        )
    }

    /// Makes an enrollment group whose devices have a certificate of this CA.
    ///
    /// # Errors
    /// As [`Name::text`], for the group's name and the path.
    pub fn enrollment_group(&self, id: &str, path: &str) -> Result<String, Error> {
        check(id)?;
        check(path)?;
        Ok(format!(
            "az iot dps enrollment-group create --dps-name {} --resource-group {} \
             --enrollment-id {} --certificate-path {} --provisioning-status enabled",
            self.shown(&self.names.dps),
            self.shown(&self.names.group),
            self.shell.quoted(id),
            self.shell.quoted(path)
        ))
    }

    /// Shows telemetry as it comes in.
    pub fn monitor(&self) -> String {
        format!(
            "az iot hub monitor-events -n {} --timeout 0",
            self.shown(&self.names.hub)
        )
    }

    /// Lets only certificates in.
    pub fn enforce_x509(&self) -> String {
        format!(
            "az resource update -n {} -g {} --resource-type Microsoft.Devices/IotHubs \
             --set properties.disableDeviceSAS=true properties.disableModuleSAS=true",
            self.shown(&self.names.hub),
            self.shown(&self.names.group)
        )
    }

    fn certificates(&self, service: Service) -> (&'static str, String) {
        let certificate = self.shown(&self.names.certificate);
        match service {
            Service::Hub => (
                "az iot hub certificate",
                format!(
                    "--hub-name {} --name {certificate}",
                    self.shown(&self.names.hub)
                ),
            ),
            Service::Dps => (
                "az iot dps certificate",
                format!(
                    "--dps-name {} --resource-group {} --certificate-name {certificate}",
                    self.shown(&self.names.dps),
                    self.shown(&self.names.group)
                ),
            ),
        }
    }

    fn shown(&self, name: &Name) -> String {
        match name {
            Name::Text(text) => self.shell.quoted(text),
            Name::Variable(name) => self.shell.variable(name),
        }
    }
}

/// `--home` for the folder two levels up, unless it is the default one.
fn home_option(shell: Shell, authority_folder: &str) -> String {
    let folder = authority_folder.trim_end_matches(['/', '\\']);
    let home = folder.rfind(['/', '\\']).map_or(".", |end| &folder[..end]);
    match home {
        "dev-certs" => String::new(),
        home => format!(" --home {}", shell.quoted(home)),
    }
}

/// The short name of a hub, which the Azure CLI wants: the first part of its host name.
pub fn short_name(access: &ConnectionString) -> &str {
    access.host().split('.').next().unwrap_or_default()
}
