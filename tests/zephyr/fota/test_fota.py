"""Updates from the emulator's image server by the SDK's own libraries. The boot loader is played by mcuboot.py."""
import pytest

from bench import FRAGMENT, TIMEOUT
from mcuboot import OTHER, image


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
    # Up to NCS 2.9 we go on where it was cut; since 3.0 `downloader` does by itself, and says nothing of it.
    bench.device.waits_for("restarting for the firmware", TIMEOUT)
    bench.device.process.wait(TIMEOUT)
    assert f"1.1.0.bin: cut at byte {half}" in bench.reasons()
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
