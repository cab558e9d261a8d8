"""A device, its hub with images, and its flash, for the tests of updates."""
import json
import time
import urllib.request

import pytest

from mcuboot import image

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

    def reasons(self):
        """Of the hub's events, those that have one."""
        address = f"{self.hub.http.rstrip('/')}/admin/events.jsonl?since=0"
        with urllib.request.urlopen(address, timeout=30) as lines:
            return [json.loads(line).get("reason") for line in lines if line.strip()]

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
