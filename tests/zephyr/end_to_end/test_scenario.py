"""The scripted scenario of `cargo run -- --once`, with this program as the device."""
import os
import subprocess

import hub as support


def test_scenario(program):
    demo = os.environ.get("IOTHUB_DEMO")
    command = [demo] if demo else ["cargo", "run", "-q", "--locked", "--"]
    result = subprocess.run([*command, "--once", "--device", program], cwd=support.ROOT, capture_output=True, text=True,
                            timeout=300)
    print(result.stdout)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "14 passed, 0 failed" in result.stdout
