"""Updates from the emulator's image server by the SDK's own libraries. The boot loader is played by mcuboot.py."""
import re
import time

import pytest

from mcuboot import OTHER, image

TIMEOUT = 120
FRAGMENT = 1024


class Bench:
    def __init__(self, hub, flash, start, name):
        self.hub, self.flash, self.start, self.name = hub, flash, start, name
        self.folder = hub.register(name)
        self.device = None

    def boots(self, *arguments):
        self.device = self.start(f"--credentials={self.folder}", "--hostname=localhost", f"--device-id={self.name}",
                                 *arguments, shell=False)
        return self.device

    def wants(self, version, protocol="http", **more):
        """Puts the image there, and its deployment into the twin."""
        content = image(version, version.encode() * 8192)
        (self.hub.data / "images" / f"{version}.bin").write_bytes(content)
        self.hub.rest("POST", "/admin/firmware/deployments", {
            "deviceId": self.name, "image": f"{version}.bin", "jobId": f"job-{version}", "protocol": protocol,
            "fragmentSize": FRAGMENT, **more})
        return content

    def fault(self, **fault):
        self.hub.rest("POST", "/admin/firmware/faults", fault)

    def served(self, version):
        images = self.hub.rest("GET", "/admin/firmware")["images"]
        return next(image["bytesServed"] for image in images if image["name"] == f"{version}.bin")

    def reports(self, status, version):
        deadline = time.monotonic() + TIMEOUT
        while True:
            twin = self.hub.rest("GET", f"/twins/{self.name}?api-version=2021-04-12")
            found = twin["properties"]["reported"].get("firmware", {})
            if (found.get("fwUpdateStatus"), found.get("currentFwVersion")) == (status, version):
                return found
            if time.monotonic() > deadline:
                lines = "\n".join(self.device.seen[-60:] + list(self.device.lines.queue)[-60:])
                pytest.fail(f"not {status} {version} in {TIMEOUT} s but {found}; the last lines:\n{lines}")
            time.sleep(0.1)

    def until(self, found):
        deadline = time.monotonic() + TIMEOUT
        while not found():
            assert time.monotonic() < deadline, "it does not come"
            time.sleep(0.02)


@pytest.fixture
def bench(hub, flash, start, request):
    bench = Bench(hub, flash, start, re.sub(r"\W+|_", "-", request.node.name).strip("-"))
    yield bench
    hub.rest("DELETE", "/admin/firmware/faults")


@pytest.mark.parametrize("protocol", ["http", "https"])
def test_update(bench, protocol):
    bench.boots().waits_for("firmware 0.1.0")
    bench.reports("current", "0.1.0")
    content = bench.wants("1.0.0", protocol)
    bench.device.waits_for("restarting for the firmware", TIMEOUT)
    bench.device.process.wait(TIMEOUT)
    assert bench.flash.read(OTHER, len(content)) == content
    bench.flash.swap()
    assert not bench.flash.is_confirmed()
    bench.boots().waits_for("on trial until it has reached the hub")
    bench.reports("current", "1.0.0")
    assert bench.flash.is_confirmed()


def test_cut_at_half(bench):
    bench.boots()
    bench.reports("current", "0.1.0")
    half = len(image("1.1.0", b"1.1.0" * 8192)) // 2
    bench.fault(kind="cut", at=half)
    content = bench.wants("1.1.0")
    bench.device.waits_for("the transfer broke off", TIMEOUT)
    bench.device.waits_for("restarting for the firmware", TIMEOUT)
    bench.device.process.wait(TIMEOUT)
    assert bench.flash.read(OTHER, len(content)) == content
    assert bench.served("1.1.0") - len(content) <= FRAGMENT


def test_killed_at_half(bench):
    bench.boots()
    bench.reports("current", "0.1.0")
    bench.fault(kind="slow", delayMs=100)
    content = bench.wants("1.2.0")
    bench.until(lambda: bench.served("1.2.0") > len(content) // 2)
    bench.device.stop()
    bench.boots().waits_for("restarting for the firmware", TIMEOUT)
    bench.device.process.wait(TIMEOUT)
    assert bench.flash.read(OTHER, len(content)) == content
    # What was on its way, and what the flash's buffer held.
    assert bench.served("1.2.0") - len(content) <= 2 * FRAGMENT


def test_not_swapped(bench):
    bench.boots()
    bench.reports("current", "0.1.0")
    bench.wants("1.3.0")
    bench.device.waits_for("restarting for the firmware", TIMEOUT)
    bench.device.process.wait(TIMEOUT)
    bench.boots()
    bench.reports("rolledback", "0.1.0")


@pytest.mark.parametrize("fault, reason", [
    ({"kind": "status", "status": 404}, "the server refuses it, or has no ranges"),
    ({"kind": "corrupt"}, "the image has another hash than sha256 says"),
], ids=["404", "corrupt"])
def test_what_fails(bench, fault, reason):
    bench.boots()
    bench.reports("current", "0.1.0")
    bench.fault(**fault)
    bench.wants("1.4.0")
    found = bench.reports("error", "0.1.0")
    assert found["reason"] == reason
    assert not bench.flash.is_marked()
