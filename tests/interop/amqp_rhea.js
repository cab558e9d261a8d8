// rhea, which knows nothing of Azure, at the event hub: amqp_rhea.js DEVICES.
"use strict";
const assert = require("node:assert");
const rhea = require("rhea");
const WebSocket = require("ws");

const devices = JSON.parse(process.argv[2]);
const login = { username: process.env.IOTHUB_USER, password: process.env.IOTHUB_TOKEN, reconnect: false };
const address = (partition) => `iothub-ehub-localhost/ConsumerGroups/$Default/Partitions/${partition}`;

function connect(more) {
  const container = rhea.create_container();
  const options = { ...login, host: "localhost", servername: "localhost", ...more(container) };
  return new Promise((resolve, reject) => {
    container.once("connection_open", (context) => resolve(context.connection));
    container.on("connection_error", (context) => reject(context.connection.get_error()));
    container.on("disconnected", (context) => reject(context.error ?? new Error("disconnected")));
    container.connect(options);
  });
}

// Reads so many; the error of the link if the hub ends it.
function read(connection, partition, count, filter, properties) {
  return new Promise((resolve, reject) => {
    const receiver = connection.open_receiver({ source: { address: address(partition), filter }, properties, credit_window: 10 });
    const seen = [];
    receiver.on("message", (context) => {
      seen.push(context.message);
      if (seen.length === count) {
        receiver.close();
        resolve(seen);
      }
    });
    receiver.on("receiver_error", () => reject(receiver.error));
  });
}

const number = (message) => message.message_annotations["x-opt-sequence-number"];

async function reads(connection) {
  const found = {};
  const wanted = devices.length * 3;
  const receivers = [0, 1, 2, 3].map((partition) => connection.open_receiver({ source: address(partition) }));
  await new Promise((resolve) => {
    let count = 0;
    for (const receiver of receivers) {
      receiver.on("message", ({ message }) => {
        (found[message.message_annotations["iothub-connection-device-id"]] ??= []).push(message.body.content.toString());
        count += 1;
        if (count === wanted) {
          resolve();
        }
      });
    }
  });
  await Promise.all(receivers.map((receiver) => new Promise((resolve) => {
    receiver.once("receiver_close", resolve);
    receiver.close();
  })));
  assert.deepEqual(found, Object.fromEntries(devices.map((device) => [device, ["a", "b", "c"]])));
}

async function main() {
  const connection = await connect(() => ({ port: 5671, transport: "tls" }));
  await reads(connection);
  // The hash of some device leads to each of the four, or this one has all.
  const partition = await (async () => {
    const client = await connect(() => ({ port: 5671, transport: "tls" }));
    const first = await Promise.any([0, 1, 2, 3].map(async (it) => (await read(client, it, 3), it)));
    client.close();
    return first;
  })();
  const after = "amqp.annotation.x-opt-sequence-number > '1'";
  const selector = "apache.org:selector-filter:string";
  for (const filter of [rhea.filter.selector(after), { [selector]: rhea.types.wrap_described(after, selector) }]) {
    const [message] = await read(connection, partition, 1, filter);
    assert.equal(number(message), 2);
  }
  const epoch = (level) => ({ "com.microsoft:epoch": rhea.types.wrap_long(level) });
  const stolen = read(connection, partition, 1000, undefined, epoch(1));
  stolen.catch(() => {});
  await read(connection, partition, 1, undefined, epoch(2));
  await assert.rejects(stolen, { condition: "amqp:link:stolen" });
  connection.removeAllListeners();
  connection.close();
  const url = "wss://localhost:443/$servicebus/websocket";
  const tunnel = await connect((container) => ({ connection_details: container.websocket_connect(WebSocket)(url, ["AMQPWSB10"], {}) }));
  await reads(tunnel);
  tunnel.close();
  await assert.rejects(connect(() => ({ port: 5671, transport: "tls", password: "wrong" })));
  process.exit(0);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
