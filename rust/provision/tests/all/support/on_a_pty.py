"""Runs one of Nordic's tools, unchanged, on a pseudo terminal: on_a_pty.py MODULE PORT ARGUMENT…

The tools take a port only if pyserial lists it, and pyserial lists no pseudo terminals: this adds
the one that is given to the list, and changes nothing else.
"""

import importlib
import os
import sys

import serial.tools.list_ports
from serial.tools.list_ports_common import ListPortInfo

MODULE, PORT = sys.argv.pop(1), os.path.realpath(sys.argv[1])
LISTED = serial.tools.list_ports.comports
serial.tools.list_ports.comports = lambda *_: [*LISTED(), ListPortInfo(PORT)]

if MODULE != "nrfcredstore.cli":
    sys.argv[1:2] = ["--port", PORT]
sys.exit(importlib.import_module(MODULE).run())
