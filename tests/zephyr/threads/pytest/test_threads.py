"""Which thread each callback arrives on, and which one makes the calls that may block: the table in docs/zephyr.md.

The program is the whole application with the real mqtt_helper, and prints each pair once (src/recorder.c).
"""
import re

import native
import pytest

RECORDED = re.compile(r"recorded: (\w+) on (\w+)")
HELPER, DRIVER, WORK_QUEUE = "mqtt_helper_thread", "iothub", "sysworkq"

CALLBACKS = {
    # SUBACK comes this way; on the driver's thread only the end that it asked for.
    "on_all_events": {HELPER, DRIVER},
    "on_connack": {HELPER},
    "on_publish": {HELPER},
    "on_puback": {HELPER},
    "on_pingresp": {HELPER},
    # Also on the thread that asked for it.
    "on_disconnect": {HELPER, DRIVER},
    # Of the simulated modem.
    "on_lte": {WORK_QUEUE},
    "on_pdn": {WORK_QUEUE},
    "on_modem": {WORK_QUEUE},
}


def pairs(device):
    return {found.groups() for line in device.seen if (found := RECORDED.search(line))}


def until(device, callback, thread):
    while (callback, thread) not in pairs(device):
        device.waits_for("recorded: ")


@pytest.fixture(scope="module")
def recorded(program, hub, tmp_path_factory):
    """Everything that happens to a device: a session with a message of each kind, a hub that goes, an end that is asked
    for, a modem that stops."""
    credentials = hub.register("threads")
    arguments = [f"--credentials={credentials}", "--hostname=localhost", "--device-id=threads",
                 "--telemetry-interval=20"]  # Long enough for a ping in between.
    device = native.Device(program, tmp_path_factory.mktemp("hub"), arguments)
    try:
        device.attach_shell()
        for callback in ["on_connack", "on_publish", "on_puback", "on_pingresp"]:
            until(device, callback, HELPER)
        hub.rest("POST", "/twins/threads/methods?api-version=2021-04-12",
                 {"methodName": "config", "payload": {"telemetryInterval": 20}})
        hub.stop()
        until(device, "on_disconnect", HELPER)
        hub.start()
        device.waits_for("ready: every subscription is granted")
        device.types("iothub disconnect", "disconnecting")
        until(device, "on_disconnect", DRIVER)
        seen = pairs(device)
    finally:
        device.stop()

    device = native.Device(program, tmp_path_factory.mktemp("fault"),
                           ["--network=dual-stack-fault", "--hostname=nowhere.invalid", "--device-id=threads", "--no-rt"])
    try:
        device.waits_for("the modem is started again")
        device.waits_for("network up")
        return seen | pairs(device)
    finally:
        device.stop()


def threads_of(recorded, what):
    return {thread for name, thread in recorded if name == what}


@pytest.mark.parametrize("callback", CALLBACKS)
def test_a_callback_arrives_on(recorded, callback):
    assert threads_of(recorded, callback) == CALLBACKS[callback]


@pytest.mark.parametrize("call", [
    "mqtt_helper_connect", "mqtt_helper_subscribe", "mqtt_helper_publish", "mqtt_helper_disconnect",
    "iothub_platform_mqtt_abort", "nrf_modem_lib_init", "nrf_modem_lib_shutdown", "lte_lc_connect_async",
])
def test_only_the_driver_calls(recorded, call):
    assert threads_of(recorded, call) == {DRIVER}


def test_driver_and_application_wait_and_nobody_else(recorded):
    assert threads_of(recorded, "iothub_platform_wait") == {DRIVER, "main"}


def test_driver_and_application_ask_the_modem_and_nobody_else(recorded):
    assert threads_of(recorded, "iothub_platform_at") == {DRIVER, "main"}


def test_nothing_blocks_on_the_system_work_queue(recorded):
    assert {name for name, thread in recorded if thread == WORK_QUEUE} == {"on_lte", "on_pdn", "on_modem"}


def test_a_method_may_store_a_setting_on_the_thread_it_arrives_on(recorded):
    assert HELPER in threads_of(recorded, "iothub_platform_settings_set")
