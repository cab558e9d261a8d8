"""The scenario of `iothub-demo --once --fota`, the device being MCUboot and the application in turn."""
import os
import pathlib
import subprocess

import hub as support


def test_scenario(program, boot_loader):
    demo = os.environ.get("IOTHUB_DEMO")
    command = [demo] if demo else ["cargo", "run", "-q", "--locked", "--"]
    result = subprocess.run(
        [*command, "--once", "--fota", "--device", pathlib.Path(__file__).with_name("device")], cwd=support.ROOT,
        env={**os.environ, "IOTHUB_PROGRAM": str(program), "IOTHUB_BOOT_LOADER": str(boot_loader)}, capture_output=True, text=True,
        timeout=900)
    print(result.stdout)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "9 passed, 0 failed" in result.stdout
