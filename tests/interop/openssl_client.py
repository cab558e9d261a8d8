"""What openssl sees: TLS version, no resumption, a request for a client certificate, proof of possession."""
import json
import subprocess
import sys

from emulator import Emulator, check

hub = Emulator(sys.argv[1])


def s_client(*arguments, certificate=None):
    extra = [] if certificate is None else ["-cert", certificate[0], "-key", certificate[1]]
    command = ["openssl", "s_client", "-connect", "127.0.0.1:8883", "-servername", "localhost", "-CAfile", hub.ca,
               "-verify_return_error", *extra, *arguments]
    done = subprocess.run(command, input=b"", capture_output=True, timeout=60)
    return (done.stdout + done.stderr).decode(errors="replace")


def tls12():
    text = s_client("-tls1_2")
    assert "Verify return code: 0 (ok)" in text and "TLSv1.2" in text, text


def no_tls13():
    assert "alert" in s_client("-tls1_3").lower()


def no_old_tls():
    assert "Cipher is (NONE)" in s_client("-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0")


def no_resumption():
    text = s_client("-tls1_2", "-reconnect")
    assert "Reused, TLSv1.2" not in text, text
    assert "TLS session ticket:" not in text, text


def asks_for_a_certificate():
    text = s_client("-tls1_2", certificate=hub.make_device("dev1"))
    assert "Client Certificate Types" in text, text


def possession():
    base = "subscriptions/s/resourceGroups/g/providers/Microsoft.Devices/IotHubs/localhost/certificates/second"
    hub.make_ca("second")
    hub.rest("PUT", base, {"properties": {"certificate": hub.read("second.pem")}})
    made = hub.rest("POST", base + "/generateVerificationCode")
    code = made["properties"]["verificationCode"]
    hub.make_device(code, "second")
    answer = hub.rest("POST", base + "/verify", {"certificate": hub.read(f"{code}.pem")}, {"if-match": made["etag"]})
    assert answer["properties"]["isVerified"] is True, json.dumps(answer)


for name, run in [("TLS 1.2 with a chain that verifies", tls12), ("TLS 1.3 is refused", no_tls13),
                  ("TLS 1.1 is refused", no_old_tls), ("no session resumption", no_resumption),
                  ("client certificate requested", asks_for_a_certificate), ("proof of possession", possession)]:
    check(name, run)
hub.stop()
