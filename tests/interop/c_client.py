"""Starts the emulator and runs samples of azure-iot-sdk-c over AMQP, built by c_build: c_client.py FOLDER BUILT."""
import os
import pathlib
import subprocess
import sys
import urllib.error

from emulator import Emulator, check, wait

# The SDK does not survive a host name without a dot, and no other leads here everywhere.
HOST = "127.0.0.1"
hub = Emulator(sys.argv[1], "--amqp", "127.0.0.1:5671", "--hostname", HOST)
built = pathlib.Path(sys.argv[2])
JSON = {"content-type": "application/json"}


class Sample:
    """One that runs until the end of the block; what it prints is in a file."""

    def __init__(self, name, protocol, log, **environment):
        self.log = hub.folder / f"{log}-{protocol.lower()}.log"
        environment = {**os.environ, "SSL_CERT_FILE": hub.ca, **environment}
        # Some wait for a key at their end, which never comes, and their lines would wait in a buffer.
        self.process = subprocess.Popen(["stdbuf", "-oL", str(built / f"{name}-{protocol}")], env=environment, stdin=subprocess.PIPE,
                                        stdout=self.log.open("w"), stderr=subprocess.STDOUT)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait(10)

    def text(self):
        return self.log.read_text(errors="replace")

    def says(self, *words, seconds=60):
        for what in words:
            try:
                wait(lambda: what in self.text(), seconds)
            except TimeoutError:
                raise AssertionError(f"it does not say {what!r}:\n{self.text()[-2000:]}") from None


def with_key(id, protocol):
    """A device of its own for a check: its id and its key."""
    id = f"c-{id}-{protocol.lower().replace('_', '-')}"
    made = hub.rest("PUT", f"devices/{id}", {"deviceId": id}, JSON)
    return id, made["authentication"]["symmetricKey"]["primaryKey"]


def connection(id, key):
    return f"HostName={HOST};DeviceId={id};SharedAccessKey={key}"


def call(id, name, payload=None, status=200):
    """Calls a method as soon as the device listens."""
    def answer():
        try:
            return hub.rest("POST", f"twins/{id}/methods", {"methodName": name, "payload": payload, "responseTimeoutInSeconds": 30}, JSON)
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise AssertionError(f"{error.code} {error.read().decode()}") from None
            return None
    answered = wait(answer, 60)
    assert answered["status"] == status, answered
    return answered["payload"]


def to_device(id, message, body="hello"):
    hub.rest("POST", f"devices/{id}/messages/deviceBound", body.encode(),
             {"iothub-messageid": message, "iothub-ack": "full", "iothub-app-appcustomproperty1": "one"})


def feedback(id, expected):
    seen = {}

    def came():
        for record in hub.rest("GET", "messages/serviceBound/feedback") or []:
            if record["deviceId"] == id:
                seen[record["originalMessageId"]] = record["statusCode"]
        return len(seen) >= len(expected)
    wait(came, 60)
    assert seen == expected, seen


def telemetry(id):
    line = hub.telemetry(id)[0]
    assert line["properties"] == {"property_key": "property_value"}, line
    system = line["systemProperties"]
    assert (system["messageId"], system["correlationId"]) == ("MSG_ID", "CORE_ID"), line


def device(protocol):
    """Telemetry, a method, cloud-to-device, and a hub that crashes."""
    id, key = with_key("device", protocol)
    with Sample("iothub_convenience_sample", protocol, "device", IOTHUB_DEVICE=connection(id, key)) as sample:
        telemetry(id)
        sample.says("IOTHUB_CLIENT_CONFIRMATION_OK")
        assert "updated" in call(id, "SetTelemetryInterval", 1)["Response"]
        call(id, "unknown", status=501)
        to_device(id, "m1")
        sample.says("<<<hello>>>", "Message ID: m1")
        feedback(id, {"m1": "Success"})
        hub.restart(kill=True)
        before = len(hub.telemetry(id))
        wait(lambda: len(hub.telemetry(id)) > before, 120)
        call(id, "SetTelemetryInterval", 2)


def twin(protocol):
    """Read, reported, and a desired property that changes."""
    id, key = with_key("twin", protocol)
    hub.rest("PATCH", f"twins/{id}", {"properties": {"desired": {"changeOilReminder": "LOW_OIL"}}}, JSON)
    with Sample("iothub_client_device_twin_and_methods_sample", protocol, "twin", IOTHUB_DEVICE=connection(id, key)) as sample:
        sample.says("GetTwinAsync result:", "changeOilReminder = LOW_OIL", "update completed with result: 200")
        reported = hub.rest("GET", f"twins/{id}")["properties"]["reported"]
        assert reported["maker"] == {"makerName": "Fabrikam", "style": "sedan", "year": 2014}, reported
        # It asks to be told of changes after it has read the twin, and nothing shows when that is done.
        speeds = iter(range(1, 255))
        wait(lambda: heard(sample, id, next(speeds)), 60)
        assert call(id, "getCarVIN")["Response"] == "1HGCM82633A004352"


def heard(sample, id, speed):
    hub.rest("PATCH", f"twins/{id}", {"properties": {"desired": {"settings": {"desired_maxSpeed": speed}}}}, JSON)
    try:
        sample.says(f"desired_maxSpeed = {speed}", seconds=1)
        return True
    except AssertionError:
        return False


def settlement(protocol):
    """What the application accepts or rejects, each later than it came."""
    id, key = with_key("settles", protocol)
    for message in ("a1", "r2", "a3"):
        to_device(id, message)
    with Sample("iothub_ll_c2d_sample", protocol, "settles", IOTHUB_DEVICE=connection(id, key)) as sample:
        sample.says("Sending ACK for cloud message (Message ID: a1)", "Key: appcustomproperty1 Value: one")
        feedback(id, {"a1": "Success", "r2": "Rejected", "a3": "Success"})


def shared(protocol):
    """Two devices on one connection."""
    (one, first), (two, second) = with_key("one", protocol), with_key("two", protocol)
    name, _, suffix = HOST.partition(".")
    with Sample("iothub_client_sample_amqp_shared_methods", protocol, "shared", IOTHUB_NAME=name, IOTHUB_SUFFIX=suffix,
                IOTHUB_ID1=one, IOTHUB_KEY1=first, IOTHUB_ID2=two, IOTHUB_KEY2=second) as sample:
        for id in one, two:
            assert "response from the device" in call(id, "anything")["Response"]
            sample.says(f"Device Method called for device {id}")


def certificate(protocol):
    id = f"c-x509-{protocol.lower().replace('_', '-')}"
    hub.rest("PUT", f"devices/{id}", {"deviceId": id, "authentication": {"type": "certificateAuthority"}}, JSON)
    pem, key = hub.make_device(id)
    with Sample("iothub_ll_client_x509_sample", protocol, "x509", IOTHUB_DEVICE=f"HostName={HOST};DeviceId={id};x509=true",
                IOTHUB_CERTIFICATE=pathlib.Path(pem).read_text(), IOTHUB_KEY=pathlib.Path(key).read_text()) as sample:
        telemetry(id)
        sample.says("message 5 with result IOTHUB_CLIENT_CONFIRMATION_OK")


def wrong_key(protocol):
    id, _ = with_key("wrong", protocol)
    with Sample("iothub_convenience_sample", protocol, "wrong", IOTHUB_DEVICE=connection(id, "d3Jvbmcga2V5")):
        wait(lambda: hub.events("refused", f"?device={id}"), 60)
        assert all("fits none of the keys" in event["reason"] for event in hub.events("refused", f"?device={id}"))


def provisioning_with_key(protocol):
    """Registers, and sends to the hub that it is told of."""
    id = f"c-dps-{protocol.lower().replace('_', '-')}"
    made = hub.rest("PUT", f"enrollments/{id}", {"attestation": {"type": "symmetricKey"}}, JSON)
    with Sample("prov_dev_client_ll_sample", protocol, "dps", IOTHUB_REGISTRATION=id,
                IOTHUB_KEY=made["attestation"]["symmetricKey"]["primaryKey"]) as sample:
        sample.says(f"Registration Information received from service: {HOST}")
        wait(lambda: hub.telemetry(id), 60)


def provisioning_with_certificate(protocol):
    id = f"c-dpsx-{protocol.lower().replace('_', '-')}"
    pem, key = hub.make_device(id)
    attestation = {"type": "x509", "x509": {"clientCertificates": {"primary": {"certificate": pathlib.Path(pem).read_text()}}}}
    hub.rest("PUT", f"enrollments/{id}", {"attestation": attestation}, JSON)
    with Sample("prov_dev_client_ll_x509_sample", protocol, "dpsx", IOTHUB_REGISTRATION=id,
                IOTHUB_CERTIFICATE=pathlib.Path(pem).read_text(), IOTHUB_KEY=pathlib.Path(key).read_text()) as sample:
        sample.says(f"Registration Information received from service: {HOST}")
        wait(lambda: hub.telemetry(id), 60)


CHECKS = [("device over {}", device), ("device over {}: twin and methods", twin), ("device over {}: accepts and rejects later", settlement),
          ("device over {}: two on a connection", shared), ("device over {} with a certificate", certificate),
          ("device over {}: wrong key", wrong_key), ("provisioning over {}: key", provisioning_with_key),
          ("provisioning over {}: certificate", provisioning_with_certificate)]
for protocol, over in ("AMQP", "AMQP"), ("AMQP_OVER_WEBSOCKETS", "AMQP and WebSocket"):
    for name, run in CHECKS:
        check(name.format(over), lambda: run(protocol))
hub.stop()
