"""What the scenarios share: certificates, a running emulator, checks."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time
import traceback
import urllib.error
import urllib.request

# Node's service clients know no other port.
HTTPS_PORT = 443


class Emulator:
    """An emulator on the ports that Microsoft's clients have built in."""

    def __init__(self, folder, *options, http_port=0):
        self.folder = pathlib.Path(folder)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.arguments = [
            os.environ["IOTHUB_EMULATOR"], "--mqtt", "127.0.0.1:8883", "--http", f"127.0.0.1:{http_port}",
            "--https", f"127.0.0.1:{HTTPS_PORT}", "--data-dir", str(self.folder / "data"), "--quiet", *options]
        self.start()
        self.ca = str(self.folder / "data" / "server-ca.pem")
        self.make_ca("root")
        self.rest("POST", "admin/certificates", {"name": "root", "certificate": self.read("root.pem")})
        self.connection_string = self.rest("GET", "admin/connection-string")["connectionString"]

    def start(self):
        self.process = subprocess.Popen(self.arguments, stdout=subprocess.PIPE, text=True)
        ready = self.process.stdout.readline()
        assert ready.startswith("ready "), ready
        self.http = next(word[5:] for word in ready.split() if word.startswith("http="))

    def restart(self, kill=False):
        """Ends it, or kills it as a crash would, and starts it again on its data."""
        if kill:
            self.process.kill()
            self.process.wait(10)
        else:
            self.stop()
        self.start()

    def read(self, name):
        return (self.folder / name).read_text()

    def path(self, name):
        return str(self.folder / name)

    def openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=self.folder)

    def make_ca(self, name):
        self.openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", f"{name}.key")
        self.openssl("req", "-x509", "-new", "-key", f"{name}.key", "-subj", f"/CN={name} CA", "-days", "30",
                     "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-out", f"{name}.pem")

    def make_device(self, name, ca="root"):
        file = name.replace("/", "-")
        self.openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", f"{file}.key")
        self.openssl("req", "-new", "-key", f"{file}.key", "-subj", "/CN=" + name.replace("/", "\\/"), "-out", f"{file}.csr")
        (self.folder / "device.ext").write_text(
            "basicConstraints=critical,CA:false\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth\n")
        self.openssl("x509", "-req", "-extfile", "device.ext", "-in", f"{file}.csr", "-CA", f"{ca}.pem", "-CAkey", f"{ca}.key",
                     "-CAcreateserial", "-days", "30", "-out", f"{file}.pem")
        return self.path(f"{file}.pem"), self.path(f"{file}.key")

    def thumbprint(self, name):
        text = subprocess.run(["openssl", "x509", "-noout", "-fingerprint", "-sha1", "-in", f"{name}.pem"],
                              check=True, capture_output=True, text=True, cwd=self.folder).stdout
        return text.strip().partition("=")[2].replace(":", "")

    def refusals(self, device):
        return [event["error"] for event in self.events("refused", f"?device={device}")]

    def events(self, kind, query=""):
        with urllib.request.urlopen(f"{self.http}admin/events.jsonl{query}", timeout=60) as answer:
            events = [json.loads(line) for line in answer.read().splitlines()]
        return [event for event in events if event["event"] == kind]

    def rest(self, method, path, body=None, headers=None):
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.http + path, data, headers or {}, method=method)
        with urllib.request.urlopen(request, timeout=40) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def telemetry(self, device, count=1):
        def enough():
            with urllib.request.urlopen(f"{self.http}admin/telemetry.jsonl?device={device}", timeout=60) as answer:
                lines = [json.loads(line) for line in answer.read().splitlines()]
            return lines if len(lines) >= count else None
        return wait(enough)

    def stop(self):
        self.process.terminate()
        assert self.process.wait(10) == 0


def wait(ready, seconds=20):
    """Asks until there is an answer."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = ready()
        if value:
            return value
        time.sleep(0.02)
    raise TimeoutError("it did not happen in time")


def node(script, hub):
    """Runs a script of this folder, whose own lines say what passed."""
    environment = {**os.environ, "NODE_EXTRA_CA_CERTS": hub.ca, "IOTHUB_HTTP": hub.http, "IOTHUB_FOLDER": str(hub.folder),
                   "IOTHUB_CA": hub.ca, "IOTHUB_SERVICE": hub.connection_string}
    code = subprocess.run(["node", str(pathlib.Path(__file__).with_name(script))], env=environment, timeout=180).returncode
    check(f"{script} came to its end", lambda: None if code == 0 else sys.exit(f"exit code {code}"))


def check(name, run):
    """Runs one check and prints how it went."""
    try:
        run()
        print(f"pass {name}", flush=True)
    except BaseException:  # a client may raise anything
        print(f"FAIL {name}", flush=True)
        traceback.print_exc(file=sys.stdout)
        sys.stdout.flush()
