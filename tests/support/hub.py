"""A local IoT Hub (iothub-emulator) and devices that it knows, for tests that start a device program of their own.

IOTHUB_EMULATOR names the program; without it `cargo run -p iothub-emulator` is asked for it.
"""
import ctypes
import fcntl
import hashlib
import json
import os
import pathlib
import queue
import socket
import ssl
import struct
import subprocess
import threading
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
CLONE_NEWNET = 0x40000000
ALREADY_THERE = 409
# Seconds until the hub must be ready: the first `cargo run` builds it.
READY_TIMEOUT = 900


def own_network():
    """Moves this process to a network namespace of its own, where mqtt_helper's port is free. Needs root: False without."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
        return False
    get_flags, set_flags, up = 0x8913, 0x8914, 1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(control, get_flags, request))[1]
        fcntl.ioctl(control, set_flags, struct.pack("16sh14x", b"lo", flags | up))
    return True


def self_signed(folder, name):
    """A certificate with its P-256 key, as cert.pem and key.pem."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "cert.pem").exists():
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
             "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}", "-keyout", folder / "key.pem",
             "-out", folder / "cert.pem"],
            check=True, capture_output=True, umask=0o077)


class Hub:
    """The hub as a process, and its REST interface."""

    def __init__(self, data, mqtt="127.0.0.1:8883", options=()):
        self.data = pathlib.Path(data)
        self.mqtt = mqtt
        self.options = options
        self.process = None

    def start(self):
        program = os.environ.get("IOTHUB_EMULATOR")
        command = [program] if program else ["cargo", "run", "-q", "--locked", "-p", "iothub-emulator", "--"]
        self.process = subprocess.Popen(
            [*command, "--hostname", "localhost", "--mqtt", self.mqtt, "--http", "127.0.0.1:0", "--data-dir", self.data,
             *self.options],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        watchdog = threading.Timer(READY_TIMEOUT, self.process.kill)
        watchdog.start()
        try:
            for line in self.process.stdout:
                if line.startswith("ready "):
                    self.http = next(word[5:] for word in line.split() if word.startswith("http="))
                    threading.Thread(target=self.process.stdout.read, daemon=True).start()
                    return self
        finally:
            watchdog.cancel()
        raise RuntimeError(f"the hub ended with {self.process.wait()} before it was ready")

    def stop(self):
        self.process.terminate()
        self.process.wait(10)

    def rest(self, method, path, body=None):
        request = urllib.request.Request(self.http.rstrip("/") + path, method=method,
                                         data=None if body is None else json.dumps(body).encode(),
                                         headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            text = answer.read()
            return json.loads(text) if text else None

    def register(self, device):
        """Makes the device known by the thumbprint of its certificate, which stays the same however often it is asked for;
        the folder with its ca.pem, cert.pem and key.pem."""
        folder = self.data / "devices" / device
        self_signed(folder, device)
        (folder / "ca.pem").write_text((self.data / "server-ca.pem").read_text())
        der = ssl.PEM_cert_to_DER_cert((folder / "cert.pem").read_text())
        try:
            self.rest("PUT", f"/devices/{device}?api-version=2021-04-12", {
                "deviceId": device,
                "authentication": {"type": "selfSigned",
                                   "x509Thumbprint": {"primaryThumbprint": hashlib.sha1(der).hexdigest().upper()}}})
        except urllib.error.HTTPError as error:
            if error.code != ALREADY_THERE:
                raise
        return folder

    def telemetry(self, device):
        """A queue of the device's messages as they arrive from now on."""
        arrived = queue.Queue()
        seen = [message["seq"] for message in self.messages(device, "")]
        stream = self.messages(device, f"&follow=true&since={max(seen, default=0)}")
        threading.Thread(target=lambda: [arrived.put(message) for message in stream], daemon=True).start()
        return arrived

    def messages(self, device, query):
        address = f"{self.http.rstrip('/')}/admin/telemetry.jsonl?device={device}{query}"
        with urllib.request.urlopen(address, timeout=600) as stream:
            for line in stream:
                if line.strip():
                    yield json.loads(line)
