//! Packets as bytes. Empty if a field is beyond what MQTT can carry.

use mqtt_protocol_core::mqtt::packet::{Qos, v3_1_1};
use mqtt_protocol_core::mqtt::result_code::{ConnectReturnCode, SubackReturnCode};

/// CONNACK with a return code of 0 to 5.
pub(crate) fn connack(session_present: bool, code: u8) -> Vec<u8> {
    let code = ConnectReturnCode::try_from(code).unwrap_or(ConnectReturnCode::NotAuthorized);
    let packet = v3_1_1::Connack::builder()
        .session_present(session_present)
        .return_code(code)
        .build();
    packet
        .map(|packet| packet.to_continuous_buffer())
        .unwrap_or_default()
}

/// PUBLISH with QoS 0, or QoS 1 if there is a packet id.
pub(crate) fn publish(topic: &str, payload: &[u8], packet_id: Option<u16>, dup: bool) -> Vec<u8> {
    let builder = v3_1_1::Publish::builder().topic_name(topic);
    let packet = builder.and_then(|builder| {
        let builder = builder.payload(payload.to_vec());
        match packet_id {
            Some(id) => builder.qos(Qos::AtLeastOnce).packet_id(id).dup(dup).build(),
            None => builder.qos(Qos::AtMostOnce).build(),
        }
    });
    packet
        .map(|packet| packet.to_continuous_buffer())
        .unwrap_or_default()
}

/// PUBACK.
pub(crate) fn puback(packet_id: u16) -> Vec<u8> {
    let packet = v3_1_1::Puback::builder().packet_id(packet_id).build();
    packet
        .map(|packet| packet.to_continuous_buffer())
        .unwrap_or_default()
}

/// SUBACK with the granted qualities of service.
pub(crate) fn suback(packet_id: u16, granted: &[u8]) -> Vec<u8> {
    let codes = granted.iter().map(|code| match code {
        0 => SubackReturnCode::SuccessMaximumQos0,
        1 => SubackReturnCode::SuccessMaximumQos1,
        _ => SubackReturnCode::Failure,
    });
    let packet = v3_1_1::Suback::builder()
        .packet_id(packet_id)
        .return_codes(codes.collect())
        .build();
    packet
        .map(|packet| packet.to_continuous_buffer())
        .unwrap_or_default()
}

/// UNSUBACK.
pub(crate) fn unsuback(packet_id: u16) -> Vec<u8> {
    let packet = v3_1_1::Unsuback::builder().packet_id(packet_id).build();
    packet
        .map(|packet| packet.to_continuous_buffer())
        .unwrap_or_default()
}

/// PINGRESP.
pub(crate) fn pingresp() -> Vec<u8> {
    v3_1_1::Pingresp::new().to_continuous_buffer()
}
