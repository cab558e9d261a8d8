"""The scripted scenarios of `cargo run -- --once`, with this program as the device."""
import os
import subprocess

import hub as support
import pytest


@pytest.mark.parametrize("scenario, passed", [([], 14), (["--drive"], 14)])
def test_scenario(program, scenario, passed):
    demo = os.environ.get("IOTHUB_DEMO")
    command = [demo] if demo else ["cargo", "run", "-q", "--locked", "--"]
    result = subprocess.run([*command, "--once", *scenario, "--device", program], cwd=support.ROOT, capture_output=True,
                            text=True, timeout=300)
    print(result.stdout)
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"{passed} passed, 0 failed" in result.stdout
