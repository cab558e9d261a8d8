//! Shared access policies: those that a hub and the provisioning service have from the start, and
//! one's own.
//!
//! Microsoft, "Control access to IoT Hub with shared access signatures", has the policies of a new
//! hub and what each permission opens; "Control access to DPS" has those of the provisioning
//! service.

use std::fmt;

use serde_json::{Map, Value, json};

use crate::code::{ErrorCode, Refusal};
use crate::random;

/// What a path or a link asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Permission {
    /// Reading the identity registry.
    RegistryRead,
    /// Writing it.
    RegistryWrite,
    /// Twins, methods, messages and queries.
    ServiceConnect,
    /// A device's own paths.
    DeviceConnect,
    /// Reading enrollments.
    EnrollmentRead,
    /// Writing them.
    EnrollmentWrite,
    /// Reading what is registered.
    RegistrationStatusRead,
    /// Deleting it.
    RegistrationStatusWrite,
    /// What Azure has nowhere, or only with the rights of the subscription: `/admin` and ARM's
    /// paths.
    Owner,
}

/// Who signs with one of its keys has its rights.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Policy {
    /// `skn` of a token.
    pub name: String,
    /// The primary and the secondary one.
    pub keys: [String; 2],
    /// As Azure writes them.
    pub rights: String,
    rules: &'static Rules,
}

/// Without its keys, which belong into no log.
impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy")
            .field("name", &self.name)
            .field("rights", &self.rights)
            .finish_non_exhaustive()
    }
}

/// What is so of the policies of a kind of resource.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rules {
    /// From the start: names and rights.
    built_in: &'static [(&'static str, &'static str)],
    /// Rights that there are, and what each opens.
    rights: &'static [(&'static str, &'static [Permission])],
}

/// Of a hub.
pub(crate) static HUB: Rules = Rules {
    built_in: &[
        (OWNER, "RegistryWrite, ServiceConnect, DeviceConnect"),
        ("service", "ServiceConnect"),
        ("device", "DeviceConnect"),
        ("registryRead", "RegistryRead"),
        ("registryReadWrite", "RegistryWrite"),
    ],
    rights: &[
        ("RegistryRead", &[Permission::RegistryRead]),
        (
            "RegistryWrite",
            &[Permission::RegistryRead, Permission::RegistryWrite],
        ),
        ("ServiceConnect", &[Permission::ServiceConnect]),
        ("DeviceConnect", &[Permission::DeviceConnect]),
    ],
};

/// Of the provisioning service.
pub(crate) static PROVISIONING: Rules = Rules {
    built_in: &[(
        "provisioningserviceowner",
        "ServiceConfig, DeviceConnect, EnrollmentWrite",
    )],
    rights: &[
        ("ServiceConfig", &[]),
        ("DeviceConnect", &[]),
        ("EnrollmentRead", &[Permission::EnrollmentRead]),
        (
            "EnrollmentWrite",
            &[Permission::EnrollmentRead, Permission::EnrollmentWrite],
        ),
        (
            "RegistrationStatusRead",
            &[Permission::RegistrationStatusRead],
        ),
        (
            "RegistrationStatusWrite",
            &[
                Permission::RegistrationStatusRead,
                Permission::RegistrationStatusWrite,
            ],
        ),
    ],
};

impl Rules {
    /// The policies that a resource has: those of its `authorizationPolicies`, or without them
    /// those from the start, which share a key.
    pub(crate) fn policies(&'static self, kept: Option<&Value>, key: &str) -> Vec<Policy> {
        match kept.and_then(Value::as_array) {
            Some(kept) => kept.iter().map(|it| self.kept(it, key)).collect(),
            None => {
                let built_in = self.built_in.iter();
                let made = built_in.map(|(name, rights)| Policy {
                    name: (*name).to_owned(),
                    keys: [key.to_owned(), key.to_owned()],
                    rights: (*rights).to_owned(),
                    rules: self,
                });
                made.collect()
            }
        }
    }

    /// An emulator that did not look at them has kept some without keys or rights: those have what
    /// they have from the start.
    fn kept(&'static self, document: &Value, key: &str) -> Policy {
        let text = |name: &str, default: &str| {
            let given = document[name].as_str().filter(|text| !text.is_empty());
            given.unwrap_or(default).to_owned()
        };
        let name = text("keyName", "");
        let built_in = self.built_in.iter().find(|(it, _)| *it == name);
        Policy {
            rules: self,
            keys: [text("primaryKey", key), text("secondaryKey", key)],
            rights: text("rights", built_in.map_or("", |(_, rights)| rights)),
            name,
        }
    }

    /// What `authorizationPolicies` of a request makes of the policies that are there, to be kept.
    /// Whoever names no keys keeps those that there are, or gets new ones; whoever names one key of
    /// the two gets the other one anew; whoever names no policies keeps them all.
    pub(crate) fn changed(
        &self,
        given: Option<&Value>,
        known: &[Policy],
    ) -> Result<Option<Value>, Refusal> {
        let given = match given {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::Array(given)) if given.is_empty() => return Ok(None),
            Some(Value::Array(given)) => given,
            Some(_) => return Err(invalid("authorizationPolicies must be a list".to_owned())),
        };
        if given.len() > MAX_POLICIES {
            return Err(invalid(format!(
                "there may be {MAX_POLICIES} authorizationPolicies"
            )));
        }
        let mut kept: Vec<Value> = Vec::new();
        for policy in given {
            let policy = policy.as_object();
            let policy = policy.ok_or_else(|| {
                invalid("each of authorizationPolicies must be an object".to_owned())
            })?;
            let policy = self.checked(policy, known)?;
            if kept.iter().any(|it| it["keyName"] == policy["keyName"]) {
                return Err(invalid(format!("two policies are {}", policy["keyName"])));
            }
            kept.push(policy);
        }
        Ok(Some(Value::Array(kept)))
    }

    fn checked(&self, given: &Map<String, Value>, known: &[Policy]) -> Result<Value, Refusal> {
        let text = |name: &str| given.get(name).and_then(Value::as_str).unwrap_or_default();
        let name = text("keyName");
        let fits = |b: u8| b.is_ascii_alphanumeric() || b"!._-".contains(&b);
        if !(1..=64).contains(&name.len()) || !name.bytes().all(fits) {
            return Err(invalid(format!(
                "keyName '{name}' of a policy must have 1 to 64 letters, digits or any of ! . _ -"
            )));
        }
        let known = known.iter().find(|it| it.name == name);
        let rights = match (text("rights"), known) {
            ("", Some(known)) => known.rights.clone(),
            (rights, _) => rights.to_owned(),
        };
        let parts: Vec<&str> = rights.split(',').map(str::trim).collect();
        let unknown = parts
            .iter()
            .find(|part| !self.rights.iter().any(|(name, _)| name == *part));
        if let Some(unknown) = unknown {
            let all: Vec<&str> = self.rights.iter().map(|(name, _)| *name).collect();
            return Err(invalid(format!(
                "right '{unknown}' of policy '{name}' is none of {}",
                all.join(", ")
            )));
        }
        // `az iot hub policy renew-key` leaves out the key that is to be renewed.
        let no_keys = text("primaryKey").is_empty() && text("secondaryKey").is_empty();
        let key = |field: &str, place: usize| match (text(field), known) {
            ("", Some(known)) if no_keys => Ok(known.keys[place].clone()),
            ("", _) => Ok(random::key()),
            (key, _) if is_key(key) => Ok(key.to_owned()),
            _ => Err(invalid(format!(
                "{field} of policy '{name}' is not base64 of 16 to 64 bytes"
            ))),
        };
        Ok(json!({
            "keyName": name,
            "primaryKey": key("primaryKey", 0)?,
            "secondaryKey": key("secondaryKey", 1)?,
            "rights": parts.join(", "),
        }))
    }
}

impl Policy {
    /// What it opens.
    pub(crate) fn permissions(&self) -> Vec<Permission> {
        let named: Vec<&str> = self.rights.split(',').map(str::trim).collect();
        let opened = self.rules.rights.iter();
        let opened = opened.filter(|(name, _)| named.contains(name));
        let opened = opened.flat_map(|(_, opens)| opens.iter().copied());
        // The owner of the hub owns the provisioning service and all else too, since here they are
        // one.
        let as_from_the_start = (self.name.as_str(), self.rights.as_str());
        let more: &[Permission] = match self.name.as_str() {
            _ if !self.rules.built_in.contains(&as_from_the_start) => &[],
            OWNER => &[
                Permission::EnrollmentRead,
                Permission::EnrollmentWrite,
                Permission::RegistrationStatusRead,
                Permission::RegistrationStatusWrite,
                Permission::Owner,
            ],
            "provisioningserviceowner" => &[
                Permission::RegistrationStatusRead,
                Permission::RegistrationStatusWrite,
            ],
            _ => &[],
        };
        opened.chain(more.iter().copied()).collect()
    }

    /// As `listkeys` shows it.
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "keyName": self.name,
            "primaryKey": self.keys[0],
            "secondaryKey": self.keys[1],
            "rights": self.rights,
        })
    }
}

fn is_key(text: &str) -> bool {
    use base64::Engine as _;
    let decoded = base64::engine::general_purpose::STANDARD.decode(text);
    decoded.is_ok_and(|bytes| (16..=64).contains(&bytes.len()))
}

fn invalid(reason: String) -> Refusal {
    Refusal::new(ErrorCode::ArgumentInvalid, reason)
}

/// The policy of a hub that has everything.
pub(crate) const OWNER: &str = "iothubowner";
const MAX_POLICIES: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_the_start_all_share_a_key() {
        let all = HUB.policies(None, "key");
        assert_eq!(all.len(), 5);
        assert!(all.iter().all(|it| it.keys == ["key", "key"]));
        assert!(all[0].permissions().contains(&Permission::Owner));
        assert!(!format!("{all:?}").contains("key"));
        assert_eq!(
            all[4].permissions(),
            [Permission::RegistryRead, Permission::RegistryWrite]
        );
    }

    #[test]
    fn no_policy_has_an_empty_key() {
        let kept = json!([{"keyName": "service"}, {"keyName": "device", "primaryKey": "", "secondaryKey": "own"}]);
        let all = HUB.policies(Some(&kept), "key");
        assert_eq!(all[0].keys, ["key", "key"]);
        assert_eq!(all[0].permissions(), [Permission::ServiceConnect]);
        assert_eq!(all[1].keys, ["key", "own"]);
    }

    #[test]
    fn keys_that_are_not_named_stay_or_are_made() {
        let known = HUB.policies(None, "old");
        let given = json!([{"keyName": "service", "rights": "ServiceConnect"},
            {"keyName": "own", "rights": "RegistryRead,ServiceConnect", "primaryKey": "QUFBQUFBQUFBQUFBQUFBQQ=="}]);
        let kept = HUB.changed(Some(&given), &known).unwrap();
        let all = HUB.policies(kept.as_ref(), "other");
        assert_eq!(all[0].keys, ["old", "old"]);
        assert_eq!(all[1].rights, "RegistryRead, ServiceConnect");
        assert_eq!(all[1].keys[0], "QUFBQUFBQUFBQUFBQUFBQQ==");
        assert!(is_key(&all[1].keys[1]));
        assert_eq!(
            all[1].permissions(),
            [Permission::RegistryRead, Permission::ServiceConnect]
        );
        for none in [json!(null), json!([])] {
            assert_eq!(HUB.changed(Some(&none), &known), Ok(None));
        }
    }

    #[test]
    fn who_names_one_key_gets_the_other_one_anew() {
        let known = HUB.policies(None, "old");
        let given = json!([{"keyName": "service", "primaryKey": "QUFBQUFBQUFBQUFBQUFBQQ=="}]);
        let kept = HUB.changed(Some(&given), &known).unwrap().unwrap();
        assert_eq!(kept[0]["primaryKey"], "QUFBQUFBQUFBQUFBQUFBQQ==");
        assert_ne!(kept[0]["secondaryKey"], "old");
        assert_eq!(kept[0]["rights"], "ServiceConnect", "as it was");
    }

    #[test]
    fn the_owner_of_the_provisioning_service_reads_registrations_as_long_as_it_is_the_one_from_the_start()
     {
        let owner = |kept: Option<&Value>| {
            let all = PROVISIONING.policies(kept, "key");
            let owner = all
                .into_iter()
                .find(|it| it.name == "provisioningserviceowner");
            owner.unwrap().permissions()
        };
        assert!(owner(None).contains(&Permission::RegistrationStatusWrite));
        let kept = json!([{"keyName": "provisioningserviceowner", "rights": "EnrollmentRead"}]);
        assert!(!owner(Some(&kept)).contains(&Permission::RegistrationStatusWrite));
    }

    #[test]
    fn there_may_be_so_many_and_no_more() {
        let many = |count: usize| -> Value {
            let policy = |n| json!({"keyName": format!("p{n}"), "rights": "ServiceConnect"});
            (0..count).map(policy).collect()
        };
        assert!(HUB.changed(Some(&many(MAX_POLICIES)), &[]).is_ok());
        assert!(HUB.changed(Some(&many(MAX_POLICIES + 1)), &[]).is_err());
    }

    #[test]
    fn what_is_none_is_refused() {
        for wrong in [
            json!({}),
            json!([1]),
            json!([{"rights": "ServiceConnect"}]),
            json!([{"keyName": "a b", "rights": "ServiceConnect"}]),
            json!([{"keyName": "a", "rights": ""}]),
            json!([{"keyName": "a", "rights": "EnrollmentRead"}]),
            json!([{"keyName": "a", "rights": "ServiceConnect", "primaryKey": "short"}]),
            json!([{"keyName": "a", "rights": "ServiceConnect"}, {"keyName": "a", "rights": "ServiceConnect"}]),
        ] {
            assert!(HUB.changed(Some(&wrong), &[]).is_err(), "{wrong}");
        }
    }
}
