"""A network with a NAT64 whose prefix cannot be guessed: CONFIG_IOTHUB_NAT64_DISCOVERY asks for it.

The host plays the network: the hub has the address that stands for 127.0.0.1 behind 2001:db8:64::/64, and the device's
/etc/hosts is the DNS64.
"""
import subprocess

import hub as support
import native
import pytest

HUB = "2001:db8:64:0:7f:0:100:0"
HOSTS = f"""{HUB} localhost
2001:db8:64:0:c0:0:aa00:0 ipv4only.arpa
2001:db8:64:0:c0:0:ab00:0 ipv4only.arpa
"""
WITH_HOSTS = 'mount --bind "$0" /etc/hosts && exec "$@"'


@pytest.fixture
def nat64_hub(network, tmp_path):
    subprocess.run(["ip", "-6", "address", "replace", f"{HUB}/128", "dev", "lo", "nodad"], check=True)
    hub = support.Hub(tmp_path / "hub", mqtt=f"[{HUB}]:8883").start()
    yield hub
    hub.stop()


def test_the_log_names_the_address_behind_it(program, nat64_hub, tmp_path):
    hosts = tmp_path / "hosts"
    hosts.write_text(HOSTS)
    credentials = nat64_hub.register("behind")
    device = native.Device("unshare", tmp_path, ["--mount", "sh", "-c", WITH_HOSTS, hosts, program, f"--credentials={credentials}",
                                                 "--network=ipv6-only", "--hostname=localhost", "--device-id=behind"])
    try:
        device.waits_for("network up: IPv6 only")
        # The first connect may be quicker than the answer.
        device.waits_for(f"over IPv6 to {HUB}")
        device.waits_for("ready: every subscription is granted")
        nat64_hub.stop()
        nat64_hub.start()
        assert "which is 127.0.0.1 behind a NAT64 (/64)" in device.waits_for(f"over IPv6 to {HUB}")
    finally:
        device.stop()
