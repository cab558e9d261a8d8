"use strict";
// Jobs in Node: azure-iothub's Registry and JobClient, azure-iot-provisioning-service.
const fs = require("fs");
const { Client } = require("azure-iot-device");
const { Mqtt } = require("azure-iot-device-mqtt");
const { ProvisioningServiceClient } = require("azure-iot-provisioning-service");
const { JobClient, Registry } = require("azure-iothub");
const { fail, refused, rest, run, wait } = require("./checks.js");

const ca = fs.readFileSync(process.env.IOTHUB_CA, "utf8");
const registry = Registry.fromConnectionString(process.env.IOTHUB_SERVICE);
const jobs = JobClient.fromConnectionString(process.env.IOTHUB_SERVICE);
const provisioning = ProvisioningServiceClient.fromConnectionString(process.env.IOTHUB_SERVICE);
const KEY = Buffer.from("0123456789abcdef0123456789abcdef").toString("base64");

// It answers a callback only.
const inBulk = (operation) => new Promise((done, no) => provisioning.runBulkEnrollmentOperation(operation, (error, result) => error ? no(error) : done(result)));

const ended = (id) => wait(async () => {
  const { jobStatus } = await jobs.getJob(id).then((it) => ({ jobStatus: it.jobStatus ?? it.responseBody ?? it }));
  return jobStatus.status === "completed" && jobStatus;
});

run({
  "node: registry in bulk": async () => {
    const made = (await registry.addDevices([{ deviceId: "n1" }, { deviceId: "n2" }, { deviceId: "n3" }])).responseBody;
    if (!made.isSuccessful) fail(JSON.stringify(made));
    await registry.updateDevices([{ deviceId: "n1", status: "disabled" }], true);
    if ((await registry.get("n1")).responseBody.status !== "disabled") fail("not disabled");
    await registry.removeDevices([{ deviceId: "n3" }], true);
    await refused("a device that is gone", () => registry.get("n3"), /404|NotFound/i);
  },
  "node: job over twins": async () => {
    await jobs.scheduleTwinUpdate("node-twins", "deviceId IN ['n1', 'n2']", { etag: "*", properties: { desired: { i: 7 } } }, new Date(), 60);
    const job = await ended("node-twins");
    if (job.deviceJobStatistics.succeededCount !== 2) fail(JSON.stringify(job));
    if ((await registry.getTwin("n2")).responseBody.properties.desired.i !== 7) fail("not written");
  },
  "node: job over methods": async () => {
    const made = await rest("PUT", "devices/n4", { authentication: { type: "sas" } });
    const client = Client.fromConnectionString(`HostName=localhost;DeviceId=n4;SharedAccessKey=${made.authentication.symmetricKey.primaryKey}`, Mqtt);
    await client.setOptions({ ca });
    client.onDeviceMethod("led", (request, response) => response.send(200, { was: request.payload }, () => {}));
    await client.open();
    await jobs.scheduleDeviceMethod("node-methods", "deviceId = 'n4'", { methodName: "led", payload: { on: true }, responseTimeoutInSeconds: 10, connectTimeoutInSeconds: 10 }, new Date(), 60);
    const job = await ended("node-methods");
    if (job.deviceJobStatistics.succeededCount !== 1) fail(JSON.stringify(job));
    const { result } = await registry.createQuery("SELECT * FROM devices.jobs WHERE devices.jobs.jobId = 'node-methods'").next();
    if (result[0].outcome.deviceMethodResponse.payload.was.on !== true) fail(JSON.stringify(result));
    await client.close();
  },
  "node: query of jobs": async () => {
    const { result } = await jobs.createQuery("scheduleUpdateTwin", "completed").next();
    if (!result.some((it) => it.jobId === "node-twins")) fail(JSON.stringify(result));
  },
  "node: enrollments in bulk": async () => {
    const attestation = { type: "symmetricKey", symmetricKey: { primaryKey: KEY, secondaryKey: KEY } };
    const enrollments = ["b1", "b2"].map((registrationId) => ({ registrationId, attestation }));
    const made = await inBulk({ mode: "create", enrollments });
    if (!made.isSuccessful) fail(JSON.stringify(made));
    if ((await provisioning.getIndividualEnrollment("b2")).responseBody.registrationId !== "b2") fail("not there");
    const twice = await inBulk({ mode: "create", enrollments });
    if (twice.isSuccessful || twice.errors.length !== 2) fail(JSON.stringify(twice));
    await inBulk({ mode: "delete", enrollments });
    await refused("an enrollment that is gone", () => provisioning.getIndividualEnrollment("b1"), /404|NotFound/i);
  },
});
