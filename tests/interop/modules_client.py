"""Modules: azure-iot-hub and IoTHubModuleClient of azure-iot-device; then modules_client.js."""
import os
import sys

from emulator import HTTPS_PORT, Emulator, check, node, wait

hub = Emulator(sys.argv[1])
os.environ["REQUESTS_CA_BUNDLE"] = hub.ca

from azure.iot.device import IoTHubModuleClient, Message, MethodResponse, X509  # noqa: E402
from azure.iot.hub import IoTHubRegistryManager  # noqa: E402
from azure.iot.hub.models import CloudToDeviceMethod, QuerySpecification, Twin, TwinProperties  # noqa: E402

CA = open(hub.ca).read()
service = IoTHubRegistryManager(hub.connection_string.replace("HostName=localhost", f"HostName=localhost:{HTTPS_PORT}"))
module = None
desired = []


def registry():
    service.create_device_with_sas("dev1", "", "", "enabled")
    made = service.create_module_with_sas("dev1", "temp", "me", "", "")
    assert (made.device_id, made.module_id, made.managed_by) == ("dev1", "temp", "me"), made
    assert [it.module_id for it in service.get_modules("dev1")] == ["temp"]
    service.create_module_with_certificate_authority("dev1", "ca", "")
    service.delete_module("dev1", "ca")
    assert [it.module_id for it in service.get_modules("dev1")] == ["temp"]


def connect():
    global module
    key = service.get_module("dev1", "temp").authentication.symmetric_key.primary_key
    module = IoTHubModuleClient.create_from_connection_string(
        f"HostName=localhost;DeviceId=dev1;ModuleId=temp;SharedAccessKey={key}", server_verification_cert=CA)
    module.on_twin_desired_properties_patch_received = desired.append
    module.on_message_received = lambda message: None

    def method(request):
        module.send_method_response(MethodResponse.create_from_method_request(request, 200, {"was": request.payload}))
    module.on_method_request_received = method
    module.connect()
    wait(lambda: service.get_module("dev1", "temp").connection_state == "Connected")


def telemetry():
    module.send_message(Message("plain"))
    module.send_message_to_output(Message("routed"), "output1")
    lines = hub.telemetry("dev1/temp", 2)
    assert lines[0]["body"] == "plain" and lines[0]["moduleId"] == "temp" and lines[0]["deviceId"] == "dev1", lines
    assert lines[1]["systemProperties"]["outputName"] == "output1", lines


def twin():
    module.patch_twin_reported_properties({"v": 7})
    assert service.get_module_twin("dev1", "temp").properties.reported["v"] == 7
    service.update_module_twin("dev1", "temp", Twin(properties=TwinProperties(desired={"interval": 1}), tags={"a": 1}), "*")
    wait(lambda: {"interval": 1, "$version": 2} in desired)
    assert module.get_twin()["desired"]["interval"] == 1


def method():
    answer = service.invoke_device_module_method("dev1", "temp", CloudToDeviceMethod(
        method_name="led", payload={"on": True}, response_timeout_in_seconds=10, connect_timeout_in_seconds=5))
    assert answer.status == 200 and answer.payload == {"was": {"on": True}}, answer


def query():
    found = service.query_iot_hub(QuerySpecification(query="SELECT * FROM devices.modules WHERE moduleId = 'temp'"))
    assert [(it.device_id, it.module_id) for it in found.items] == [("dev1", "temp")], found.items


def certificate():
    service.create_module_with_x509("dev1", "thumb", "", "0" * 40, "1" * 40)
    path, key = hub.make_device("dev1/own")
    hub.rest("PUT", "devices/dev1/modules/own", {"authentication": {"type": "certificateAuthority"}})
    client = IoTHubModuleClient.create_from_x509_certificate(
        X509(cert_file=path, key_file=key), hostname="localhost", device_id="dev1", module_id="own", server_verification_cert=CA)
    client.connect()
    client.send_message("certificate")
    assert hub.telemetry("dev1/own")[0]["body"] == "certificate"
    client.shutdown()


def websocket():
    key = service.get_module("dev1", "temp").authentication.symmetric_key.primary_key
    module.shutdown()
    client = IoTHubModuleClient.create_from_connection_string(
        f"HostName=localhost;DeviceId=dev1;ModuleId=temp;SharedAccessKey={key}", server_verification_cert=CA, websockets=True)
    client.connect()
    client.send_message("websocket")
    assert hub.telemetry("dev1/temp", 3)[2]["body"] == "websocket"
    client.shutdown()


for name, run in [("python: registry of modules", registry), ("python: module connects", connect),
                  ("python: module telemetry", telemetry), ("python: module twin", twin), ("python: module method", method),
                  ("python: query of modules", query), ("python: module with a certificate", certificate),
                  ("python: module over websocket", websocket)]:
    check(name, run)
node("modules_client.js", hub)
hub.stop()
os._exit(0)  # the clients' threads would go on trying
