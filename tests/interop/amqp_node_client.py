"""Starts the emulator and runs Microsoft's AMQP clients in Node (amqp_client.js)."""
import os
import pathlib
import subprocess
import sys

from emulator import Emulator

hub = Emulator(sys.argv[1], "--amqp", "127.0.0.1:5671", "--consumer-group", "second", http_port=8080)
hub.make_device("x509")
hub.rest("PUT", "devices/x509", {"deviceId": "x509", "authentication": {"type": "certificateAuthority"}})
events = hub.rest("GET", "admin/connection-string")["eventHubConnectionString"]
environment = {**os.environ, "NODE_EXTRA_CA_CERTS": hub.ca, "IOTHUB_HTTP": hub.http, "IOTHUB_SERVICE": hub.connection_string,
               "IOTHUB_EVENTS": events, "IOTHUB_FOLDER": str(hub.folder)}
script = pathlib.Path(__file__).with_name("amqp_client.js")
checks = subprocess.Popen(["node", str(script)], env=environment, stdout=subprocess.PIPE, text=True)
for line in checks.stdout:
    # A check asks for a crash of the hub by this word.
    if line == "restart\n":
        hub.restart(kill=True)
    else:
        print(line, end="", flush=True)
code = checks.wait(180)
hub.stop()
sys.exit(code)
