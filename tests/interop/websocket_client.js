"use strict";
// MQTT over WebSocket in Node: azure-iot-device, azure-iot-provisioning-device, and mqtt.js alone.
const crypto = require("crypto");
const fs = require("fs");
const { Client, Message } = require("azure-iot-device");
const { MqttWs } = require("azure-iot-device-mqtt");
const { ProvisioningDeviceClient } = require("azure-iot-provisioning-device");
const { MqttWs: ProvisioningMqttWs } = require("azure-iot-provisioning-device-mqtt");
const { SymmetricKeySecurityClient } = require("azure-iot-security-symmetric-key");
const { X509Security } = require("azure-iot-security-x509");
const mqtt = require("mqtt");
const { fail, rest, run, telemetry, wait } = require("./checks.js");

const read = (name) => fs.readFileSync(`${process.env.IOTHUB_FOLDER}/${name}`, "utf8");
const ca = fs.readFileSync(process.env.IOTHUB_CA, "utf8");
const GROUP_KEY = Buffer.from("0123456789abcdef0123456789abcdef").toString("base64");

async function keyOf(id) {
  return (await rest("PUT", `devices/${id}`, { authentication: { type: "sas" } })).authentication.symmetricKey.primaryKey;
}

async function everything(client, id) {
  const messages = [];
  client.onDeviceMethod("echo", (request, response) => response.send(200, request.payload, () => {}));
  await client.open();
  client.on("message", (message) => { messages.push(message); client.complete(message, () => {}); });
  await client.sendEvent(new Message("over a websocket"));
  if ((await telemetry(id))[0].body !== "over a websocket") fail("another body");
  const twin = await client.getTwin();
  await new Promise((done, no) => twin.properties.reported.update({ led: 1 }, (error) => error ? no(error) : done()));
  const answer = await rest("POST", `twins/${id}/methods`, { methodName: "echo", payload: { a: 1 }, connectTimeoutInSeconds: 10 });
  if (answer.status !== 200 || answer.payload.a !== 1) fail(JSON.stringify(answer));
  await rest("POST", `devices/${id}/messages/deviceBound`, "hello");
  await wait(() => messages.length === 1 && messages[0].data.toString() === "hello");
  await client.close();
}

run({
  "node: key": async () => {
    const client = Client.fromConnectionString(`HostName=localhost;DeviceId=nodekey;SharedAccessKey=${await keyOf("nodekey")}`, MqttWs);
    await client.setOptions({ ca });
    await everything(client, "nodekey");
  },
  "node: certificate": async () => {
    await rest("PUT", "devices/nodeca", { authentication: { type: "certificateAuthority" } });
    const client = Client.fromConnectionString("HostName=localhost;DeviceId=nodeca;x509=true", MqttWs);
    await client.setOptions({ cert: read("nodeca.pem"), key: read("nodeca.key"), ca });
    await everything(client, "nodeca");
  },
  "node: provisioning with a certificate": async () => {
    const security = new X509Security("nodedps", { cert: read("nodedps.pem"), key: read("nodedps.key") });
    const state = await ProvisioningDeviceClient.create("localhost", "0ne00000001", new ProvisioningMqttWs(), security).register();
    if (state.assignedHub !== "localhost" || state.deviceId !== "nodedps") fail(JSON.stringify(state));
  },
  "node: provisioning with a key": async () => {
    await rest("PUT", "enrollmentGroups/keys", { attestation: { type: "symmetricKey", symmetricKey: { primaryKey: GROUP_KEY, secondaryKey: GROUP_KEY } } });
    const key = crypto.createHmac("sha256", Buffer.from(GROUP_KEY, "base64")).update("wskeyed").digest("base64");
    const security = new SymmetricKeySecurityClient("wskeyed", key);
    const state = await ProvisioningDeviceClient.create("localhost", "0ne00000001", new ProvisioningMqttWs(), security).register();
    if (state.deviceId !== "wskeyed") fail(JSON.stringify(state));
  },
  "mqtt.js": async () => {
    const key = await keyOf("bare");
    const resource = encodeURIComponent("localhost/devices/bare");
    const expiry = Math.floor(Date.now() / 1000) + 600;
    const signature = crypto.createHmac("sha256", Buffer.from(key, "base64")).update(`${resource}\n${expiry}`).digest("base64");
    const client = mqtt.connect("wss://localhost/$iothub/websocket?iothub-no-client-cert=true", {
      protocolVersion: 4, clean: false, clientId: "bare", username: "localhost/bare/?api-version=2021-04-12",
      password: `SharedAccessSignature sr=${resource}&sig=${encodeURIComponent(signature)}&se=${expiry}`, ca, reconnectPeriod: 0,
    });
    await new Promise((done, no) => { client.once("connect", done); client.once("error", no); client.once("close", () => no(new Error("closed"))); });
    await new Promise((done, no) => client.publish("devices/bare/messages/events/a=b", "bare", { qos: 1 }, (error) => error ? no(error) : done()));
    const [line] = await telemetry("bare");
    if (line.body !== "bare" || line.properties.a !== "b") fail(JSON.stringify(line));
    await new Promise((done) => client.end(false, {}, done));
  },
});
