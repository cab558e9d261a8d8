"""Files of devices: azure-iot-device asks where, azure-storage-blob puts them there; then files_client.js."""
import os
import subprocess
import sys

from emulator import Emulator, check, node, wait

hub = Emulator(sys.argv[1])

from azure.iot.device import IoTHubDeviceClient, X509  # noqa: E402
from azure.core.exceptions import ServiceRequestError  # noqa: E402
from azure.storage.blob import BlobClient, BlobServiceClient, ContainerClient, generate_container_sas  # noqa: E402

CA = open(hub.ca).read()
key = hub.rest("PUT", "devices/files1", {"authentication": {"type": "sas"}})["authentication"]["symmetricKey"]["primaryKey"]


def upload(client, name, data, **options):
    info = client.get_storage_info_for_blob(name)
    url = "https://{hostName}/{containerName}/{blobName}{sasToken}".format(**info)
    blob = BlobClient.from_blob_url(url, connection_verify=hub.ca, **options)
    blob.upload_blob(data)
    client.notify_blob_upload_status(info["correlationId"], True, 200, "done")
    assert blob.download_blob().readall() == data
    notification = hub.rest("GET", "messages/serviceBound/filenotifications")
    assert notification["blobName"] == info["blobName"] and notification["blobSizeInBytes"] == len(data), notification
    return blob


def with_key():
    client = IoTHubDeviceClient.create_from_connection_string(
        f"HostName=localhost;DeviceId=files1;SharedAccessKey={key}", server_verification_cert=CA)
    client.connect()
    upload(client, "small.txt", b"hello")
    client.shutdown()


def in_blocks():
    client = IoTHubDeviceClient.create_from_connection_string(
        f"HostName=localhost;DeviceId=files1;SharedAccessKey={key}", server_verification_cert=CA)
    client.connect()
    data = os.urandom(3 * 1024 * 1024 + 17)
    blob = upload(client, "folder/large one.bin", data, max_single_put_size=256 * 1024, max_block_size=512 * 1024)
    assert blob.get_blob_properties().size == len(data)
    try:
        blob.upload_blob(b"again")
    except Exception as error:
        assert type(error).__name__ == "ResourceExistsError", error
    else:
        raise AssertionError("a blob that is there was put again")
    client.shutdown()


def with_certificate():
    certificate, path = hub.make_device("filesca")
    hub.rest("PUT", "devices/filesca", {"authentication": {"type": "certificateAuthority"}})
    client = IoTHubDeviceClient.create_from_x509_certificate(
        X509(cert_file=certificate, key_file=path), hostname="localhost", device_id="filesca", server_verification_cert=CA)
    client.connect()
    upload(client, "x509.txt", b"certificate")
    client.shutdown()


def signed_by_the_storage_client():
    text = hub.rest("GET", "admin/blob-storage")["connectionString"]
    parts = dict(part.split("=", 1) for part in text.strip(";").split(";"))
    sas = generate_container_sas(parts["AccountName"], "made", account_key=parts["AccountKey"], permission="rwl",
                                 expiry="2100-01-01T00:00:00Z")
    container = ContainerClient.from_container_url(f"{parts['BlobEndpoint']}/made?{sas}", connection_verify=hub.ca)
    container.upload_blob("devices.txt", b"line", overwrite=True)
    assert container.download_blob("devices.txt").readall() == b"line"


def azurite():
    storage = subprocess.Popen(
        ["node", os.path.join(os.environ["NODE_PATH"], ".bin", "azurite-blob"), "--silent", "--inMemoryPersistence",
         "--skipApiVersionCheck"], stdout=subprocess.DEVNULL, cwd=hub.folder)
    other = subprocess.Popen(
        [os.environ["IOTHUB_EMULATOR"], "--mqtt", "127.0.0.1:0", "--http", "127.0.0.1:0", "--quiet",
         "--data-dir", hub.path("other"), "--blob-storage", "UseDevelopmentStorage=true"], stdout=subprocess.PIPE, text=True)
    own = hub.http
    try:
        hub.http = next(word[5:] for word in other.stdout.readline().split() if word.startswith("http="))
        blobs = BlobServiceClient.from_connection_string("UseDevelopmentStorage=true", retry_total=0)

        def made():
            try:
                return blobs.create_container("uploads")
            except ServiceRequestError:
                return None
        wait(made)
        hub.rest("PUT", "devices/az1", {})
        info = hub.rest("POST", "devices/az1/files", {"blobName": "a b/c.txt"})
        assert info["hostName"] == "127.0.0.1:10000", info
        BlobClient.from_blob_url("http://{hostName}/{containerName}/{blobName}{sasToken}".format(**info)).upload_blob(b"hello")
        hub.rest("POST", "devices/az1/files/notifications", {"correlationId": info["correlationId"], "isSuccess": True})
        told = hub.rest("GET", "messages/serviceBound/filenotifications")
        assert told["blobName"] == "az1/a b/c.txt" and told["blobSizeInBytes"] == 5, told
    finally:
        hub.http = own
        for process in (storage, other):
            process.terminate()
            process.wait(20)


for name, run in [("python: file with a key", with_key), ("python: file in blocks", in_blocks),
                  ("python: file with a certificate", with_certificate),
                  ("python: a signature of the storage client", signed_by_the_storage_client),
                  ("python: file in Azurite", azurite)]:
    check(name, run)
hub.make_device("nodefiles")
hub.make_device("httpdps")
node("files_client.js", hub)
hub.stop()
os._exit(0)  # the clients' threads would go on trying
