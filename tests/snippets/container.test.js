// Beside the page's hub.js: a hub in a container is asked as a service asks it.
"use strict";
const assert = require("node:assert");
const { test } = require("node:test");

test("a hub in a container", async () => {
  const hub = await require("./hub.js").start();
  try {
    assert.match(hub.connectionString, /^HostName=/);
    const made = await hub.rest("PUT", "devices/sensor", { authentication: { type: "sas" } });
    assert.equal(made.deviceId, "sensor");
  } finally {
    await hub.stop();
  }
});
