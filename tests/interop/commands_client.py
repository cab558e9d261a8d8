"""Most commands of the Azure CLI for hubs, provisioning, devices and IoT Edge, one after the other, each in a line."""
import json
import os
import pathlib
import subprocess
import sys

from emulator import Emulator, check, wait

HUB, DPS, GROUP = "iot-hub001", "dps", "iothub-emulator"
hub = Emulator(sys.argv[1], "--name", HUB)
emulator = os.environ["IOTHUB_EMULATOR"]
environment = dict(os.environ)


def az(line, *more, fails=None):
    """Runs a command, whose words have no blanks; `more` are words that have some. Gives what it prints, as JSON where it is."""
    words = line.split() + list(more)
    done = subprocess.run(["az", *words], env=environment, capture_output=True, text=True, timeout=180)
    if fails is not None:
        assert done.returncode != 0 and fails in done.stderr, (words, done.returncode, done.stdout, done.stderr)
        return None
    assert done.returncode == 0, (words, done.stdout, done.stderr[-3000:])
    try:
        return json.loads(done.stdout) if done.stdout.strip() else None
    except json.JSONDecodeError:
        return done.stdout


def of_hub(line, *more, **how):
    return az(f"iot {line}", *more, "--hub-name", HUB, **how)


def of_dps(line, *more, **how):
    return az(f"iot dps {line}", *more, "--dps-name", DPS, **how)


def setup():
    printed = subprocess.run([emulator, "az", "--https", "127.0.0.1:443", "--data-dir", hub.path("data")],
                             check=True, capture_output=True, text=True).stdout
    shell = subprocess.run(["sh", "-ec", f"exec 3>&1 >&2\n{printed}\nenv -0 >&3"], check=True, stdout=subprocess.PIPE, text=True)
    for line in shell.stdout.split("\0"):
        name, _, value = line.partition("=")
        if name.startswith(("AZURE_", "IDENTITY_", "REQUESTS_", "SSL_")):
            environment[name] = value


def a_hub():
    az("group create --name mine --location local")
    az("iot hub create --name second --resource-group mine --sku S1 --partition-count 4")
    assert az("iot hub wait --name second --resource-group mine --exists") is None
    assert [it["sku"]["name"] for it in az("iot hub list-skus --name second")] == ["S1"]
    assert az("iot hub show-quota-metrics --name second")[0]["currentValue"] == 0
    assert az("iot hub show-stats --name second")["totalDeviceCount"] == 0
    changed = az("iot hub update --name second --c2d-max-delivery-count 30 --set tags.site=roof")
    assert changed["properties"]["cloudToDevice"]["maxDeliveryCount"] == 30, changed
    assert {it["name"] for it in az("iot hub list")} == {HUB, "second"}
    assert az("iot hub show --name second")["tags"] == {"site": "roof"}
    texts = az("iot hub connection-string show --hub-name second --all")["connectionString"]
    assert len(texts) == 5 and all("second.azure-devices.localhost" in it for it in texts), texts
    az("iot hub delete --name second --resource-group mine")
    az("iot hub show --name second", fails="No IoT Hub found")
    az("group delete --name mine --yes")


def policies():
    made = of_hub("hub policy create --name readers --permissions RegistryRead ServiceConnect")
    assert "readers" in [it["keyName"] for it in of_hub("hub policy list")], made
    shown = of_hub("hub policy show --name readers")
    assert sorted(shown["rights"].split(", ")) == ["RegistryRead", "ServiceConnect"], shown
    text = of_hub("hub connection-string show --policy-name readers")["connectionString"]
    az("iot hub device-identity list --login", text)
    az("iot hub device-identity create --device-id no --login", text, fails="")
    of_hub("hub policy renew-key --name readers --renew-key primary")
    renewed = of_hub("hub policy show --name readers")
    assert renewed["primaryKey"] != shown["primaryKey"] and renewed["secondaryKey"] == shown["secondaryKey"], renewed
    az("iot hub device-identity list --login", text, fails="")
    of_hub("hub policy delete --name readers")
    assert "readers" not in [it["keyName"] for it in of_hub("hub policy list")]


def groups():
    of_hub("hub consumer-group create --name readers")
    assert "readers" in [it["name"] for it in of_hub("hub consumer-group list")]
    assert of_hub("hub consumer-group show --name readers")["name"] == "readers"
    of_hub("hub consumer-group delete --name readers")


def certificates():
    hub.make_ca("factory")
    made = of_hub("hub certificate create --name factory --path " + hub.path("factory.pem"))
    made = of_hub("hub certificate update --name factory --etag " + made["etag"] + " --path " + hub.path("factory.pem"))
    assert {it["name"] for it in of_hub("hub certificate list")["value"]} == {"root", "factory"}
    assert of_hub("hub certificate show --name factory")["properties"]["isVerified"] is False
    of_hub("hub certificate delete --name factory --etag " + made["etag"])


def devices():
    made = of_hub("hub device-identity create --device-id keyed")
    before = made["authentication"]["symmetricKey"]["primaryKey"]
    of_hub("hub device-identity renew-key --device-id keyed --key-type primary")
    after = of_hub("hub device-identity show --device-id keyed")["authentication"]["symmetricKey"]["primaryKey"]
    assert after != before
    text = of_hub("hub device-identity connection-string show --device-id keyed")["connectionString"]
    assert after in text, text
    of_hub("hub device-identity create --device-id signed --am x509_thumbprint --ptp " + "A" * 40 + " --stp " + "B" * 40)
    of_hub("hub device-identity create --device-id behind --am x509_ca")
    of_hub("hub device-identity update --device-id behind --set status=disabled")
    assert of_hub("hub device-identity show --device-id behind")["status"] == "disabled"
    assert {it["deviceId"] for it in of_hub("hub device-identity list")} == {"keyed", "signed", "behind"}
    assert of_hub("hub generate-sas-token --device-id keyed")["sas"].startswith("SharedAccessSignature")
    of_hub("hub device-identity delete --device-id signed")


def parents():
    for name in ("gateway", "other"):
        of_hub(f"hub device-identity create --device-id {name} --edge-enabled")
    of_hub("hub device-identity parent set --device-id keyed --parent-device-id gateway")
    assert of_hub("hub device-identity parent show --device-id keyed")["deviceId"] == "gateway"
    of_hub("hub device-identity children add --device-id gateway --child-list behind")
    assert set(of_hub("hub device-identity children list --device-id gateway")) == {"keyed", "behind"}
    of_hub("hub device-identity children remove --device-id gateway --child-list behind")
    left = of_hub("hub device-identity children list --device-id gateway")
    assert left == ["keyed"], left


def modules():
    of_hub("hub module-identity create --device-id keyed --module-id camera")
    of_hub("hub module-identity renew-key --device-id keyed --module-id camera --key-type swap")
    # The command sends what it was given of the authentication, and nothing else.
    of_hub("hub module-identity update --device-id keyed --module-id camera --set authentication.symmetricKey.primaryKey=" + "QUFB" * 11)
    shown = of_hub("hub module-identity show --device-id keyed --module-id camera")
    assert shown["authentication"]["symmetricKey"]["primaryKey"] == "QUFB" * 11, shown
    assert [it["moduleId"] for it in of_hub("hub module-identity list --device-id keyed")] == ["camera"]
    assert "ModuleId=camera" in of_hub("hub module-identity connection-string show --device-id keyed --module-id camera")["connectionString"]
    of_hub("hub module-twin update --device-id keyed --module-id camera --desired", '{"zoom": 2}')
    twin = of_hub("hub module-twin show --device-id keyed --module-id camera")
    assert twin["properties"]["desired"]["zoom"] == 2, twin
    of_hub("hub module-twin replace --device-id keyed --module-id camera --json", json.dumps(twin))
    of_hub("hub module-identity delete --device-id keyed --module-id camera")


def twins():
    of_hub("hub device-twin update --device-id keyed --desired", '{"interval": 5}', "--tags", '{"site": "roof"}')
    twin = of_hub("hub device-twin show --device-id keyed")
    twin["tags"] = {"site": "cellar"}
    assert of_hub("hub device-twin replace --device-id keyed --json", json.dumps(twin))["tags"] == {"site": "cellar"}
    assert len(of_hub("hub device-twin list")) == 4
    found = of_hub("hub query --query-command", "SELECT deviceId FROM devices WHERE tags.site = 'cellar'")
    assert found == [{"deviceId": "keyed"}], found


def configurations():
    content = json.dumps({"deviceContent": {"properties.desired.speed": 3}})
    metrics = json.dumps({"queries": {"all": "SELECT deviceId FROM devices"}})
    of_hub("hub configuration create --config-id speed --priority 2", "--target-condition", "tags.site='cellar'",
           "--content", content, "--metrics", metrics, "--labels", '{"a": "b"}')
    assert of_hub("hub configuration show --config-id speed")["priority"] == 2
    assert [it["id"] for it in of_hub("hub configuration list")] == ["speed"]
    of_hub("hub configuration update --config-id speed --set priority=3")

    def applied():
        return of_hub("hub configuration show-metric --config-id speed --metric-id appliedCount --metric-type system")["result"]
    assert wait(applied, 60) == [{"deviceId": "keyed"}]
    assert len(of_hub("hub configuration show-metric --config-id speed --metric-id all")["result"]) == 4
    of_hub("hub configuration delete --config-id speed")


AGENT = {"properties.desired": {
    "schemaVersion": "1.1",
    "runtime": {"type": "docker", "settings": {"minDockerVersion": "v1.25"}},
    "systemModules": {
        "edgeAgent": {"type": "docker", "settings": {"image": "agent:1"}},
        "edgeHub": {"type": "docker", "status": "running", "restartPolicy": "always", "settings": {"image": "hub:1"}}},
    "modules": {"sensor": {"type": "docker", "status": "running", "restartPolicy": "always", "settings": {"image": "sensor:1"}}}}}
EDGE_HUB = {"properties.desired": {"schemaVersion": "1.1", "routes": {}, "storeAndForwardConfiguration": {"timeToLiveSecs": 7200}}}


def edge():
    content = {"modulesContent": {"$edgeAgent": AGENT, "$edgeHub": EDGE_HUB, "sensor": {"properties.desired": {"rate": 2}}}}
    made = of_hub("edge set-modules --device-id gateway --content", json.dumps(content))
    assert {it["moduleId"] for it in made} == {"$edgeAgent", "$edgeHub", "sensor"}, made
    exported = of_hub("edge export-modules --device-id gateway")
    assert exported["content"]["modulesContent"]["sensor"]["properties.desired"]["rate"] == 2, exported


def deployments():
    content = json.dumps({"modulesContent": {"$edgeAgent": AGENT, "$edgeHub": EDGE_HUB}})
    of_hub("edge deployment create --deployment-id base --priority 5", "--target-condition", "deviceId='other'", "--content", content)
    assert of_hub("edge deployment show --deployment-id base")["priority"] == 5
    assert [it["id"] for it in of_hub("edge deployment list")] == ["base"]
    of_hub("edge deployment update --deployment-id base --set labels={}")

    def applied():
        return of_hub("edge deployment show-metric --deployment-id base --metric-id appliedCount --metric-type system")["result"]
    assert wait(applied, 60) == [{"deviceId": "other"}]
    of_hub("edge deployment delete --deployment-id base")


def messages():
    of_hub("device send-d2c-message --device-id keyed --data hello --props a=b")
    last = hub.telemetry("keyed")[-1]
    assert last["properties"]["a"] == "b", last
    pathlib.Path(hub.path("picture.txt")).write_text("picture")
    of_hub("device upload-file --device-id keyed --content-type text/plain --file-path " + hub.path("picture.txt"))
    of_hub("device c2d-message send --device-id keyed --data one -y")
    of_hub("device c2d-message send --device-id keyed --data two -y")
    first = of_hub("device c2d-message receive --device-id keyed")
    of_hub("device c2d-message complete --device-id keyed --etag " + first["etag"])
    second = of_hub("device c2d-message receive --device-id keyed")
    of_hub("device c2d-message reject --device-id keyed --etag " + second["etag"])
    assert of_hub("device c2d-message purge --device-id keyed")["totalMessagesPurged"] == 0


def jobs():
    made = of_hub("hub job create --job-id one --job-type scheduleUpdateTwin --wait", "-q", "deviceId='keyed'",
                  "--twin-patch", '{"tags": {"job": 1}}')
    assert made["status"] == "completed", made
    assert of_hub("hub job show --job-id one")["deviceJobStatistics"]["succeededCount"] == 1
    assert [it["jobId"] for it in of_hub("hub job list")] == ["one"]
    of_hub("hub job create --job-id later --job-type scheduleUpdateTwin --start-time 2099-01-01T00:00:00Z", "-q", "*",
           "--twin-patch", '{"tags": {"job": 2}}')
    assert of_hub("hub job cancel --job-id later")["status"] == "cancelled"


def digital_twins():
    shown = of_hub("hub digital-twin show --device-id keyed")
    assert shown["$dtId"] == "keyed", shown
    of_hub("hub digital-twin update --device-id keyed --json-patch", '{"op": "add", "path": "/target", "value": 7}')
    assert of_hub("hub device-twin show --device-id keyed")["properties"]["desired"]["target"] == 7
    of_hub("hub digital-twin invoke-command --device-id keyed --command-name reboot --connect-timeout 1 --response-timeout 5", fails="")


def transfers():
    container = container_of("registry")
    made = of_hub("hub device-identity export --include-keys --bcu", container)
    assert made["type"] == "export", made


def container_of(name):
    """An address of a blob container, signed by the storage that the emulator has."""
    text = hub.rest("GET", "admin/blob-storage")["connectionString"]
    script = ("import sys, datetime as d; from azure.storage.blob import *; "
              "a = BlobServiceClient.from_connection_string(sys.argv[1]); n = sys.argv[2]; "
              "print(a.get_container_client(n).url + '?' + generate_container_sas(a.account_name, n, a.credential.account_key, "
              "permission='rwdlc', expiry=d.datetime.now(d.timezone.utc) + d.timedelta(hours=1)))")
    venv = pathlib.Path(os.environ.get("IOTHUB_INTEROP_DIR", pathlib.Path(__file__).parents[2] / "target/interop"))
    return subprocess.run([venv / "az-venv/bin/python", "-c", script, text, name], check=True, capture_output=True, text=True).stdout.strip()



def state():
    of_hub("hub state export --state-file " + hub.path("state.json") + " --aspects configurations devices")
    assert "keyed" in pathlib.Path(hub.path("state.json")).read_text()


def a_dps():
    made = az(f"iot dps create --name {DPS} --resource-group {GROUP}")
    assert made["properties"]["state"] == "Active", made
    assert [it["name"] for it in az("iot dps list")] == [DPS]
    az(f"iot dps update --name {DPS} --set tags.a=b")
    assert az(f"iot dps show --name {DPS}")["tags"] == {"a": "b"}
    assert of_dps("linked-hub show --linked-hub " + HUB)["name"] == "localhost"
    of_dps("linked-hub list")
    assert of_dps("connection-string show")["connectionString"].startswith("HostName=")


def dps_policies():
    of_dps("policy create --policy-name readers --rights EnrollmentRead RegistrationStatusRead")
    assert [it["keyName"] for it in of_dps("policy list")] == ["provisioningserviceowner", "readers"]
    text = of_dps("connection-string show --policy-name readers")["connectionString"]
    assert az("iot dps enrollment list --login", text) == []
    az("iot dps enrollment create --enrollment-id no --attestation-type symmetricKey --login", text, fails="")
    of_dps("policy update --policy-name readers --rights EnrollmentWrite")
    assert of_dps("policy show --policy-name readers")["rights"] == "EnrollmentWrite"
    of_dps("policy delete --policy-name readers")


def dps_certificates():
    hub.make_ca("factory")
    made = of_dps("certificate create --name factory --path " + hub.path("factory.pem"))
    assert [it["name"] for it in of_dps("certificate list")["value"]] == ["factory"]
    of_dps("certificate delete --name factory --etag " + made["etag"])


def enrollments():
    of_dps("enrollment create --enrollment-id one --attestation-type symmetricKey --device-id named --initial-twin-tags", '{"a": 1}')
    of_dps("enrollment update --enrollment-id one --allocation-policy static --iot-hubs localhost")
    assert of_dps("enrollment show --enrollment-id one --show-keys")["attestation"]["symmetricKey"]["primaryKey"]
    assert [it["registrationId"] for it in of_dps("enrollment list")] == ["one"]
    of_dps("enrollment-group create --enrollment-id line --primary-key " + "QUFB" * 11 + " --secondary-key " + "QkJC" * 11)
    of_dps("enrollment-group update --enrollment-id line --edge-enabled false")
    assert of_dps("enrollment-group show --enrollment-id line --show-keys")["enrollmentGroupId"] == "line"
    assert len(of_dps("enrollment-group list")) == 1
    assert of_dps("enrollment-group compute-device-key --enrollment-id line --registration-id dev")


def registrations():
    made = az("iot device registration create --host localhost --dps-name", DPS, "--enrollment-group-id", "line", "--registration-id", "dev")
    assert made["status"] == "assigned", made
    assert len(of_dps("enrollment-group registration list --enrollment-id line")) == 1
    assert of_dps("enrollment-group registration show --registration-id dev")["status"] == "assigned"
    of_dps("enrollment-group registration delete --registration-id dev")
    made = az("iot device registration create --host localhost --dps-name", DPS, "--registration-id", "one")
    assert made["registrationState"]["deviceId"] == "named", made
    assert of_dps("enrollment registration show --enrollment-id one")["deviceId"] == "named"
    of_dps("enrollment registration delete --enrollment-id one")
    of_dps("enrollment delete --enrollment-id one")
    of_dps("enrollment-group delete --enrollment-id line")


def routes():
    assert of_hub("hub message-endpoint list") is not None
    assert of_hub("hub message-route fallback show")["isEnabled"] is True
    of_hub("hub message-route create --route-name warm --endpoint-name events --source-type DeviceMessages", "--condition", "level='alarm'")
    assert [it["name"] for it in of_hub("hub message-route list")] == ["warm"]
    assert of_hub("hub message-route show --route-name warm")["condition"] == "level='alarm'"
    tested = of_hub("hub message-route test --route-name warm --ap", '{"level": "alarm"}')
    assert tested["result"] == "true", tested
    tested = of_hub("hub message-route test --ap", '{"level": "calm"}')
    assert [it["properties"]["name"] for it in tested["routes"]] == ["$fallback"], tested
    of_hub("hub message-route update --route-name warm --enabled false")
    of_hub("hub message-route fallback set --enabled true")
    of_hub("hub message-route delete --route-name warm -y")
    # In this group of commands the hub is --name.
    az("iot hub message-enrichment create --key site --value roof --endpoints events --name", HUB)
    assert [it["key"] for it in az("iot hub message-enrichment list --name", HUB)] == ["site"]
    az("iot hub message-enrichment delete --key site --name", HUB)


def endpoints():
    storage = hub.rest("GET", "admin/blob-storage")["connectionString"]
    far = "Endpoint=sb://far.servicebus.windows.net/;SharedAccessKeyName=n;SharedAccessKey=QQ==;EntityPath=e"
    of_hub("hub message-endpoint create storage-container --endpoint-name packed --container-name packed --batch-frequency 60",
           "--connection-string", storage)
    of_hub("hub message-endpoint create storage-container --endpoint-name plain --container-name plain --encoding json --batch-frequency 60",
           "--connection-string", storage)
    of_hub("hub message-endpoint create eventhub --endpoint-name far", "--connection-string", far)
    shown = of_hub("hub message-endpoint list")
    assert [it["name"] for it in shown["storageContainers"] + shown["eventHubs"]] == ["packed", "plain", "far"], shown
    for name in "packed", "plain", "far":
        of_hub(f"hub message-route create --route-name {name} --endpoint-name {name} --source-type DeviceMessages", "--condition", "level='alarm'")
    of_hub("hub device-identity create --device-id routed")
    for level in "calm", "alarm":
        of_hub("device send-d2c-message --device-id routed", "--data", json.dumps({"level": level}),
               "--properties", f"level={level};$.ct=application/json;$.ce=utf-8")
    data = pathlib.Path(hub.path("data"))
    try:
        # A batch is an hour old at once.
        hub.rest("PUT", "admin/clock", {"shiftMs": 3_600_000})
        files = {name: data / "files" / name for name in ("packed", "plain")}
        wait(lambda: all(folder.is_dir() and list(folder.iterdir()) for folder in files.values()))
    finally:
        hub.rest("PUT", "admin/clock", {"shiftMs": 0})
    [line] = map(json.loads, next(files["plain"].iterdir()).read_text().splitlines())
    assert (line["Body"], line["Properties"]) == ({"level": "alarm"}, {"level": "alarm"}), line
    # Read by another's reader of Avro.
    read = "import fastavro, sys; [it] = fastavro.reader(open(sys.argv[1], 'rb')); print(it['SystemProperties']['connectionDeviceId'], it['Body'])"
    packed = next(files["packed"].iterdir())
    seen = subprocess.run([os.environ["AZ_PYTHON"], "-c", read, packed], check=True, capture_output=True, text=True).stdout
    assert seen == "routed b'{\"level\": \"alarm\"}'\n", seen
    wait(lambda: list(data.glob("routes/*/far.jsonl")))
    az("iot hub message-endpoint delete --endpoint-name packed --force -y --hub-name", HUB)
    assert [it["name"] for it in of_hub("hub message-route list")] == ["plain", "far"]


SCENARIOS = [("sign in", setup), ("hub", a_hub), ("hub policy", policies), ("hub consumer-group", groups), ("hub certificate", certificates),
             ("hub device-identity", devices), ("hub device-identity parent, children", parents), ("hub module-identity, module-twin", modules),
             ("hub device-twin, query", twins), ("hub configuration", configurations), ("edge set-modules, export-modules", edge),
             ("edge deployment", deployments), ("device messages, files", messages), ("hub job", jobs), ("hub digital-twin", digital_twins),
             ("hub device-identity export", transfers), ("hub message-route, message-enrichment", routes),
             ("hub message-endpoint", endpoints), ("hub state", state), ("dps", a_dps),
             ("dps policy", dps_policies), ("dps certificate", dps_certificates), ("dps enrollment, enrollment-group", enrollments),
             ("device registration", registrations)]
only = os.environ.get("IOTHUB_COMMANDS")
for name, run in SCENARIOS:
    if not only or name == "sign in" or any(part in name for part in only.split(";")):
        check(f"az {name}", run)
hub.stop()
