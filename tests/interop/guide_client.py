"""The guide docs/guide/azure.md, block by block, as it is pasted: each block marked `bash` or `sh` by one bash, with the Azure CLI
before the emulator. PowerShell's blocks are read by a parser.

Two commands are answered in the shell: `az login` signs in with the emulator's identity, and `az extension add`, which fetches from
the network, only looks whether the extension is there. guide_client.py FOLDER.
"""
import json
import os
import pathlib
import re
import subprocess
import sys

import tree_sitter_powershell
from tree_sitter import Language, Parser

from emulator import Emulator, check

ROOT = pathlib.Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs/guide/azure.md").read_text()
hub = Emulator(sys.argv[1], "--name", "first")
work = pathlib.Path(sys.argv[1])
MARK = "--- done"
TIMEOUT = 300

AZ = """az() {
  case "$1 ${2:-}" in
    "login ") command az login --identity --output none ;;
    "extension add") command az extension show --name azure-iot --output none ;;
    *) command az "$@" ;;
  esac
}"""


class Shell:
    """One bash for all blocks, so that variables stay."""

    def __init__(self):
        environment = {**os.environ, "PATH": f"{pathlib.Path(os.environ['IOTHUB_EMULATOR']).parent}:{os.environ['PATH']}"}
        self.process = subprocess.Popen(["bash", "--noprofile", "--norc"], cwd=work, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True, env=environment)

    def run(self, block):
        # A subshell would lose the variables; what `set -e` ends here is the shell itself.
        self.process.stdin.write(f"{block}\nstatus=$?; set +eu; echo; echo \"{MARK} $status\"\n")
        self.process.stdin.flush()
        said = []
        for line in self.process.stdout:
            if line.startswith(MARK):
                assert line.split()[-1] == "0", f"{block}\n{''.join(said)}"
                return "".join(said).strip()
            said.append(line)
        raise AssertionError(f"the shell ended in\n{block}\n{''.join(said)}")


def blocks(*kinds):
    """(kind, heading, text) of each block."""
    heading = ""
    for found in re.finditer(r"^## ([^\n]*)$|^```(\w+)\n(.*?)^```$", GUIDE, re.M | re.S):
        heading = found[1] or heading
        if found[2] in kinds:
            yield found[2], heading, found[3]


def az(words):
    return json.loads(shell.run(f"command az {words} --output json") or "null")


def sign_in():
    shell.run(f"eval \"$({os.environ['IOTHUB_EMULATOR']} az --https 127.0.0.1:443 --data-dir data 2>/dev/null)\" >/dev/null 2>&1")
    shell.run(AZ)


def checked(heading, said):
    """What a block under this heading has come to."""
    if heading.startswith("Hub and"):
        text = (work / "hub.txt").read_text()
        assert "SharedAccessKeyName=iothubowner" in text, text
        assert (work / "hub.txt").stat().st_mode & 0o077 == 0, "others can read hub.txt"
        assert re.search(r"^my-hub-[0-9a-f]{6}\.azure-devices\.net$", said, re.M), said
    elif heading.startswith("The CA"):
        found = az('iot hub certificate show --hub-name "$hub" --name subca')
        assert found["properties"]["isVerified"] is True, found
    elif heading.startswith("A device"):
        found = az('iot hub device-identity show --hub-name "$hub" --device-id 352656100367872')
        assert found["authentication"]["type"] == "certificateAuthority", found
    elif heading.startswith("The provisioning"):
        assert re.search(r"^0ne[0-9A-Za-z]+$", said, re.M), said
        found = az('iot dps enrollment-group show --dps-name "$dps" --resource-group "$group" --enrollment-id subca')
        assert found["provisioningStatus"] == "enabled", found
    elif heading.startswith("Clean"):
        assert not (work / "hub.txt").exists()
        names = [it["name"] for it in az("iot hub list")]
        assert not any(name.startswith("my-hub-") for name in names), names


def run(kind, heading, text):
    said = shell.run(text)
    if kind == "bash":
        checked(heading, said)


def parsed():
    parser = Parser(Language(tree_sitter_powershell.language()))
    found = list(blocks("powershell"))
    assert len(found) >= 4
    for _, heading, text in found:
        tree = parser.parse(text.encode())
        assert not tree.root_node.has_error, f"{heading}:\n{text}\n{tree.root_node}"
    assert parser.parse(b"az iot hub create --name $(").root_node.has_error, "the parser takes anything"


shell = Shell()
check("guide: sign in", sign_in)
for number, (kind, heading, text) in enumerate(blocks("bash", "sh")):
    check(f"guide: {heading} {number + 1}", lambda kind=kind, heading=heading, text=text: run(kind, heading, text))
check("guide: PowerShell is read by a parser", parsed)
shell.process.stdin.close()
hub.stop()
