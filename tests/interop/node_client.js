"use strict";
// Microsoft's Node clients: azure-iot-device, azure-iothub, azure-iot-provisioning-device and -service.
const crypto = require("crypto");
const fs = require("fs");
const { Client, Message } = require("azure-iot-device");
const { Mqtt } = require("azure-iot-device-mqtt");
const { ProvisioningDeviceClient } = require("azure-iot-provisioning-device");
const { Mqtt: ProvisioningMqtt } = require("azure-iot-provisioning-device-mqtt");
const { ProvisioningServiceClient } = require("azure-iot-provisioning-service");
const { SymmetricKeySecurityClient } = require("azure-iot-security-symmetric-key");
const { X509Security } = require("azure-iot-security-x509");
const { Client: ServiceClient, Registry } = require("azure-iothub");
const { fail, refused, rest, run, telemetry, wait } = require("./checks.js");

const read = (name) => fs.readFileSync(`${process.env.IOTHUB_FOLDER}/${name}`, "utf8");
const ca = fs.readFileSync(process.env.IOTHUB_CA, "utf8");
const registry = Registry.fromConnectionString(process.env.IOTHUB_SERVICE);
const provisioning = ProvisioningServiceClient.fromConnectionString(process.env.IOTHUB_SERVICE);
const GROUP_KEY = Buffer.from("0123456789abcdef0123456789abcdef").toString("base64");
let client;
let twin;
const messages = [];

function connecting(id, connection, options = {}) {
  const made = Client.fromConnectionString(connection, Mqtt);
  made.setRetryPolicy({ shouldRetry: () => false, nextRetryTimeout: () => 0 });
  return made.setOptions({ ca, ...options }).then(() => made);
}

const checks = {
  "registry": async () => {
    const made = (await registry.create({ deviceId: "dev1", status: "enabled", authentication: { type: "certificateAuthority" } })).responseBody;
    if (made.authentication.type !== "certificateAuthority") fail(JSON.stringify(made));
    if ((await registry.get("dev1")).responseBody.status !== "enabled") fail("not enabled");
    const ids = (await registry.list()).responseBody.map((it) => it.deviceId);
    if (ids.join() !== "dev1") fail(ids.join());
    await refused("a device that is not there", () => registry.get("nobody"), /404|NotFound/i);
  },
  "statistics": async () => {
    const { totalDeviceCount } = (await registry.getRegistryStatistics()).responseBody;
    if (totalDeviceCount !== 1) fail(`${totalDeviceCount} devices`);
  },
  "connect x509": async () => {
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
    const { etag } = (await registry.getTwin("dev1")).responseBody;
    await registry.updateTwin("dev1", { tags: { site: "A" }, properties: { desired: { interval: 1 } } }, etag);
    if (await told !== 1) fail("another value");
  },
  "twin etag": () => refused("a stale etag", () => registry.updateTwin("dev1", { tags: { a: 1 } }, "AAAAAAAAAAA="), /412|PreconditionFailed/i),
  "query": async () => {
    const { result } = await registry.createQuery("SELECT * FROM devices WHERE tags.site = 'A'").nextAsTwin();
    if (result.length !== 1 || result[0].deviceId !== "dev1") fail(`${result.length} devices`);
  },
  "method": async () => {
    const service = ServiceClient.fromConnectionString(process.env.IOTHUB_SERVICE);
    const { result: answer } = await service.invokeDeviceMethod("dev1", { methodName: "led", payload: { on: true }, connectTimeoutInSeconds: 5, responseTimeoutInSeconds: 10 });
    if (answer.status !== 200 || answer.payload.was.on !== true) fail(JSON.stringify(answer));
  },
  "c2d": async () => {
    await rest("POST", "devices/dev1/messages/deviceBound", "hello", { "iothub-messageid": "m1", "iothub-app-colour": "red" });
    const message = await wait(() => messages[0]);
    if (message.data.toString() !== "hello" || message.messageId !== "m1") fail(JSON.stringify(message));
    await wait(async () => (await rest("GET", "admin/devices/dev1/messages")).length === 0);
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
  "dps group key": async () => {
    await provisioning.createOrUpdateEnrollmentGroup({ enrollmentGroupId: "keys", attestation: { type: "symmetricKey", symmetricKey: { primaryKey: GROUP_KEY, secondaryKey: GROUP_KEY } } });
    const key = crypto.createHmac("sha256", Buffer.from(GROUP_KEY, "base64")).update("keyed1").digest("base64");
    const dps = ProvisioningDeviceClient.create("localhost", "0ne00000001", new ProvisioningMqtt(), new SymmetricKeySecurityClient("keyed1", key));
    const state = await dps.register();
    if (state.deviceId !== "keyed1") fail(JSON.stringify(state));
  },
  "dps individual key": async () => {
    await provisioning.createOrUpdateIndividualEnrollment({ registrationId: "dps2", deviceId: "named", attestation: { type: "symmetricKey", symmetricKey: { primaryKey: GROUP_KEY, secondaryKey: GROUP_KEY } } });
    const dps = ProvisioningDeviceClient.create("localhost", "0ne00000001", new ProvisioningMqtt(), new SymmetricKeySecurityClient("dps2", GROUP_KEY));
    const state = await dps.register();
    if (state.deviceId !== "named") fail(JSON.stringify(state));
  },
  "dps disabled": async () => {
    const group = (await provisioning.getEnrollmentGroup("keys")).responseBody;
    await provisioning.createOrUpdateEnrollmentGroup({ ...group, attestation: { type: "symmetricKey", symmetricKey: { primaryKey: GROUP_KEY, secondaryKey: GROUP_KEY } }, provisioningStatus: "disabled" });
    const key = crypto.createHmac("sha256", Buffer.from(GROUP_KEY, "base64")).update("keyed2").digest("base64");
    const dps = ProvisioningDeviceClient.create("localhost", "0ne00000001", new ProvisioningMqtt(), new SymmetricKeySecurityClient("keyed2", key));
    await refused("a disabled enrollment", () => dps.register(), /disabled|401|Unauthorized|registration failed/i);
    const state = await rest("GET", "registrations/keyed2");
    if (state.status !== "disabled") fail(JSON.stringify(state));
  },
  "connect thumbprint": async () => {
    await registry.create({ deviceId: "thumb1", authentication: { type: "selfSigned", x509Thumbprint: { primaryThumbprint: process.env.IOTHUB_THUMBPRINT } } });
    const other = await connecting("thumb1", "HostName=localhost;DeviceId=thumb1;x509=true", { cert: read("thumb1.pem"), key: read("thumb1.key") });
    await other.open();
    await other.sendEvent(new Message("thumbprint"));
    if ((await telemetry("thumb1"))[0].body !== "thumbprint") fail("another body");
    await other.close();
  },
  "disabled is refused": async () => {
    const device = (await registry.get("thumb1")).responseBody;
    await registry.update({ ...device, status: "disabled" });
    const other = await connecting("thumb1", "HostName=localhost;DeviceId=thumb1;x509=true", { cert: read("thumb1.pem"), key: read("thumb1.key") });
    await refused("a disabled device", () => other.open(), /Unauthorized|not authorized/i);
    const events = (await rest("GET", "admin/events.jsonl?device=thumb1")).split("\n").filter(Boolean).map((it) => JSON.parse(it));
    if (!events.some((it) => it.event === "refused" && it.error === "DeviceDisabled")) fail("the hub does not say why");
  },
  "delete drops": async () => {
    const gone = new Promise((done) => client.on("disconnect", done));
    client.setRetryPolicy({ shouldRetry: () => false, nextRetryTimeout: () => 0 });
    await registry.delete("dev1");
    await gone;
  },
  "dps service": async () => {
    const signing = { type: "x509", x509: { signingCertificates: { primary: { certificate: read("root.pem") } } } };
    const group = (await provisioning.createOrUpdateEnrollmentGroup({ enrollmentGroupId: "line1", attestation: signing, provisioningStatus: "enabled" })).responseBody;
    if (group.enrollmentGroupId !== "line1" || !group.etag) fail(JSON.stringify(group));
    if ((await provisioning.getIndividualEnrollment("dps2")).responseBody.deviceId !== "named") fail("another device id");
    const found = (await provisioning.createIndividualEnrollmentQuery({ query: "SELECT * FROM enrollments" }).next()).responseBody ?? [];
    const items = Array.isArray(found) ? found : found.items;
    if (!items.some((it) => it.registrationId === "dps2")) fail(JSON.stringify(found));
    if ((await provisioning.getDeviceRegistrationState("keyed1")).responseBody.status !== "assigned") fail("not assigned");
    await provisioning.deleteEnrollmentGroup("line1");
    await refused("a deleted group", () => provisioning.getEnrollmentGroup("line1"), /404|NotFound/i);
  },
};

run(checks);
