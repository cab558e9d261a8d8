"""The scenario of `cargo run -- --once`, as far as a board on a real network can be asked for it."""

ATTACH = 600  # The first search of a modem that was moved takes minutes.
ANSWER = 60


def test_attaches_waits_for_ipv6_and_connects(dut):
    dut.readlines_until(regex="attaching to LTE", timeout=ANSWER)
    dut.readlines_until(regex="registered", timeout=ATTACH)
    lines = dut.readlines_until(regex="network up", timeout=ANSWER)
    assert any("waiting for IPv6" in line or "network up: IPv4 only" in line for line in lines), lines
    lines = dut.readlines_until(regex="ready: every subscription is granted", timeout=ATTACH)
    assert any("over IPv" in line for line in lines), lines


def test_answers_a_method_and_takes_a_wish(dut, service):
    dut.readlines_until(regex="ready: every subscription is granted", timeout=ATTACH)
    assert service.method("led", 1) == {"status": 200, "payload": {"led": 1}}
    assert service.method("no-such-method", None)["status"] == 404
    service.desired({"telemetryInterval": 11})
    dut.readlines_until(regex="telemetry every 11 s", timeout=ANSWER)
    service.desired({"telemetryInterval": None})
    dut.readlines_until(regex="desired properties", timeout=ANSWER)


def test_is_back_after_a_reset(dut):
    dut.readlines_until(regex="ready: every subscription is granted", timeout=ATTACH)
    dut.disconnect()
    dut.connect()
    dut.readlines_until(regex="telemetry .* queued", timeout=ATTACH)
