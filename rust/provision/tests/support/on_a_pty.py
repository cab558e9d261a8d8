"""Runs nrfcredstore, unchanged, on a pseudo terminal.

nrfcredstore takes a port only if pyserial lists it, and pyserial lists no pseudo terminals: this
adds the one that is given to the list, and changes nothing else.
"""

import os
import sys

import serial.tools.list_ports
from serial.tools.list_ports_common import ListPortInfo

PORT = os.path.realpath(sys.argv[1])
LISTED = serial.tools.list_ports.comports
serial.tools.list_ports.comports = lambda *_: [*LISTED(), ListPortInfo(PORT)]

from nrfcredstore.cli import run

run()
