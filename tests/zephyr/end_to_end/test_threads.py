"""Which thread the handler and the application run on, as docs/zephyr.md says: the log's prefix names it."""
import re

import native
import pytest


@pytest.mark.parametrize("text, thread", [
    ("attaching to the network", "iothub"),
    ("connecting to localhost", "iothub"),
    ("twin, desired version", "mqtt_helper_thread"),
    ("method led", "mqtt_helper_thread"),
    ("telemetry .* queued", "main"),
])
def test_thread(log, text, thread):
    lines = [line for line in log if re.search(text, line)]
    assert lines, f"no line with {text}"
    for line in lines:
        assert f"[{thread}]" in line, line


@pytest.fixture(scope="module")
def log(program, hub, tmp_path_factory):
    credentials = hub.register("threads")
    device = native.Device(program, tmp_path_factory.mktemp("threads"),
                             [f"--credentials={credentials}", "--hostname=localhost", "--device-id=threads"])
    try:
        device.waits_for("twin, desired version")
        hub.rest("POST", "/twins/threads/methods?api-version=2021-04-12", {"methodName": "led", "payload": 1})
        device.waits_for("method led")
        return device.seen
    finally:
        device.stop()
