"""Many devices at once: azure-iot-hub, azure-storage-blob, the provisioning service client; then jobs_client.js."""
import os
import sys
import uuid

from emulator import HTTPS_PORT, Emulator, check, node, wait

hub = Emulator(sys.argv[1])
os.environ["REQUESTS_CA_BUNDLE"] = hub.ca

from azure.iot.device import IoTHubDeviceClient, MethodResponse  # noqa: E402
from azure.iot.hub import DigitalTwinClient, IoTHubConfigurationManager, IoTHubJobManager, IoTHubRegistryManager  # noqa: E402
from azure.iot.hub.models import QuerySpecification  # noqa: E402
from azure.iot.hub.protocol.models import (CloudToDeviceMethod, Configuration, ConfigurationContent,  # noqa: E402
                                           ConfigurationMetrics, ExportImportDevice, JobProperties, JobRequest, Twin,
                                           TwinProperties)
from azure.storage.blob import ContainerClient, generate_container_sas  # noqa: E402

text = hub.connection_string.replace("HostName=localhost", f"HostName=localhost:{HTTPS_PORT}")
service = IoTHubRegistryManager(text)
jobs = IoTHubJobManager.from_connection_string(text)


def container(name):
    parts = dict(part.split("=", 1) for part in
                 hub.rest("GET", "admin/blob-storage")["connectionString"].strip(";").split(";"))
    sas = generate_container_sas(parts["AccountName"], name, account_key=parts["AccountKey"], permission="rwl",
                                 expiry="2100-01-01T00:00:00Z")
    return f"{parts['BlobEndpoint']}/{name}?{sas}"


def bulk():
    devices = [ExportImportDevice(id=f"bulk{number}", import_mode="create", status="enabled", tags={"bulk": number % 2})
               for number in range(100)]
    result = service.bulk_create_or_update_devices(devices)
    assert result.is_successful and not result.errors, result
    assert service.get_device_registry_statistics().total_device_count == 100
    gone = [ExportImportDevice(id=f"bulk{number}", import_mode="delete") for number in range(90, 100)]
    assert service.bulk_create_or_update_devices(gone).is_successful
    assert service.get_device_registry_statistics().total_device_count == 90


def twins():
    name = f"twins-{uuid.uuid4()}"
    jobs.create_scheduled_job(name, JobRequest(
        job_id=name, type="scheduleUpdateTwin", query_condition="tags.bulk = 1", max_execution_time_in_seconds=60,
        update_twin=Twin(etag="*", properties=TwinProperties(desired={"interval": 5}))))
    done = wait(lambda: (lambda job: job if job.status == "completed" else None)(jobs.get_scheduled_job(name)))
    assert done.device_job_statistics.succeeded_count == 45, done.device_job_statistics
    assert service.get_twin("bulk1").properties.desired["interval"] == 5
    found = service.query_iot_hub(QuerySpecification(query=f"SELECT * FROM devices.jobs WHERE devices.jobs.jobId = '{name}'"))
    assert found is not None


def methods():
    key = hub.rest("PUT", "devices/methods1", {"authentication": {"type": "sas"}})["authentication"]["symmetricKey"]["primaryKey"]
    client = IoTHubDeviceClient.create_from_connection_string(
        f"HostName=localhost;DeviceId=methods1;SharedAccessKey={key}", server_verification_cert=open(hub.ca).read())

    def method(request):
        client.send_method_response(MethodResponse.create_from_method_request(request, 200, {"was": request.payload}))
    client.on_method_request_received = method
    client.connect()
    wait(lambda: client.connected)
    name = f"methods-{uuid.uuid4()}"
    jobs.create_scheduled_job(name, JobRequest(
        job_id=name, type="scheduleDeviceMethod", query_condition="deviceId = 'methods1'",
        cloud_to_device_method=CloudToDeviceMethod(method_name="led", payload={"on": True}, response_timeout_in_seconds=10,
                                                   connect_timeout_in_seconds=10), max_execution_time_in_seconds=60))
    done = wait(lambda: (lambda job: job if job.status == "completed" else None)(jobs.get_scheduled_job(name)))
    assert done.device_job_statistics.succeeded_count == 1, done.device_job_statistics
    rows = hub.rest("POST", "devices/query", {"query": f"SELECT * FROM devices.jobs WHERE devices.jobs.jobId = '{name}'"})
    assert rows[0]["outcome"]["deviceMethodResponse"] == {"status": 200, "payload": {"was": {"on": True}}}, rows
    client.shutdown()


def cancel():
    name = f"later-{uuid.uuid4()}"
    made = jobs.create_scheduled_job(name, JobRequest(
        job_id=name, type="scheduleUpdateTwin", query_condition="*", start_time="2999-01-01T00:00:00Z",
        update_twin=Twin(etag="*", tags={"a": 1}), max_execution_time_in_seconds=60))
    assert made.status == "scheduled", made
    jobs.cancel_scheduled_job(name)
    assert jobs.get_scheduled_job(name).status == "cancelled"


def ended(job):
    return wait(lambda: (lambda it: it if it.status in ("completed", "failed") else None)(jobs.get_import_export_job(job.job_id)))


def transfer():
    uri = container("moved")
    job = ended(jobs.create_import_export_job(JobProperties(
        type="export", output_blob_container_uri=uri, exclude_keys_in_export=False)))
    assert job.status == "completed" and job.progress == 100, job
    blobs = ContainerClient.from_container_url(uri, connection_verify=hub.ca)
    lines = blobs.download_blob("devices.txt").readall()
    assert len(lines.splitlines()) == 91, lines
    gone = b'{"id":"bulk0","importMode":"delete"}\n{"id":"new1","importMode":"create"}\n{"id":"nobody","importMode":"delete"}\n'
    blobs.upload_blob("devices.txt", gone, overwrite=True)
    job = ended(jobs.create_import_export_job(JobProperties(
        type="import", input_blob_container_uri=uri, output_blob_container_uri=uri)))
    assert job.status == "completed", job
    assert service.get_device("new1").device_id == "new1"
    assert b"DeviceNotFound" in blobs.download_blob("importErrors.log").readall()
    assert len(jobs.get_import_export_jobs()) == 2


def configuration():
    manager = IoTHubConfigurationManager(text)
    made = manager.create_configuration(Configuration(
        id="lights", target_condition="tags.bulk = 0", priority=5, content=ConfigurationContent(
            device_content={"properties.desired.led": {"on": True}}),
        metrics=ConfigurationMetrics(queries={"zeros": "SELECT deviceId FROM devices WHERE tags.bulk = 0"})))
    assert made.etag and made.priority == 5, made
    count = service.get_device_registry_statistics().total_device_count
    assert count > 40

    def done():
        shown = manager.get_configuration("lights")
        results = shown.system_metrics.results
        return shown if results["appliedCount"] == results["targetedCount"] > 40 else None
    shown = wait(done)
    wait(lambda: manager.get_configuration("lights").metrics.results["zeros"] == shown.system_metrics.results["targetedCount"])
    assert service.get_twin("bulk2").properties.desired["led"] == {"on": True}
    manager.delete_configuration("lights")
    assert manager.get_configurations() == []


def digital_twin():
    twins = DigitalTwinClient.from_connection_string(text)
    twins.update_digital_twin("bulk2", [{"op": "add", "path": "/interval", "value": 7}])
    shown = twins.get_digital_twin("bulk2")
    assert shown["$dtId"] == "bulk2" and shown["$metadata"]["interval"]["desiredValue"] == 7, shown


for name, run in [("python: registry in bulk", bulk), ("python: job over twins", twins), ("python: job over methods", methods),
                  ("python: scheduled and cancelled job", cancel), ("python: import and export", transfer), ("python: configuration", configuration),
                  ("python: digital twin", digital_twin)]:
    check(name, run)
node("jobs_client.js", hub)
hub.stop()
os._exit(0)  # the clients' threads would go on trying
