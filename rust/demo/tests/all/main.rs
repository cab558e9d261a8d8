//! One program for all behaviours, a file each: a link for each file would cost more than the
//! tests.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

mod a_broken_data_folder_is_named_once;
mod a_common_name_that_is_not_the_device_id_is_refused;
mod a_device_folder_is_one_devices;
mod a_device_from_another_ca_is_refused;
mod a_device_killed_at_any_moment_loses_no_message;
mod a_device_killed_at_any_moment_runs_the_old_or_the_new_image;
mod a_driver_that_hangs_is_restarted;
mod a_fleet_reaches_the_hub;
mod a_folder_or_a_program_that_cannot_be_used_is_named;
mod a_hub_that_never_answers_is_given_up;
mod a_hub_with_another_ca_is_not_trusted;
mod a_key_that_does_not_fit_its_certificate_is_named;
mod a_low_battery_takes_nothing_with_it;
mod a_message_larger_than_the_buffer_does_not_stop_the_device;
mod a_passive_device_samples_when_it_moves;
mod a_port_in_use_is_named;
mod a_restart_by_method_takes_no_reading_with_it;
mod a_sensor_that_fails_hangs_or_lies_is_left_out;
mod a_throttled_backlog_is_drained_in_order;
mod an_expired_certificate_is_refused;
mod an_image_behind_the_second_of_two_roots_is_fetched;
mod an_interrupted_scenario_leaves_nothing_behind;
mod an_unresolvable_host_is_named;
mod another_device_is_run_and_shown_as_it_is;
mod connects_over_each_kind_of_network;
mod counters_survive_power_cuts;
mod crates_depend_only_along_the_arrows;
mod ctrl_c_is_a_good_end_at_any_moment;
mod keys_stay_private;
mod loss_of_the_network_is_survived;
mod methods_answer_every_kind_of_payload;
mod missing_credentials_are_named;
mod names_the_ipv4_address_behind_a_nat64;
mod once_checks_the_whole_way;
mod once_drive_checks_the_whole_way;
mod once_fota_checks_the_whole_way;
mod once_outage_checks_the_whole_way;
mod options_that_cannot_be_are_named;
mod pages_name_what_there_is;
mod provisions_over_at;
mod reaches_any_hub_of_the_emulator;
mod readings_of_before_the_time_was_known_have_their_own;
mod reconnects_after_hub_restart;
mod reports_of_an_update_are_made_by_the_driver;
mod says_why_there_is_no_network;
mod strange_twins_are_survived;
mod support;
mod the_desired_interval_goes_before_the_devices_own_setting;
mod the_device_alone_connects;
mod the_terminal_says_what_arrives;
