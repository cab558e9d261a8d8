# SPDX-License-Identifier: Apache-2.0
"""west iothub-provision …: hands its arguments to the tool, which cargo builds if it is not installed."""

import pathlib
import shutil
import subprocess
import sys

from west.commands import WestCommand

ROOT = pathlib.Path(__file__).resolve().parent.parent


class IothubProvision(WestCommand):
    def __init__(self):
        super().__init__(
            "iothub-provision",
            "certificates for Azure IoT Hub devices, and getting them into the modem",
            "All arguments go to iothub-provision; see: west iothub-provision help",
            accepts_unknown_args=True,
        )

    def do_add_parser(self, parser_adder):
        # Without a --help of its own: the tool's is meant.
        return parser_adder.add_parser(
            self.name, help=self.help, description=self.description, add_help=False)

    def do_run(self, args, unknown):
        tool = shutil.which("iothub-provision")
        command = [tool] if tool else [
            "cargo", "run", "--quiet", "--manifest-path", str(ROOT / "Cargo.toml"),
            "--package", "iothub-provision", "--",
        ]
        sys.exit(subprocess.run(command + unknown, check=False).returncode)
