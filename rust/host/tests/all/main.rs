//! One program for all behaviours, a file each. There is one client a process, so each runs in a
//! process of its own: see [`support::alone`].
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot be set up has failed"
)]

mod a_connection_made_in_on_disconnect_does_not_live;
mod a_failed_write_tells_on_the_callers_thread;
mod a_lost_network_cuts_the_connection;
mod abort_gets_out_of_connecting;
mod acknowledges_before_it_hands_over;
mod an_oversize_payload_ends_the_connection;
mod attach_events_of_each_network;
mod bounds_a_tls_handshake_that_hangs;
mod connects_over_mutual_tls;
mod fetches_an_image_and_goes_on_where_it_was;
mod finds_the_hub_on_every_kind_of_network;
mod is_refused_by_a_hub_that_does_not_know_its_ca;
mod keeps_the_rules_of_the_modems_credential_store;
mod names_what_is_wrong_with_the_credentials;
mod pings_when_nothing_was_written;
mod platform_functions;
mod reboots_into_the_same_program;
mod refuses_a_hub_that_it_cannot_verify;
mod refuses_calls_that_make_no_packet;
mod support;
mod survives_hostile_image_servers;
mod tells_of_a_refused_connect_twice;
