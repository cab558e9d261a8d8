"""A board on its serial line, by Twister's pytest plugin: its fixture `dut` flashes, resets and reads.

IOTHUB_SERVICE names the service side of the hub that the image is for, as in https://my-hub.azure-devices.net, with
IOTHUB_SERVICE_TOKEN, a shared access signature of a policy with the rights to read the registry and to connect as a
service; IOTHUB_DEVICE is the board's device id there.
"""
import json
import os
import urllib.request

import pytest

API = "api-version=2021-04-12"


def needed(name):
    value = os.environ.get(name)
    if not value:
        pytest.skip(f"{name} is not set")
    return value


class Service:
    def __init__(self):
        self.address, self.token = needed("IOTHUB_SERVICE").rstrip("/"), needed("IOTHUB_SERVICE_TOKEN")
        self.device = needed("IOTHUB_DEVICE")

    def call(self, method, path, body=None):
        request = urllib.request.Request(f"{self.address}{path}?{API}", method=method,
                                         data=None if body is None else json.dumps(body).encode(),
                                         headers={"Content-Type": "application/json", "Authorization": self.token})
        with urllib.request.urlopen(request, timeout=120) as answer:
            text = answer.read()
            return json.loads(text) if text else None

    def method(self, name, payload):
        return self.call("POST", f"/twins/{self.device}/methods",
                         {"methodName": name, "payload": payload, "responseTimeoutInSeconds": 60})

    def desired(self, properties):
        return self.call("PATCH", f"/twins/{self.device}", {"properties": {"desired": properties}})


@pytest.fixture
def service():
    return Service()
