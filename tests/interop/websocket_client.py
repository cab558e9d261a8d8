"""Clients that speak MQTT over WebSocket at the HTTPS port: azure-iot-device, then websocket_client.js."""
import os
import sys

from emulator import Emulator, check, node, wait

hub = Emulator(sys.argv[1])

from azure.iot.device import IoTHubDeviceClient, MethodResponse, ProvisioningDeviceClient, X509  # noqa: E402

CA = open(hub.ca).read()


def key_of(name):
    entry = hub.rest("PUT", f"devices/{name}", {"deviceId": name, "authentication": {"type": "sas"}})
    return entry["authentication"]["symmetricKey"]["primaryKey"]


def everything(client, name):
    """Telemetry, twin, method and a cloud-to-device message."""
    got = []
    client.on_message_received = got.append

    def method(request):
        client.send_method_response(MethodResponse.create_from_method_request(request, 200, request.payload))
    client.on_method_request_received = method
    client.connect()
    client.send_message("over a websocket")
    assert hub.telemetry(name)[0]["body"] == "over a websocket"
    client.send_message("x" * 200_000)
    assert len(hub.telemetry(name, 2)[1]["body"]) == 200_000
    client.patch_twin_reported_properties({"led": 1})
    assert client.get_twin()["reported"]["led"] == 1
    answer = hub.rest("POST", f"twins/{name}/methods", {"methodName": "echo", "payload": {"a": 1}, "connectTimeoutInSeconds": 10})
    assert answer == {"status": 200, "payload": {"a": 1}}, answer
    hub.rest("POST", f"devices/{name}/messages/deviceBound", b"hello")
    wait(lambda: [it.data for it in got] == [b"hello"])
    client.shutdown()


def sas():
    everything(IoTHubDeviceClient.create_from_connection_string(
        f"HostName=localhost;DeviceId=wskey;SharedAccessKey={key_of('wskey')}", server_verification_cert=CA,
        websockets=True), "wskey")


def x509():
    certificate, key = hub.make_device("wsca")
    hub.rest("PUT", "devices/wsca", {"deviceId": "wsca", "authentication": {"type": "certificateAuthority"}})
    everything(IoTHubDeviceClient.create_from_x509_certificate(
        X509(cert_file=certificate, key_file=key), hostname="localhost", device_id="wsca", server_verification_cert=CA,
        websockets=True), "wsca")


def provisioning():
    hub.rest("PUT", "enrollmentGroups/fleet", {"attestation": {"type": "x509", "x509": {
        "signingCertificates": {"primary": {"certificate": hub.read("root.pem")}}}}})
    certificate, key = hub.make_device("wsdps")
    result = ProvisioningDeviceClient.create_from_x509_certificate(
        provisioning_host="localhost", registration_id="wsdps", id_scope="0ne00000001",
        x509=X509(cert_file=certificate, key_file=key), server_verification_cert=CA, websockets=True).register()
    assert result.status == "assigned", result


for name, run in [("python: key", sas), ("python: certificate", x509), ("python: provisioning", provisioning)]:
    check(name, run)
hub.make_device("nodeca")
hub.make_device("nodedps")
node("websocket_client.js", hub)
hub.stop()
os._exit(0)  # the clients' threads would go on trying
