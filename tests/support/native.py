"""The application as a native_sim program, with its shell: started, listened to and typed at. pytest's fixtures.

Twister's pytest harness says where the program is; without Twister IOTHUB_PROGRAM does:

    IOTHUB_PROGRAM=build/zephyr/zephyr.exe python3 -m pytest tests/zephyr/end_to_end
"""
import os
import pathlib
import queue
import re
import subprocess
import termios
import threading
import time
import tty

import pytest

import hub as support

TIMEOUT = 60
COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


@pytest.fixture(scope="session")
def program(request):
    folder = request.config.getoption("--build-dir", None)
    named = os.environ.get("IOTHUB_PROGRAM")
    path = pathlib.Path(folder, "zephyr", "zephyr.exe") if folder else pathlib.Path(named or "").resolve()
    if not path.is_file():
        pytest.fail(f"{path} is no program: build one for native_sim/native/64 with -S iothub-shell")
    return path


@pytest.fixture(scope="session", autouse=True)
def network():
    """Port 8883 is the one that the program is built with; a namespace of our own has it free."""
    support.own_network()


@pytest.fixture(scope="module")
def hub(network, tmp_path_factory):
    hub = support.Hub(tmp_path_factory.mktemp("hub")).start()
    yield hub
    hub.stop()


class Device:
    """A running program: the lines that it prints, on its standard output and on its serial line."""

    def __init__(self, program, folder, arguments):
        self.process = subprocess.Popen([program, *arguments], cwd=folder, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1)
        self.lines, self.seen, self.serial = queue.Queue(), [], None
        threading.Thread(target=self.read, args=[self.process.stdout], daemon=True).start()

    def read(self, stream):
        try:
            for line in stream:
                self.lines.put(COLOUR.sub("", line).rstrip())
        except OSError:
            pass  # The other end of the serial line is gone.

    def waits_for(self, text, within=TIMEOUT):
        """The next line with the text; those before it are used up."""
        deadline = time.monotonic() + within
        while True:
            try:
                line = self.lines.get(timeout=max(deadline - time.monotonic(), 0))
            except queue.Empty:
                pytest.fail(f"no line with {text!r} in {within} s; the last ones:\n" + "\n".join(self.seen[-40:]))
            self.seen.append(line)
            if text in line:
                return line

    def attach_shell(self):
        path = self.waits_for("connected to pseudotty").split(":")[-1].strip()
        descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(descriptor, termios.TCSANOW)
        self.serial = os.fdopen(os.dup(descriptor), "wb", buffering=0)
        threading.Thread(target=self.read, args=[os.fdopen(descriptor, "r", errors="replace")], daemon=True).start()

    def types(self, command, answer):
        self.serial.write(command.encode() + b"\r")
        return self.waits_for(answer)

    def stop(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture
def start(program, tmp_path):
    """Starts a device; one after the other share a flash."""
    running = []

    def start(*arguments, shell=True):
        while running:
            running.pop().stop()
        running.append(Device(program, tmp_path, [f"--flash={tmp_path}/flash.bin", *arguments]))
        if shell:
            running[-1].attach_shell()
        return running[-1]

    yield start
    while running:
        running.pop().stop()
