"""AMQP clients that know nothing of Azure at the event hub: Qpid Proton in Python, rhea in Node (amqp_rhea.js); and azure-eventhub over
its older transport, uamqp. amqp_others_client.py FOLDER."""
import base64
import hashlib
import hmac
import json
import os
import pathlib
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request

from emulator import Emulator, check, wait

hub = Emulator(sys.argv[1], "--amqp", "127.0.0.1:5671", http_port=8080)
os.environ["SSL_CERT_FILE"] = hub.ca

from azure.eventhub import EventHubConsumerClient  # noqa: E402
from proton import Delivery, Described, Message, SSLDomain, symbol  # noqa: E402
from proton.reactor import Filter, LinkOption, Selector  # noqa: E402
from proton.utils import BlockingConnection, LinkDetached, SendException  # noqa: E402

KEY = hub.connection_string.split("SharedAccessKey=")[1]
EVENTS = hub.rest("GET", "admin/connection-string")["eventHubConnectionString"]
ADDRESS = "iothub-ehub-localhost/ConsumerGroups/$Default/Partitions/"
SELECTOR = "apache.org:selector-filter:string"
DEVICES = [f"dev{number}" for number in range(8)]


def token(resource, key, policy=None):
    """A shared access signature for ten minutes."""
    resource, until = urllib.parse.quote(resource, safe=""), int(time.time()) + 600
    signed = hmac.new(base64.b64decode(key), f"{resource}\n{until}".encode(), hashlib.sha256).digest()
    text = f"SharedAccessSignature sr={resource}&sig={urllib.parse.quote(base64.b64encode(signed), safe='')}&se={until}"
    return text + (f"&skn={policy}" if policy else "")


def send(device, *bodies):
    for body in bodies:
        request = urllib.request.Request(f"{hub.http}devices/{device}/messages/events?api-version=2021-04-12", body.encode(),
                                         {"authorization": tokens[device], "iothub-app-case": "kept"})
        with urllib.request.urlopen(request, timeout=40) as answer:
            assert answer.status == 204, answer.status


def proton(policy="iothubowner", secret=None, options=()):
    domain = SSLDomain(SSLDomain.MODE_CLIENT)
    domain.set_trusted_ca_db(hub.ca)
    domain.set_peer_authentication(SSLDomain.VERIFY_PEER_NAME)
    secret = secret or token("localhost", KEY, policy)
    return BlockingConnection("amqps://localhost:5671", 60, ssl_domain=domain, user=f"{policy}@sas.root.localhost", password=secret,
                              allowed_mechs="PLAIN")


def at(text, name=SELECTOR, kind=symbol(SELECTOR)):
    return Filter({symbol(name): Described(kind, text)})


def read(connection, partition, *options, until=None, credit=50):
    """What is there from a place on: so many, or until the hub is silent."""
    receiver, seen = connection.create_receiver(f"{ADDRESS}{partition}", credit=credit, options=list(options)), []
    try:
        while until is None or len(seen) < until:
            seen.append(receiver.receive(timeout=60 if until else 1))
    except Exception as error:
        if "imed out" not in str(error):
            raise
    receiver.close()
    return seen


def number(message):
    return message.annotations["x-opt-sequence-number"]


def time_of(message):
    return message.annotations["x-opt-enqueued-time"]


def every_partition():
    connection, seen = proton(), {}
    for partition in range(4):
        messages = read(connection, partition)
        assert [number(it) for it in messages] == list(range(len(messages))), messages
        for it in messages:
            device = it.annotations["iothub-connection-device-id"]
            seen.setdefault(device, []).append(bytes(it.body).decode())
            assert it.properties == {"case": "kept"}, it.properties
    assert seen == {device: ["a", "b", "c"] for device in DEVICES}, seen
    connection.close()


def places():
    connection = proton()
    partition = next(it for it in range(4) if len(read(connection, it, until=3)) == 3)
    all = read(connection, partition)
    offset, when = all[1].annotations["x-opt-offset"], time_of(all[1])
    for text, expected in [(f"amqp.annotation.x-opt-offset > '{offset}'", all[2:]), (f"amqp.annotation.x-opt-offset >= '{offset}'", all[1:]),
                           ("amqp.annotation.x-opt-sequence-number > '1'", all[2:]),
                           (f"amqp.annotation.x-opt-enqueued-time > '{int(when)}'", [it for it in all if when < time_of(it)]),
                           ("amqp.annotation.x-opt-offset > '@latest'", [])]:
        for place in at(text), Selector(text), at(text, "any", 0x468C00000004):
            found = read(connection, partition, place, until=len(expected) or None)
            assert [number(it) for it in found] == [number(it) for it in expected], (text, found)
    for text, why in [("amqp.annotation.x-opt-offset > '99999999'", "is invalid"), ("colour = 'red'", "is none on")]:
        refused(connection, 0, at(text), why)
    connection.close()


def refused(connection, partition, option, why):
    try:
        read(connection, partition, option, until=1)
    except LinkDetached as error:
        assert why in str(error), error
    else:
        raise AssertionError(f"not refused: {why}")


class Epoch(LinkOption):
    def __init__(self, level):
        self.level = level

    def apply(self, link):
        link.properties = {symbol("com.microsoft:epoch"): self.level}


def epochs():
    first, second = proton(), proton()
    holder = first.create_receiver(f"{ADDRESS}0", credit=1, options=[Epoch(1)])
    refused(second, 0, Epoch(0), "epoch")
    refused(second, 0, at("amqp.annotation.x-opt-offset > '-1'"), "epoch")
    taker = second.create_receiver(f"{ADDRESS}0", credit=1, options=[Epoch(2)])
    try:
        while True:
            holder.receive(timeout=60)
    except LinkDetached as error:
        assert "amqp:link:stolen" in str(error), error
    taker.close()
    first.close()
    second.close()


def wrong():
    for policy, secret in [("iothubowner", token("localhost", "d3Jvbmcga2V5", "iothubowner")), ("nobody", None), ("registryRead", None),
                           ("iothubowner", token("elsewhere", KEY, "iothubowner"))]:
        try:
            connection = proton(policy, secret)
            read(connection, 0, until=1)
        except Exception as error:
            assert "nauthorized" in str(error) or "uthentication failed" in str(error), (policy, error)
        else:
            raise AssertionError(f"{policy} was let in")


def to_device():
    connection = proton()
    sender = connection.create_sender("/messages/devicebound")
    sender.send(Message(address="/devices/dev0/messages/devicebound", id="m1", body=b"hello", properties={"iothub-ack": "full"}))
    waiting = hub.rest("GET", "admin/devices/dev0/messages")
    assert [it["messageId"] for it in waiting] == ["m1"], waiting
    try:
        sender.send(Message(address="/devices/nobody/messages/devicebound", id="m2", body=b"x"))
    except SendException as error:
        assert error.state == Delivery.REJECTED, error
    else:
        raise AssertionError("sent to nobody")
    connection.close()


def older_transport():
    """azure-eventhub by uamqp, as its versions before 5.8 have no other."""
    seen, taken = {}, []

    def on_event(context, event):
        taken.append((context.partition_id, event.sequence_number))
        seen.setdefault(event.system_properties[b"iothub-connection-device-id"].decode(), []).append(event.body_as_str())
    client = EventHubConsumerClient.from_connection_string(EVENTS, "$Default", connection_verify=hub.ca, uamqp_transport=True)
    assert client.get_partition_ids() == ["0", "1", "2", "3"]
    thread = threading.Thread(target=client.receive, args=(on_event,), kwargs={"starting_position": "-1"}, daemon=True)
    thread.start()
    wait(lambda: len(taken) >= 3 * len(DEVICES), 60)
    client.close()
    thread.join(20)
    assert seen == {device: ["a", "b", "c"] for device in DEVICES}, seen


def rhea():
    environment = {**os.environ, "NODE_EXTRA_CA_CERTS": hub.ca, "IOTHUB_USER": "iothubowner@sas.root.localhost",
                   "IOTHUB_TOKEN": token("localhost", KEY, "iothubowner")}
    script = pathlib.Path(__file__).with_name("amqp_rhea.js")
    ran = subprocess.run(["node", str(script), json.dumps(DEVICES)], env=environment, timeout=180, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr


tokens = {}
for device in DEVICES:
    made = hub.rest("PUT", f"devices/{device}", {"deviceId": device}, {"content-type": "application/json"})
    tokens[device] = token(f"localhost/devices/{device}", made["authentication"]["symmetricKey"]["primaryKey"])
    send(device, "a", "b", "c")
check("Proton: every partition", every_partition)
check("Proton: places by offset, number and time", places)
check("Proton: epochs", epochs)
check("Proton: wrong key, policy and address", wrong)
check("Proton: cloud to device", to_device)
check("rhea: every partition, places, epochs, WebSocket", rhea)
check("uamqp: every partition", older_transport)
hub.stop()
