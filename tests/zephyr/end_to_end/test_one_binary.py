"""One image for many devices: hub, device id, access point name and telemetry interval are settings."""


def test_settings_typed_into_the_shell_count_from_the_next_start_on(start, hub):
    credentials = hub.register("second")
    device = start("--network=no-cell", "--device-id=first")
    device.waits_for("attaching to the network no-cell")
    device.types("iothub config show", "(from the build, where mqtt_helper takes it from)")
    for name, value in [("hostname", "localhost"), ("device_id", "second"), ("apn", "iot.example"),
                        ("telemetry_interval", "3")]:
        device.types(f"iothub config set {name} {value}", "stored; it counts from the next start on")
    device.types("iothub config set sec_tag 5", "sec_tag is no setting: iothub config show lists them")

    # What would be ignored at the next start is refused at once, and what is stored stays.
    for name, value in [("hostname", "https://localhost"), ("hostname", "a_b:8883"), ("device_id", "a/b"), ("apn", "a;b"),
                        ("telemetry_interval", "0"), ("telemetry_interval", "ten")]:
        device.types(f"iothub config set {name} {value}", f'no value of "iothub/{name}": it would be ignored at the next start')

    arrived = hub.telemetry("second")
    device = start(f"--credentials={credentials}")
    device.waits_for("telemetry every 3 s")
    device.waits_for('the access point name is "iot.example"')
    device.waits_for("connecting to localhost as second")
    first, second = (arrived.get(timeout=30)["body"]["bat"][0]["ts"] for _ in range(2))
    # Simulated seconds, by the clock of this machine.
    assert 2000 < second - first < 6000

    device.types("iothub config reset apn", "stored; it counts from the next start on")
    line = device.types("iothub config show", "apn ")
    assert "(from the build)" in line


def test_only_the_interval_can_be_set_from_afar(start, hub):
    credentials = hub.register("afar")
    arguments = [f"--credentials={credentials}", "--hostname=localhost", "--device-id=afar"]
    device = start(*arguments, shell=False)
    device.waits_for("ready: every subscription is granted")

    def config(payload):
        return hub.rest("POST", "/twins/afar/methods?api-version=2021-04-12",
                        {"methodName": "config", "responseTimeoutInSeconds": 30, "payload": payload})

    assert config({"hostname": "elsewhere.example"})["status"] == 400
    assert config({"telemetryInterval": 0})["status"] == 400
    assert config({"telemetryInterval": 7}) == {"status": 200, "payload": {"stored": "telemetryInterval"}}
    device.waits_for("telemetry every 7 s")

    device = start(*arguments, shell=False)
    device.waits_for("telemetry every 7 s")
    device.waits_for("connecting to localhost as afar")
