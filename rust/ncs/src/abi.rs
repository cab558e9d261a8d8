//! The sizes and offsets of what crosses the seam, as Rust sees them, against `src/abi.c`, as C
//! does.
//!
//! Bindings that were generated with other options than C was compiled with (another `.config`, or
//! without `-fshort-enums` on Arm) can agree in every total size and still disagree inside.

use core::{
    ffi::CStr,
    fmt,
    mem::{offset_of, size_of},
};

use ncs_sys as c;

/// What C and Rust see differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// C's name for it.
    pub name: &'static str,
    /// What C sees; `None` where it has no such entry.
    pub c: Option<u32>,
    /// What Rust sees; `None` where it has no such entry.
    pub rust: Option<u32>,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} is {} in C and {} in Rust: the bindings are not those of this build",
            self.name,
            Shown(self.c),
            Shown(self.rust)
        )
    }
}

struct Shown(Option<u32>);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(value) => value.fmt(f),
            None => f.write_str("missing"),
        }
    }
}

/// Compares the two tables; returns how many entries they share.
///
/// # Errors
/// The first entry that is not the same.
pub fn check() -> Result<usize, Mismatch> {
    for (index, (name, rust)) in TABLE.iter().enumerate() {
        let entry = entry(index);
        let same_name = entry.is_some_and(|(c_name, _)| c_name == *name);
        let value = entry.filter(|_| same_name).map(|(_, value)| value);
        if value != Some(*rust) {
            return Err(Mismatch {
                name,
                c: value,
                rust: Some(*rust),
            });
        }
    }
    match entry(TABLE.len()) {
        None => Ok(TABLE.len()),
        Some((name, value)) => Err(Mismatch {
            name,
            c: Some(value),
            rust: None,
        }),
    }
}

fn entry(index: usize) -> Option<(&'static str, u32)> {
    let index = u32::try_from(index).ok()?;
    // SAFETY: takes a number only.
    let entry = unsafe { c::iothub_abi_entry(index) };
    // SAFETY: NULL behind the last entry; the others live for ever.
    let entry = unsafe { entry.as_ref() }?;
    // SAFETY: the name is a string literal of C.
    let name = unsafe { CStr::from_ptr(entry.name) };
    Some((name.to_str().unwrap_or_default(), entry.value))
}

const fn number(value: usize) -> u32 {
    // Nothing here is near 4 GiB.
    value as u32
}

macro_rules! size {
    ($name:literal, $of:ty) => {
        ($name, number(size_of::<$of>()))
    };
}

macro_rules! at {
    ($name:literal, $of:ty, $($member:tt)+) => {
        ($name, number(offset_of!($of, $($member)+)))
    };
}

const TABLE: &[(&str, u32)] = &[
    size!("struct mqtt_helper_buf", c::mqtt_helper_buf),
    at!("struct mqtt_helper_buf.size", c::mqtt_helper_buf, size),
    size!("struct mqtt_helper_cfg", c::mqtt_helper_cfg),
    at!(
        "struct mqtt_helper_cfg.cb.on_connack",
        c::mqtt_helper_cfg,
        cb.on_connack
    ),
    at!(
        "struct mqtt_helper_cfg.cb.on_publish",
        c::mqtt_helper_cfg,
        cb.on_publish
    ),
    at!(
        "struct mqtt_helper_cfg.cb.on_error",
        c::mqtt_helper_cfg,
        cb.on_error
    ),
    size!("struct mqtt_helper_conn_params", c::mqtt_helper_conn_params),
    at!(
        "struct mqtt_helper_conn_params.user_name",
        c::mqtt_helper_conn_params,
        user_name
    ),
    size!("struct mqtt_topic", c::mqtt_topic),
    at!("struct mqtt_topic.qos", c::mqtt_topic, qos),
    size!("struct mqtt_subscription_list", c::mqtt_subscription_list),
    at!(
        "struct mqtt_subscription_list.message_id",
        c::mqtt_subscription_list,
        message_id
    ),
    size!("struct mqtt_publish_param", c::mqtt_publish_param),
    at!(
        "struct mqtt_publish_param.message.payload",
        c::mqtt_publish_param,
        message.payload
    ),
    at!(
        "struct mqtt_publish_param.message_id",
        c::mqtt_publish_param,
        message_id
    ),
    size!("struct mqtt_suback_param", c::mqtt_suback_param),
    at!(
        "struct mqtt_suback_param.return_codes",
        c::mqtt_suback_param,
        return_codes
    ),
    size!("struct mqtt_evt", c::mqtt_evt),
    at!("struct mqtt_evt.param", c::mqtt_evt, param),
    at!("struct mqtt_evt.result", c::mqtt_evt, result),
    size!("enum mqtt_conn_return_code", c::mqtt_conn_return_code),
    at!(
        "struct lte_lc_evt.nw_reg_status",
        c::lte_lc_evt,
        __bindgen_anon_1
    ),
    size!("enum lte_lc_nw_reg_status", c::lte_lc_nw_reg_status),
    size!("struct iothub_fota_source", c::iothub_fota_source),
    at!(
        "struct iothub_fota_source.sha256",
        c::iothub_fota_source,
        sha256
    ),
    at!(
        "struct iothub_fota_source.identity",
        c::iothub_fota_source,
        identity
    ),
    at!("struct iothub_fota_source.tls", c::iothub_fota_source, tls),
    size!("struct iothub_fota_image", c::iothub_fota_image),
    size!("struct jwt_data", c::jwt_data),
    at!("struct jwt_data.exp_delta_s", c::jwt_data, exp_delta_s),
    at!("struct jwt_data.jwt_sz", c::jwt_data, jwt_sz),
    size!("struct nrf_attestation_token", c::nrf_attestation_token),
    at!(
        "struct nrf_attestation_token.cose_sz",
        c::nrf_attestation_token,
        cose_sz
    ),
    ("ENOENT", c::ENOENT),
    ("EALREADY", c::EALREADY),
    ("ENOTSUP", c::ENOTSUP),
    ("ETIMEDOUT", c::ETIMEDOUT),
    ("ECONNREFUSED", c::ECONNREFUSED),
    ("EOPNOTSUPP", c::EOPNOTSUPP),
];
