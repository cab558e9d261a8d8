"""The same with MCUboot's own code as the boot loader: what it says of each start."""
import subprocess

import pytest

from bench import TIMEOUT
from mcuboot import OTHER, RUNNING, image

HEADER = 0x20


@pytest.fixture
def starts(boot_loader, flash):
    """MCUboot at a start of the board; what it says."""
    def starts():
        result = subprocess.run([boot_loader, f"--flash={flash.path}"], capture_output=True, text=True, timeout=60)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout
    return starts


def updated(bench, starts, version):
    """Up to where the image is marked."""
    assert "Swap type: none" in starts()
    bench.boots()
    bench.reports("current", "0.1.0")
    bench.wants(version)
    bench.device.waits_for("restarting for the firmware", TIMEOUT)
    bench.device.process.wait(TIMEOUT)


def test_an_image_is_tried_and_stays(bench, starts):
    updated(bench, starts, "1.0.0")
    assert "Swap type: test" in starts()
    assert bench.flash.read(RUNNING, HEADER) == image("1.0.0", b"1.0.0" * 8192)[:HEADER]
    bench.boots().waits_for("on trial until it has reached the hub")
    bench.reports("current", "1.0.0")
    bench.device.stop()
    assert "Swap type: none" in starts()


def test_an_image_that_does_not_reach_the_hub_is_taken_back(bench, starts):
    updated(bench, starts, "2.0.0")
    assert "Swap type: test" in starts()
    bench.boots("--hostname=nowhere.invalid").waits_for("on trial until it has reached the hub")
    bench.device.stop()
    assert "Swap type: revert" in starts()
    bench.boots()
    bench.reports("rolledback", "0.1.0")


def test_a_damaged_image_is_not_tried(bench, starts):
    updated(bench, starts, "3.0.0")
    place = OTHER + 0x1000
    byte, = bench.flash.read(place, 1)
    bench.flash.write(place, bytes([byte ^ 1]))
    assert "Image in the secondary slot is not valid" in starts()
    bench.boots()
    bench.reports("rolledback", "0.1.0")
