"""What the modem says of the packet data network, as iothub takes it."""


def test_ipv6_that_fails_is_not_up(start):
    device = start("--network=dual-stack-ipv6-fails", "--hostname=localhost", "--device-id=alone", shell=False)
    device.waits_for("no IPv6: its configuration failed")
    device.waits_for("network up: IPv4 only")
    device.waits_for("connecting to localhost as alone")
    assert not any("network up: IPv4 and IPv6" in line for line in device.seen)


def test_a_packet_data_network_that_is_refused_is_named(start):
    device = start("--network=pdn-refused", "--hostname=localhost", "--device-id=alone", shell=False)
    device.waits_for("the network refused the packet data network: ESM cause 27")
