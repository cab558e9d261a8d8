"""The outbox in flash on Zephyr's flash simulator: a device without coverage, whose process is killed."""
import json
import re


def first_reading(line):
    """When the first reading of a message was taken that the device's log says is queued."""
    return re.search(r"telemetry \d+ queued: \d+ readings from (\d+)", line).group(1)


def stored(device):
    return int(re.search(r"(\d+) messages in flash", device.types("iothub outbox", "messages in flash")).group(1))


def test_messages_survive_a_power_cut_in_order(start, hub):
    credentials = hub.register("kept")
    device = start("--network=no-cell", "--device-id=kept")
    device.types("iothub config set telemetry_interval 5", "stored; it counts from the next start on")
    assert stored(device) == 0

    # After a minute without a connection what waits is in flash, and so is what comes.
    device = start("--network=no-cell", "--device-id=kept")
    while stored(device) == 0:
        device.waits_for(" queued: ")
    count = stored(device)
    # The log is on the standard output and in the shell.
    accepted = list(dict.fromkeys(first_reading(line) for line in device.seen if " queued: " in line))
    assert count >= 4

    arrived = hub.telemetry("kept")
    device = start(f"--credentials={credentials}", "--hostname=localhost", "--device-id=kept")
    device.waits_for(f"{count} messages of before are in the outbox")
    device.waits_for("ready: every subscription is granted")
    found = [json.dumps(arrived.get(timeout=60)["body"]) for _ in accepted[:count]]
    assert all(taken in body for taken, body in zip(accepted, found)), (accepted, found)
    # Once the last acknowledgement is there, too.
    for _ in range(5):
        if stored(device) == 0:
            return
        device.waits_for(" queued: ")
    assert stored(device) == 0
