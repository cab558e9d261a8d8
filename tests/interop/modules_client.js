"use strict";
// Modules in Node: azure-iothub and ModuleClient of azure-iot-device.
const fs = require("fs");
const { Message, ModuleClient } = require("azure-iot-device");
const { Mqtt } = require("azure-iot-device-mqtt");
const { Client: ServiceClient, Registry } = require("azure-iothub");
const { fail, refused, rest, run, telemetry } = require("./checks.js");

const ca = fs.readFileSync(process.env.IOTHUB_CA, "utf8");
const registry = Registry.fromConnectionString(process.env.IOTHUB_SERVICE);
let client;
let twin;

run({
  "node: registry of modules": async () => {
    await rest("PUT", "devices/node1", {});
    const made = (await registry.addModule({ deviceId: "node1", moduleId: "temp" })).responseBody;
    if (made.moduleId !== "temp" || !made.authentication.symmetricKey.primaryKey) fail(JSON.stringify(made));
    await registry.addModule({ deviceId: "node1", moduleId: "gone" });
    await registry.removeModule("node1", "gone");
    const all = (await registry.getModulesOnDevice("node1")).responseBody.map((it) => it.moduleId);
    if (all.join() !== "temp") fail(all.join());
    await refused("a module that is not there", () => registry.getModule("node1", "gone"), /404|NotFound/i);
  },
  "node: module connects": async () => {
    const { symmetricKey } = (await registry.getModule("node1", "temp")).responseBody.authentication;
    client = ModuleClient.fromConnectionString(`HostName=localhost;DeviceId=node1;ModuleId=temp;SharedAccessKey=${symmetricKey.primaryKey}`, Mqtt);
    await client.setOptions({ ca });
    client.onMethod("led", (request, response) => response.send(200, { was: request.payload }, () => {}));
    await client.open();
  },
  "node: module telemetry": async () => {
    await client.sendEvent(new Message("plain"));
    await client.sendOutputEvent("output1", new Message("routed"));
    const lines = await telemetry("node1/temp", 2);
    if (lines[0].moduleId !== "temp" || lines[1].systemProperties.outputName !== "output1") fail(JSON.stringify(lines));
  },
  "node: module twin": async () => {
    twin = await client.getTwin();
    await new Promise((done, no) => twin.properties.reported.update({ v: 7 }, (error) => error ? no(error) : done()));
    const told = new Promise((done) => twin.on("properties.desired.interval", done));
    const stored = (await registry.getModuleTwin("node1", "temp")).responseBody;
    if (stored.properties.reported.v !== 7) fail(JSON.stringify(stored));
    await registry.updateModuleTwin("node1", "temp", { properties: { desired: { interval: 1 } } }, stored.etag);
    if (await told !== 1) fail("another value");
  },
  "node: module method": async () => {
    const service = ServiceClient.fromConnectionString(process.env.IOTHUB_SERVICE);
    const { result: answer } = await service.invokeDeviceMethod("node1", "temp", { methodName: "led", payload: { on: true }, responseTimeoutInSeconds: 10 });
    if (answer.status !== 200 || answer.payload.was.on !== true) fail(JSON.stringify(answer));
    await client.close();
  },
});
