"""Looks at what action.yml has started: action_test.py OUTPUTS. Ends it."""
import json
import os
import pathlib
import signal
import sys
import time
import urllib.request

outputs = json.loads(pathlib.Path(sys.argv[1]).read_text())
try:
    assert "CERTIFICATE" in pathlib.Path(outputs["ca"]).read_text()
    assert outputs["connection-string"].startswith("HostName=localhost;SharedAccessKeyName=iothubowner;SharedAccessKey=")
    assert outputs["mqtt"].startswith("127.0.0.1:"), outputs
    with urllib.request.urlopen(outputs["http"] + "admin", timeout=20) as answer:
        about = json.loads(answer.read())
    assert about["hubs"] == ["localhost", "second.localhost"], about
    assert about["mqtt"] == outputs["mqtt"], about
finally:
    os.kill(int(outputs["pid"]), signal.SIGTERM)
for _ in range(200):
    try:
        os.kill(int(outputs["pid"]), 0)
    except ProcessLookupError:
        break
    time.sleep(0.05)
else:
    sys.exit("it did not end")
