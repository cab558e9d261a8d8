"""The scripted scenario where the network has IPv6 alone: Zephyr's IPv6 stack, an address by router advertisement, and the hub
behind a NAT64, which QEMU's user network and the relay below are together."""
import os
import re
import socket
import subprocess
import threading

import hub as support

PORT = 8883


def relay(source, to):
    try:
        while data := source.recv(65536):
            to.sendall(data)
    except OSError:
        pass
    for end in (source, to):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def translate(listener):
    """From IPv6 to IPv4."""
    while True:
        device, _ = listener.accept()
        try:
            hub = socket.create_connection(("127.0.0.1", PORT))
        except OSError:
            device.close()
            continue
        for ends in ((device, hub), (hub, device)):
            threading.Thread(target=relay, args=ends, daemon=True).start()


def test_scenario(program):
    listener = socket.create_server(("::1", PORT), family=socket.AF_INET6)
    threading.Thread(target=translate, args=[listener], daemon=True).start()
    demo = os.environ.get("IOTHUB_DEMO")
    command = [demo] if demo else ["cargo", "run", "-q", "--locked", "--"]
    result = subprocess.run([*command, "--once", "--device", program], cwd=support.ROOT, capture_output=True, text=True,
                            timeout=600)
    print(result.stdout)
    assert result.returncode == 0, result.stdout + result.stderr
    assert re.search(r'ok +device attaches .*"over IPv6 to 64:ff9b::a00:202, which is 10\.0\.2\.2 behind a NAT64', result.stdout)
    assert "14 passed, 0 failed" in result.stdout
