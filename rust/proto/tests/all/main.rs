//! One program for all behaviours, a file each: a link for each file would cost more than the
//! tests.

mod answers_every_method;
mod becomes_another_device_between_connections;
mod bounds_the_outbox;
mod connects_and_sends_back_to_back;
mod counts_what_happens;
mod hands_messages_to_flash;
mod has_none_of_the_defects_of_azure_iot_hub;
mod has_none_of_the_weaknesses_of_azure_sdk_for_c;
mod ignores_what_answers_nothing;
mod keeps_the_twin_in_step;
mod names_the_nat64_it_is_told_of;
mod notices_a_dead_link;
mod provisions_by_dps;
mod receives_from_the_cloud;
mod reconnects_with_back_off;
mod refuses_a_configuration_that_cannot_work;
mod support;
mod waits_for_ipv6_where_it_can_come;
mod writes_before_it_leaves;
