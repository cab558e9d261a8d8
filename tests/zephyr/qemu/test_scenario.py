"""The scripted scenario of `cargo run -- --once` with TLS on an Arm core, and what its threads need of their stacks."""
import os
import re
import subprocess

import hub as support

USED = re.compile(r"^ *(\S+) +: STACK: unused (\d+) usage (\d+) / (\d+)")
THREADS = {"iothub", "mqtt_helper_thread", "main", "sysworkq"}
# Of a hundred: what is left has to hold an interrupt's frame, and a longer name.
MOST = 90


def test_scenario(program):
    demo = os.environ.get("IOTHUB_DEMO")
    command = [demo] if demo else ["cargo", "run", "-q", "--locked", "--"]
    result = subprocess.run([*command, "--once", "--device", program], cwd=support.ROOT, capture_output=True, text=True,
                            timeout=600)
    print(result.stdout)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "14 passed, 0 failed" in result.stdout


def test_no_stack_is_nearly_full(start, hub):
    credentials = hub.register("measured")
    arrived = hub.telemetry("measured")
    device = start(f"--credentials={credentials}", "--hostname=localhost", "--device-id=measured", "--telemetry-interval=1",
                   shell=False)
    device.waits_for("ready: every subscription is granted")
    hub.rest("PATCH", "/twins/measured?api-version=2021-04-12", {"properties": {"desired": {"telemetryInterval": 2}}})
    hub.rest("POST", "/twins/measured/methods?api-version=2021-04-12",
             {"methodName": "led", "payload": {"on": True}, "responseTimeoutInSeconds": 30})
    for _ in range(5):
        arrived.get(timeout=60)

    heap = re.findall(r"mbedTLS has used (\d+) of (\d+) bytes", "\n".join(device.seen))[-1]
    answer = hub.rest("POST", "/twins/measured/methods?api-version=2021-04-12",
                      {"methodName": "diagnostics", "responseTimeoutInSeconds": 30})
    print(f"mbedTLS: {heap[0]} of {heap[1]} bytes; system heap: {answer['payload']['heap']}")
    assert int(heap[0]) * 100 <= int(heap[1]) * MOST, heap

    device.waits_for("Thread analyze:")
    stacks = {}
    while not THREADS <= stacks.keys():
        found = USED.search(device.waits_for(": STACK: ").split("] ", 1)[-1].split("thread_analyzer: ")[-1])
        if found:
            name, _, used, size = found.groups()
            stacks[name] = (int(used), int(size))
    for name, (used, size) in sorted(stacks.items()):
        print(f"{name}: {used} of {size} bytes")
    assert not [name for name, (used, size) in stacks.items() if used * 100 > size * MOST and name in THREADS], stacks
