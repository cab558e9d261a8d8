"""Microsoft's AMQP clients in Python: azure-eventhub reads telemetry, azure-iot-hub sends to devices."""
import base64
import collections
import datetime
import json
import os
import re
import sys
import threading
import time

from emulator import HTTPS_PORT, Emulator, check, wait

hub = Emulator(sys.argv[1], "--amqp", "127.0.0.1:5671", "--consumer-group", "second")
os.environ["SSL_CERT_FILE"] = os.environ["REQUESTS_CA_BUNDLE"] = hub.ca

import azure.eventhub._client_base as base  # noqa: E402
import azure.eventhub._pyamqp._transport as transport  # noqa: E402
from azure.eventhub import CheckpointStore, EventHubConsumerClient, TransportType  # noqa: E402
from azure.eventhub.exceptions import EventHubError  # noqa: E402
from azure.iot.hub import IoTHubRegistryManager  # noqa: E402
import paho.mqtt.client as paho  # noqa: E402

DEVICES = ["dev1", "dev2", "dev3", "dev4", "probe"]
devices, known = {}, {}
KEY = hub.connection_string.split("SharedAccessKey=")[1]
EVENTS = hub.rest("GET", "admin/connection-string")["eventHubConnectionString"]


def consumer(events=EVENTS, group="$Default", **options):
    return EventHubConsumerClient.from_connection_string(events, group, connection_verify=hub.ca, **options)


class Seen:
    """What a consumer was given, and what went wrong; it runs until it is stopped."""

    def __init__(self, client, **options):
        self.client, self.events, self.errors, self.lock = client, [], [], threading.Lock()
        self.thread = threading.Thread(target=self.run, kwargs=options, daemon=True)
        self.thread.start()

    def run(self, **options):
        try:
            # One by one it waits 0.2 s a partition for each event.
            self.client.receive_batch(self.on_events, on_error=lambda _, error: self.errors.append(error), **options)
        except Exception as error:  # what the client raises is what is looked at
            self.errors.append(error)

    def on_events(self, context, events):
        with self.lock:
            self.events.extend((context.partition_id, event) for event in events)

    def bodies(self):
        with self.lock:
            return [event.body_as_str() for _, event in self.events]

    def stop(self):
        self.client.close()
        self.thread.join(20)


def registry():
    service = IoTHubRegistryManager(hub.connection_string.replace("HostName=localhost", f"HostName=localhost:{HTTPS_PORT}"))
    for name in DEVICES:
        certificate, key = hub.make_device(name)
        service.create_device_with_certificate_authority(name, "enabled")
        device = paho.Client(client_id=name, clean_session=False)
        device.tls_set(ca_certs=hub.ca, certfile=certificate, keyfile=key)
        device.username_pw_set(f"localhost/{name}/?api-version=2021-04-12")
        device.max_inflight_messages_set(1000)
        device.max_queued_messages_set(0)
        device.connect("localhost", 8883)
        device.loop_start()
        devices[name] = device


def send(name, *bodies, bag="", wait_for=True):
    """Publishes as a device; with its PUBACK the hub has stored a message."""
    sent = [devices[name].publish(f"devices/{name}/messages/events/{bag}", body, qos=1) for body in bodies]
    for one in sent if wait_for else sent[-1:]:
        one.wait_for_publish(60)
        assert one.is_published()


def properties_of_hub_and_partitions():
    with consumer() as client:
        about = client.get_eventhub_properties()
        assert about["eventhub_name"] == "iothub-ehub-localhost", about
        assert about["partition_ids"] == ["0", "1", "2", "3"], about
        partition = client.get_partition_properties("0")
        assert partition["is_empty"] and partition["last_enqueued_sequence_number"] == -1, partition


def telemetry_with_properties():
    bag = "%24.mid=m%201&%24.cid=c&%24.ct=application%2Fjson&%24.ce=utf-8&Case=kept&n"
    seen = Seen(consumer(), starting_position="-1")
    send("dev1", '{"t":1}', bag=bag)
    event = wait(lambda: seen.events and seen.events[0][1])
    seen.stop()
    assert event.body_as_json() == {"t": 1}
    system = {key.decode(): value for key, value in event.system_properties.items()}
    assert system["iothub-connection-device-id"] == b"dev1", system
    assert json.loads(system["iothub-connection-auth-method"])["type"] == "x509", system
    assert system["iothub-message-source"] == b"Telemetry" and system["iothub-connection-auth-generation-id"], system
    assert event.message_id == "m 1" and event.correlation_id == "c" and event.content_type == "application/json"
    assert event.properties == {b"Case": b"kept", b"n": None}, event.properties
    assert event.sequence_number == 0 and event.offset == "0", (event.sequence_number, event.offset)
    assert abs(event.enqueued_time.timestamp() - time.time()) < 60


def order_in_a_partition_and_the_same_one_for_a_device():
    seen = Seen(consumer(), starting_position="@latest")
    time_to_attach(seen)
    for number in range(50):
        for name in DEVICES:
            send(name, f"{name} {number}", wait_for=False)
    events = wait(lambda: len(seen.events) >= 50 * len(DEVICES) and list(seen.events))
    seen.stop()
    for name in DEVICES:
        own = [(partition, event) for partition, event in events if event.body_as_str().startswith(name + " ")]
        assert [event.body_as_str() for _, event in own] == [f"{name} {number}" for number in range(50)]
        assert len({partition for partition, _ in own}) == 1
    for partition in "0123":
        numbers = [event.sequence_number for own, event in events if own == partition]
        assert not numbers or numbers == list(range(numbers[0], numbers[0] + len(numbers))), numbers


def time_to_attach(seen):
    """A consumer that begins with what is to come has all its partitions when it sees something of each."""
    def comes():
        for name in DEVICES:
            send(name, "probe")
        with seen.lock:
            return len({partition for partition, _ in seen.events}) == len(partitions())
    wait(comes)
    for name in DEVICES:
        send(name, f"end of probes {name}")
    wait(lambda: all(f"end of probes {name}" in seen.bodies() for name in DEVICES))
    with seen.lock:
        seen.events.clear()


def partitions():
    """The partition of each device, as its messages say."""
    if not known:
        seen = Seen(consumer(), starting_position="-1")
        for name in DEVICES:
            send(name, f"I am {name}")
        wait(lambda: all(f"I am {name}" in seen.bodies() for name in DEVICES))
        seen.stop()
        for partition, event in seen.events:
            if event.body_as_str().startswith("I am "):
                known[event.body_as_str()[5:]] = partition
    return set(known.values())


def positions():
    partitions()
    send("dev1", "before")
    with consumer() as client:
        last = client.get_partition_properties(known["dev1"])
    assert not last["is_empty"] and last["beginning_sequence_number"] <= last["last_enqueued_sequence_number"]
    moment = last["last_enqueued_time_utc"]
    wait(lambda: time.time() > moment.timestamp() + 0.01)
    send("dev1", "after 1", "after 2")
    number = last["last_enqueued_sequence_number"]
    for position, inclusive, expected in [(number, False, ["after 1", "after 2"]), (number, True, ["before", "after 1", "after 2"]),
                                          (last["last_enqueued_offset"], False, ["after 1", "after 2"]),
                                          (moment, False, ["after 1", "after 2"])]:
        seen = Seen(consumer(), partition_id=last["id"], starting_position=position, starting_position_inclusive=inclusive)
        wait(lambda: len(seen.bodies()) >= len(expected))
        seen.stop()
        assert seen.bodies() == expected, (position, inclusive, seen.bodies())


def a_place_that_never_was():
    for position, what in [("999999999", "offset"), (999999999, "sequence number")]:
        seen = Seen(consumer(retry_total=0), partition_id="0", starting_position=position)
        wait(lambda: any(f"The supplied {what} '999999999' is invalid" in str(error) for error in seen.errors))
        seen.stop()


def what_happens_to_devices():
    """Twin changes, lifecycle and connection states come where routes lead them; telemetry does not without the fallback."""
    sources = ["TwinChangeEvents", "DeviceLifecycleEvents", "DeviceConnectionStateEvents"]
    routes = [{"name": source, "source": source, "endpointNames": ["events"]} for source in sources]
    seen = Seen(consumer(), starting_position="@latest")
    time_to_attach(seen)
    hub.rest("PUT", "admin/routing", {"routes": routes, "fallbackRoute": {"isEnabled": False}})
    send("dev1", "led nowhere")
    hub.rest("PUT", "devices/passing", {"authentication": {"type": "certificateAuthority"}})
    hub.rest("PATCH", "twins/passing", {"tags": {"site": "roof"}}, {"content-type": "application/json"})
    devices["dev2"].reconnect()
    hub.rest("DELETE", "devices/passing", headers={"if-match": "*"})
    def came():
        with seen.lock:
            return {(event.system_properties[b"iothub-message-source"], event.properties[b"opType"]) for _, event in seen.events}
    wanted = {(b"deviceLifecycleEvents", b"createDeviceIdentity"), (b"twinChangeEvents", b"updateTwin"),
              (b"deviceConnectionStateEvents", b"deviceConnected"), (b"deviceLifecycleEvents", b"deleteDeviceIdentity")}
    wait(lambda: wanted <= came())
    hub.rest("PUT", "admin/routing", {})
    send("dev1", "here again")
    wait(lambda: "here again" in seen.bodies())
    seen.stop()
    assert "led nowhere" not in seen.bodies()
    twin = next(event for _, event in seen.events if event.properties.get(b"opType") == b"updateTwin")
    assert twin.body_as_json()["tags"] == {"site": "roof"}, twin.body_as_json()
    assert twin.system_properties[b"iothub-connection-device-id"] == b"passing" and twin.properties[b"deviceId"] == b"passing"
    assert twin.content_type == "application/json"


def checkpoints():
    """A consumer that comes back goes on behind its checkpoint, also over a restart of the hub."""
    send("dev2", "c1", "c2", "c3")
    store, taken = MemoryCheckpoints(), []
    def on_event(context, event):
        if event.body_as_str() in ("c1", "c2", "c3", "c4"):
            taken.append(event.body_as_str())
        if event.body_as_str() != "c3":
            context.update_checkpoint(event)
    client = consumer(checkpoint_store=store)
    thread = threading.Thread(target=client.receive, args=(on_event,), kwargs={"starting_position": "-1"}, daemon=True)
    thread.start()
    wait(lambda: "c3" in taken)
    client.close()
    thread.join(20)
    assert taken == ["c1", "c2", "c3"], taken
    hub.restart(kill=True)
    for name in DEVICES:
        wait(lambda: devices[name].publish(f"devices/{name}/messages/events/", "again", qos=1).rc == 0)
        wait(devices[name].is_connected)
        wait(lambda: not devices[name]._out_messages)
    send("dev2", "c4")
    client = consumer(checkpoint_store=store)
    thread = threading.Thread(target=client.receive, args=(on_event,), kwargs={"starting_position": "-1"}, daemon=True)
    thread.start()
    wait(lambda: "c4" in taken)
    client.close()
    thread.join(20)
    assert taken == ["c1", "c2", "c3", "c3", "c4"], taken


class MemoryCheckpoints(CheckpointStore):
    """Ownership and checkpoints in memory."""

    def __init__(self):
        self.checkpoints, self.ownership = {}, {}

    def list_ownership(self, fully_qualified_namespace, eventhub_name, consumer_group, **kwargs):
        return list(self.ownership.values())

    def claim_ownership(self, ownership_list, **kwargs):
        for one in ownership_list:
            one["etag"], one["last_modified_time"] = str(time.monotonic()), time.time()
            self.ownership[one["partition_id"]] = one
        return ownership_list

    def update_checkpoint(self, checkpoint, **kwargs):
        self.checkpoints[checkpoint["partition_id"]] = checkpoint

    def list_checkpoints(self, fully_qualified_namespace, eventhub_name, consumer_group, **kwargs):
        return list(self.checkpoints.values())


def owner_level_steals_the_partition():
    first = Seen(consumer(), partition_id="0", owner_level=1, starting_position="-1")
    wait(lambda: owned(first))
    lower = Seen(consumer(retry_total=0), partition_id="0", owner_level=0, starting_position="-1")
    wait(lambda: any("stolen" in str(error) or "epoch" in str(error) for error in lower.errors))
    lower.stop()
    assert not first.errors, first.errors
    second = Seen(consumer(), partition_id="0", owner_level=2, starting_position="-1")
    wait(lambda: any("higher epoch" in str(error) for error in first.errors))
    second.stop()
    first.stop()


def owned(seen):
    return not seen.errors and seen.client._event_processors and partition_has_owner()


def partition_has_owner():
    """A reader without an owner level is refused where there is one with it."""
    probe = Seen(consumer(retry_total=0), partition_id="0", starting_position="-1")
    try:
        return wait(lambda: any("non-epoch" in str(error) for error in probe.errors), 3)
    except TimeoutError:
        return False
    finally:
        probe.stop()


def consumer_groups():
    seen = Seen(consumer(group="second"), starting_position="-1")
    wait(lambda: seen.bodies())
    seen.stop()
    seen = Seen(consumer(group="third", retry_total=0), partition_id="0", starting_position="-1")
    wait(lambda: any("third" in str(error) for error in seen.errors))
    seen.stop()


def wrong_key_and_wrong_policy_are_refused():
    for events, why in [(EVENTS.replace(KEY, base64.b64encode(b"x" * 32).decode()), "fits none of the keys"),
                        (EVENTS.replace("iothubowner", "registryRead"), "lacks ServiceConnect"),
                        (EVENTS.replace("iothubowner", "nobody"), "no policy 'nobody'")]:
        try:
            with consumer(events, retry_total=0) as client:
                client.get_eventhub_properties()
            raise AssertionError(f"{why} was let in")
        except EventHubError:
            assert any(why in event["reason"] for event in hub.events("refused")), why


def a_token_is_renewed():
    partitions()
    kind, given = base.EventHubSharedKeyCredential, []
    original = kind.get_token

    def short(self, *scopes, **_):
        given.append(time.monotonic())
        return base._generate_sas_token(scopes[0], self.policy, self.key, datetime.timedelta(seconds=30))
    kind.get_token = short
    try:
        seen = Seen(consumer(retry_total=0), starting_position="@latest")
        time_to_attach(seen)
        begun, attached = time.monotonic(), len(given)
        connected = len(hub.events("connected"))
        wait(lambda: time.monotonic() > begun + 33, 60)
        send("dev1", "after the first token")
        wait(lambda: "after the first token" in seen.bodies())
        assert not seen.errors, seen.errors
        assert len(given) > attached, "no token was put"
        assert len(hub.events("connected")) == connected, "it connected anew"
        seen.stop()
    finally:
        kind.get_token = original


def a_consumer_that_stops_reading_holds_up_nobody():
    partitions()
    gate, slow = threading.Event(), []
    def on_event(context, event):
        slow.append(event.body_as_str())
        gate.wait(60)
    client = consumer()
    thread = threading.Thread(target=client.receive, args=(on_event,), daemon=True,
                              kwargs={"starting_position": "-1", "prefetch": 10, "partition_id": known["dev1"]})
    thread.start()
    wait(lambda: slow)
    fast = Seen(consumer(), starting_position="@latest")
    time_to_attach(fast)
    for name in DEVICES:
        send(name, *(f"{name} flood {number} " + "x" * 1000 for number in range(500)), wait_for=False)
    wait(lambda: len(fast.events) >= 500 * len(DEVICES), 60)
    fast.stop()
    gate.set()
    wait(lambda: len(slow) > 20)
    client.close()
    thread.join(20)


def send_to_device():
    got = []
    devices["dev1"].message_callback_add("devices/dev1/messages/devicebound/#",
                                         lambda _, __, message: got.append((message.topic, message.payload)))
    devices["dev1"].subscribe("devices/dev1/messages/devicebound/#", 1)
    service = IoTHubRegistryManager(hub.connection_string)
    service.send_c2d_message("dev1", "hello", {"messageId": "m1", "correlationId": "c1", "contentType": "text/plain",
                                               "Case": "kept", "iothub-ack": "full"})
    topic, payload = wait(lambda: got and got[0])
    assert payload == b"hello", payload
    for part in ("%24.mid=m1", "%24.cid=c1", "%24.ct=text%2Fplain", "Case=kept", "iothub-ack=full"):
        assert part in topic.split("/")[-1].split("&"), topic
    records = wait(lambda: hub.rest("GET", "messages/serviceBound/feedback"))
    assert [record["originalMessageId"] for record in records] == ["m1"] and records[0]["statusCode"] == "Success"
    for number in range(50):
        service.send_c2d_message("dev2", f"wait {number}")
    for device, why in [("nobody", "404001"), ("dev2", "403004")]:
        try:
            service.send_c2d_message(device, "x")
            raise AssertionError(f"{device} took it")
        except Exception as error:
            assert "send fail" in str(error).lower(), (why, error)


def websocket():
    seen = Seen(consumer(EVENTS.replace(":5671", f":{HTTPS_PORT}"), transport_type=TransportType.AmqpOverWebsocket,
                         custom_endpoint_address=f"sb://localhost:{HTTPS_PORT}"), starting_position="-1")
    wait(lambda: seen.bodies())
    seen.stop()


class OnTheWire:
    """Of each connection sequence number, device and number of the messages of a backlog, in the order of their frames.

    The client may hand them over in another: after 30 s a thread of its own, which keeps the connection alive, reads frames beside the
    one that receives, and each puts what it has read behind the other's.
    """

    def __init__(self):
        self.connections = connections = collections.defaultdict(list)
        self.read = original = transport.SSLTransport._read

        def read(connection, size, *arguments, **options):
            # The client reads under a lock: a head of 8 bytes, then the rest of the frame.
            piece = original(connection, size, *arguments, **options)
            frame = bytes(piece) if size > 8 else b""
            if found := re.search(rb"(dev\d) backlog (\d+)", frame):
                connections[connection].append((sequence_number(frame), found[1].decode(), int(found[2])))
            return piece
        transport.SSLTransport._read = read

    def stop(self):
        transport.SSLTransport._read = self.read


def sequence_number(frame):
    """Of a transfer: an annotation, whose value is a long of eight bytes."""
    name = b"x-opt-sequence-number\x81"
    at = frame.index(name) + len(name)
    return int.from_bytes(frame[at:at + 8], "big")


def backlog_of_100_000():
    for name in DEVICES[:4]:
        send(name, *(f"{name} backlog {number}" for number in range(25_000)), wait_for=False)
    for name in DEVICES[:4]:
        wait(lambda: not devices[name]._out_messages, 120)
    wire = OnTheWire()
    seen = Seen(consumer(prefetch=2000), starting_position="-1")

    def numbers_of(name):
        return [int(body.split()[2]) for body in seen.bodies() if body.startswith(f"{name} backlog ")]

    def is_whole(name):
        # The oldest may have gone: 100,000 messages are kept of all.
        numbers = set(numbers_of(name))
        return numbers and min(numbers) < 1000 and numbers == set(range(min(numbers), 25_000))
    try:
        wait(lambda: len(seen.events) >= 99_000 and all(is_whole(name) for name in DEVICES[:4]), 240)
    except TimeoutError:
        raise AssertionError([(name, len(numbers_of(name))) for name in DEVICES[:4]], seen.errors) from None
    finally:
        seen.stop()
        wire.stop()
    for name in DEVICES[:4]:
        places = {}
        for messages in wire.connections.values():
            own = [(sequence, number) for sequence, device, number in messages if device == name]
            wrong = [pair for pair in zip(own, own[1:]) if pair[1] != (pair[0][0] + 1, pair[0][1] + 1)]
            assert not wrong, (name, len(own), wrong[:5], seen.errors)
            for sequence, number in own:
                assert places.setdefault(sequence, number) == number, (name, sequence, number, places[sequence])
        numbers = numbers_of(name)
        assert set(numbers) == set(places.values()), (name, len(numbers), len(places))
        # Who connects anew may read again what it had not handed over.
        assert len(numbers) == len(places) or seen.errors, (name, len(numbers), len(places))


check("service: register devices", registry)
check("Event Hubs: properties", properties_of_hub_and_partitions)
check("Event Hubs: telemetry with properties", telemetry_with_properties)
check("Event Hubs: order and partition of a device", order_in_a_partition_and_the_same_one_for_a_device)
check("Event Hubs: positions by number, offset and time", positions)
check("Event Hubs: checkpoints, over a restart", checkpoints)
check("Event Hubs: an offset that never was", a_place_that_never_was)
check("Event Hubs: twin, lifecycle and connection events", what_happens_to_devices)
check("Event Hubs: owner level", owner_level_steals_the_partition)
check("Event Hubs: consumer groups", consumer_groups)
check("Event Hubs: wrong key, wrong policy", wrong_key_and_wrong_policy_are_refused)
check("Event Hubs: a token is renewed", a_token_is_renewed)
check("Event Hubs: a consumer that stops reading", a_consumer_that_stops_reading_holds_up_nobody)
check("C2D over AMQP", send_to_device)
check("Event Hubs over WebSocket", websocket)
check("Event Hubs: 100,000 messages that wait", backlog_of_100_000)
hub.stop()
