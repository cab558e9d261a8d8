"use strict";
// Values as a person reads them: names and units of a model, zones, least, mean and most, several devices, a track, files to take away.
const assert = require("assert");
const { execFileSync } = require("child_process");
const fs = require("fs");
const path = require("path");
const bench = require("./bench");
const { connect } = require("./device");

const MODEL = "dtmi:example:Tracker;1";
const DTDL = [{ "@context": "dtmi:dtdl:context;3", "@id": MODEL, "@type": "Interface", contents: [
  { "@type": ["Telemetry", "Temperature"], name: "temperature", displayName: { en: "Air temperature" }, schema: "double", unit: "degreeCelsius" },
  { "@type": "Component", name: "battery", schema: "dtmi:example:Battery;1" }] },
{ "@context": "dtmi:dtdl:context;3", "@id": "dtmi:example:Battery;1", "@type": "Interface", contents: [{ "@type": "Telemetry", name: "level", displayName: "Charge", schema: "integer", unit: "percent" }] }];

module.exports = ({ demo, newPage, until }) => {
  const rest = (method, what, body) => bench.rest(demo().base, method, what, body);
  const seen = (locator) => locator.waitFor({ state: "visible" });
  const chart = (page, name) => page.locator(`.chart[data-chart="${name}"]`);

  async function attach(id, model) {
    const made = await rest("PUT", `devices/${id}`, { authentication: { type: "sas" } });
    return connect({ port: demo().mqtt, ca: demo().ca, hub: demo().hub, id, key: made.authentication.symmetricKey.primaryKey, model });
  }

  return {
    "names and units, zones, several devices and a track": async (browser) => {
      const [one, two] = [await attach("rover-1", MODEL), await attach("rover-2")];
      for (let n = 0; n < 12; n++) for (const [more, device] of [[0, one], [5, two]]) {
        await device.send(JSON.stringify({ temperature: 20 + n + more, battery: { level: 90 - n }, gnss: { lat: 59.9 + n / 1000, lng: 10.7 + n / 500 }, note: n ? "ok" : "=1+1" }));
      }
      const page = await newPage(browser, { timezoneId: "Asia/Kathmandu", viewport: { width: 1440, height: 1300 } });
      await page.goto(`${demo().base}#device/rover-1/telemetry`);
      await seen(chart(page, "temperature").getByText("min 20 · mean 25.5 · max 31"));
      assert.equal(await page.locator(".chart", { hasText: "lat" }).count(), 0, "places are a track, not curves");
      const dialog = page.locator("dialog");
      await page.getByRole("button", { name: "Names and units" }).click();
      const file = path.join(bench.shots, "model.json");
      for (const [text, word] of [["{", null], [JSON.stringify([DTDL[1]]), "has no interface"], [JSON.stringify(DTDL), null]]) {
        fs.writeFileSync(file, text);
        await dialog.getByLabel("Model").setInputFiles(file);
        await dialog.getByRole("button", { name: "Take it" }).click();
        if (text === JSON.stringify(DTDL)) continue;
        await seen(dialog.locator(".problem", word ? { hasText: word } : {}));
      }
      await seen(page.getByRole("heading", { name: "Air temperature" }));
      fs.rmSync(file);
      await seen(chart(page, "temperature").getByText("31 °C").first());
      await seen(page.locator(".chart", { hasText: "79 %" }));
      await page.locator("#compare").click();
      await dialog.getByLabel("Device").fill("rover-2");
      await dialog.getByRole("button", { name: "Compare", exact: true }).click();
      await seen(chart(page, "temperature").getByText("min 25 °C · mean 30.5 °C · max 36 °C"));
      const utc = (await page.locator("#messages tr td").nth(1).textContent()).slice(0, 8);
      await page.locator("#zone").click();
      await seen(page.getByText("Time (local)"));
      const local = (await page.locator("#messages tr td").nth(1).textContent()).slice(0, 8);
      const seconds = (text) => text.split(":").reduce((sum, it) => sum * 60 + +it, 0);
      assert.equal((seconds(local) - seconds(utc) + 86400) % 86400, (5 * 60 + 45) * 60, `${utc} and ${local}`);
      await page.locator("#zone").click();
      await seen(page.getByRole("button", { name: "Without rover-2" }));
      await seen(page.locator("#track").getByText(/59\.91100, 10\.72200; .* m from the place before.*\(12 of 12\)/));
      await page.getByLabel("Moment on the track").fill("0");
      await seen(page.locator("#track").getByText(/59\.90000, 10\.70000 \(1 of 12\)/));
      await seen(chart(page, "temperature").getByText("min 25 °C · mean 30.5 °C · max 36 °C"));
      await bench.shot(page, "reading");
      const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Save as CSV" }).click()]);
      const csv = fs.readFileSync(await download.path(), "utf8").split("\r\n");
      assert.equal(csv[0], "seq,device,enqueuedTimeUtc,battery.level,gnss.lat,gnss.lng,note,temperature");
      assert.match(csv[1], /^\d+,rover-1,.*,90,59\.9,10\.7,'=1\+1,20$/);
      assert.equal(csv.length, 14);
      await page.context().close();
      await Promise.all([one.end(), two.end()]);
      for (const id of ["rover-1", "rover-2"]) await rest("DELETE", `devices/${id}`);
    },
    "a first message, as it is copied": async (browser) => {
      const page = await newPage(browser);
      await page.goto(`${demo().base}#device/${demo().device}/connect`);
      await page.locator("#try").click();
      await page.waitForURL(/first-message-/);
      const id = page.url().split("/").at(-2);
      await page.getByLabel("Client").selectOption("mosquitto");
      await seen(page.locator("#snippet", { hasText: "(hidden)" }));
      await page.getByLabel("show the key").check();
      await page.locator("#snippet", { hasText: "(hidden)" }).waitFor({ state: "detached" });
      const commands = await page.locator("#snippet").textContent();
      await bench.shot(page, "first-message");
      try {
        execFileSync("sh", ["-ec", commands], { cwd: fs.mkdtempSync(path.join(process.env.IOTHUB_PAGE_DIR, "first-")), stdio: "pipe" });
      } catch (error) {
        if (!/mosquitto_pub: (command )?not found/.test(`${error.stderr}`)) throw error;
        console.log("     not run: there is no mosquitto_pub");
        return;
      }
      await page.getByRole("tab", { name: "Telemetry" }).click();
      await seen(page.locator("#messages tr", { hasText: "21.5" }));
      await page.context().close();
      await rest("DELETE", `devices/${id}`);
    },
    "firmware: upload, and delete after asking": async (browser) => {
      const page = await newPage(browser);
      await page.goto(`${demo().base}#firmware`);
      await page.getByLabel("Image to upload").setInputFiles({ name: "app 2.bin", mimeType: "application/octet-stream", buffer: Buffer.from("no header") });
      const row = page.locator("tr", { hasText: "app 2.bin" });
      await seen(row.getByText("not said"));
      await bench.shot(page, "firmware-upload");
      await row.getByRole("button", { name: "Delete" }).click();
      await page.locator("dialog").getByRole("button", { name: "Delete" }).click();
      await row.waitFor({ state: "detached" });
      const asked = [];
      page.on("request", (request) => { if (request.url().includes("/admin/firmware/devices")) asked.push(request.url()); });
      await rest("PUT", "devices/updated", { authentication: { type: "sas" } });
      await rest("PATCH", "twins/updated", { properties: { desired: { firmware: { fwVersion: "9.9.9", jobId: "j" } } } });
      await seen(page.locator("tr", { hasText: "updated" }).getByText("9.9.9, job j"));
      await page.locator("tr", { hasText: "updated" }).getByRole("button", { name: "Take back" }).click();
      await page.locator("tr", { hasText: "updated" }).waitFor({ state: "detached" });
      assert.ok(asked.filter((it) => it.includes("device=updated")).length >= 2, `${asked}`);
      assert.ok(asked.filter((it) => !it.includes("device=")).length <= 1, `the whole registry was read: ${asked}`);
      await rest("DELETE", "devices/updated");
      await page.context().close();
    },
    "the first chart is in sight on a phone": async (browser) => {
      const page = await newPage(browser, { viewport: { width: 390, height: 844 } });
      await page.goto(`${demo().base}#device/${demo().device}/telemetry`);
      await seen(page.locator(".plot svg").first());
      const box = await page.locator(".plot").first().boundingBox();
      assert.ok(box.y + box.height / 2 < 844, `its middle is at ${box.y + box.height / 2}`);
      const twice = await page.locator(".chart").evaluateAll((charts) => charts.map((it) => [...it.querySelectorAll(".tick[text-anchor=end]")].map((one) => one.textContent))
        .filter((levels) => new Set(levels).size < levels.length));
      assert.deepEqual(twice, [], "a level stands there once");
      await bench.shot(page, "phone");
      await page.getByText("All devices").click();
      await seen(page.locator("#fleet"));
      await page.context().close();
    },
    "rows of tables take one tab stop, and keep the focus": async (browser) => {
      const page = await newPage(browser);
      await page.goto(`${demo().base}#events`);
      await until("events", async () => await page.locator("#events tr").count() > 5);
      assert.equal(await page.locator('#events [tabindex="0"]').count(), 1);
      await page.locator("#events tr").first().focus();
      await page.keyboard.press("ArrowDown");
      await page.keyboard.press("ArrowDown");
      const chosen = await page.evaluate(() => document.activeElement.dataset.key);
      await page.keyboard.press("Enter");
      await seen(page.locator("dialog").getByText("The whole event"));
      assert.ok((await page.locator("dialog pre").textContent()).includes(`"seq": ${chosen}`));
      await page.context().close();
    },
  };
};
