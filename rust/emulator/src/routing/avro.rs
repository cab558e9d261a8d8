//! Messages as an Avro object container file, of the one schema that Azure uses (Apache Avro 1.11,
//! "Object Container Files").

use super::record::Record;
use crate::random;

/// A file with these messages, in one block.
pub(super) fn file<'l>(records: impl Iterator<Item = Record<'l>>) -> Vec<u8> {
    let (mut block, mut count) = (Vec::new(), 0);
    for record in records {
        count += 1;
        bytes(&mut block, record.enqueued().as_bytes());
        map(&mut block, &record.properties());
        map(&mut block, &record.system());
        // The second branch of the union.
        long(&mut block, 1);
        bytes(&mut block, &record.body());
    }
    let mut file = b"Obj\x01".to_vec();
    let schema = SCHEMA.split_whitespace().collect::<String>();
    map(
        &mut file,
        &[("avro.codec", "null".to_owned()), ("avro.schema", schema)],
    );
    let marker = random::hex::<8>();
    file.extend(marker.as_bytes());
    if count > 0 {
        long(&mut file, count);
        bytes(&mut file, &block);
        file.extend(marker.as_bytes());
    }
    file
}

fn map(out: &mut Vec<u8>, pairs: &[(&str, String)]) {
    if !pairs.is_empty() {
        long(out, length(pairs.len()));
        for (name, value) in pairs {
            bytes(out, name.as_bytes());
            bytes(out, value.as_bytes());
        }
    }
    long(out, 0);
}

fn bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    long(out, length(bytes.len()));
    out.extend(bytes);
}

/// Zigzag, seven bits a byte, the lowest first.
fn long(out: &mut Vec<u8>, number: i64) {
    let mut left = ((number << 1) ^ (number >> 63)).cast_unsigned();
    while left >= 0x80 {
        out.push(left.to_le_bytes()[0] | 0x80);
        left >>= 7;
    }
    out.push(left.to_le_bytes()[0]);
}

fn length(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

const SCHEMA: &str = r#"{
    "type": "record", "name": "Message", "namespace": "Microsoft.Azure.Devices",
    "fields": [
        {"name": "EnqueuedTimeUtc", "type": "string"},
        {"name": "Properties", "type": {"type": "map", "values": "string"}},
        {"name": "SystemProperties", "type": {"type": "map", "values": "string"}},
        {"name": "Body", "type": ["null", "bytes"]}
    ]
}"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_the_specification_has_them() {
        for (number, expected) in [
            (0, &[0x00][..]),
            (-1, &[0x01]),
            (1, &[0x02]),
            (-64, &[0x7f]),
            (64, &[0x80, 0x01]),
            (8192, &[0x80, 0x80, 0x01]),
            (
                i64::MIN,
                &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
            ),
        ] {
            let mut written = Vec::new();
            long(&mut written, number);
            assert_eq!(written, expected, "{number}");
        }
    }
}
