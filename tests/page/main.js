"use strict";
// Every panel, as a person uses it; each check leaves a screenshot.
const assert = require("assert");
const { execFileSync } = require("child_process");
const fs = require("fs");
const path = require("path");
const bench = require("./bench");
const { connect } = require("./device");
const fleet = require("./fleet");
const reading = require("./reading");

let page, demo, hosts = new Set(), troubles = [], expected = [];
const wanted = process.argv.slice(2);
const button = (name, within = page) => within.getByRole("button", { name, exact: true });
const dialog = () => page.locator("dialog");
const rest = (method, what, body) => bench.rest(demo.base, method, what, body);
const seen = (locator) => locator.waitFor({ state: "visible" });
const toast = (text) => seen(page.locator("#toast", { hasText: text }));
const open = (hash) => page.goto(`${demo.base}#${hash}`);
const tab = (name) => page.getByRole("tab", { name, exact: true }).click();
/** The browser itself reports refused requests; those that a check provokes are named here. */
const provoke = (status) => expected.push(new RegExp(`status of ${status}`));

/** Chooses a file and waits until the page has read it. */
async function give(file) {
  await dialog().getByLabel("PEM file").setInputFiles(file);
  const text = fs.readFileSync(file, "utf8");
  await until(`${file} is read`, async () => (await dialog().getByLabel("PEM text").inputValue()).trim() === text.trim());
}

async function until(what, ready) {
  const end = Date.now() + 60000;
  for (;;) {
    if (await ready()) return;
    if (Date.now() > end) throw new Error(`it did not happen in time: ${what}`);
    await page.waitForTimeout(50);
  }
}

async function newPage(browser, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, colorScheme: "light", ...options });
  const made = await context.newPage();
  made.setDefaultTimeout(60000);
  made.on("request", (request) => hosts.add(new URL(request.url()).host));
  made.on("pageerror", (error) => troubles.push(error.stack));
  made.on("console", (message) => { if (["error", "warning"].includes(message.type())) troubles.push(message.text()); });
  return made;
}

const checks = {
  "a connected device and why it was let in": async () => {
    await page.goto(demo.base);
    await seen(page.locator("#devices a", { hasText: demo.device }));
    await seen(page.locator("#head", { hasText: "development-root" }));
    assert.equal(await page.locator("#devices .dot.on").count(), 1);
    assert.match(page.url(), /#device\/\d+\/telemetry$/);
  },
  "telemetry as a live chart": async () => {
    await open(`device/${demo.device}/telemetry`);
    await until("three points", async () => await page.locator(".plot circle").count() >= 3);
    const last = page.locator("#messages tr").first();
    const number = await last.locator("td").first().textContent();
    await until("a further message", async () => await last.locator("td").first().textContent() !== number);
  },
  "zoom into a chart and back": async () => {
    const box = await page.locator(".plot").first().boundingBox();
    await page.mouse.move(box.x + 200, box.y + 60);
    await page.locator(".cursor").first().waitFor({ state: "attached" });
    await page.mouse.down();
    await page.mouse.move(box.x + 500, box.y + 60, { steps: 4 });
    await page.mouse.up();
    await seen(page.locator("#live-again"));
    await page.locator("#live-again").click();
    await page.locator(".plot").first().focus();
    await page.keyboard.press("+");
    await seen(page.locator("#live-again"));
    await page.keyboard.press("Escape");
    await page.locator("#live-again").waitFor({ state: "hidden" });
  },
  "pause keeps what is read": async () => {
    await page.locator("#pause").click();
    const first = await page.locator("#messages").textContent();
    await seen(page.locator("#pause", { hasText: /\(\d+ new\)/ }));
    assert.equal(await page.locator("#messages").textContent(), first);
    await page.locator("#pause").click();
    await until("the new ones", async () => await page.locator("#messages").textContent() !== first);
  },
  "a message in full": async () => {
    await page.locator("#messages tr").first().click();
    await seen(dialog().getByText("application/json"));
    await page.keyboard.press("Escape");
  },
  "several series, and one chart for all": async () => {
    const made = await rest("PUT", "devices/meter", { authentication: { type: "sas" } });
    const { primaryKey } = made.authentication.symmetricKey;
    demo.connectMeter = () => connect({ port: demo.mqtt, ca: demo.ca, hub: demo.hub, id: "meter", key: primaryKey });
    const device = demo.meter = await demo.connectMeter();
    for (let n = 0; n < 40; n++) {
      await device.send(JSON.stringify({ temperature: 20 + Math.sin(n / 4) * 3, battery: 4.1 - n / 100, on: n % 9 < 4,
        accel: { x: Math.sin(n / 5), y: Math.cos(n / 5), z: Math.sin(n / 7) * 0.5 } }));
    }
    await page.locator("#devices a", { hasText: "meter" }).click();
    await until("four charts", async () => await page.locator(".chart").count() === 4);
    assert.equal(await page.locator('.chart[data-chart="accel"] .value').count(), 3);
    await page.locator(".chip", { hasText: "battery" }).click();
    await until("three charts", async () => await page.locator(".chart").count() === 3);
    await page.locator(".chip", { hasText: "battery" }).click();
    await button("One chart").click();
    await until("one chart", async () => await page.locator(".chart").count() === 1);
    await bench.shot(page, "one-chart");
    await button("One chart").click();
  },
  "HTML in telemetry is text": async () => {
    await demo.meter.send(JSON.stringify({ note: "<img src=x onerror=\"window.broken=1\"><script>window.broken=2</script>", "<b>name</b>": 1 }));
    await seen(page.locator("#messages", { hasText: "<img src=x" }));
    assert.equal(await page.locator("#messages img, #messages script, .chips b").count(), 0);
    assert.equal(await page.evaluate(() => window.broken), undefined);
  },
  "filter messages": async () => {
    await page.getByLabel("Filter messages").fill("onerror");
    await until("one row", async () => await page.locator("#messages tr").count() === 1);
    await page.getByLabel("Filter messages").fill("nothing of that kind");
    await seen(page.getByText("No message fits the filter."));
  },
  "the reason of the last close": async () => {
    await demo.meter.end();
    await seen(page.locator("#last-close", { hasText: "DISCONNECT" }));
    await seen(page.locator("#devices a", { hasText: "closed" }));
  },
  "a desired property is saved, told and accepted": async () => {
    await open(`device/${demo.device}/twin`);
    const editor = page.locator("#desired");
    await until("the twin", async () => (await editor.inputValue()).includes("telemetryInterval"));
    await editor.fill('{ "telemetryInterval": 2, }');
    await seen(page.getByText(/The desired document is not JSON yet: look at line 1/));
    assert.equal(await button("Save").isDisabled(), true);
    await editor.fill('{\n  "telemetryInterval": 2\n}');
    await seen(page.locator(".diff .add", { hasText: "2" }));
    await bench.shot(page, "twin-edit");
    await button("Save").click();
    await toast("Saved");
    await seen(page.locator("tr", { hasText: "accepted with 200" }));
    await seen(page.locator("summary", { hasText: "Version 3" }));
  },
  "a value that the device refuses": async () => {
    await page.locator("#desired").fill('{\n  "telemetryInterval": 0\n}');
    await page.locator("#desired").press("Control+Enter");
    await seen(page.locator("tr", { hasText: "refused with 400" }));
    await page.locator("summary", { hasText: "Version 3" }).click();
    await button("Put it into the editor").filter({ visible: true }).click();
    await button("Save").click();
    await seen(page.locator("tr", { hasText: "accepted with 200" }));
  },
  "somebody else writes the twin meanwhile": async () => {
    await page.locator("#desired").fill('{\n  "telemetryInterval": 2,\n  "mine": true\n}');
    await rest("PATCH", `twins/${demo.device}`, { properties: { desired: { theirs: true } } });
    await seen(page.getByText(/Somebody wrote version/));
    await bench.shot(page, "twin-conflict");
    await button("Keep mine, on top of theirs").click();
    await button("Save").click();
    const desired = async () => (await rest("GET", `twins/${demo.device}`)).properties.desired;
    await until("the twin with mine", async () => (await desired()).mine === true);
    assert.equal((await desired()).theirs, undefined);
  },
  "methods: prefilled, answered, unknown, not JSON": async () => {
    await tab("Methods");
    assert.deepEqual([await page.locator("#method").inputValue(), await page.locator("#payload").inputValue()], ["led", "1"]);
    await button("Call").click();
    await seen(page.locator("#answers", { hasText: "status 200" }));
    await page.locator("#method").fill("dance");
    await page.locator("#payload").fill("{a: 1}");
    await button("Call").click();
    await seen(page.getByText(/The payload is not JSON yet/));
    await page.locator("#payload").fill('{"a": 1}');
    await page.locator("#payload").press("Control+Enter");
    await seen(page.locator("#answers", { hasText: "status 404" }));
    await page.reload();
    await seen(page.locator("#answers", { hasText: "status 200" }));
    assert.equal(await page.locator("#method").inputValue(), "dance");
  },
  "a method of a device that is away": async () => {
    provoke(404);
    await open("device/meter/methods");
    await page.locator("#method").fill("led");
    await button("Call").click();
    await seen(page.locator("#answers", { hasText: "Device 'meter' is not connected. (404103 DeviceNotOnline)" }));
  },
  "cloud to device: delivered": async () => {
    await open(`device/${demo.device}/messages`);
    await page.locator("#body").fill("hello <b>device</b>");
    await page.getByLabel("Properties, one a line").fill("colour=red & blue");
    await button("Send").click();
    await seen(page.locator("#ended", { hasText: "acknowledged by the device" }));
    await page.getByLabel("Properties, one a line").fill("nonsense");
    await button("Send").click();
    await seen(page.getByText("The property 'nonsense' needs the form name=value."));
  },
  "cloud to device: waits, and is purged after asking": async () => {
    await open("device/meter/messages");
    await seen(page.getByText("The device is not connected: what you send waits here"));
    await page.locator("#body").fill("for later");
    await page.getByText("Message id, content type").click();
    await page.getByLabel("Message id").fill("later-1");
    await page.locator("#body").press("Control+Enter");
    await seen(page.locator("#queue", { hasText: "later-1" }));
    await seen(page.locator("#queue", { hasText: "waits for the device" }));
    await bench.shot(page, "messages-waiting");
    await button("Purge").click();
    await button("Cancel").click();
    await seen(page.locator("#queue", { hasText: "later-1" }));
    await button("Purge").click();
    await button("Purge", dialog()).click();
    await seen(page.locator("#ended", { hasText: "the queue was purged" }));
  },
  "a device's own log": async () => {
    await open(`device/${demo.device}/log`);
    await seen(page.locator("#events", { hasText: "keep-alive" }));
    assert.equal(await page.locator("#events", { hasText: "meter" }).count(), 0);
  },
  "how to connect": async () => {
    await open("device/meter/connect");
    await seen(page.locator("#snippet", { hasText: "DeviceId=meter" }));
    await page.getByLabel("Client").selectOption("mosquitto");
    await seen(page.locator("#snippet", { hasText: `-p ${demo.mqtt}` }));
    await page.getByText("Registry entry").click();
    await seen(page.locator("details pre", { hasText: "(hidden)" }));
  },
  "register, and delete after asking": async () => {
    await page.keyboard.press("n");
    provoke(409);
    await page.getByLabel("Device id").fill("meter");
    await button("Register", dialog()).click();
    await seen(dialog().getByText("There is a device 'meter' already."));
    provoke(400);
    await page.getByLabel("Device id").fill("no good");
    await button("Register", dialog()).click();
    await seen(dialog().getByText(/Device id 'no good' must have/));
    await bench.shot(page, "register");
    await page.getByLabel("Device id").fill("short-lived");
    await button("Register", dialog()).click();
    await seen(page.locator("h2", { hasText: "short-lived" }));
    await page.locator("#head").getByRole("button", { name: "Delete" }).click();
    await button("Cancel").click();
    assert.equal((await rest("GET", "devices/short-lived")).deviceId, "short-lived");
    await page.locator("#head").getByRole("button", { name: "Delete" }).click();
    await button("Delete", dialog()).click();
    await page.locator("#devices a", { hasText: "short-lived" }).waitFor({ state: "detached" });
  },
  "disabled: closed, refused, and back": async () => {
    await open("device/meter/telemetry");
    await demo.connectMeter();
    await seen(page.locator("#head .pill", { hasText: /^connected$/ }));
    await button("Disable").click();
    await button("Disable", dialog()).click();
    await seen(page.locator("#last-close", { hasText: "403012 DeviceDisabled" }));
    await assert.rejects(() => demo.connectMeter(), /CONNACK 5/);
    await seen(page.locator("#last-close", { hasText: /Refused .*disabled/ }));
    await bench.shot(page, "disabled");
    await button("Enable").click();
    await until("enabled", async () => (await rest("GET", "devices/meter")).status === "enabled");
    await demo.connectMeter();
    await seen(page.locator("#head .pill", { hasText: /^connected$/ }));
    await until("a mark in the chart", async () => await page.locator(".mark.bad").count() > 0);
  },
  "the event log and its filter": async () => {
    await open("events");
    await page.locator("#filter").fill("403012");
    await until("refusals only", async () => (await page.locator("#events tr.warn").count()) === await page.locator("#events tr").count());
    await page.locator("#events tr").first().click();
    await seen(dialog().getByText("The whole event"));
    await page.keyboard.press("Escape");
    await page.locator("#filter").fill("nothing of that kind");
    await button("Clear the filter").click();
    await page.locator(".chip", { hasText: "method" }).click();
    await seen(page.locator("#events", { hasText: "answered with 404" }));
    await page.locator(".chip", { hasText: "method" }).click();
    await page.getByLabel("only refusals and faults").check();
    assert.equal(await page.locator("#events tr:not(.warn)").count(), 0);
    await page.getByLabel("only refusals and faults").uncheck();
  },
  "a CA certificate and the proof of possession": async () => {
    const folder = fs.mkdtempSync(path.join(process.env.IOTHUB_PAGE_DIR, "ca-"));
    const run = (...command) => execFileSync("openssl", command, { cwd: folder, stdio: "pipe" });
    run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "root.key", "-subj", "/CN=Fleet CA", "-days", "30", "-out", "root.pem");
    await open("certificates");
    await page.locator("#upload").click();
    await seen(dialog());
    await give(path.join(folder, "root.pem"));
    await dialog().getByLabel(/Take it as verified/).uncheck();
    await button("Upload", dialog()).click();
    await button("Prove possession").click();
    await seen(dialog().getByText("Take this code"));
    await give(path.join(folder, "root.pem"));
    provoke(400);
    await button("Verify", dialog()).click();
    await seen(dialog().locator(".problem"));
    await bench.shot(page, "proof");
    const commands = await dialog().locator("pre").first().textContent();
    assert.match(await dialog().locator("#tool").textContent(), /^iothub-provision ca prove \w{20,} --name root$/);
    execFileSync("sh", ["-ec", commands], { cwd: folder, stdio: "pipe" });
    await give(path.join(folder, "proof.pem"));
    await button("Verify", dialog()).click();
    const row = page.locator("tr", { hasText: "Fleet CA" });
    await seen(row.locator(".pill.on", { hasText: /^verified$/ }));
    await bench.shot(page, "certificates");
    await button("Delete", row).click();
    await button("Delete", dialog()).click();
    await row.waitFor({ state: "detached" });
  },
  "enrollments": async () => {
    await open("provisioning");
    await seen(page.getByText("No enrollment yet"));
    await page.locator("#enrol").click();
    await page.locator("#enrollment-id").fill("fleet");
    await button("Save", dialog()).click();
    await seen(dialog().getByText("The certificate of the CA that signs the devices is missing."));
    await dialog().getByLabel("Devices prove who they are by").selectOption("symmetricKey");
    await button("Save", dialog()).click();
    const row = page.locator("tr", { hasText: "fleet" });
    await button("Disable", row).click();
    await seen(row.locator(".pill.warn", { hasText: "disabled" }));
    await button("Look, edit", row).click();
    const text = dialog().getByLabel("Enrollment");
    await text.fill((await text.inputValue()).replace('"disabled"', '"enabled"'));
    await button("Save", dialog()).click();
    await seen(row.locator(".pill.on", { hasText: "enabled" }));
    await bench.shot(page, "enrollments");
    await button("Delete", row).click();
    await button("Delete", dialog()).click();
    await seen(page.getByText("No enrollment yet"));
  },
  "faults on command and the clock": async () => {
    await open("faults");
    await page.locator("#kind").selectOption("dropEvery");
    await page.getByRole("spinbutton", { name: "Messages" }).fill("1");
    await page.getByLabel("For", { exact: true }).fill(demo.device);
    await page.getByLabel("How often").fill("1");
    await button("Set").click();
    await toast("From now on.");
    await open(`device/${demo.device}/telemetry`);
    await seen(page.locator("#last-close", { hasText: "fault on command" }));
    await open("faults");
    await page.locator("#kind").selectOption("throttle");
    await button("Set").click();
    await seen(page.getByRole("cell", { name: "twin requests and methods are answered with 429" }));
    await bench.shot(page, "fault-set");
    await open(`device/${demo.device}/twin`);
    const banner = page.locator("#banner .fault");
    await seen(banner.getByText("twin requests and methods are answered with 429, for every device"));
    await button("Take back", banner).click();
    await banner.waitFor({ state: "detached" });
    assert.deepEqual(await rest("GET", "admin/faults"), []);
    await open("faults");
    await button("Set").click();
    await button("Clear all").click();
    await seen(page.getByText("Nothing goes wrong on command"));
    await button("+ 1 h").click();
    await button("Shift").click();
    await seen(page.getByText(/It is 60 min ahead/));
    await seen(page.locator("#banner", { hasText: "The hub's clock is 60 min ahead" }));
    await button("Back to real time", page.locator("#banner")).click();
    await seen(page.getByText(/It is right/));
  },
  "faults by a timetable": async () => {
    await open("faults");
    const text = page.getByLabel("Timetable", { exact: true });
    provoke(400);
    await text.fill("[[fault]]\nkind = \"flood\"\n");
    await button("Start").click();
    await toast("flood");
    await button("An example").click();
    await text.fill((await text.inputValue()).replace("afterMs = 10000", "afterMs = 3600000"));
    await button("Start").click();
    await toast("The timetable begins now.");
    await seen(page.getByText(/1 of them since/));
    await page.reload();
    await until("the timetable is shown", async () => (await text.inputValue()).includes("3600000"));
    await bench.shot(page, "timetable");
    await button("End it").click();
    await seen(page.getByText("None runs."));
  },
  "settings, export and import": async () => {
    await open("hub");
    await seen(page.getByRole("cell", { name: "0ne", exact: false }).first());
    await seen(page.getByRole("rowheader", { name: "syncEachCommit" }));
    await bench.shot(page, "hub");
    const [download] = await Promise.all([page.waitForEvent("download"), button("Export").click()]);
    const file = path.join(bench.shots, "state.json");
    await download.saveAs(file);
    const state = JSON.parse(fs.readFileSync(file, "utf8"));
    assert.ok(JSON.stringify(state).includes(demo.device));
    fs.rmSync(file);
    await button("Import").click();
    await toast("Choose a file");
    const changed = path.join(bench.shots, "changed.json");
    fs.writeFileSync(changed, JSON.stringify({ devices: [{ deviceId: "imported", authentication: { type: "sas" } }] }));
    await page.getByLabel("Exported file").setInputFiles(changed);
    await button("Import").click();
    await button("Import", dialog()).click();
    await seen(page.locator("#devices a", { hasText: "imported" }));
    fs.rmSync(changed);
    await rest("DELETE", "devices/imported");
  },
  "links, reload and the back button": async () => {
    await open(`device/${demo.device}/twin`);
    await seen(page.locator("#desired"));
    await page.locator("nav a", { hasText: "Faults" }).click();
    await seen(page.locator("#kind"));
    await page.keyboard.press("n");
    await seen(dialog());
    await page.goBack();
    await seen(page.locator("#desired"));
    assert.equal(await dialog().isVisible(), false);
    await page.goForward();
    await seen(page.locator("#kind"));
    await page.reload();
    await seen(page.locator("#kind"));
    await open("device/nobody/twin");
    await seen(page.getByText("This device is not registered"));
    assert.equal(await page.locator(".tabs, #panel, #desired").count(), 0);
    await page.getByRole("button", { name: "Register it" }).click();
    await seen(page.locator("#desired"));
    assert.equal(await page.locator(".tabs").count(), 1);
    await rest("DELETE", "devices/nobody");
    await page.reload();
    await seen(page.getByText("This device is not registered"));
  },
  "what stands beside what at any width": async () => {
    for (const width of [1400, 900, 500, 390]) {
      await page.setViewportSize({ width, height: 800 });
      await open(`device/${demo.device}/log`);
      await seen(page.locator("#events tr").first());
      const bars = await page.evaluate(() => [...document.querySelectorAll("header, nav, .tabs")].flatMap((it) => {
        const style = getComputedStyle(it), name = it.className || it.tagName;
        const bar = (axis, more) => more > 0 && ["auto", "scroll"].includes(style[`overflow${axis}`]) ? [`${name} ${axis}`] : [];
        return [...bar("Y", it.scrollHeight - it.clientHeight), ...(name === "tabs" ? [] : bar("X", it.scrollWidth - it.clientWidth))];
      }));
      assert.deepEqual(bars, [], `scrollbars at ${width}`);
      const [first, ...others] = await page.locator("header > :not(nav)").evaluateAll((all) => all.filter((it) => it.offsetParent).map((it) => {
        const { top, bottom } = it.getBoundingClientRect();
        return (top + bottom) / 2;
      }));
      for (const middle of others) assert.ok(Math.abs(middle - first) < 12, `the header at ${width} has one line beside its views: ${[first, ...others]}`);
      await open("events");
      const id = page.locator("#events td.num button.link", { hasText: demo.device }).first();
      await seen(id);
      const lines = await id.evaluate((it) => it.getBoundingClientRect().height / parseFloat(getComputedStyle(it).lineHeight));
      assert.ok(lines < 1.6, `the id at ${width} takes ${lines} lines`);
      await bench.shot(page, `events-${width}`);
    }
    await page.setViewportSize({ width: 1280, height: 800 });
  },
  "everything by keyboard": async () => {
    await open(`device/${demo.device}/telemetry`);
    await seen(page.locator("#pause"));
    await page.locator("#main").focus();
    for (const [key, what] of [["2", "#desired"], ["3", "#method"], ["4", "#body"], ["5", "#filter"], ["6", "#snippet"], ["e", "#filter"], ["p", "#enrol"], ["c", "#upload"], ["f", "#kind"], ["d", "#fleet"]]) {
      await page.locator("#main").focus();
      await page.keyboard.press(key);
      await seen(page.locator(what));
    }
    await page.locator("#fleet").focus();
    await page.keyboard.press("Home");
    await page.keyboard.press("Enter");
    await seen(page.locator("h2", { hasText: demo.device }));
    await page.locator("#main").focus();
    await page.keyboard.press("ArrowDown");
    await seen(page.locator("h2", { hasText: "meter" }));
    await page.keyboard.press("?");
    await seen(dialog().getByText("find a device"));
    await bench.shot(page, "keys");
    await page.keyboard.press("Escape");
    await page.keyboard.press("/");
    await page.keyboard.type(demo.device.slice(0, 6));
    await page.keyboard.press("Enter");
    await seen(page.locator("h2", { hasText: demo.device }));
  },
  "light, dark and narrow": async () => {
    const views = { telemetry: `device/${demo.device}/telemetry`, series: "device/meter/telemetry", twin: `device/${demo.device}/twin`, methods: `device/${demo.device}/methods`, messages: "device/meter/messages",
      log: `device/${demo.device}/log`, connect: "device/meter/connect", events: "events", provisioning: "provisioning", certificates: "certificates", faults: "faults", firmware: "firmware", hub: "hub" };
    for (const [look, width, scheme] of [["light", 1280, "light"], ["dark", 1280, "dark"], ["narrow", 390, "light"], ["narrow-dark", 390, "dark"]]) {
      await page.setViewportSize({ width, height: 800 });
      await page.emulateMedia({ colorScheme: scheme });
      for (const [name, hash] of Object.entries(views)) {
        await open(hash);
        await page.waitForLoadState("networkidle", { timeout: 300 }).catch(() => {});
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(wide <= 0, `${name} at ${width} is ${wide} too wide`);
        await page.screenshot({ path: path.join(bench.shots, `${look}-${name}.png`), fullPage: width < 500 });
      }
    }
    await page.setViewportSize({ width: 1280, height: 800 });
    await page.emulateMedia({ colorScheme: "light" });
    const back = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const light = await back();
    await page.locator("#theme").click();
    await page.locator("#theme").click();
    assert.notEqual(await back(), light);
    await page.locator("#theme").click();
  },
  "axe finds nothing in any view": async () => {
    const source = fs.readFileSync(require.resolve("axe-core"), "utf8");
    const views = ["devices", "events", "provisioning", "certificates", "faults", "firmware", "hub", ...["telemetry", "twin", "methods", "messages", "log", "connect"].map((it) => `device/${demo.device}/${it}`)];
    const found = [];
    for (const scheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme: scheme });
      for (const hash of views) {
        await open(hash);
        await seen(page.locator("#work .view > *").first());
        await page.waitForLoadState("networkidle", { timeout: 300 }).catch(() => {});
        await page.evaluate(source);
        const { violations } = await page.evaluate(() => axe.run());
        found.push(...violations.map((it) => `${scheme} ${hash}: ${it.id}, ${it.nodes.map((node) => node.html.slice(0, 120)).join(" | ")}`));
      }
    }
    await page.emulateMedia({ colorScheme: "light" });
    assert.deepEqual(found, []);
  },
  "an empty hub with a token: asked, refused, let in, gone and back": async (browser) => {
    provoke(401);
    expected.push(/ERR_CONNECTION_REFUSED|ERR_INCOMPLETE|ERR_EMPTY/);
    const keep = page;
    let emulator = await bench.emulator();
    hosts.add(new URL(emulator.base).host);
    demo.others.push(new URL(emulator.base).host);
    page = await newPage(browser);
    await page.goto(emulator.base);
    for (const word of ["wrong", "open-sesame"]) {
      await seen(dialog());
      await page.getByLabel("Token").fill(word);
      await button("Go on").click();
      if (word === "wrong") await seen(dialog().getByText("The token was not the right one."));
    }
    await seen(page.getByText("Connect the first device"));
    await bench.shot(page, "first-steps");
    assert.ok(!page.url().includes("sesame"));
    const port = new URL(emulator.base).port;
    await bench.stop(emulator.child);
    await seen(page.locator("#live", { hasText: "not reachable" }));
    await seen(page.locator("#banner .unreachable", { hasText: /does not answer since \d\d:\d\d:\d\d/ }));
    assert.equal(await page.locator("#work button:enabled").count(), 0);
    assert.ok((await page.locator("#banner .unreachable").boundingBox()).x >= 0);
    await bench.shot(page, "away");
    emulator = await bench.emulator({ port });
    await seen(page.locator("#live", { hasText: /^live$/ }));
    await page.locator("#banner .unreachable").waitFor({ state: "detached" });
    assert.ok(await page.locator("#work button:enabled").count() > 0);
    await bench.stop(emulator.child);
    await page.context().close();
    page = keep;
  },
  ...reading({ demo: () => demo, newPage, until }),
  ...fleet({ newPage, until, provoke, hosts: { push: (host) => demo.others.push(host) } }),
  "no other host, no error in the console": async () => {
    const strange = [...hosts].filter((it) => it !== new URL(demo.base).host && !demo.others.includes(it) && it !== "");
    assert.deepEqual(strange, []);
    assert.deepEqual(troubles.filter((it) => !expected.some((known) => known.test(it))), []);
  },
};

/** The screenshots that the documentation shows, by their names there. */
const IMAGES = { "fleet-50-1440": "page-fleet", reading: "page-reading", phone: "page-phone" };

bench.shot = (on, name) => on.screenshot({ path: path.join(bench.shots, `${name}.png`) });

(async () => {
  fs.rmSync(bench.shots, { recursive: true, force: true });
  fs.mkdirSync(bench.shots, { recursive: true });
  const browser = await bench.browser();
  demo = await bench.demo();
  demo.others = [];
  const about = await rest("GET", "admin");
  demo.hub = about.hubs[0];
  demo.mqtt = +about.mqtt.split(":").at(-1);
  demo.ca = fs.readFileSync(path.join(demo.data, "pki/rootca/rootca.pem"));
  page = await newPage(browser);
  let passed = 0, failed = 0;
  for (const [name, run] of Object.entries(checks)) {
    if (wanted.length && !wanted.some((it) => name.includes(it))) continue;
    try {
      await bench.within(120, name, run(browser));
      console.log(`pass ${name}`);
      passed++;
    } catch (error) {
      console.log(`FAIL ${name}\n${error.stack}`);
      await bench.shot(page, `failed-${name.replace(/\W+/g, "-")}`).catch(() => {});
      failed++;
    }
  }
  if (process.env.IOTHUB_PAGE_IMAGES && !failed) {
    for (const [shot, image] of Object.entries(IMAGES)) fs.copyFileSync(path.join(bench.shots, `${shot}.png`), path.join(process.env.IOTHUB_PAGE_IMAGES, `${image}.png`));
  }
  await browser.close();
  await bench.end();
  console.log(`screenshots in ${bench.shots}\n${passed} passed, ${failed} failed`);
  process.exit(failed || !passed ? 1 : 0);
})().catch(async (error) => {
  console.log(error.stack);
  await bench.end();
  process.exit(1);
});
