"""Starts the emulator and runs samples of azure-iot-sdk-c over AMQP, built by c_build: c_client.py FOLDER BUILT."""
import os
import pathlib
import subprocess
import sys

from emulator import Emulator, check, wait

# The SDK does not survive a host name without a dot, and no other leads here everywhere.
HOST = "127.0.0.1"
hub = Emulator(sys.argv[1], "--amqp", "127.0.0.1:5671", "--hostname", HOST)
built = pathlib.Path(sys.argv[2])
JSON = {"content-type": "application/json"}


class Sample:
    """One that runs; what it prints is in a file."""

    def __init__(self, name, log, **environment):
        self.log = hub.folder / log
        environment = {**os.environ, "SSL_CERT_FILE": hub.ca, **environment}
        # It would wait for a key at its end, and its lines would wait in a buffer.
        self.process = subprocess.Popen(["stdbuf", "-oL", str(built / name)], env=environment, stdin=subprocess.DEVNULL,
                                        stdout=self.log.open("w"), stderr=subprocess.STDOUT)

    def text(self):
        return self.log.read_text(errors="replace")

    def says(self, what, seconds=60):
        try:
            wait(lambda: what in self.text(), seconds)
        except TimeoutError:
            raise AssertionError(f"it does not say {what!r}:\n{self.text()[-2000:]}") from None

    def end(self):
        self.process.kill()
        self.process.wait(10)


def device(protocol):
    """Telemetry, a method, cloud-to-device, and a hub that crashes."""
    id = f"c-{protocol.lower()}"
    key = hub.rest("PUT", f"devices/{id}", {"deviceId": id}, JSON)["authentication"]["symmetricKey"]["primaryKey"]
    sample = Sample(f"iothub_convenience_sample-{protocol}", f"{id}.log",
                    IOTHUB_DEVICE=f"HostName={HOST};DeviceId={id};SharedAccessKey={key}")
    try:
        line = hub.telemetry(id)[0]
        assert line["properties"] == {"property_key": "property_value"}, line
        assert line["systemProperties"]["messageId"] == "MSG_ID" and line["systemProperties"]["correlationId"] == "CORE_ID", line
        sample.says("IOTHUB_CLIENT_CONFIRMATION_OK")
        call = {"methodName": "SetTelemetryInterval", "payload": 1, "responseTimeoutInSeconds": 30}
        answer = wait(lambda: method(id, call), 30)
        assert answer["status"] == 200 and "updated" in answer["payload"]["Response"], answer
        call = {"methodName": "unknown", "responseTimeoutInSeconds": 30}
        assert method(id, call)["status"] == 501
        hub.rest("POST", f"devices/{id}/messages/deviceBound", b"hello",
                 {"iothub-messageid": "m1", "iothub-ack": "full", "iothub-app-appcustomproperty1": "one"})
        sample.says("<<<hello>>>")
        sample.says("Message ID: m1")
        records = wait(lambda: hub.rest("GET", "messages/serviceBound/feedback"), 30)
        assert [(it["originalMessageId"], it["statusCode"]) for it in records if it["deviceId"] == id] == [("m1", "Success")], records
        hub.restart(kill=True)
        before = len(hub.telemetry(id))
        wait(lambda: len(hub.telemetry(id)) > before, 90)
    finally:
        sample.end()


def method(id, call):
    try:
        return hub.rest("POST", f"twins/{id}/methods", call, JSON)
    except OSError:
        # It does not listen yet.
        return None


def provisioning():
    """Registers with a key, and sends to the hub that it is told of."""
    id = "c-dps"
    made = hub.rest("PUT", f"enrollments/{id}", {"attestation": {"type": "symmetricKey"}}, JSON)
    sample = Sample("prov_dev_client_ll_sample-AMQP", "c-dps.log", IOTHUB_REGISTRATION=id,
                    IOTHUB_KEY=made["attestation"]["symmetricKey"]["primaryKey"])
    try:
        sample.says(f"Registration Information received from service: {HOST}!")
        wait(lambda: hub.telemetry(id), 60)
    finally:
        sample.end()


check("device over AMQP", lambda: device("AMQP"))
check("device over AMQP and WebSocket", lambda: device("AMQP_OVER_WEBSOCKETS"))
check("provisioning over AMQP: key", provisioning)
hub.stop()
