"""Runs the steps of action.yml as GitHub's runner would: action.py ACTION FOLDER BINARY. Leaves the outputs in FOLDER/outputs.json.

What is of the runner itself, `uses`, is left out; expressions are those that action.yml has.
"""
import json
import os
import pathlib
import re
import subprocess
import sys

import yaml

action, folder, binary = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3]
document = yaml.safe_load(action.read_text())
folder.mkdir(parents=True, exist_ok=True)
known = {"runner.temp": str(folder), "runner.os": "Linux", "runner.arch": "X64", "github.action_path": str(action.parent)}
for name, about in document["inputs"].items():
    known[f"inputs.{name}"] = about["default"]
known["inputs.binary"] = binary
# Free ports, since the machine may have others in use.
known["inputs.arguments"] = "--mqtt 127.0.0.1:0 --http 127.0.0.1:0 --amqp 127.0.0.1:0 --hub second.localhost"


def filled(text):
    return re.sub(r"\$\{\{ *([\w.-]+) *\}\}", lambda found: known[found.group(1)], text)


for step in document["runs"]["steps"]:
    if "uses" in step:
        # What is kept goes by the sources that it was built from.
        key = filled(step["with"]["key"])
        assert re.fullmatch(r"iothub-emulator-Linux-X64-[0-9a-f]{40}", key), key
        continue
    output = folder / "github_output"
    output.write_text("")
    variables = {name: filled(value) for name, value in step.get("env", {}).items()}
    assert step["shell"] == "bash", step
    # With the options that the runner gives it.
    subprocess.run(["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]], check=True, timeout=60,
                   env={**os.environ, **variables, "GITHUB_OUTPUT": str(output)})
    for line in output.read_text().splitlines():
        name, _, value = line.partition("=")
        known[f"steps.{step['id']}.outputs.{name}"] = value
outputs = {name: filled(about["value"]) for name, about in document["outputs"].items()}
outputs["pid"] = known["steps.start.outputs.pid"]
(folder / "outputs.json").write_text(json.dumps(outputs))
