"use strict";
// Microsoft's Node clients: azure-iot-device, azure-iot-provisioning-device.
const fs = require("fs");
const { Client, Message } = require("azure-iot-device");
const { Mqtt } = require("azure-iot-device-mqtt");
const { ProvisioningDeviceClient } = require("azure-iot-provisioning-device");
const { Mqtt: ProvisioningMqtt } = require("azure-iot-provisioning-device-mqtt");
const { X509Security } = require("azure-iot-security-x509");

const http = process.env.IOTHUB_HTTP;
const read = (name) => fs.readFileSync(`${process.env.IOTHUB_FOLDER}/${name}`, "utf8");
const ca = fs.readFileSync(process.env.IOTHUB_CA, "utf8");
let client;
let twin;
const messages = [];

function fail(text) { throw new Error(text); }

async function rest(method, path, body, headers) {
  const answer = await fetch(http + path, { method, headers, body: typeof body === "string" ? body : JSON.stringify(body) });
  const text = await answer.text();
  if (!answer.ok) fail(`${method} ${path}: ${answer.status} ${text}`);
  return text && answer.headers.get("content-type").includes("json") && !path.includes("jsonl") ? JSON.parse(text) : text;
}

async function wait(ready, ms = 20000) {
  const end = Date.now() + ms;
  while (Date.now() < end) {
    const value = await ready();
    if (value) return value;
    await new Promise((next) => setTimeout(next, 20));
  }
  return fail("it did not happen in time");
}

const telemetry = (device, count = 1) => wait(async () => {
  const lines = (await rest("GET", `admin/telemetry.jsonl?device=${device}`)).split("\n").filter(Boolean).map((it) => JSON.parse(it));
  return lines.length >= count && lines;
});

const checks = {
  "connect x509": async () => {
    await rest("PUT", "devices/dev1", { authentication: { type: "certificateAuthority" } });
    client = Client.fromConnectionString("HostName=localhost;DeviceId=dev1;x509=true", Mqtt);
    await client.setOptions({ cert: read("dev1.pem"), key: read("dev1.key"), ca });
    client.onDeviceMethod("led", (request, response) => response.send(200, { was: request.payload }, () => {}));
    await client.open();
    client.on("message", (message) => { messages.push(message); client.complete(message, () => {}); });
  },
  "telemetry": async () => {
    const message = new Message('{"temperature":21.5}');
    message.messageId = "m 1";
    message.contentType = "application/json";
    message.contentEncoding = "utf-8";
    message.properties.add("b", "x y/&=");
    await client.sendEvent(message);
    const [line] = await telemetry("dev1");
    if (line.body.temperature !== 21.5 || line.properties.b !== "x y/&=" || line.systemProperties.messageId !== "m 1") fail(JSON.stringify(line));
  },
  "twin get and report": async () => {
    twin = await client.getTwin();
    await new Promise((done, no) => twin.properties.reported.update({ led: 1 }, (error) => error ? no(error) : done()));
    const stored = await rest("GET", "twins/dev1");
    if (stored.properties.reported.led !== 1) fail(JSON.stringify(stored));
  },
  "twin desired": async () => {
    const told = new Promise((done) => twin.on("properties.desired.interval", done));
    await rest("PATCH", "twins/dev1", { properties: { desired: { interval: 1 } } });
    if (await told !== 1) fail("another value");
  },
  "method": async () => {
    const answer = await wait(() => rest("POST", "twins/dev1/methods", { methodName: "led", payload: { on: true }, connectTimeoutInSeconds: 5 }));
    if (answer.status !== 200 || answer.payload.was.on !== true) fail(JSON.stringify(answer));
  },
  "c2d": async () => {
    await rest("POST", "devices/dev1/messages/deviceBound", "hello", { "iothub-messageid": "m1", "iothub-app-colour": "red" });
    const message = await wait(() => messages[0]);
    if (message.data.toString() !== "hello" || message.messageId !== "m1") fail(JSON.stringify(message));
    await wait(async () => (await rest("GET", "devices/dev1/messages/deviceBound")).length === 0);
  },
  "reconnect": async () => {
    await rest("POST", "admin/faults", { kind: "dropEvery", messages: 1, device: "dev1", times: 1 });
    await client.sendEvent(new Message("after the drop"));
    const lines = await telemetry("dev1", 2);
    if (lines.at(-1).body !== "after the drop") fail(JSON.stringify(lines));
  },
  "connect sas": async () => {
    const made = await rest("PUT", "devices/sas1", { authentication: { type: "sas" } });
    const key = made.authentication.symmetricKey.primaryKey;
    const other = Client.fromConnectionString(`HostName=localhost;DeviceId=sas1;SharedAccessKey=${key}`, Mqtt);
    await other.setOptions({ ca });
    await other.open();
    await other.sendEvent(new Message("token"));
    if ((await telemetry("sas1"))[0].body !== "token") fail("another body");
    await other.close();
  },
  "dps group x509": async () => {
    const security = new X509Security("dps1", { cert: read("dps1.pem"), key: read("dps1.key") });
    const dps = ProvisioningDeviceClient.create("localhost", "0ne00000001", new ProvisioningMqtt(), security);
    const state = await dps.register();
    if (state.assignedHub !== "localhost" || state.deviceId !== "dps1") fail(JSON.stringify(state));
  },
};

(async () => {
  for (const [name, run] of Object.entries(checks)) {
    try {
      await Promise.race([run(), new Promise((_, no) => setTimeout(() => no(new Error("no end within 30 s")), 30000))]);
      console.log(`pass ${name}`);
    } catch (error) {
      console.log(`FAIL ${name}`);
      console.log(error.stack);
    }
  }
  process.exit(0);
})();
