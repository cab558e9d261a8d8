"use strict";
// What the scenarios in Node share: REST of the emulator, waiting, and running checks by name.

const http = process.env.IOTHUB_HTTP;

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

async function refused(what, run, expected) {
  try { await run(); } catch (error) {
    const text = `${error.name} ${error.message} ${error.response?.statusCode ?? ""} ${error.responseBody ?? ""}`;
    if (!expected.test(text)) fail(`${what}: ${text}`);
    return;
  }
  fail(`${what} was not refused`);
}

// Runs each check, says how it went, and ends the process: the clients would go on trying.
async function run(checks) {
  for (const [name, check] of Object.entries(checks)) {
    try {
      await Promise.race([check(), new Promise((_, no) => setTimeout(() => no(new Error("no end within 30 s")), 30000))]);
      console.log(`pass ${name}`);
    } catch (error) {
      console.log(`FAIL ${name}`);
      console.log(error.stack);
    }
  }
  process.exit(0);
}

module.exports = { fail, refused, rest, run, telemetry, wait };
