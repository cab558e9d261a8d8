"use strict";
// Devices over HTTPS in Node: uploadToBlob, azure-iot-device-http, azure-iot-provisioning-device-http.
const fs = require("fs");
const { Readable } = require("stream");
const { Client, Message } = require("azure-iot-device");
const { Http } = require("azure-iot-device-http");
const { Mqtt } = require("azure-iot-device-mqtt");
const { ProvisioningDeviceClient } = require("azure-iot-provisioning-device");
const { Http: ProvisioningHttp } = require("azure-iot-provisioning-device-http");
const { X509Security } = require("azure-iot-security-x509");
const { Client: ServiceClient } = require("azure-iothub");
const { fail, rest, run, telemetry, wait } = require("./checks.js");

const read = (name) => fs.readFileSync(`${process.env.IOTHUB_FOLDER}/${name}`, "utf8");
const ca = fs.readFileSync(process.env.IOTHUB_CA, "utf8");

// Without it this transport never says that its options are set.
const POLLING = { http: { receivePolicy: { interval: 1 } } };

async function connected(id, transport) {
  const made = await rest("PUT", `devices/${id}`, { authentication: { type: "sas" } });
  const client = Client.fromConnectionString(`HostName=localhost;DeviceId=${id};SharedAccessKey=${made.authentication.symmetricKey.primaryKey}`, transport);
  await client.setOptions(transport === Http ? { ca, ...POLLING } : { ca });
  await client.open();
  return client;
}

run({
  "node: file": async () => {
    const client = await connected("nodekeyed", Mqtt);
    const data = Buffer.alloc(5 * 1024 * 1024, "abc");
    await client.uploadToBlob("video.bin", Readable.from([data]), data.length);
    const told = await rest("GET", "messages/serviceBound/filenotifications");
    if (told.blobName !== "nodekeyed/video.bin" || told.blobSizeInBytes !== data.length) fail(JSON.stringify(told));
    await client.close();
  },
  "node: file notification over AMQP": async () => {
    const client = await connected("nodetold", Mqtt);
    const service = ServiceClient.fromConnectionString(process.env.IOTHUB_SERVICE);
    await service.open();
    const receiver = await new Promise((done, no) => service.getFileNotificationReceiver((error, made) => error ? no(error) : done(made)));
    const told = new Promise((done, no) => { receiver.once("message", done); receiver.once("errorReceived", no); });
    await client.uploadToBlob("told.bin", Readable.from([Buffer.from("abc")]), 3);
    const message = await told;
    const notification = JSON.parse(message.data);
    if (notification.blobName !== "nodetold/told.bin" || notification.blobSizeInBytes !== 3) fail(JSON.stringify(notification));
    await new Promise((done, no) => receiver.complete(message, (error) => error ? no(error) : done()));
    await service.close();
    await client.close();
  },
  "node: http telemetry": async () => {
    const client = await connected("nodehttp", Http);
    const message = new Message('{"a":1}');
    message.messageId = "m1";
    message.contentType = "application/json";
    message.properties.add("colour", "red");
    await client.sendEvent(message);
    const other = new Message("second");
    other.properties.add("Colour", "blue");
    await client.sendEventBatch([new Message("first"), other]);
    const lines = await telemetry("nodehttp", 3);
    if (lines[0].body.a !== 1 || lines[0].properties.colour !== "red" || lines[0].systemProperties.messageId !== "m1") fail(JSON.stringify(lines[0]));
    if (lines[1].body !== "first" || lines[2].properties.Colour !== "blue") fail(JSON.stringify(lines));
    await client.close();
  },
  "node: http cloud to device": async () => {
    const client = await connected("nodec2d", Http);
    for (const text of ["one", "two"]) await rest("POST", "devices/nodec2d/messages/deviceBound", text, { "iothub-ack": "full", "iothub-app-k": text });
    const got = [];
    client.on("message", (message) => { got.push(message); client[got.length === 1 ? "complete" : "reject"](message, () => {}); });
    await wait(async () => got.length >= 2 && (await rest("GET", "admin/devices/nodec2d/messages")).length === 0);
    if (got[0].data.toString() !== "one" || got[1].data.toString() !== "two") fail(got.map((it) => it.data.toString()).join());
    const records = await rest("GET", "messages/serviceBound/feedback");
    const codes = (typeof records === "string" ? JSON.parse(records) : records).map((it) => it.statusCode);
    if (codes.join() !== "Success,Rejected") fail(codes.join());
    await client.close();
  },
  "node: http with a certificate": async () => {
    await rest("PUT", "devices/nodefiles", { authentication: { type: "certificateAuthority" } });
    const client = Client.fromConnectionString("HostName=localhost;DeviceId=nodefiles;x509=true", Http);
    await client.setOptions({ cert: read("nodefiles.pem"), key: read("nodefiles.key"), ca, ...POLLING });
    await client.sendEvent(new Message("certificate"));
    if ((await telemetry("nodefiles"))[0].body !== "certificate") fail("another body");
  },
  "node: provisioning over https": async () => {
    await rest("PUT", "enrollmentGroups/fleet", { attestation: { type: "x509", x509: { signingCertificates: { primary: { certificate: read("root.pem") } } } } });
    const security = new X509Security("httpdps", { cert: read("httpdps.pem"), key: read("httpdps.key") });
    const state = await ProvisioningDeviceClient.create("localhost", "0ne00000001", new ProvisioningHttp(), security).register();
    if (state.assignedHub !== "localhost" || state.deviceId !== "httpdps") fail(JSON.stringify(state));
  },
});
