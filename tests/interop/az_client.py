"""The Azure CLI with its extension azure-iot: management, and the data plane by the hub's name and with --login."""
import json
import os
import pathlib
import subprocess
import sys

from emulator import Emulator, check, wait

HUB = "iot-hub001"
hub = Emulator(sys.argv[1], "--name", HUB)
emulator = os.environ["IOTHUB_EMULATOR"]
environment = dict(os.environ)


def az(*arguments, fails=None, login=False):
    """Runs a command; gives what it prints, as JSON where it is."""
    more = ("--login", hub.connection_string) if login else ()
    done = subprocess.run(["az", *arguments, *more], env=environment, capture_output=True, text=True, timeout=120)
    if fails is not None:
        assert done.returncode != 0 and fails in done.stderr, (arguments, done.returncode, done.stdout, done.stderr)
        return None
    assert done.returncode == 0, (arguments, done.stdout, done.stderr)
    return json.loads(done.stdout) if done.stdout.strip() else None


def by_name(*arguments, **more):
    return az(*arguments, "--hub-name", HUB, **more)


def setup():
    """Runs what `iothub-emulator az` prints in a shell, and takes over what it sets."""
    printed = subprocess.run([emulator, "az", "--https", "127.0.0.1:443", "--data-dir", hub.path("data")],
                             check=True, capture_output=True, text=True).stdout
    shell = subprocess.run(["sh", "-ec", f"exec 3>&1 >&2\n{printed}\nenv -0 >&3"], check=True, stdout=subprocess.PIPE, text=True)
    for line in shell.stdout.split("\0"):
        name, _, value = line.partition("=")
        if name.startswith(("AZURE_", "IDENTITY_", "REQUESTS_", "SSL_")):
            environment[name] = value
    assert az("account", "show")["name"] == "iothub-emulator"


def hubs():
    assert [it["name"] for it in az("iot", "hub", "list")] == [HUB]
    assert az("iot", "hub", "show", "--name", HUB)["properties"]["hostName"] == "localhost"
    az("group", "create", "--name", "mine", "--location", "local")
    made = az("iot", "hub", "create", "--name", "second", "--resource-group", "mine", "--sku", "S1")
    assert made["properties"]["hostName"] == "second.azure-devices.localhost", made
    changed = az("iot", "hub", "update", "--name", "second", "--set", "tags.site=roof")
    assert changed["tags"] == {"site": "roof"}, changed
    assert len(az("resource", "list", "--resource-group", "mine")) == 1
    az("iot", "hub", "delete", "--name", "second", "--resource-group", "mine")
    az("iot", "hub", "show", "--name", "second", fails="No IoT Hub found")
    az("group", "delete", "--name", "mine", "--yes")
    az("iot", "hub", "delete", "--name", HUB, fails="stays until it ends")


def keys():
    names = [it["keyName"] for it in by_name("iot", "hub", "policy", "list")]
    assert names == ["iothubowner", "service", "device", "registryRead", "registryReadWrite"], names
    text = by_name("iot", "hub", "connection-string", "show")["connectionString"]
    assert text == hub.connection_string, text
    assert by_name("iot", "hub", "policy", "show", "--name", "service")["rights"] == "ServiceConnect"


def switches():
    def update(value):
        return az("resource", "update", "-n", HUB, "-g", "iothub-emulator", "--resource-type", "Microsoft.Devices/IotHubs",
                  "--set", f"properties.disableDeviceSAS={value}", f"properties.disableModuleSAS={value}")["properties"]
    assert update("true")["disableDeviceSAS"] is True
    assert update("false")["disableModuleSAS"] is False


def certificates(kind, *name):
    hub.make_ca(f"{kind}-ca")

    def run(verb, *arguments):
        return az("iot", kind, "certificate", verb, *name, *arguments)
    made = run("create", "--name", "new", "--path", hub.path(f"{kind}-ca.pem"))
    coded = run("generate-verification-code", "--name", "new", "--etag", made["etag"])
    code = coded["properties"]["verificationCode"]
    hub.make_device(code, f"{kind}-ca")
    verified = run("verify", "--name", "new", "--path", hub.path(f"{code}.pem"), "--etag", coded["etag"])
    assert verified["properties"]["isVerified"] is True, verified
    listed = run("list")["value"]
    assert "new" in [it["name"] for it in listed], listed
    assert run("show", "--name", "new")["properties"]["subject"] == f"{kind}-ca CA"
    run("delete", "--name", "new", "--etag", verified["etag"])


def identities(login):
    def run(*arguments, **more):
        return az("iot", "hub", *arguments, login=True, **more) if login else by_name("iot", "hub", *arguments, **more)
    device = "login1" if login else "name1"
    made = run("device-identity", "create", "--device-id", device, "--am", "x509_ca")
    assert made["authentication"]["type"] == "certificateAuthority", made
    assert run("device-identity", "show", "--device-id", device)["status"] == "enabled"
    run("device-identity", "update", "--device-id", device, "--set", "status=disabled")
    assert device in [it["deviceId"] for it in run("device-identity", "list")]
    twin = run("device-twin", "update", "--device-id", device, "--desired", '{"interval":5}', "--tags", '{"site":"A"}')
    assert twin["properties"]["desired"]["interval"] == 5, twin
    assert run("device-twin", "show", "--device-id", device)["tags"] == {"site": "A"}
    found = run("query", "--query-command", "SELECT * FROM devices WHERE tags.site = 'A'")
    assert [it["deviceId"] for it in found] == [device], found
    run("device-identity", "delete", "--device-id", device)
    run("device-identity", "show", "--device-id", device, fails="404001")


def symmetric_keys():
    made = by_name("iot", "hub", "device-identity", "create", "--device-id", "sas1")
    before = made["authentication"]["symmetricKey"]["primaryKey"]
    text = by_name("iot", "hub", "device-identity", "connection-string", "show", "--device-id", "sas1")["connectionString"]
    assert text == f"HostName=localhost;DeviceId=sas1;SharedAccessKey={before}", text
    token = by_name("iot", "hub", "generate-sas-token", "--device-id", "sas1")["sas"]
    assert token.startswith("SharedAccessSignature sr=localhost%2Fdevices%2Fsas1"), token


def cloud_to_device():
    for body in (b"one", b"two", b"three"):
        hub.rest("POST", "devices/sas1/messages/deviceBound", body, {"iothub-messageid": body.decode()})

    def run(verb, *arguments):
        return by_name("iot", "device", "c2d-message", verb, "--device-id", "sas1", *arguments)
    first = run("receive")
    assert first["data"] == "one", first
    run("abandon", "--etag", first["etag"])
    again = run("receive", "--complete")
    assert again["data"] == "one", again
    assert run("receive", "--reject")["data"] == "two"
    assert run("purge")["totalMessagesPurged"] == 1


def telemetry():
    by_name("iot", "device", "send-d2c-message", "--device-id", "sas1", "--data", '{"temperature":21.5}')
    assert hub.telemetry("sas1")[-1]["body"] == {"temperature": 21.5}


def statistics():
    assert az("iot", "hub", "show-stats", "--name", HUB)["totalDeviceCount"] == 1


def refusals():
    # The hub waits for the device as long as az waits for the hub: either says so first.
    by_name("iot", "hub", "invoke-device-method", "--device-id", "sas1", "--method-name", "led", "--method-payload", "1",
            "--timeout", "10", fails="")


def provisioning():
    az("iot", "dps", "create", "--name", "provs-iotcore", "--resource-group", "iothub-emulator")
    assert az("iot", "dps", "show", "--name", "provs-iotcore")["properties"]["idScope"] == "0ne00000001"
    assert [it["name"] for it in az("iot", "dps", "linked-hub", "list", "--dps-name", "provs-iotcore")] == ["localhost"]


def enrollments():
    def run(*arguments, **more):
        return az("iot", "dps", *arguments, "--dps-name", "provs-iotcore", **more)
    hub.make_ca("line1")
    run("enrollment-group", "create", "--enrollment-id", "line1", "--certificate-path", hub.path("line1.pem"))
    assert [it["enrollmentGroupId"] for it in run("enrollment-group", "list")] == ["line1"]
    run("enrollment", "create", "--enrollment-id", "one", "--attestation-type", "symmetricKey", "--device-id", "named")
    assert run("enrollment", "show", "--enrollment-id", "one")["deviceId"] == "named"
    changed = run("enrollment", "update", "--enrollment-id", "one", "--provisioning-status", "disabled")
    assert changed["provisioningStatus"] == "disabled", changed
    run("enrollment", "delete", "--enrollment-id", "one")
    run("enrollment", "show", "--enrollment-id", "one", fails="404201")
    run("enrollment-group", "delete", "--enrollment-id", "line1")


def signed_in():
    """With the bearer token of the sign-in, and without keys."""
    found = by_name("iot", "hub", "device-identity", "list", "--auth-type", "login")
    assert [it["deviceId"] for it in found] == ["sas1"], found


def beside(*arguments):
    """A command that goes on: what it prints is in the file."""
    shown = pathlib.Path(hub.path("-".join(arguments[1:4]) + ".txt"))
    with shown.open("w") as out:
        return subprocess.Popen(["az", *arguments, "--hub-name", HUB], env=environment, stdout=out, stderr=subprocess.STDOUT), shown


def monitored():
    """Over AMQP: events as they come, a message to a device, and what became of it."""
    command, shown = beside("iot", "hub", "monitor-events", "--device-id", "sas1", "--timeout", "60", "-y")
    wait(lambda: "Starting event monitor" in shown.read_text(), 60)
    by_name("iot", "device", "send-d2c-message", "--device-id", "sas1", "--data", '{"seen": 1}')
    wait(lambda: '"origin": "sas1"' in shown.read_text() and "seen" in shown.read_text(), 60)
    command.kill()
    command.wait(10)
    sent = by_name("iot", "device", "c2d-message", "send", "--device-id", "sas1", "--data", "look", "--ack", "full",
                   "--message-id", "m77", "-y")
    assert sent is None, sent
    taken = by_name("iot", "device", "c2d-message", "receive", "--device-id", "sas1", "--complete")
    assert taken["data"] == "look" and taken["properties"]["system"]["iothub-messageid"] == "m77", taken
    command, shown = beside("iot", "hub", "monitor-feedback", "--device-id", "sas1", "--wait-on-msg", "m77", "-y")
    assert command.wait(60) == 0 and "statusCode: Success" in shown.read_text(), shown.read_text()


def simulated():
    """A device of the CLI's own over MQTT on WebSocket, and a method that it answers."""
    command, _ = beside("iot", "device", "simulate", "--device-id", "sas1", "--msg-count", "60", "--msg-interval", "1",
                        "--method-response-code", "203", "--method-response-payload", '{"r": 1}')
    wait(lambda: hub.rest("GET", "devices/sas1")["connectionState"] == "Connected", 60)

    def answered():
        try:
            return by_name("iot", "hub", "invoke-device-method", "--device-id", "sas1", "--method-name", "led", "--timeout", "10")
        except AssertionError:
            return None
    # It subscribes to methods a moment after it is connected.
    assert wait(answered, 60) == {"payload": {"r": 1}, "status": 203}
    command.kill()
    command.wait(10)


def undo():
    done = subprocess.run([emulator, "az", "--apply", "--undo", "--data-dir", hub.path("data")], check=True)
    assert done.returncode == 0 and not pathlib.Path(hub.path("data"), "azure-cli").exists()


for name, run in [("sign in", setup), ("hubs", hubs), ("keys", keys), ("disableDeviceSAS", switches),
                  ("hub certificates", lambda: certificates("hub", "--hub-name", HUB)),
                  ("dps", provisioning), ("dps certificates", lambda: certificates("dps", "--dps-name", "provs-iotcore")),
                  ("devices by hub name", lambda: identities(False)), ("devices with --login", lambda: identities(True)),
                  ("symmetric keys", symmetric_keys), ("c2d receive", cloud_to_device), ("send-d2c-message", telemetry),
                  ("statistics by hub name", statistics), ("refusals", refusals), ("enrollments", enrollments),
                  ("--auth-type login", signed_in), ("monitor-events, c2d send, monitor-feedback", monitored),
                  ("device simulate, a method answered", simulated), ("undo", undo)]:
    check(name, run)
hub.stop()
