"""Beside the page's conftest.py: a device sends to the hub in a container."""
from azure.iot.device import IoTHubDeviceClient


def test_a_reading_arrives(hub):
    assert hub.connection_string.startswith("HostName=")
    made = hub.rest("PUT", "devices/sensor", {"authentication": {"type": "sas"}})
    key = made["authentication"]["symmetricKey"]["primaryKey"]
    device = f"HostName=localhost;DeviceId=sensor;SharedAccessKey={key}"
    client = IoTHubDeviceClient.create_from_connection_string(device, server_verification_cert=hub.ca)
    client.connect()
    client.send_message('{"temperature": 21.5}')
    client.shutdown()
    assert hub.rest("GET", "admin/telemetry.jsonl?device=sensor")["body"] == {"temperature": 21.5}
