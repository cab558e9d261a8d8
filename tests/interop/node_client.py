"""Starts the emulator, prepares it, and runs Microsoft's Node clients (node_client.js)."""
import os
import subprocess
import sys
import pathlib

from emulator import Emulator

hub = Emulator(sys.argv[1])
for name in ("dev1", "dps1", "thumb1"):
    hub.make_device(name)
hub.rest("PUT", "enrollmentGroups/fleet", {"attestation": {"type": "x509", "x509": {
    "signingCertificates": {"primary": {"certificate": hub.read("root.pem")}}}}})
environment = {**os.environ, "NODE_EXTRA_CA_CERTS": hub.ca, "IOTHUB_HTTP": hub.http, "IOTHUB_FOLDER": str(hub.folder),
               "IOTHUB_CA": hub.ca, "IOTHUB_SERVICE": hub.connection_string, "IOTHUB_THUMBPRINT": hub.thumbprint("thumb1")}
script = pathlib.Path(__file__).with_name("node_client.js")
code = subprocess.run(["node", str(script)], env=environment, timeout=180).returncode
hub.stop()
sys.exit(code)
