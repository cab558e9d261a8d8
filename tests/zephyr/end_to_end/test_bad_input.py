"""What goes wrong at run time: the log says why and when it is tried again, and the device goes on."""
import re
import socket

import pytest

NEXT = "next attempt in"


@pytest.mark.parametrize("network, cause, then", [
    ("no-sim", "no SIM, or it does not answer; the modem looks again in 300 s", "attaching to the network no-sim"),
    ("denied", "registration denied: is the SIM active, and allowed in this network? The modem tries again by itself",
     "no network for 60 s"),
    ("no-cell", "attaching to the network no-cell", "no network for 60 s"),
    ("pdn-refused", "ESM cause 27, an unknown access point name: check the setting iothub/apn; the modem tries again by itself",
     "no network for 60 s"),
])
def test_no_network(start, network, cause, then):
    # No hub is needed, so simulated time may fly.
    device = start(f"--network={network}", "--hostname=localhost", "--device-id=thingy", "--no-rt", shell=False)
    device.waits_for(cause)
    device.waits_for(then)


def test_a_modem_that_stops_is_started_again(start):
    device = start("--network=dual-stack-fault", "--hostname=nowhere.invalid", "--device-id=thingy", "--no-rt", shell=False)
    device.waits_for("network up")
    device.waits_for("the modem has stopped with fault 16 (NRF_MODEM_FAULT_*); it is started again in 10 s")
    device.waits_for("network lost: detached")
    device.waits_for("the modem is started again")
    device.waits_for("attaching to the network dual-stack")
    device.waits_for("network up: IPv4 and IPv6")


def test_a_name_that_does_not_resolve(start):
    device = start("--hostname=nowhere.invalid", "--device-id=thingy", shell=False)
    line = device.waits_for("the host name could not be resolved: check it, and that the network has DNS")
    assert re.search(r"EAI \([1-9][0-9]*\)", line), "mqtt_helper gives a positive number"
    device.waits_for(NEXT)
    device.waits_for("connecting to nowhere.invalid")


def test_nobody_listens(start, hub):
    credentials = hub.register("early")
    hub.stop()
    try:
        device = start(f"--credentials={credentials}", "--hostname=localhost", "--device-id=early", shell=False)
        device.waits_for("nobody listens there")
        device.waits_for(NEXT)
    finally:
        hub.start()
    device.waits_for("ready: every subscription is granted")


def test_no_credentials_in_the_tag(start, hub):
    device = start("--hostname=localhost", "--device-id=thingy", shell=False)
    device.waits_for("there is no CA certificate under the security tag 10: write it with iothub-provision")
    device.waits_for(NEXT)
    device.waits_for("connecting to localhost")


def test_a_folder_without_a_key(start, hub):
    folder = hub.register("keyless")
    (folder / "key.pem").rename(folder / "other.pem")
    device = start(f"--credentials={folder}", "--hostname=localhost", "--device-id=keyless", shell=False)
    device.waits_for("key.pem cannot be read")
    device.waits_for("the modem cannot be initialised: ENOENT (-2): there is none; again in 10 s")


def test_a_hub_that_is_not_trusted(start, hub):
    folder = hub.register("trustless")
    (folder / "ca.pem").write_text((folder / "cert.pem").read_text())
    device = start(f"--credentials={folder}", "--hostname=localhost", "--device-id=trustless", shell=False)
    device.waits_for("the handshake failed (a missing or wrong certificate or key)")
    device.waits_for(NEXT)
    device.waits_for("connecting to localhost")


def test_a_device_that_the_hub_does_not_know(start, hub):
    folder = hub.register("known")
    device = start(f"--credentials={folder}", "--hostname=localhost", "--device-id=unknown", shell=False)
    line = device.waits_for("CONNACK 5: not authorised: is the device registered and enabled")
    assert NEXT in line


def test_a_server_that_hangs_up(start, hub):
    hub.stop()
    try:
        folder = hub.data / "devices" / "known"
        with socket.create_server(("127.0.0.1", 8883)) as server:
            device = start(f"--credentials={folder}", "--hostname=localhost", "--device-id=known", shell=False)
            server.settimeout(30)
            server.accept()[0].close()
            device.waits_for(NEXT)
            server.accept()[0].close()
    finally:
        hub.start()


def fill_the_settings(device):
    """Larger values until none fits, then small ones; a command fits the shell's buffer of 64 bytes. Its failure stands in
    the log when the next one is echoed."""
    for size in [28, 1]:
        before = len(device.seen)
        for number in range(1000):
            device.types(f"settings write string f{size}/{number} {'x' * size}", f"f{size}/{number} ")
            if any("Failed to write setting" in line for line in device.seen[before:]):
                device.waits_for("Failed to write setting")  # The one just typed.
                break
        else:
            pytest.fail("the settings have room for everything")


def test_settings_that_are_full(start, hub):
    full = "ENOSPC (-28): there is no room left: the settings are full"
    credentials = hub.register("full")
    device = start(f"--credentials={credentials}", "--hostname=localhost", "--device-id=full")
    device.waits_for("ready: every subscription is granted")
    fill_the_settings(device)

    device.types("iothub config set apn iot.example", "(the settings are full)")
    answer = hub.rest("POST", "/twins/full/methods?api-version=2021-04-12",
                      {"methodName": "config", "responseTimeoutInSeconds": 60, "payload": {"telemetryInterval": 7}})
    assert answer["status"] == 507
    device.waits_for(f"the setting iothub/telemetry_interval cannot be stored: {full}")

    hub.stop()
    try:
        device.waits_for(f"the number of failed connects cannot be kept: {full}")
        device.waits_for(NEXT)
    finally:
        hub.start()
    device.waits_for("ready: every subscription is granted")
