"use strict";
// Many devices: what is in sight comes from the hub page by page, at both widths, and with none, one, 50 and 10,000 of them.
const assert = require("assert");
const bench = require("./bench");
const { connect } = require("./device");

/** 100000 makes the same check with that many. */
const MANY = +(process.env.IOTHUB_PAGE_DEVICES ?? 10000);
const many = MANY.toLocaleString("en");
const WIDTHS = [[1440, 900], [390, 844]];

module.exports = ({ newPage, until, provoke, hosts }) => {
  const fleet = {};
  const rest = (method, what, body) => bench.rest(fleet.base, method, what, body);
  const seen = (locator) => locator.waitFor({ state: "visible" });
  const rows = (page) => page.locator("#fleet .space .item");
  const found = (page, text) => seen(page.locator("#found", { hasText: text }));

  async function start(browser) {
    if (fleet.base) return;
    const emulator = await bench.emulator({ token: false });
    fleet.base = emulator.base;
    hosts.push(new URL(emulator.base).host);
    const about = await rest("GET", "admin");
    fleet.hub = about.hubs[0];
    fleet.port = +about.mqtt.split(":").at(-1);
    fleet.ca = about.serverCa;
    fleet.browser = browser;
  }

  /** Devices from one number to another, with tags; those that are there stay. */
  async function grow(from, to) {
    const devices = [];
    for (let n = from; n < to; n++) devices.push({ deviceId: id(n), status: n % 500 === 499 ? "disabled" : "enabled", authentication: { type: "sas" },
      tags: { site: n % 3 ? "south" : "north", floor: n % 7 }, properties: { reported: { firmware: { currentFwVersion: `2.${n % 4}.0` } } } });
    await rest("POST", "admin/import", { devices });
  }

  const id = (n) => `tracker-${`${n}`.padStart(6, "0")}`;
  async function attach(name, key) {
    const it = await rest("GET", `devices/${name}`);
    return connect({ port: fleet.port, ca: fleet.ca, hub: fleet.hub, id: name, key: key ?? it.authentication.symmetricKey.primaryKey });
  }

  /** The page from nothing until rows are there, in ms. */
  async function opens(page, hash = "") {
    const begin = Date.now();
    await page.goto("about:blank");
    await page.goto(`${fleet.base}${hash}`);
    await seen(rows(page).first());
    await found(page, /\d/);
    return Date.now() - begin;
  }

  async function fits(page, what) {
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(wide <= 0, `${what} is ${wide} too wide`);
  }

  return {
    "one device is shown at once, at both widths": async (browser) => {
      await start(browser);
      await grow(0, 1);
      for (const [width, height] of WIDTHS) {
        const page = await newPage(browser, { viewport: { width, height } });
        await page.goto(fleet.base);
        await seen(page.locator("#head h2", { hasText: id(0) }));
        await fits(page, `one device at ${width}`);
        if (width < 500) await page.getByRole("button", { name: "Views" }).click();
        await page.locator("nav a", { hasText: "Devices" }).click();
        await seen(rows(page).first());
        assert.equal(await rows(page).count(), 1);
        await found(page, "1 device.");
        await page.locator("#over-time").click();
        await seen(page.locator('.rates [data-chart="Messages a second"] svg').first());
        assert.equal(await page.locator(".rates .tick", { hasText: /^-/ }).count(), 0, "nothing is counted below 0");
        await bench.shot(page, `fleet-1-${width}`);
        await page.context().close();
      }
    },
    "fifty devices: states, filters, tags and the hub's query language": async (browser) => {
      await start(browser);
      await grow(0, 50);
      fleet.device = await attach(id(7));
      await assert.rejects(() => attach(id(8), "AAAA"), /CONNACK/);
      for (const [width, height] of WIDTHS) {
        const page = await newPage(browser, { viewport: { width, height } });
        await opens(page, "#devices");
        await found(page, "50 devices");
        await fits(page, `fifty devices at ${width}`);
        await bench.shot(page, `fleet-50-${width}`);
        const first = (text) => until(`${text} first at ${width}`, async () => (await rows(page).first().textContent()).includes(text));
        if (width > 500) {
          const by = (name) => page.locator(`#fleet [role=columnheader]`, { hasText: name }).getByRole("button").click();
          for (const [column, one, other] of [["Firmware", "2.0.0", "2.3.0"], ["Device", id(0), id(49)], ["State", "connected", "never seen"], ["Tags", "floor: 0", "floor: 6"], ["Reason", "401", null], ["Last seen", "now", id(0)]]) {
            await by(column);
            await first(one);
            await by(column);
            if (other) await first(other);
          }
        } else {
          await page.locator("#sort").selectOption("-firmware");
          await first("2.3.0");
        }
        assert.match(page.url(), /sort=/);
        await (width > 500 ? page.locator("#fleet [role=columnheader]", { hasText: "Device" }).getByRole("button").click() : page.locator("#sort").selectOption("id"));
        await first(id(0));
        const chip = (name) => page.locator(".chip[data-state]", { hasText: name });
        await chip(/^Connected/).click();
        await seen(rows(page).locator(".pill.on", { hasText: "connected" }));
        await until("one row", async () => await rows(page).count() === 1);
        await chip(/^Refused/).click();
        await seen(rows(page).filter({ hasText: id(8) }));
        assert.match(await rows(page).first().textContent(), /401|signature|token/i);
        await chip(/^Never seen/).click();
        await until("others", async () => await rows(page).count() > 10 && !(await rows(page).first().textContent()).includes("now"));
        await chip(/^All/).click();
        if (width < 500) await page.getByRole("button", { name: "Query", exact: true }).click();
        await page.locator("#where").fill("tags.floor = 3 AND tags.site = 'north'");
        await page.locator("#where").press("Enter");
        await found(page, "3 found");
        assert.match(page.url(), /where=/);
        await page.reload();
        await found(page, "3 found");
        provoke(400);
        await page.locator("#where").fill("tags.floor = = 3");
        await page.locator("#where").press("Enter");
        await seen(page.locator(".problem[role=alert]", { hasText: /expected/ }));
        await page.locator("#where").fill("SELECT tags.site, COUNT() AS n FROM devices GROUP BY tags.site");
        await page.locator("#where").press("Enter");
        await seen(page.locator("#answer td", { hasText: "33" }));
        await seen(page.locator("#answer th", { hasText: "site" }));
        await found(page, "50 devices");
        await bench.shot(page, `fleet-query-${width}`);
        await page.context().close();
      }
    },
    "many are marked and changed together": async (browser) => {
      const page = await newPage(browser, { viewport: { width: 1440, height: 900 } });
      await opens(page, "#devices");
      const dialog = page.locator("dialog");
      const press = (name) => page.locator(".bulk").getByRole("button", { name, exact: true }).click();
      for (const n of [1, 2]) await page.getByLabel(`Mark ${id(n)}`).check();
      await seen(page.locator(".bulk", { hasText: "2 marked" }));
      await press("Disable");
      await dialog.getByRole("button", { name: "Disable" }).click();
      await seen(dialog.getByText("2 of 2 done."));
      await page.keyboard.press("Escape");
      assert.deepEqual((await Promise.all([1, 2, 3].map((n) => rest("GET", `devices/${id(n)}`)))).map((it) => it.status), ["disabled", "disabled", "enabled"]);
      await page.locator("#tag").fill("floor=3");
      await page.locator("#tag").press("Enter");
      await found(page, "7 found");
      await page.getByLabel("Mark all that are found").check();
      await press("Write the twin");
      await dialog.getByLabel(/Patch/).fill('{"tags": {"wave": 2}}');
      await dialog.getByRole("button", { name: "Write" }).click();
      await seen(dialog.getByText("7 done."));
      await page.keyboard.press("Escape");
      const wave = await rest("POST", "devices/query", { query: "SELECT deviceId FROM devices WHERE tags.wave = 2" });
      assert.equal(wave.length, 7);
      provoke(404);
      await press("Call a method");
      await dialog.getByRole("button", { name: "Call", exact: true }).click();
      await seen(dialog.getByText("7 done, 7 of them failed"));
      await seen(dialog.getByText(/not connected/).first());
      await bench.shot(page, "bulk-failures");
      await page.keyboard.press("Escape");
      await press("Delete");
      await dialog.getByRole("button", { name: "Delete" }).click();
      await seen(dialog.getByText("7 done."));
      await page.keyboard.press("Escape");
      await seen(page.getByRole("heading", { name: "No device fits" }));
      assert.equal((await rest("GET", "statistics/devices")).totalDeviceCount, 43);
      await page.context().close();
      await grow(0, 50);
    },
    "ten thousand devices: how long they take, the last of them, and one by name": async (browser) => {
      await start(browser);
      for (let n = 0; n < MANY; n += 2500) await grow(n, Math.min(MANY, n + 2500));
      for (const [width, height] of WIDTHS) {
        const page = await newPage(browser, { viewport: { width, height } });
        console.log(`     ${many} devices open at ${width} px in ${await opens(page)} ms`);
        await found(page, `${many} devices`);
        await bench.shot(page, `fleet-10000-${width}`);
        assert.ok(await rows(page).count() < 80, "only what is in sight is in the document");
        await page.locator("#look").fill("009999");
        await seen(rows(page).filter({ hasText: id(9999) }));
        await page.locator("#look").fill("");
        await found(page, `${many} devices`);
        await page.locator("#fleet").focus();
        for (let n = 1; n < 6; n++) {
          await page.keyboard.press("End");
          await seen(rows(page).filter({ hasText: id(n * 100) }));
        }
        await page.keyboard.press("Home");
        await seen(rows(page).filter({ hasText: id(0) }));
        const frames = await page.evaluate(() => new Promise((done) => {
          const box = document.getElementById("fleet");
          const times = [];
          let last = performance.now();
          requestAnimationFrame(function step(at) {
            times.push(at - last);
            last = at;
            box.scrollTop += 120;
            if (times.length < 60) requestAnimationFrame(step); else done(times.slice(5).sort((a, b) => a - b));
          });
        }));
        console.log(`     scrolling at ${width} px: a frame takes ${frames[frames.length >> 1].toFixed(1)} ms, one in twenty more than ${frames[Math.floor(frames.length * 0.95)].toFixed(1)} ms`);
        await page.context().close();
      }
    },
    "a device is reached by keyboard alone": async (browser) => {
      const page = await newPage(browser, { viewport: { width: 1440, height: 900 } });
      await opens(page, "#devices");
      await page.locator("#fleet").focus();
      for (let n = 0; n < 3; n++) await page.keyboard.press("ArrowDown");
      await page.keyboard.press(" ");
      await seen(page.locator(".bulk", { hasText: "1 marked" }));
      await page.keyboard.press("Enter");
      await seen(page.locator("#head h2", { hasText: id(2) }));
      await seen(page.locator("#devices a[aria-current]", { hasText: id(2) }));
      await page.locator("#main").focus();
      await page.keyboard.press("ArrowDown");
      await seen(page.locator("#head h2", { hasText: id(3) }));
      const stops = await page.locator('#devices a[tabindex="0"]').count();
      assert.equal(stops, 0, "rows take no tab stop each");
      await page.context().close();
    },
  };
};
