"""The walk that this project began with, "Device Authentication with Nordic Thingy:91 and Azure IoT Hub", command by command.

The commands are the article's, for bash instead of PowerShell: what it takes out of JSON with ConvertFrom-Json is taken with
--query and --output tsv. `az login` is with the emulator's identity. Where the article turns to the Thingy:91, a device of
Microsoft's stands in, with the certificate that the article makes. article_client.py FOLDER writes FOLDER/transcript.md.
"""
import os
import pathlib
import re
import subprocess
import sys

from emulator import Emulator, check

HUB = "iot-hub001-0x0000-dev"
DPS = "provs-iotcore-0x0000-dev"
DEVICE = "350457791791735879"
hub = Emulator(sys.argv[1], "--name", HUB)
work = pathlib.Path(sys.argv[1])
transcript = []

CONFIG = """cat >{name}.cnf <<'@'
[ ca ]
default_ca      = ca_default

[ ca_default ]
name            = {name}
home            = $name
database        = $home/db/index.txt
serial          = $home/db/serial.txt
new_certs_dir   = $home/certs
certificate     = $home/$name.pem
private_key     = $home/$name.key
policy          = policy_default
default_md      = sha256
default_days    = 3650
copy_extensions = copy
subjectKeyIdentifier = hash

[ policy_default ]
commonName      = supplied
@"""


class Shell:
    """One bash for all commands, so that variables and folder stay."""

    def __init__(self):
        self.process = subprocess.Popen(["bash", "--noprofile", "--norc"], cwd=work, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True)

    def run(self, command):
        self.process.stdin.write(f"{command}\nstatus=$?; echo; echo \"{MARK} $status\"\n")
        self.process.stdin.flush()
        lines = []
        for line in self.process.stdout:
            if line.startswith(MARK):
                return int(line.split()[-1]), "".join(lines).rstrip("\n")
            lines.append(line)
        raise AssertionError(f"the shell ended in {command}")


MARK = "--- done"
shell = Shell()


def step(command, expected=None):
    """Runs a command of the article, which must succeed, and say what is expected."""
    status, said = shell.run(command)
    transcript.append((command, said))
    assert status == 0, f"{command}\n{said}"
    if expected is not None:
        assert re.search(expected, said), f"{command}\n{said}\ndoes not have {expected}"
    return said


def sign_in():
    # Not of the article: the one line that leads the CLI here.
    step(f"eval \"$({os.environ['IOTHUB_EMULATOR']} az --https 127.0.0.1:443 --data-dir data 2>/dev/null)\" >/dev/null 2>&1")
    step(f"az iot dps create --name {DPS} --resource-group iothub-emulator --output none")
    step(f"idScope=$(az iot dps show --name {DPS} --query properties.idScope --output tsv); echo $idScope", "^0ne00000001$")


def environment():
    step("mkdir dev-certs\ncd dev-certs\nmkdir rootca\nmkdir rootca/certs\nmkdir rootca/db\nmkdir subca\nmkdir subca/certs\n"
         "mkdir subca/db\nmkdir devices")
    step(CONFIG.format(name="rootca"))
    step(CONFIG.format(name="subca"))


def root():
    step("touch rootca/db/index.txt\nopenssl rand -hex 16 > rootca/db/serial.txt")
    step("openssl req -config rootca.cnf -new -newkey rsa:2048 -nodes \\\n"
         "  -keyout rootca/rootca.key -out rootca/rootca.csr \\\n"
         "  -subj \"/CN=Development Root CA\" \\\n"
         "  -addext \"basicConstraints = critical,CA:true\" \\\n"
         "  -addext \"keyUsage = critical,keyCertSign,cRLSign\"")
    step("openssl req -text -in rootca/rootca.csr -noout", "CN ?= ?Development Root CA")
    step("openssl ca -config rootca.cnf -selfsign -batch \\\n  -in rootca/rootca.csr -out rootca/rootca.pem", "Database updated")
    step("openssl x509 -in rootca/rootca.pem -text", "CA:TRUE")


def intermediate():
    step("touch subca/db/index.txt\nopenssl rand -hex 16 > subca/db/serial.txt")
    step("openssl req -config subca.cnf -newkey rsa:2048 -nodes \\\n"
         "  -keyout subca/subca.key -out subca/subca.csr \\\n"
         "  -subj \"/CN=Development Intermediate CA\" \\\n"
         "  -addext \"basicConstraints = critical,CA:true\" \\\n"
         "  -addext \"keyUsage = critical,keyCertSign,cRLSign\" \\\n"
         "  -addext \"extendedKeyUsage = clientAuth,serverAuth\"")
    step("openssl req -text -in subca/subca.csr -noout", "CN ?= ?Development Intermediate CA")
    step("openssl ca -config rootca.cnf -batch \\\n  -in subca/subca.csr -out subca/subca.pem", "Database updated")
    step("openssl x509 -in subca/subca.pem -text", "Issuer: CN ?= ?Development Root CA")
    step("ls rootca/certs | wc -l", "2")


def upload():
    step("az login --identity --output none")
    step("az account set --subscription 00000000-0000-0000-0000-000000000001")
    step("iotName=\"iot-hub001-0x$(az account show --query id --output tsv | cut -c1-4)-dev\"\n"
         "certName=\"cert-0x$(az account show --query id --output tsv | cut -c1-4)-subca\"\necho $iotName $certName",
         f"^{HUB} cert-0x0000-subca$")
    step("certEtag=$(az iot hub certificate create --hub-name $iotName --name $certName --path subca/subca.pem \\\n"
         "  --query etag --output tsv)")
    step("challenge=$(az iot hub certificate generate-verification-code --hub-name $iotName --name $certName --etag $certEtag \\\n"
         "  --query '[etag, properties.verificationCode]' --output tsv)\nchallengeEtag=$(echo \"$challenge\" | sed -n 1p)\n"
         "verificationCode=$(echo \"$challenge\" | sed -n 2p)\necho $verificationCode", "^[0-9A-F]{48}$")


def prove():
    step("openssl req -config subca.cnf -newkey rsa:2048 -nodes \\\n"
         "  -keyout subca/proof.key -out subca/proof.csr \\\n"
         "  -subj \"/CN=$verificationCode\"")
    step("openssl req -text -in subca/proof.csr -noout")
    step("openssl ca -config subca.cnf -batch \\\n  -in subca/proof.csr -out subca/proof.pem", "Database updated")
    step("openssl x509 -in subca/proof.pem -text", "Issuer: CN ?= ?Development Intermediate CA")
    step("ls subca/certs | wc -l", "1")
    step("az iot hub certificate verify --hub-name $iotName --name $certName --etag $challengeEtag --path subca/proof.pem \\\n"
         "  --query properties.isVerified", "true")


def register():
    step(f"deviceId=\"{DEVICE}\"\n"
         "az iot hub device-identity create --hub-name $iotName --device-id $deviceId --am x509_ca \\\n"
         "  --query '[deviceId, authentication.type]' --output tsv", "certificateAuthority")


def device_certificate():
    step("openssl req -config subca.cnf -newkey rsa:2048 -nodes \\\n"
         "  -keyout \"devices/$deviceId.key\" -out \"devices/$deviceId.csr\" \\\n"
         "  -subj \"/CN=$deviceId\" \\\n"
         "  -addext \"basicConstraints = critical,CA:false\" \\\n"
         "  -addext \"keyUsage = critical,digitalSignature\" \\\n"
         "  -addext \"extendedKeyUsage = clientAuth\"")
    step("openssl req -text -in \"devices/$deviceId.csr\" -noout", f"CN ?= ?{DEVICE}")
    step("openssl ca -config subca.cnf -batch \\\n  -in \"devices/$deviceId.csr\" -out \"devices/$deviceId.pem\"", "Database updated")
    step("openssl x509 -in \"devices/$deviceId.pem\" -text", "TLS Web Client Authentication")
    step("ls devices", f"{DEVICE}.pem")


def connect():
    """The article's device is real; here it is one of Microsoft's, in the extension of the CLI."""
    device = pathlib.Path(__file__).with_name("article_device.py")
    extension = os.path.join(os.environ["AZURE_EXTENSION_DIR"], "azure-iot")
    step(f"PYTHONPATH={extension} {sys.executable} {device} localhost $deviceId devices/$deviceId.pem devices/$deviceId.key",
         "sent")
    assert hub.telemetry(DEVICE)[0]["body"] == {"temperature": 21.5}


def cleanup_devices():
    step("az iot hub device-identity list --hub-name $iotName \\\n"
         "  --query '[].[deviceId, authenticationType, status]' --output tsv", f"{DEVICE}\tcertificateAuthority\tenabled")
    step("az iot hub device-identity delete --hub-name $iotName --device-id $deviceId")
    step("az iot hub device-identity list --hub-name $iotName", r"^\[\]$")


def cleanup_certificates():
    step("az iot hub certificate list --hub-name $iotName --query \"value[?name=='$certName'].[name, etag, properties.isVerified]\" "
         "--output tsv", "cert-0x0000-subca\t.*\tTrue")
    step("certEtag=$(az iot hub certificate show --hub-name $iotName --name $certName --query etag --output tsv)\n"
         "az iot hub certificate delete --hub-name $iotName --name $certName --etag $certEtag")


def enforce_x509():
    # Microsoft's "Authenticate identities with X.509 certificates".
    step("az resource update -n $iotName -g iothub-emulator --resource-type Microsoft.Devices/IotHubs \\\n"
         "  --set properties.disableDeviceSAS=true properties.disableModuleSAS=true \\\n"
         "  --query '[properties.disableDeviceSAS, properties.disableModuleSAS]' --output tsv", "(?i)true\ntrue")


def write(path):
    """The transcript: what is random is told as such, and what is long is cut."""
    text = []
    for command, said in transcript:
        command = command.replace(os.environ["IOTHUB_EMULATOR"], "iothub-emulator").replace(str(pathlib.Path(__file__).parent), "tests/interop")
        command = re.sub(r"PYTHONPATH=\S+ \S+ ", "", command)
        lines = said.splitlines()
        if len(lines) > 8:
            lines = lines[:6] + [f"… {len(lines) - 6} lines more"]
        shown = "\n".join(lines)
        shown = re.sub(r"\b[0-9A-F]{48}\b", "<verification code>", shown)
        shown = re.sub(r"AAAA[0-9A-Za-z+/]+=", "<etag>", shown)
        shown = re.sub(r"^\s*[.+*]{4,}.*\n?", "", shown, flags=re.M)
        shown = re.sub(r"\b[0-9a-f]{2}(:[0-9a-f]{2}){5,}:?", "<serial number>", shown)
        text.append("$ " + command.replace("\n", "\n> ") + ("\n" + shown if shown.strip() else ""))
    path.write_text("\n".join(text) + "\n")


for name, run in [("article: sign in", sign_in), ("article: folders", environment), ("article: root", root),
                  ("article: intermediate", intermediate), ("article: upload and challenge", upload), ("article: proof", prove),
                  ("article: device identity", register), ("article: device certificate", device_certificate),
                  ("article: the device sends", connect), ("article: devices are listed and deleted", cleanup_devices),
                  ("article: certificates are listed and deleted", cleanup_certificates),
                  ("enforce X.509", enforce_x509)]:
    check(name, run)
write(work / "transcript.txt")
shell.process.stdin.close()
hub.stop()
