"""The rest of azure-iot-hub: every public call that no other scenario makes, as `every_call` says at the end."""
import inspect
import os
import pathlib
import re
import sys

from emulator import HTTPS_PORT, Emulator, check, wait

hub = Emulator(sys.argv[1])
os.environ["REQUESTS_CA_BUNDLE"] = hub.ca

import azure.iot.hub  # noqa: E402
from azure.iot.device import IoTHubDeviceClient, MethodResponse  # noqa: E402
from azure.iot.hub import (DigitalTwinClient, IoTHubConfigurationManager, IoTHubHttpRuntimeManager, IoTHubJobManager,  # noqa: E402
                           IoTHubRegistryManager)
from azure.iot.hub.protocol.models import (Configuration, ConfigurationContent, ConfigurationQueriesTestInput, JobProperties,  # noqa: E402
                                           Twin, TwinProperties)
from azure.core.exceptions import DeserializationError  # noqa: E402
from msrest.exceptions import HttpOperationError  # noqa: E402

text = hub.connection_string.replace("HostName=localhost", f"HostName=localhost:{HTTPS_PORT}")
service = IoTHubRegistryManager(text)
KEYS = ["QUFBQUFBQUFBQUFBQUFBQQ==", "QkJCQkJCQkJCQkJCQkJCQg=="]
PRINTS = ["A" * 40, "B" * 40]


def refused(status, call, *arguments):
    try:
        call(*arguments)
    except HttpOperationError as error:
        assert error.response.status_code == status, error
        return str(error)
    raise AssertionError(f"{call.__name__} was not refused")


def devices():
    made = service.create_device_with_certificate_authority("one", "enabled")
    made = service.update_device_with_sas("one", made.etag, *KEYS, "disabled", status_reason="a test")
    assert made.status == "disabled" and made.authentication.symmetric_key.primary_key == KEYS[0], made
    made = service.update_device_with_certificate_authority("one", made.etag, "enabled")
    assert made.authentication.type == "certificateAuthority", made
    refused(412, service.update_device_with_certificate_authority, "one", "AAAA", "enabled")
    service.create_device_with_sas("two", *KEYS, "enabled")
    assert [device.device_id for device in service.get_devices()] == ["one", "two"]
    assert len(service.get_devices(1)) == 1


def modules():
    made = service.create_module_with_sas("two", "camera", "me", *KEYS)
    made = service.update_module_with_x509("two", "camera", "you", made.etag, *PRINTS)
    assert made.managed_by == "you" and made.authentication.x509_thumbprint.primary_thumbprint == PRINTS[0], made
    made = service.update_module_with_certificate_authority("two", "camera", "me", made.etag)
    assert made.authentication.type == "certificateAuthority", made
    made = service.update_module_with_sas("two", "camera", "me", made.etag, *reversed(KEYS))
    assert made.authentication.symmetric_key.primary_key == KEYS[1], made


def twins():
    first = Twin(tags={"a": 1, "b": 2}, properties=TwinProperties(desired={"x": 1, "y": 2}))
    service.update_twin("one", first)
    whole = service.replace_twin("one", Twin(tags={"c": 3}, properties=TwinProperties(desired={"z": 3})))
    assert whole.tags == {"c": 3}, whole.tags
    assert {name for name in whole.properties.desired if name[0] != "$"} == {"z"}, whole.properties.desired
    refused(412, service.replace_twin, "one", first, "AAAA")
    whole = service.replace_module_twin("two", "camera", Twin(properties=TwinProperties(desired={"m": 1})))
    assert whole.module_id == "camera" and whole.properties.desired["m"] == 1, whole


def commands():
    client = IoTHubDeviceClient.create_from_connection_string(
        f"HostName=localhost;DeviceId=two;SharedAccessKey={KEYS[0]}", server_verification_cert=pathlib.Path(hub.ca).read_text())

    def method(request):
        answer = {"name": request.name, "was": request.payload}
        client.send_method_response(MethodResponse.create_from_method_request(request, 201, answer))
    client.on_method_request_received = method
    client.connect()
    wait(lambda: client.connected)
    digital = DigitalTwinClient.from_connection_string(text)
    answer = digital.invoke_command("two", "reboot", {"delay": 5}, 5, 5)
    assert answer == {"name": "reboot", "was": {"delay": 5}}, answer
    answer = digital.invoke_component_command("two", "thermostat1", "reset", 7, 5, 5)
    assert answer == {"name": "thermostat1*reset", "was": 7}, answer
    client.shutdown()


def feedback():
    runtime = IoTHubHttpRuntimeManager.from_connection_string(text)
    # The SDK gives none of the answer back: the lock comes from the headers, which only a plain request shows.
    client = IoTHubDeviceClient.create_from_connection_string(
        f"HostName=localhost;DeviceId=two;SharedAccessKey={KEYS[0]}", server_verification_cert=pathlib.Path(hub.ca).read_text())
    client.connect()
    wait(lambda: client.connected)
    taken = []
    client.on_message_received = taken.append
    hub.rest("POST", "admin/devices/two/messages", {"body": "hello", "ack": "full"})
    wait(lambda: taken)
    client.shutdown()

    def locked():
        answer = runtime.protocol.cloud_to_device_messages.receive_feedback_notification(raw=True)
        etag = answer.response.headers.get("ETag")
        return etag and etag.strip('"')
    lock = wait(locked)
    runtime.abandon_feedback_notification(lock)
    lock = wait(locked)
    runtime.complete_feedback_notification(lock)
    assert runtime.receive_feedback_notification() is None
    assert locked() is None
    refused(412, runtime.complete_feedback_notification, lock)


def configurations():
    manager = IoTHubConfigurationManager.from_connection_string(text)
    made = manager.create_configuration(Configuration(
        id="speed", schema_version="2.0", target_condition="tags.c = 3", priority=1,
        content=ConfigurationContent(device_content={"properties.desired.speed": 1})))
    made.priority = 9
    made = manager.update_configuration(made, made.etag)
    assert made.priority == 9, made
    good = manager.test_configuration_queries(ConfigurationQueriesTestInput(
        target_condition="tags.c = 3", custom_metric_queries={"all": "SELECT deviceId FROM devices"}))
    assert not good.target_condition_error and not good.custom_metric_query_errors, good
    bad = manager.test_configuration_queries(ConfigurationQueriesTestInput(
        target_condition="tags.c =", custom_metric_queries={"all": "SELECT"}))
    assert bad.target_condition_error and bad.custom_metric_query_errors["all"], bad
    agent = {"$edgeAgent": {"properties.desired": {"modules": {"sensor": {}}}}, "sensor": {"properties.desired": {"rate": 3}}}
    said = refused(400, manager.apply_configuration_on_edge_device, "two", ConfigurationContent(modules_content=agent))
    assert said
    service.create_device_with_sas("gateway", *KEYS, "enabled", iot_edge=True)
    manager.apply_configuration_on_edge_device("gateway", ConfigurationContent(modules_content=agent))
    assert service.get_module_twin("gateway", "sensor").properties.desired["rate"] == 3


def jobs():
    manager = IoTHubJobManager.from_connection_string(text)
    refused(404, manager.cancel_import_export_job, "none")
    # The service answers with a list (Node's client reads it in jobs_client.js), where this SDK expects an object.
    try:
        manager.query_scheduled_jobs("scheduleUpdateTwin", "completed")
    except DeserializationError as error:
        assert "'list'" in str(error), error


def every_call():
    """No public call is left out: those of tokens are azure-identity's, which asks an authority of its own."""
    here = pathlib.Path(__file__).parent
    tried = "".join(path.read_text() for path in here.glob("*.py"))
    tried = re.sub(r'""".*?"""', "", tried, flags=re.S)
    for name, kind in inspect.getmembers(azure.iot.hub, inspect.isclass):
        if name.startswith(("IoTHub", "Digital")):
            calls = [call for call, _ in inspect.getmembers(kind, callable) if call[0] != "_" and call != "from_token_credential"]
            missing = [call for call in calls if not re.search(rf"\.{call}\b", tried)]
            assert not missing, f"{name}: {missing}"


for name, run in [("devices", devices), ("modules", modules), ("twins", twins), ("commands of digital twins", commands),
                  ("feedback", feedback), ("configurations", configurations), ("jobs", jobs), ("every call", every_call)]:
    check(f"surface: {name}", run)
hub.stop()
