"""Clients that speak MQTT over WebSocket at the HTTPS port: azure-iot-device, mqtt.js in chromium, then websocket_client.js."""
import base64
import hashlib
import hmac
import http.server
import os
import pathlib
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

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


def browser():
    key = base64.b64decode(key_of("browser"))
    resource, expiry = urllib.parse.quote("localhost/devices/browser", safe=""), int(time.time()) + 600
    signature = base64.b64encode(hmac.digest(key, f"{resource}\n{expiry}".encode(), hashlib.sha256))
    token = f"SharedAccessSignature sr={resource}&sig={urllib.parse.quote(signature, safe='')}&se={expiry}"
    files = {"/": pathlib.Path(__file__).with_name("websocket_page.html"),
             "/mqtt.min.js": pathlib.Path(os.environ["NODE_PATH"]) / "mqtt/dist/mqtt.min.js"}
    results = queue.Queue()

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            path = files.get(self.path.partition("?")[0])
            self.send_response(200 if path else 404)
            self.end_headers()
            self.wfile.write(path.read_bytes() if path else b"")

        def do_POST(self):
            results.put(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as server, tempfile.TemporaryDirectory() as profile:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = f"http://localhost:{server.server_port}/?token={urllib.parse.quote(token, safe='')}"
        # The certificate is the emulator's; whoever sits before a browser has it trust the CA.
        command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--ignore-certificate-errors", "--remote-debugging-port=0",
                   f"--user-data-dir={profile}", page]
        chromium = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait(lambda: hub.rest("GET", "devices/browser")["connectionState"] == "Connected" or not results.empty(), 60)
            hub.rest("POST", "devices/browser/messages/deviceBound", b"hello")
            result = results.get(timeout=60)
            assert result == "well", result
        finally:
            chromium.kill()
            chromium.wait()
            server.shutdown()
    assert [it["body"] for it in hub.telemetry("browser", 2)] == ["from a browser", "heard hello"]


CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
for name, run in [("python: key", sas), ("python: certificate", x509), ("python: provisioning", provisioning)]:
    check(name, run)
if CHROMIUM:
    check("mqtt.js in chromium", browser)
else:
    print("skip mqtt.js in a browser: there is no chromium here")
hub.make_device("nodeca")
hub.make_device("nodedps")
node("websocket_client.js", hub)
hub.stop()
os._exit(0)  # the clients' threads would go on trying
