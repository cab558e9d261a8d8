"use strict";
// Microsoft's AMQP clients in Node: @azure/event-hubs reads telemetry, azure-iothub sends to devices and hears of them.
const fs = require("fs");
const { EventHubConsumerClient, earliestEventPosition, latestEventPosition } = require("@azure/event-hubs");
const { Client, Registry } = require("azure-iothub");
const { Message } = require("azure-iot-common");
const { Client: DeviceClient, Message: DeviceMessage } = require("azure-iot-device");
const { Amqp, AmqpWs } = require("azure-iot-device-amqp");
const { Mqtt } = require("azure-iot-device-mqtt");
const { ProvisioningDeviceClient } = require("azure-iot-provisioning-device");
const { Amqp: ProvisioningAmqp, AmqpWs: ProvisioningAmqpWs } = require("azure-iot-provisioning-device-amqp");
const { SymmetricKeySecurityClient } = require("azure-iot-security-symmetric-key");
const { X509Security } = require("azure-iot-security-x509");
const { WebSocket } = require("ws");
const { fail, refused, rest, run, telemetry, wait } = require("./checks.js");

const service = process.env.IOTHUB_SERVICE;
const events = process.env.IOTHUB_EVENTS;
const registry = Registry.fromConnectionString(service);
const read = (name) => fs.readFileSync(`${process.env.IOTHUB_FOLDER}/${name}`, "utf8");
let device;
let client;

const consumer = (connection = events, group = "$Default", options = {}) => new EventHubConsumerClient(group, connection, options);

// Who has which partition and how far it got, in memory.
class MemoryCheckpoints {
  constructor() { this.owners = new Map(); this.checkpoints = new Map(); this.version = 0; }

  async listOwnership() { return [...this.owners.values()]; }

  async claimOwnership(wanted) {
    const free = wanted.filter((it) => (this.owners.get(it.partitionId)?.etag ?? it.etag) === it.etag);
    return free.map((it) => {
      const owner = { ...it, etag: String(++this.version), lastModifiedTimeInMs: Date.now() };
      this.owners.set(it.partitionId, owner);
      return owner;
    });
  }

  async updateCheckpoint(checkpoint) { this.checkpoints.set(checkpoint.partitionId, checkpoint); }

  async listCheckpoints() { return [...this.checkpoints.values()]; }
}

// Reads all partitions and writes checkpoints, each at the middle of what came, until the last message of every device is there.
async function readsOn(store, ends) {
  const greedy = { strategy: "greedy", updateIntervalInMs: 200, partitionOwnershipExpirationIntervalInMs: 10000 };
  const from = new EventHubConsumerClient("$Default", events, store, { loadBalancingOptions: greedy });
  const seen = new Map();
  const errors = [];
  const subscription = from.subscribe({
    processEvents: async (batch, context) => {
      const of = seen.get(context.partitionId) ?? [];
      seen.set(context.partitionId, of);
      for (const event of batch) of.push({ number: event.sequenceNumber, body: String(event.body) });
      if (batch.length) await context.updateCheckpoint(batch[Math.floor((batch.length - 1) / 2)]);
    },
    processError: async (error) => { errors.push(error); },
  }, { startPosition: earliestEventPosition, maxWaitTimeInSeconds: 1, maxBatchSize: 7 });
  const came = new Set();
  await wait(() => {
    if (errors.length) fail(errors[0].message);
    for (const of of seen.values()) for (const { body } of of) came.add(body);
    return ends.every((it) => came.has(it));
  });
  await subscription.close();
  await from.close();
  return seen;
}

// Follows an event hub; what it was given and what went wrong stand in the answer.
function follow(from, partition, options) {
  const seen = { events: [], errors: [], rounds: 0 };
  const handlers = {
    processEvents: async (batch, context) => { seen.rounds++; for (const event of batch) seen.events.push({ event, partition: context.partitionId }); },
    processError: async (error) => { seen.errors.push(error); },
  };
  const wanted = { startPosition: earliestEventPosition, maxWaitTimeInSeconds: 1, ...options };
  seen.subscription = partition === undefined ? from.subscribe(handlers, wanted) : from.subscribe(partition, handlers, wanted);
  seen.bodies = () => seen.events.map((it) => it.event.body.toString());
  seen.stop = async () => { await seen.subscription.close(); await from.close(); };
  return seen;
}

function send(body, properties = {}) {
  const message = new DeviceMessage(typeof body === "string" ? body : JSON.stringify(body));
  for (const [name, value] of Object.entries(properties)) message.properties.add(name, value);
  return message;
}

const enroll = (path, attestation) => rest("PUT", path, { attestation }, { "content-type": "application/json" });
const provisioning = (transport, security) => ProvisioningDeviceClient.create("localhost", "0ne00000001", transport, security);

async function provisionedBy(Transport, id) {
  const made = await enroll(`enrollments/${id}`, { type: "symmetricKey" });
  const dps = provisioning(new Transport(), new SymmetricKeySecurityClient(id, made.attestation.symmetricKey.primaryKey));
  const state = await dps.register();
  if (state.assignedHub !== "localhost" || state.deviceId !== id) fail(JSON.stringify(state));
}

async function provisionedByCertificate(Transport) {
  await enroll("enrollmentGroups/fleet", { type: "x509", x509: { signingCertificates: { primary: { certificate: read("root.pem") } } } });
  const dps = provisioning(new Transport(), new X509Security("x509", { cert: read("x509.pem"), key: read("x509.key") }));
  const state = await dps.register();
  if (state.assignedHub !== "localhost" || state.deviceId !== "x509") fail(JSON.stringify(state));
}

// Everything that a device does, over one transport.
async function deviceOver(transport, id) {
  await registry.create({ deviceId: id, status: "enabled", authentication: { type: "sas" } });
  const { authentication } = (await registry.get(id)).responseBody;
  const made = DeviceClient.fromConnectionString(`HostName=localhost;DeviceId=${id};SharedAccessKey=${authentication.symmetricKey.primaryKey}`, transport);
  await made.open();
  const message = send({ t: 1 }, { Case: "kept" });
  message.messageId = "m 1";
  message.contentType = "application/json";
  message.contentEncoding = "utf-8";
  await made.sendEvent(message);
  const [line] = await telemetry(id);
  if (line.body.t !== 1 || line.properties.Case !== "kept" || line.systemProperties.messageId !== "m 1" || line.systemProperties.contentType !== "application/json") fail(JSON.stringify(line));
  const got = [];
  made.on("message", (it) => { got.push(it); (it.getData().toString() === "no" ? made.reject(it) : made.complete(it)); });
  await rest("POST", `devices/${id}/messages/deviceBound`, "hello", { "iothub-messageid": "m1", "iothub-ack": "full", "iothub-app-a": "b" });
  await wait(() => got.length === 1);
  if (got[0].getData().toString() !== "hello" || got[0].messageId !== "m1" || got[0].properties.getValue("a") !== "b") fail(JSON.stringify(got[0]));
  const outcomes = [];
  const told = (count) => wait(async () => {
    outcomes.push(...((await rest("GET", "messages/serviceBound/feedback")) || []).filter((it) => it.deviceId === id));
    return outcomes.length === count && outcomes.map((it) => `${it.originalMessageId} ${it.statusCode}`).join();
  });
  // One after the other: rhea settles two deliveries at once with the outcome of the first.
  await told(1);
  await rest("POST", `devices/${id}/messages/deviceBound`, "no", { "iothub-messageid": "m2", "iothub-ack": "full" });
  const both = await told(2);
  if (both !== "m1 Success,m2 Rejected") fail(both);
  const twin = await made.getTwin();
  const patches = [];
  twin.on("properties.desired", (delta) => patches.push(delta));
  await new Promise((yes, no) => twin.properties.reported.update({ a: 1 }, (error) => (error ? no(error) : yes())));
  await wait(() => patches.length);
  await rest("PATCH", `twins/${id}`, { properties: { desired: { led: true } } }, { "content-type": "application/json" });
  await wait(() => patches.some((it) => it.led === true));
  const kept = await rest("GET", `twins/${id}`);
  if (kept.properties.reported.a !== 1) fail(JSON.stringify(kept));
  made.onDeviceMethod("led", (request, response) => response.send(200, { was: request.payload }, () => {}));
  const answer = await wait(async () => {
    try { return await rest("POST", `twins/${id}/methods`, { methodName: "led", payload: 7, responseTimeoutInSeconds: 5 }, { "content-type": "application/json" }); } catch { return undefined; }
  });
  if (answer.status !== 200 || answer.payload.was !== 7) fail(JSON.stringify(answer));
  await made.close();
  await wait(async () => (await rest("GET", `devices/${id}`)).connectionState === "Disconnected");
}

const checks = {
  "service: register devices": async () => {
    for (const id of ["dev1", "dev2"]) {
      await registry.create({ deviceId: id, status: "enabled", authentication: { type: "sas" } });
    }
    const { authentication } = (await registry.get("dev1")).responseBody;
    const connection = `HostName=localhost;DeviceId=dev1;SharedAccessKey=${authentication.symmetricKey.primaryKey}`;
    device = DeviceClient.fromConnectionString(connection, Mqtt);
    await device.open();
    device.got = [];
    device.on("message", (message) => { device.got.push(message); device.complete(message, () => {}); });
  },
  "Event Hubs: properties": async () => {
    const from = consumer();
    const about = await from.getEventHubProperties();
    if (about.name !== "iothub-ehub-localhost" || about.partitionIds.join() !== "0,1,2,3") fail(JSON.stringify(about));
    const empty = await from.getPartitionProperties("0");
    if (!empty.isEmpty || empty.lastEnqueuedSequenceNumber !== -1) fail(JSON.stringify(empty));
    await from.close();
  },
  "Event Hubs: telemetry with properties": async () => {
    const message = send({ t: 1 }, { Case: "kept" });
    message.messageId = "m 1";
    message.contentType = "application/json";
    message.contentEncoding = "utf-8";
    await device.sendEvent(message);
    const seen = follow(consumer());
    const { event } = await wait(() => seen.events[0]);
    await seen.stop();
    const system = event.systemProperties;
    if (event.body.t !== 1 || event.properties.Case !== "kept" || event.messageId !== "m 1") fail(JSON.stringify(event));
    if (system["iothub-connection-device-id"] !== "dev1" || JSON.parse(system["iothub-connection-auth-method"]).type !== "sas") fail(JSON.stringify(system));
    if (Math.abs(event.enqueuedTimeUtc - Date.now()) > 60000 || String(event.sequenceNumber) !== String(event.offset)) fail(JSON.stringify(event));
  },
  "Event Hubs: positions by number, offset and time": async () => {
    for (const body of ["one", "two", "three"]) await device.sendEvent(send(body));
    const all = follow(consumer());
    const two = (await wait(() => all.events.find((it) => String(it.event.body) === "two")));
    await all.stop();
    for (const startPosition of [{ sequenceNumber: two.event.sequenceNumber }, { offset: two.event.offset },
      { sequenceNumber: two.event.sequenceNumber, isInclusive: true }, { enqueuedOn: two.event.enqueuedTimeUtc - 1 }]) {
      const seen = follow(consumer(), two.partition, { startPosition });
      await wait(() => seen.bodies().includes("three"));
      await seen.stop();
      const wanted = startPosition.isInclusive || startPosition.enqueuedOn ? "two" : "three";
      if (!seen.bodies().includes(wanted) || seen.bodies().includes("two") !== (wanted === "two")) fail(`${JSON.stringify(startPosition)}: ${seen.bodies()}`);
    }
  },
  "Event Hubs: owner level": async () => {
    const first = follow(consumer(), "0", { ownerLevel: 1 });
    await wait(() => first.rounds);
    const second = follow(consumer(), "0", { ownerLevel: 2 });
    await wait(() => first.errors.some((it) => /epoch/.test(it.message)));
    if (second.errors.length) fail(second.errors[0].message);
    await first.stop();
    await second.stop();
  },
  "Event Hubs: consumer groups": async () => {
    const seen = follow(consumer(events, "second"));
    await wait(() => seen.bodies().includes("three"));
    await seen.stop();
    const none = follow(consumer(events, "third"), "0");
    await wait(() => none.errors.some((it) => /third/.test(it.message)));
    await none.stop();
  },
  "Event Hubs: wrong key, wrong policy": async () => {
    const wrong = events.replace(/SharedAccessKey=[^;]*/, `SharedAccessKey=${Buffer.alloc(32).toString("base64")}`);
    for (const connection of [wrong, events.replace("iothubowner", "registryRead")]) {
      const from = consumer(connection, "$Default", { retryOptions: { maxRetries: 0 } });
      await refused("what is wrong", () => from.getEventHubProperties(), /Unauthorized|unauthorized|fits none|lacks/);
      await from.close();
    }
  },
  "C2D over AMQP": async () => {
    client = Client.fromConnectionString(service);
    await client.open();
    const { result: feedback } = await client.getFeedbackReceiver();
    const heard = new Promise((next) => feedback.on("message", next));
    const message = new Message("hello");
    Object.assign(message, { messageId: "m1", correlationId: "c1", ack: "full", expiryTimeUtc: Date.now() + 60000 });
    message.properties.add("Case", "kept");
    await client.send("dev1", message);
    const got = await wait(() => device.got[0]);
    if (got.getData().toString() !== "hello" || got.messageId !== "m1" || got.properties.getValue("Case") !== "kept") fail(JSON.stringify(got));
    const record = await heard;
    const [told] = typeof record.data === "string" ? JSON.parse(record.data) : JSON.parse(record.getData().toString());
    if (told.originalMessageId !== "m1" || told.statusCode !== "Success" || told.deviceId !== "dev1") fail(JSON.stringify(told));
    await feedback.complete(record);
    await refused("an unknown device", () => client.send("nobody", "x"), /DeviceNotFound/);
    for (let number = 0; number < 50; number++) await client.send("dev2", `wait ${number}`);
    await refused("the 51st", () => client.send("dev2", "x"), /DeviceMaximumQueueDepthExceeded/);
  },
  "file notifications over AMQP": async () => {
    const { result: receiver } = await client.getFileNotificationReceiver();
    if (!receiver) fail("no receiver");
    await client.close();
  },
  "device over AMQP": () => deviceOver(Amqp, "amqp1"),
  "device over AMQP and WebSocket": () => deviceOver(AmqpWs, "amqp2"),
  "device over AMQP with a certificate": async () => {
    const made = DeviceClient.fromConnectionString("HostName=localhost;DeviceId=x509;x509=true", Amqp);
    await made.setOptions({ cert: read("x509.pem"), key: read("x509.key") });
    await made.open();
    await made.sendEvent(send("by certificate"));
    const [line] = await telemetry("x509");
    if (line.body !== "by certificate") fail(JSON.stringify(line));
    await made.close();
  },
  "device over AMQP: wrong key": async () => {
    const made = DeviceClient.fromConnectionString(`HostName=localhost;DeviceId=amqp1;SharedAccessKey=${Buffer.alloc(32).toString("base64")}`, Amqp);
    made.setRetryPolicy({ shouldRetry: () => false, nextRetryTimeout: () => 0 });
    await refused("a wrong key", () => made.open(), /Unauthorized/i);
  },
  "provisioning over AMQP: key": () => provisionedBy(ProvisioningAmqp, "dps-1"),
  "provisioning over AMQP and WebSocket: key": () => provisionedBy(ProvisioningAmqpWs, "dps-2"),
  "provisioning over AMQP: certificate": () => provisionedByCertificate(ProvisioningAmqp),
  "provisioning over AMQP and WebSocket: certificate": () => provisionedByCertificate(ProvisioningAmqpWs),
  "provisioning over AMQP: wrong key": async () => {
    await enroll("enrollments/dps-3", { type: "symmetricKey" });
    const wrong = Buffer.alloc(32).toString("base64");
    const dps = provisioning(new ProvisioningAmqp(), new SymmetricKeySecurityClient("dps-3", wrong));
    // The client knows no more of a refusal by SASL; the hub says why.
    await refused("a wrong key", () => dps.register(), /auth|NotConnected/i);
    const log = await (await fetch(`${process.env.IOTHUB_HTTP}admin/events.jsonl`)).text();
    const told = log.split("\n").filter((line) => line.includes('"refused"')).some((line) => line.includes("dps-3") || line.includes("provisioning"));
    if (!told) fail("the hub does not say why");
  },
  "provisioning over AMQP: a service that is busy": async () => {
    const made = await enroll("enrollments/dps-4", { type: "symmetricKey" });
    await rest("POST", "admin/faults", { kind: "provisioning", status: 429, retryAfter: 1, device: "dps-4", times: 2 }, { "content-type": "application/json" });
    const dps = provisioning(new ProvisioningAmqp(), new SymmetricKeySecurityClient("dps-4", made.attestation.symmetricKey.primaryKey));
    const state = await dps.register();
    if (state.deviceId !== "dps-4") fail(JSON.stringify(state));
  },
  "Event Hubs over WebSocket": async () => {
    const options = { webSocketOptions: { webSocket: WebSocket, webSocketConstructorOptions: {} }, customEndpointAddress: "sb://localhost:443" };
    const seen = follow(consumer(events.replace(":5671", ""), "$Default", options));
    await wait(() => seen.bodies().includes("three"));
    await seen.stop();
  },
  "Event Hubs: checkpoints, over a restart": async () => {
    const ids = Array.from({ length: 8 }, (_, number) => `checked-${number}`);
    const bodies = (round) => ids.flatMap((id) => Array.from({ length: 20 }, (_, number) => `${id} ${round} ${number}`));
    const ends = (round) => ids.map((id) => `${id} ${round} 19`);
    for (const id of ids) await registry.create({ deviceId: id, status: "enabled", authentication: { type: "sas" } });
    const keys = await Promise.all(ids.map(async (id) => (await registry.get(id)).responseBody.authentication.symmetricKey.primaryKey));
    const sendAll = (round) => Promise.all(ids.map(async (id, at) => {
      const made = DeviceClient.fromConnectionString(`HostName=localhost;DeviceId=${id};SharedAccessKey=${keys[at]}`, Mqtt);
      await made.open();
      for (let number = 0; number < 20; number++) await made.sendEvent(send(`${id} ${round} ${number}`));
      await made.close();
    }));
    const store = new MemoryCheckpoints();
    await sendAll("before");
    const first = await readsOn(store, ends("before"));
    const checkpoints = new Map([...store.checkpoints].map(([partition, it]) => [partition, Number(it.sequenceNumber)]));
    if ([...checkpoints.keys()].sort().join() !== "0,1,2,3") fail(`checkpoints of ${[...checkpoints.keys()]}`);
    process.stdout.write("restart\n");
    await wait(async () => { try { await rest("GET", "admin"); return true; } catch { return false; } });
    await sendAll("after");
    const second = await readsOn(store, ends("after"));
    const all = new Set();
    for (const [partition, checkpoint] of checkpoints) {
      const before = first.get(partition);
      const after = second.get(partition);
      const begun = before.map((it) => it.number);
      if (begun.some((number, at) => number !== begun[0] + at)) fail(`${partition}: ${begun}`);
      const numbers = after.map((it) => it.number);
      if (numbers.some((number, at) => number !== checkpoint + 1 + at)) fail(`${partition} behind ${checkpoint}: ${numbers}`);
      const kept = new Map(before.map((it) => [it.number, it.body]));
      for (const { number, body } of after) if ((kept.get(number) ?? body) !== body) fail(`${partition}, ${number}: ${kept.get(number)}, then ${body}`);
      for (const { body } of [...before, ...after]) all.add(body);
    }
    const missing = [...bodies("before"), ...bodies("after")].filter((it) => !all.has(it));
    if (missing.length) fail(`missing: ${missing}`);
  },
  "Event Hubs: goes on after a crash of the hub": async () => {
    const seen = follow(consumer(), undefined, { startPosition: latestEventPosition });
    await wait(async () => { await device.sendEvent(send("before")); return seen.bodies().includes("before"); });
    const last = seen.events.at(-1).event.sequenceNumber;
    process.stdout.write("restart\n");
    await wait(async () => { try { await rest("GET", "admin"); return true; } catch { return false; } });
    await wait(async () => { await device.sendEvent(send("after")); return seen.bodies().includes("after"); }, 25000);
    const numbers = seen.events.map((it) => it.event.sequenceNumber);
    if (new Set(numbers).size !== numbers.length || numbers.at(-1) <= last) fail(numbers.join());
    await seen.stop();
  },
};

run(checks);
