//! Byte-exact vectors, one file a subject, each line with its source. A field that begins with `!`
//! is what must not be accepted. `<hh>` in a field stands for a byte. With `--nocapture` each
//! subject says what its results come to, as `rust/staticlib/qemu/run` has it said by a Cortex-M33.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

#[path = "vectors/checksum.rs"]
mod checksum;
#[path = "vectors/expect.rs"]
mod expect;

macro_rules! tests {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            println!("\n{}", checksum::checksum(stringify!($name), expect::$name));
        })*

        #[test]
        fn each_subject_is_a_test() {
            let subjects: Vec<_> = expect::SUBJECTS.iter().map(|(name, _)| *name).collect();
            assert_eq!(subjects, [$(stringify!($name)),*]);
        }
    };
}

tests! {
    there_are_enough
    user_names_of_the_hub
    user_names_of_dps
    topics_of_telemetry
    topics_that_arrive
    bags_of_properties
    texts_of_json
    documents_of_the_twin
    answers_of_dps
    prefixes_of_nat64
    discovery_of_nat64
    patches_of_plug_and_play
    codes_of_connack
}
