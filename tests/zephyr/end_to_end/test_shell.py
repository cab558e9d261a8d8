"""Every command of the shell that is not about settings, with what the hub sees of it."""
import pytest


@pytest.fixture(scope="module")
def credentials(hub):
    return hub.register("typed")


@pytest.fixture
def device(start, credentials):
    device = start(f"--credentials={credentials}", "--hostname=localhost", "--device-id=typed")
    device.waits_for("ready: every subscription is granted")
    return device


def test_status_and_counters(device):
    device.types("iothub status", "Ready, 0 failed connects in a row")
    device.waits_for("outbox ")
    device.types("iothub counters", "connects 1 of 1")
    device.waits_for("oversize 0, events lost 0")


def test_send(device, hub):
    arrived = hub.telemetry("typed")
    device.types('iothub send \'{"typed":1}\'', "accepted")
    while "typed" not in arrived.get(timeout=60)["body"]:
        pass
    device.types("iothub send", "wrong parameter count")


def test_twin(device):
    device.waits_for("twin, desired version 1")
    device.types("iothub twin", "asked for the twin; the log says what comes")
    device.waits_for("twin, desired version 1")


def test_disconnect_and_connect(device):
    # The answer of the shell and the line of the log come in no order.
    device.types("iothub disconnect", "disconnected: as requested")
    device.types("iothub status", "Idle, 0 failed connects in a row")
    assert any(line.startswith("disconnecting") for line in device.seen)
    device.types("iothub twin", "the connection is not ready")
    device.types("iothub connect", "connecting; the log says how it goes")
    device.waits_for("ready: every subscription is granted")


def test_dps_reset(start, hub):
    credentials = hub.register("fleet")
    certificate = (credentials / "cert.pem").read_text()
    hub.rest("DELETE", "/devices/fleet?api-version=2021-04-12")
    hub.rest("PUT", "/enrollments/fleet?api-version=2021-10-01", {
        "registrationId": "fleet",
        "attestation": {"type": "x509", "x509": {"clientCertificates": {"primary": {"certificate": certificate}}}}})
    arguments = [f"--credentials={credentials}", "--device-id=fleet", "--dps-endpoint=localhost",
                 "--dps-id-scope=0ne00000001"]
    device = start(*arguments)
    device.waits_for("DPS: assigned")
    device.waits_for("ready: every subscription is granted")

    device = start(*arguments)
    device.waits_for("ready: every subscription is granted")
    assert not any("DPS: " in line for line in device.seen), "the assignment is not remembered"
    device.types("iothub dps reset", "the assignment is forgotten; the next start registers again")

    device = start(*arguments)
    device.waits_for("DPS: assigned")
    device.waits_for("ready: every subscription is granted")


def test_the_kernels_own_restart_switches_the_modem_off_first(device):
    device.types("kernel reboot cold", "the modem is switched off for a restart")
