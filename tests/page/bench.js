"use strict";
// The processes that the page is tried against, and the browser.
const { spawn } = require("child_process");
const fs = require("fs");
const path = require("path");
const { chromium } = require("playwright-core");

const work = process.env.IOTHUB_PAGE_DIR;
exports.shots = path.join(work, "shots");
const children = [];

/** Waits at most so many seconds; what is not done by then has failed. */
exports.within = (seconds, what, promise) => {
  let timer;
  const late = new Promise((_, failed) => { timer = setTimeout(() => failed(new Error(`${what}: not done after ${seconds} s`)), seconds * 1000); });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
};

/** Starts a program, waits for a line, and gives the match. */
function start(name, program, args, line) {
  const child = spawn(path.join(process.env.IOTHUB_BIN, program), args, { stdio: ["ignore", "pipe", "pipe"] });
  children.push(child);
  const log = fs.createWriteStream(path.join(work, `${name}.log`));
  let text = "";
  return exports.within(60, `the line ${line} of ${name}`, new Promise((done, failed) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (part) => {
        log.write(part);
        text += part;
        const found = line.exec(text);
        if (found) done({ child, found });
      });
    }
    child.on("exit", (code) => failed(new Error(`${name} ended with ${code}: ${text.slice(-500)}`)));
  }));
}

exports.stop = (child) => new Promise((done) => {
  if (child.exitCode !== null) return done();
  child.once("exit", done);
  child.kill("SIGTERM");
  setTimeout(() => child.kill("SIGKILL"), 10000).unref();
});

exports.end = () => Promise.all(children.map(exports.stop));

exports.demo = async () => {
  const data = fs.mkdtempSync(path.join(work, "demo-"));
  const { child, found } = await start("demo", "iothub-demo", ["--mqtt", "0", "--http", "0", "--data", data], /Web page +(http:\S+)[^]*Device +(\S+)[^]*ready: every/);
  return { child, data, base: found[1], device: found[2] };
};

/** An emulator that keeps nothing, with a token unless it is to have none. */
exports.emulator = async ({ port = 0, token = true } = {}) => {
  const file = path.join(work, "token");
  fs.writeFileSync(file, "open-sesame\n");
  const { child, found } = await start("emulator", "iothub-emulator", ["--ephemeral", "--mqtt", "127.0.0.1:0", "--http", `127.0.0.1:${port}`, ...(token ? ["--token-file", file] : [])], /ready mqtt=.* http=(\S+)/);
  return { child, base: found[1] };
};

exports.browser = () => chromium.launch({ executablePath: process.env.IOTHUB_CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });

exports.rest = async (base, method, what, body) => {
  const answer = await fetch(base + what, { method, body: body === undefined ? undefined : JSON.stringify(body) });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${what}: ${answer.status} ${text}`);
  return text ? JSON.parse(text) : null;
};
