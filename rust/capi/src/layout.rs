//! The layouts of all that crosses, for the two ABIs that count: 64 bits, as on Linux, and Arm with
//! short enums, as on the device. The compiler checks those of the target; `tests/capi` compares
//! them with what C's compilers say.

use crate::{dps, legacy, types};

/// A size, or the offset of a member.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The type, and the member behind a dot, in C's words.
    pub name: &'static str,
    /// On this target.
    pub here: usize,
    /// With pointers of 64 bits.
    pub lp64: usize,
    /// On Arm with short enums.
    pub arm: usize,
}

macro_rules! layouts {
    ($(#[$doc:meta])* $table:ident: $($ty:path = $type_name:literal $lp64:literal $arm:literal {
        $($field:ident = $field_name:literal $field_lp64:literal $field_arm:literal),*
    })*) => {
        $(#[$doc])*
        pub const $table: &[Entry] = &[$(
            Entry {
                name: $type_name,
                here: size_of::<$ty>(),
                lp64: $lp64,
                arm: $arm,
            },
            $(Entry {
                name: concat!($type_name, ".", $field_name),
                here: core::mem::offset_of!($ty, $field),
                lp64: $field_lp64,
                arm: $field_arm,
            },)*
        )*];
    };
}

layouts! {
    /// `azure_iot_hub.h` and `azure_iot_hub_dps.h`.
    CURRENT:
    types::azure_iot_hub_buf = "azure_iot_hub_buf" 16 8 {
        ptr = "ptr" 0 0,
        size = "size" 8 4
    }
    types::azure_iot_hub_property = "azure_iot_hub_property" 32 16 {
        key = "key" 0 0,
        value = "value" 16 8
    }
    types::azure_iot_hub_topic_data = "azure_iot_hub_topic_data" 40 20 {
        r#type = "type" 0 0,
        name = "name" 8 4,
        properties = "properties" 24 12,
        property_count = "property_count" 32 16
    }
    types::azure_iot_hub_msg = "azure_iot_hub_msg" 80 44 {
        topic = "topic" 0 0,
        payload = "payload" 40 20,
        request_id = "request_id" 56 28,
        qos = "qos" 72 36,
        message_id = "message_id" 76 38,
        dup_flag = "dup_flag" 78 40,
        retain_flag = "retain_flag" 79 41
    }
    types::azure_iot_hub_method = "azure_iot_hub_method" 48 24 {
        name = "name" 0 0,
        request_id = "request_id" 16 8,
        payload = "payload" 32 16
    }
    types::azure_iot_hub_result = "azure_iot_hub_result" 40 20 {
        request_id = "request_id" 0 0,
        status = "status" 16 8,
        payload = "payload" 24 12
    }
    types::azure_iot_hub_evt = "azure_iot_hub_evt" 128 68 {
        r#type = "type" 0 0,
        data = "data" 8 4,
        topic = "topic" 88 48
    }
    types::azure_iot_hub_config = "azure_iot_hub_config" 40 20 {
        hostname = "hostname" 0 0,
        device_id = "device_id" 16 8,
        use_dps = "use_dps" 32 16
    }
    dps::azure_iot_hub_dps_config = "azure_iot_hub_dps_config" 40 20 {
        handler = "handler" 0 0,
        id_scope = "id_scope" 8 4,
        reg_id = "reg_id" 24 12
    }
    types::azure_iot_hub_evt_type = "azure_iot_hub_evt_type" 4 1 {
    }
    types::azure_iot_hub_topic_type = "azure_iot_hub_topic_type" 4 1 {
    }
    dps::azure_iot_hub_dps_reg_status = "azure_iot_hub_dps_reg_status" 4 1 {
    }
    types::mqtt_qos = "mqtt_qos" 4 1 {
    }
}

layouts! {
    /// The older form of `azure_iot_hub.h`.
    LEGACY:
    legacy::azure_iot_hub_prop_bag = "azure_iot_hub_prop_bag" 16 8 {
        key = "key" 0 0,
        value = "value" 8 4
    }
    legacy::azure_iot_hub_topic_data = "azure_iot_hub_topic_data" 40 20 {
        r#type = "type" 0 0,
        str = "str" 8 4,
        len = "len" 16 8,
        prop_bag = "prop_bag" 24 12,
        prop_bag_count = "prop_bag_count" 32 16
    }
    legacy::azure_iot_hub_data = "azure_iot_hub_data" 64 36 {
        topic = "topic" 0 0,
        ptr = "ptr" 40 20,
        len = "len" 48 24,
        qos = "qos" 56 28,
        message_id = "message_id" 60 30,
        dup_flag = "dup_flag" 62 32,
        retain_flag = "retain_flag" 63 33
    }
    legacy::azure_iot_hub_method = "azure_iot_hub_method" 32 16 {
        name = "name" 0 0,
        rid = "rid" 8 4,
        payload = "payload" 16 8,
        payload_len = "payload_len" 24 12
    }
    legacy::azure_iot_hub_result = "azure_iot_hub_result" 32 16 {
        rid = "rid" 0 0,
        status = "status" 8 4,
        payload = "payload" 16 8,
        payload_len = "payload_len" 24 12
    }
    legacy::azure_iot_hub_evt = "azure_iot_hub_evt" 112 60 {
        r#type = "type" 0 0,
        data = "data" 8 4,
        topic = "topic" 72 40
    }
    legacy::azure_iot_hub_config = "azure_iot_hub_config" 24 12 {
        socket = "socket" 0 0,
        device_id = "device_id" 8 4,
        device_id_len = "device_id_len" 16 8
    }
    legacy::azure_iot_hub_evt_type = "azure_iot_hub_evt_type" 4 1 {
    }
    legacy::azure_iot_hub_topic_type = "azure_iot_hub_topic_type" 4 1 {
    }
}

const fn holds(table: &[Entry]) -> bool {
    let mut rest = table;
    while let Some((entry, others)) = rest.split_first() {
        let expected = if cfg!(target_arch = "arm") {
            entry.arm
        } else if cfg!(target_pointer_width = "64") {
            entry.lp64
        } else {
            entry.here
        };
        if entry.here != expected {
            return false;
        }
        rest = others;
    }
    true
}

const _: () = assert!(holds(CURRENT), "a layout of azure_iot_hub.h is not C's");
const _: () = assert!(
    holds(LEGACY),
    "a layout of the older azure_iot_hub.h is not C's"
);
