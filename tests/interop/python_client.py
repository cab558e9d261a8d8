"""Microsoft's Python clients: azure-iot-device and azure-iot-hub."""
import json
import os
import sys

from emulator import HTTPS_PORT, Emulator, check, wait

hub = Emulator(sys.argv[1])
os.environ["REQUESTS_CA_BUNDLE"] = hub.ca

from azure.iot.device import IoTHubDeviceClient, Message, MethodResponse, ProvisioningDeviceClient, X509  # noqa: E402
from azure.iot.hub import IoTHubRegistryManager  # noqa: E402
from azure.iot.hub.models import CloudToDeviceMethod, QuerySpecification, Twin, TwinProperties  # noqa: E402

CA = open(hub.ca).read()
service = None
device = None
got = {"c2d": [], "desired": []}


def x509(name):
    certificate, key = hub.make_device(name)
    return X509(cert_file=certificate, key_file=key)


def registry():
    global service
    text = hub.connection_string.replace("HostName=localhost", f"HostName=localhost:{HTTPS_PORT}")
    service = IoTHubRegistryManager(text)
    made = service.create_device_with_certificate_authority("dev1", "enabled")
    assert made.device_id == "dev1" and made.authentication.type == "certificateAuthority"
    assert service.get_device("dev1").status == "enabled"
    service.create_device_with_sas("sas1", "", "", "enabled")


def connect():
    global device
    device = IoTHubDeviceClient.create_from_x509_certificate(
        x509("dev1"), hostname="localhost", device_id="dev1", server_verification_cert=CA)
    device.on_message_received = got["c2d"].append
    device.on_twin_desired_properties_patch_received = got["desired"].append

    def method(request):
        device.send_method_response(MethodResponse.create_from_method_request(request, 200, {"was": request.payload}))
    device.on_method_request_received = method
    device.connect()
    assert wait(lambda: service.get_device("dev1").connection_state == "Connected")


def telemetry():
    message = Message('{"temperature":21.5}', content_encoding="utf-8", content_type="application/json")
    message.message_id = "m 1"
    message.custom_properties["b"] = "x y/&="
    device.send_message(message)
    line = hub.telemetry("dev1")[0]
    assert line["body"] == {"temperature": 21.5} and line["properties"] == {"b": "x y/&="}, line
    assert line["systemProperties"]["messageId"] == "m 1", line
    assert line["systemProperties"]["contentType"] == "application/json", line


def twin():
    assert device.get_twin()["desired"]["$version"] == 1
    device.patch_twin_reported_properties({"led": 1})
    assert service.get_twin("dev1").properties.reported["led"] == 1


def desired():
    document = Twin(properties=TwinProperties(desired={"interval": 1}), tags={"site": "A"})
    service.update_twin("dev1", document, service.get_twin("dev1").etag)
    wait(lambda: {"interval": 1, "$version": 2} in got["desired"])


def method():
    answer = service.invoke_device_method("dev1", CloudToDeviceMethod(
        method_name="led", payload={"on": True}, response_timeout_in_seconds=10, connect_timeout_in_seconds=5))
    assert answer.status == 200 and answer.payload == {"was": {"on": True}}, answer


def query():
    found = service.query_iot_hub(QuerySpecification(query="SELECT * FROM devices WHERE tags.site = 'A'"))
    assert [item.device_id for item in found.items] == ["dev1"], found.items


def statistics():
    assert service.get_device_registry_statistics().total_device_count == 2
    assert service.get_service_statistics().connected_device_count == 1


def c2d():
    hub.rest("POST", "devices/dev1/messages/deviceBound", b"hello",
             {"iothub-messageid": "m1", "iothub-app-colour": "red", "iothub-ack": "full"})
    wait(lambda: got["c2d"])
    message = got["c2d"][0]
    assert message.data == b"hello" and message.custom_properties["colour"] == "red", message
    assert message.message_id == "m1" and message.ack == "full", message
    wait(lambda: hub.rest("GET", "devices/dev1/messages/deviceBound") == [])


def reconnect():
    hub.rest("POST", "admin/faults", {"kind": "dropEvery", "messages": 1, "device": "dev1", "times": 1})
    device.send_message(Message("after the drop"))
    lines = hub.telemetry("dev1", 2)
    assert lines[-1]["body"] == "after the drop", lines


def sas():
    key = service.get_device("sas1").authentication.symmetric_key.primary_key
    client = IoTHubDeviceClient.create_from_connection_string(
        f"HostName=localhost;DeviceId=sas1;SharedAccessKey={key}", server_verification_cert=CA)
    client.connect()
    client.send_message("token")
    assert hub.telemetry("sas1")[0]["body"] == "token"
    client.shutdown()


def dps_group():
    hub.rest("PUT", "enrollmentGroups/fleet", {"attestation": {"type": "x509", "x509": {
        "signingCertificates": {"primary": {"certificate": hub.read("root.pem")}}}}})
    client = ProvisioningDeviceClient.create_from_x509_certificate(
        provisioning_host="localhost", registration_id="dps1", id_scope="0ne00000001", x509=x509("dps1"),
        server_verification_cert=CA)
    client.provisioning_payload = {"model": "thingy91"}
    result = client.register()
    assert result.status == "assigned" and result.registration_state.assigned_hub == "localhost", result
    assert json.loads(str(result.registration_state.response_payload).replace("'", '"')) == {"model": "thingy91"}


def dps_individual():
    key = "AAECAwQFBgcICQoLDA0ODw=="
    hub.rest("PUT", "enrollments/dps2", {"deviceId": "named", "attestation": {
        "type": "symmetricKey", "symmetricKey": {"primaryKey": key, "secondaryKey": key}}})
    client = ProvisioningDeviceClient.create_from_symmetric_key(
        provisioning_host="localhost", registration_id="dps2", id_scope="0ne00000001", symmetric_key=key,
        server_verification_cert=CA)
    result = client.register()
    assert result.status == "assigned" and result.registration_state.device_id == "named", result


def etag():
    try:
        service.update_twin("dev1", Twin(tags={"a": 1}), "AAAAAAAAAAA=")
    except Exception as error:
        assert "412" in str(getattr(error, "status_code", error)) or "Precondition" in str(error), error
    else:
        raise AssertionError("a stale etag was taken")


def delete():
    service.delete_device("dev1")
    wait(lambda: not device.connected)


for name, run in [("registry", registry), ("connect x509", connect), ("telemetry", telemetry), ("twin get and report", twin),
                  ("twin desired", desired), ("method", method), ("query", query), ("statistics", statistics),
                  ("twin etag", etag), ("c2d", c2d), ("reconnect", reconnect), ("connect sas", sas),
                  ("dps group x509", dps_group), ("dps individual key", dps_individual), ("delete drops", delete)]:
    check(name, run)
hub.stop()
os._exit(0)  # the clients' threads would go on trying
