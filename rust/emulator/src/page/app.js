"use strict";
// Everything that comes from a device is set as text, never as HTML.

const state = { devices: [], selected: null, view: "device", tab: "telemetry", telemetry: [], events: [],
  closed: new Map(), filter: "", level: "", paused: false };
const KEEP = 500;
const $ = (id) => document.getElementById(id);

function el(tag, attributes = {}, ...children) {
  const node = tag === "svg" || tag === "path" || tag === "line" || tag === "title"
    ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== undefined && value !== null) node.setAttribute(name, value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

function token() { return sessionStorage.getItem("token"); }

function headers(more = {}) {
  return token() ? { ...more, authorization: `Bearer ${token()}` } : more;
}

async function call(method, path, body, more = {}) {
  const answer = await fetch(path, { method, headers: headers(more),
    body: body === undefined ? undefined : typeof body === "string" ? body : JSON.stringify(body) });
  if (answer.status === 401 && await askToken()) return call(method, path, body, more);
  const text = await answer.text();
  let value = text;
  try { value = text ? JSON.parse(text) : null; } catch { /* plain text */ }
  if (!answer.ok) {
    const message = value && value.Message ? value.Message.replace(/^ErrorCode:/, "").replace(";", ": ") : text;
    throw new Error(message || `${method} ${path}: ${answer.status}`);
  }
  return value;
}

let asking = null;
function askToken() {
  asking ??= new Promise((done) => {
    const field = el("input", { type: "password", autocomplete: "current-password", required: true });
    open("Token", [el("p", {}, "This emulator asks for its token (--token-file)."), field], "Go on", () => {
      sessionStorage.setItem("token", field.value);
      done(true);
    }, () => done(false));
  }).finally(() => { asking = null; });
  return asking;
}

function toast(text, warn = false) {
  const box = $("toast");
  box.textContent = text;
  box.className = warn ? "warn" : "";
  box.hidden = false;
  clearTimeout(toast.timer);
  toast.timer = setTimeout(() => { box.hidden = true; }, warn ? 8000 : 3000);
}

async function act(what, done) {
  try {
    const value = await what();
    if (done) toast(done);
    return value;
  } catch (error) {
    toast(error.message, true);
    return undefined;
  }
}

function open(title, content, verb, run, cancelled) {
  const dialog = $("dialog");
  const close = () => { dialog.close(); };
  const form = el("form", { method: "dialog", onsubmit: async (event) => {
    event.preventDefault();
    const result = await run();
    if (result !== false) close();
  } }, el("h3", {}, title), ...content,
    el("div", { class: "row" }, el("button", { class: "main", type: "submit" }, verb),
      el("button", { type: "button", onclick: () => { close(); cancelled?.(); } }, "Cancel")));
  dialog.replaceChildren(form);
  dialog.showModal();
}

const path = (id) => encodeURIComponent(id);
const time = (text) => text && !text.startsWith("0001") ? text.slice(11, 23) : "–";

// ---- streams ----------------------------------------------------------------------------------

async function follow(url, seen) {
  let last = 0;
  for (;;) {
    try {
      const answer = await fetch(`${url}?since=${last}`, { headers: headers() });
      if (answer.status === 401) { await askToken(); continue; }
      if (!answer.ok) throw new Error(answer.statusText);
      live(true);
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let text = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        text += value;
        const parts = text.split("\n\n");
        text = parts.pop();
        for (const part of parts) {
          const data = part.split("\n").find((line) => line.startsWith("data: "));
          if (!data) continue;
          const item = JSON.parse(data.slice(6));
          last = item.seq;
          seen(item);
        }
      }
    } catch { /* tried again below */ }
    live(false);
    await new Promise((next) => setTimeout(next, 1000));
    if (url.endsWith("events")) { last = 0; state.events = []; }
  }
}

function live(on) {
  $("live").textContent = on ? "live" : "emulator not reachable";
  $("live").className = on ? "pill on" : "pill warn";
}

function seenTelemetry(message) {
  state.telemetry.push(message);
  if (state.telemetry.length > 5000) state.telemetry.splice(0, 1000);
  if (message.deviceId === state.selected && state.view === "device" && state.tab === "telemetry") later(drawTelemetry);
}

function seenEvent(event) {
  state.events.push(event);
  if (state.events.length > 5000) state.events.splice(0, 1000);
  if ((event.event === "closed" || event.event === "refused") && event.deviceId) state.closed.set(event.deviceId, event);
  if (["connected", "closed", "registry", "refused"].includes(event.event)) later(loadDevices);
  if (state.view === "events") later(drawEvents);
  if (event.deviceId === state.selected && state.view === "device") {
    if (state.tab === "log") later(drawEvents);
    if (["connected", "closed", "refused"].includes(event.event)) later(drawHead);
    if (event.event === "c2d" && state.tab === "c2d") later(drawQueue);
  }
}

const waiting = new Set();
function later(draw) {
  if (waiting.has(draw)) return;
  waiting.add(draw);
  setTimeout(() => { waiting.delete(draw); draw(); }, 120);
}

// ---- devices ----------------------------------------------------------------------------------

async function loadDevices() {
  const devices = await act(() => call("GET", "/devices"));
  if (!devices) return;
  state.devices = devices;
  if (!state.selected && devices.length) select(devices[0].deviceId, false);
  drawDevices();
  if (state.view === "device") drawHead();
}

function drawDevices() {
  const text = $("find").value.toLowerCase();
  const items = state.devices.filter((device) => device.deviceId.toLowerCase().includes(text)).map((device) => {
    const on = device.connectionState === "Connected";
    const off = device.status === "disabled";
    return el("li", {}, el("button", { onclick: () => select(device.deviceId),
      "aria-current": device.deviceId === state.selected && state.view === "device",
      title: off ? "disabled" : on ? "connected" : "not connected" },
      el("span", { class: `dot ${on ? "on" : off ? "off" : ""}` }), el("span", { class: "id" }, device.deviceId),
      device.cloudToDeviceMessageCount ? el("span", { class: "pill" }, `${device.cloudToDeviceMessageCount}`) : null));
  });
  $("devices").replaceChildren(...items);
}

function select(id, go = true) {
  state.selected = id;
  if (go) state.view = "device";
  location.hash = `device/${path(id)}/${state.tab}`;
  draw();
}

function addDevice() {
  const id = el("input", { required: true, maxlength: 128, autofocus: true });
  const kind = el("select", {}, el("option", { value: "certificateAuthority" }, "X.509, signed by a registered CA"),
    el("option", { value: "selfSigned" }, "X.509, by thumbprint"), el("option", { value: "sas" }, "symmetric key"));
  const thumb = el("input", { placeholder: "SHA-1 or SHA-256, hexadecimal" });
  const label = el("label", { hidden: true }, el("span", {}, "Thumbprint"), thumb);
  kind.addEventListener("change", () => { label.hidden = kind.value !== "selfSigned"; });
  open("Register a device", [el("label", {}, el("span", {}, "Device id"), id),
    el("label", {}, el("span", {}, "It proves who it is by"), kind), label], "Register", async () => {
    const authentication = { type: kind.value };
    if (kind.value === "selfSigned") authentication.x509Thumbprint = { primaryThumbprint: thumb.value };
    const made = await act(() => call("PUT", `/devices/${path(id.value)}`, { deviceId: id.value, authentication }), "registered");
    if (!made) return false;
    select(id.value);
    loadDevices();
    return true;
  });
}

// ---- device view ------------------------------------------------------------------------------

const TABS = { telemetry: "Telemetry", twin: "Twin", methods: "Methods", c2d: "Cloud to device", log: "Log", identity: "Identity" };

function draw() {
  for (const button of document.querySelectorAll("nav button")) {
    if (button.dataset.view === state.view) button.setAttribute("aria-current", "page");
    else button.removeAttribute("aria-current");
  }
  drawDevices();
  if (state.view === "events") return drawEventsView();
  if (state.view === "certificates") return drawCertificates();
  if (state.view === "enrollments") return drawEnrollments();
  if (state.view === "faults") return drawFaults();
  if (!state.selected) {
    $("main").replaceChildren(el("div", { class: "empty" }, el("h2", {}, "No device yet"),
      el("p", {}, "Upload the CA of your devices, register a device, and connect it."),
      el("div", { class: "row" }, el("button", { class: "main", onclick: addDevice }, "Register a device"),
        el("button", { onclick: () => show("certificates") }, "Upload a CA certificate"))));
    return undefined;
  }
  const tabs = Object.entries(TABS).map(([tab, name]) => el("button", { role: "tab", "aria-selected": `${tab === state.tab}`,
    onclick: () => { state.tab = tab; location.hash = `device/${path(state.selected)}/${tab}`; draw(); } }, name));
  $("main").replaceChildren(el("div", { id: "head" }), el("div", { class: "tabs", role: "tablist" }, tabs), el("div", { id: "panel" }));
  drawHead();
  const panels = { telemetry: telemetryPanel, twin: twinPanel, methods: methodPanel, c2d: c2dPanel, log: eventsPanel, identity: identityPanel };
  panels[state.tab]();
  return undefined;
}

function drawHead() {
  const head = $("head");
  const device = state.devices.find((it) => it.deviceId === state.selected);
  if (!head || !device) return;
  const on = device.connectionState === "Connected";
  const off = device.status === "disabled";
  const last = state.closed.get(device.deviceId);
  const toggle = () => act(() => call("PUT", `/devices/${path(device.deviceId)}`, { status: off ? "enabled" : "disabled" }),
    off ? "enabled" : "disabled");
  head.replaceChildren(el("div", { class: "row spread" },
    el("div", { class: "row" }, el("h2", {}, device.deviceId), el("span", { class: `pill ${on ? "on" : ""}` }, on ? "connected" : "not connected"),
      off ? el("span", { class: "pill warn" }, "disabled") : null,
      el("span", { class: "dim" }, `${device.authentication.type}, last active ${time(device.lastActivityTime)}`)),
    el("div", { class: "row" }, el("button", { onclick: toggle }, off ? "Enable" : "Disable"),
      el("button", { class: "danger", onclick: () => removeDevice(device.deviceId) }, "Delete"))));
  if (!on && last) {
    head.append(el("div", { class: `card ${last.level === "warn" ? "warn" : ""}` },
      el("strong", {}, last.event === "refused" ? "Refused " : "Last close "), `${time(last.time)}: ${last.code ? `${last.code} ${last.error}: ` : ""}${last.reason}`));
  }
}

function removeDevice(id) {
  open(`Delete ${id}?`, [el("p", {}, "Its twin, its queue and its session go with it.")], "Delete", async () => {
    await act(() => call("DELETE", `/devices/${path(id)}`), "deleted");
    state.selected = null;
    await loadDevices();
    draw();
  });
}

// ---- telemetry --------------------------------------------------------------------------------

function telemetryPanel() {
  $("panel").replaceChildren(el("div", { class: "cards", id: "charts" }),
    el("div", { class: "card" }, el("div", { class: "row spread" }, el("h3", {}, "Messages"),
      el("button", { id: "pause", onclick: () => { state.paused = !state.paused; drawTelemetry(true); } }, "Pause")),
      el("div", { class: "scroll" }, el("table", {}, el("thead", {}, el("tr", {}, ["#", "Time", "Body", "Properties"].map((it) => el("th", {}, it)))),
        el("tbody", { id: "messages" })))));
  drawTelemetry(true);
}

function drawTelemetry(force) {
  const body = $("messages");
  if (!body) return;
  $("pause").textContent = state.paused ? "Go on" : "Pause";
  if (state.paused && force !== true) return;
  const mine = state.telemetry.filter((it) => it.deviceId === state.selected).slice(-KEEP);
  body.replaceChildren(...mine.slice(-100).reverse().map((it) => el("tr", {}, el("td", { class: "num" }, `${it.seq}`),
    el("td", { class: "num" }, time(it.enqueuedTimeUtc)),
    el("td", { class: "mono" }, it.format === "json" ? JSON.stringify(it.body) : it.format === "base64" ? `base64: ${it.body}` : it.body),
    el("td", { class: "mono" }, [...Object.entries(it.systemProperties), ...Object.entries(it.properties)].map(([k, v]) => `${k}=${v}`).join("  ")))));
  if (!mine.length) body.replaceChildren(el("tr", {}, el("td", { colspan: 4, class: "empty" }, "Nothing yet. Messages appear here as they come.")));
  drawCharts(mine);
}

function drawCharts(messages) {
  const series = new Map();
  for (const message of messages) {
    if (message.format !== "json" || !message.body || typeof message.body !== "object") continue;
    for (const [name, value] of numbers(message.body, "")) {
      if (!series.has(name)) series.set(name, []);
      series.get(name).push([Date.parse(message.enqueuedTimeUtc), value]);
    }
  }
  $("charts").replaceChildren(...[...series].slice(0, 8).map(([name, points]) => chart(name, points)));
}

function* numbers(object, prefix) {
  for (const [key, value] of Object.entries(object)) {
    if (typeof value === "number") { if (!/^(ts|time|timestamp)$/i.test(key)) yield [prefix + key, value]; }
    else if (value && typeof value === "object" && !Array.isArray(value)) yield* numbers(value, `${prefix}${key}.`);
  }
}

function chart(name, points) {
  const values = points.map(([, value]) => value);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const [from, to] = [points[0][0], points[points.length - 1][0]];
  const x = (at) => to === from ? 50 : ((at - from) / (to - from)) * 100;
  const y = (value) => high === low ? 20 : 38 - ((value - low) / (high - low)) * 36;
  const line = points.map(([at, value], n) => `${n ? "L" : "M"}${x(at).toFixed(2)} ${y(value).toFixed(2)}`).join("");
  const short = (value) => Number.isInteger(value) ? `${value}` : value.toFixed(2);
  return el("div", { class: "card" }, el("div", { class: "row spread" }, el("h3", {}, name), el("strong", {}, short(values[values.length - 1]))),
    el("svg", { class: "chart", viewBox: "0 0 100 40", preserveAspectRatio: "none", role: "img" },
      el("title", {}, `${name}: ${points.length} values from ${short(low)} to ${short(high)}`),
      el("line", { x1: 0, x2: 100, y1: 38, y2: 38 }), el("path", { d: line })),
    el("div", { class: "row spread dim" }, el("span", {}, `${short(low)} … ${short(high)}`), el("span", {}, `${points.length} values, ${Math.round((to - from) / 1000)} s`)));
}

// ---- twin -------------------------------------------------------------------------------------

const strip = ({ $metadata, $version, ...rest }) => rest;
const pretty = (value) => JSON.stringify(value, null, 2);

async function twinPanel() {
  const id = state.selected;
  const twin = await act(() => call("GET", `/twins/${path(id)}`));
  if (!twin || id !== state.selected || state.tab !== "twin") return;
  const { desired, reported } = twin.properties;
  const before = pretty(strip(desired));
  const editor = el("textarea", { id: "desired", rows: 16, spellcheck: "false", "aria-label": "Desired properties" });
  editor.value = before;
  const tags = el("textarea", { rows: 5, spellcheck: "false", "aria-label": "Tags" });
  tags.value = pretty(twin.tags);
  const changes = el("div", { class: "diff mono" });
  const compare = () => changes.replaceChildren(...diff(before, editor.value));
  editor.addEventListener("input", compare);
  const save = () => act(async () => {
    const patch = { properties: { desired: mergePatch(strip(desired), JSON.parse(editor.value)) }, tags: mergePatch(twin.tags, JSON.parse(tags.value)) };
    if (!Object.keys(patch.tags).length) delete patch.tags;
    if (!Object.keys(patch.properties.desired).length) delete patch.properties;
    await call("PATCH", `/twins/${path(id)}`, patch, { "if-match": `"${twin.etag}"` });
    twinPanel();
  }, "saved; the device is told");
  editor.addEventListener("keydown", (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) save(); });
  $("panel").replaceChildren(el("div", { class: "cards" },
    el("div", { class: "card" }, el("h3", {}, `Desired, version ${desired.$version}`), editor, changes,
      el("div", { class: "row" }, el("button", { class: "main", onclick: save }, "Save (Ctrl+Enter)"), el("button", { onclick: twinPanel }, "Reload"))),
    el("div", { class: "card" }, el("h3", {}, `Reported, version ${reported.$version}`), el("pre", {}, pretty(strip(reported))))),
    el("div", { class: "cards" },
      el("div", { class: "card" }, el("h3", {}, "Desired against reported"), el("table", {},
        el("thead", {}, el("tr", {}, ["Property", "Desired", "Reported"].map((it) => el("th", {}, it)))), el("tbody", {}, compareTwin(strip(desired), strip(reported))))),
      el("div", { class: "card" }, el("h3", {}, "Tags"), tags)));
}

function compareTwin(desired, reported) {
  const names = [...new Set([...Object.keys(desired), ...Object.keys(reported)])].sort();
  const text = (value) => value === undefined ? "–" : JSON.stringify(value);
  return names.map((name) => {
    const shown = reported[name];
    const plain = shown && typeof shown === "object" && "value" in shown && "ac" in shown ? shown.value : shown;
    const differs = name in desired && text(plain) !== text(desired[name]);
    return el("tr", { class: differs ? "warn" : "" }, el("td", {}, name), el("td", { class: "mono" }, text(desired[name])),
      el("td", { class: "mono" }, text(shown)));
  });
}

function mergePatch(from, to) {
  const patch = {};
  for (const key of Object.keys(from)) if (!(key in to)) patch[key] = null;
  for (const [key, value] of Object.entries(to)) {
    const old = from[key];
    const both = [value, old].every((it) => it && typeof it === "object" && !Array.isArray(it));
    if (both) { const inner = mergePatch(old, value); if (Object.keys(inner).length) patch[key] = inner; }
    else if (JSON.stringify(value) !== JSON.stringify(old)) patch[key] = value;
  }
  return patch;
}

function diff(before, after) {
  if (before === after) return [];
  const [a, b] = [before.split("\n"), after.split("\n")];
  const out = [];
  let at = 0;
  for (const line of b) {
    const found = a.indexOf(line, at);
    if (found < 0) { out.push(el("span", { class: "add" }, `+ ${line}`)); continue; }
    for (; at < found; at++) out.push(el("span", { class: "del" }, `- ${a[at]}`));
    at = found + 1;
  }
  for (; at < a.length; at++) out.push(el("span", { class: "del" }, `- ${a[at]}`));
  return out;
}

// ---- methods and messages ---------------------------------------------------------------------

const history = [];
function methodPanel() {
  const id = state.selected;
  const name = el("input", { required: true, placeholder: "led", value: history[0]?.methodName ?? "" });
  const payload = el("textarea", { rows: 5, spellcheck: "false" });
  payload.value = history[0] ? pretty(history[0].payload) : "null";
  const wait = el("input", { type: "number", min: 5, max: 300, value: 30 });
  const online = el("input", { type: "number", min: 0, max: 300, value: 0 });
  const answer = el("pre", {}, "–");
  const invoke = async (event) => {
    event.preventDefault();
    answer.textContent = "calling…";
    const started = performance.now();
    try {
      const request = { methodName: name.value, payload: JSON.parse(payload.value || "null"), responseTimeoutInSeconds: +wait.value, connectTimeoutInSeconds: +online.value };
      history.unshift(request);
      const result = await call("POST", `/twins/${path(id)}/methods`, request);
      answer.textContent = `status ${result.status} after ${Math.round(performance.now() - started)} ms\n${pretty(result.payload)}`;
    } catch (error) { answer.textContent = error.message; }
  };
  $("panel").replaceChildren(el("div", { class: "cards" },
    el("form", { class: "card", onsubmit: invoke }, el("h3", {}, "Call a method"), el("label", {}, el("span", {}, "Name"), name),
      el("label", {}, el("span", {}, "Payload (JSON)"), payload),
      el("div", { class: "cards" }, el("label", {}, el("span", {}, "Wait for the answer, s"), wait), el("label", {}, el("span", {}, "Wait for the device, s"), online)),
      el("button", { class: "main" }, "Call")),
    el("div", { class: "card", "aria-live": "polite" }, el("h3", {}, "Answer"), answer)));
}

function c2dPanel() {
  const id = state.selected;
  const body = el("textarea", { rows: 5, spellcheck: "false" });
  const properties = el("textarea", { rows: 3, spellcheck: "false", placeholder: "one a line: colour=red" });
  const messageId = el("input", { placeholder: "made up if empty" });
  const ack = el("select", {}, ["none", "full", "positive", "negative"].map((it) => el("option", {}, it)));
  const send = (event) => {
    event.preventDefault();
    const more = { "iothub-ack": ack.value };
    if (messageId.value) more["iothub-messageid"] = encodeURIComponent(messageId.value);
    for (const line of properties.value.split("\n").filter((it) => it.includes("="))) {
      const [key, ...value] = line.split("=");
      more[`iothub-app-${key.trim()}`] = encodeURIComponent(value.join("="));
    }
    return act(() => call("POST", `/devices/${path(id)}/messages/deviceBound`, body.value, more), "queued").then(drawQueue);
  };
  $("panel").replaceChildren(el("div", { class: "cards" },
    el("form", { class: "card", onsubmit: send }, el("h3", {}, "Send a message to the device"), el("label", {}, el("span", {}, "Body"), body),
      el("label", {}, el("span", {}, "Properties"), properties), el("div", { class: "cards" },
        el("label", {}, el("span", {}, "Message id"), messageId), el("label", {}, el("span", {}, "Feedback"), ack)), el("button", { class: "main" }, "Send")),
    el("div", { class: "card" }, el("div", { class: "row spread" }, el("h3", {}, "Waiting"),
      el("button", { class: "danger", onclick: () => act(() => call("DELETE", `/devices/${path(id)}/commands`), "purged").then(drawQueue) }, "Purge")),
      el("table", {}, el("thead", {}, el("tr", {}, ["Message", "Since", "Bytes", "Deliveries"].map((it) => el("th", {}, it)))), el("tbody", { id: "queue" })))));
  drawQueue();
}

async function drawQueue() {
  const waitingNow = await act(() => call("GET", `/devices/${path(state.selected)}/messages/deviceBound`));
  $("queue")?.replaceChildren(...(waitingNow ?? []).map((it) => el("tr", {}, el("td", { class: "mono" }, it.messageId),
    el("td", { class: "num" }, time(it.enqueuedTimeUtc)), el("td", { class: "num" }, `${it.size}`), el("td", { class: "num" }, `${it.deliveryCount}${it.locked ? ", locked" : ""}`))));
}

async function identityPanel() {
  const device = await act(() => call("GET", `/devices/${path(state.selected)}`));
  if (!device) return;
  const keys = device.authentication.symmetricKey;
  const shown = { ...device, authentication: { ...device.authentication, symmetricKey: keys.primaryKey ? "hidden" : undefined } };
  $("panel").replaceChildren(el("div", { class: "card" }, el("h3", {}, "Registry entry"), el("pre", {}, pretty(shown)),
    keys.primaryKey ? el("button", { onclick: () => navigator.clipboard.writeText(
      `HostName=${$("hub").textContent};DeviceId=${device.deviceId};SharedAccessKey=${keys.primaryKey}`).then(() => toast("copied")) }, "Copy connection string") : null));
}

// ---- events and certificates ------------------------------------------------------------------

function drawEventsView() {
  $("main").replaceChildren(el("h2", {}, "Event log"), el("p", { class: "dim" }, "Every connect, refusal and close, with its reason."), el("div", { id: "panel" }));
  eventsPanel();
}

function eventsPanel() {
  const filter = el("input", { type: "search", placeholder: "Filter: text, device, code", value: state.filter, "aria-label": "Filter events" });
  filter.addEventListener("input", () => { state.filter = filter.value; drawEvents(); });
  const only = el("input", { type: "checkbox", checked: state.level === "warn" });
  only.addEventListener("change", () => { state.level = only.checked ? "warn" : ""; drawEvents(); });
  $("panel").replaceChildren(el("div", { class: "card" }, el("div", { class: "row" }, filter, el("label", { class: "check" }, only, "only refusals and faults")),
    el("div", { class: "scroll" }, el("table", {}, el("thead", {}, el("tr", {}, ["Time", "Event", "Device", "Code", "Reason"].map((it) => el("th", {}, it)))), el("tbody", { id: "events" })))));
  drawEvents();
}

function drawEvents() {
  const body = $("events");
  if (!body) return;
  const text = state.filter.toLowerCase();
  const wanted = (it) => (!state.level || it.level === state.level) && (state.view === "events" || it.deviceId === state.selected)
    && (!text || `${it.event} ${it.deviceId ?? ""} ${it.code ?? ""} ${it.error ?? ""} ${it.reason ?? ""}`.toLowerCase().includes(text));
  const rows = state.events.filter(wanted).slice(-300).reverse().map((it) => el("tr", { class: it.level === "warn" ? "warn" : "" },
    el("td", { class: "num" }, time(it.time)), el("td", {}, it.event),
    el("td", {}, it.deviceId ?? "", it.connection ? el("span", { class: "dim", title: it.peer }, ` #${it.connection}`) : null),
    el("td", {}, it.code ? `${it.code} ${it.error}` : ""), el("td", {}, it.reason ?? "")));
  body.replaceChildren(...(rows.length ? rows : [el("tr", {}, el("td", { colspan: 5, class: "empty" }, "No event fits."))]));
}

async function drawCertificates() {
  const all = await act(() => call("GET", "/admin/certificates")) ?? [];
  if (state.view !== "certificates") return;
  const rows = all.map((it) => el("tr", {}, el("td", {}, it.name), el("td", {}, it.properties.subject), el("td", { class: "num" }, it.properties.expiry.slice(0, 10)),
    el("td", {}, el("span", { class: `pill ${it.properties.isVerified ? "on" : "warn"}` }, it.properties.isVerified ? "verified" : "not verified")),
    el("td", {}, el("div", { class: "row" }, it.properties.isVerified ? null : el("button", { onclick: () => prove(it) }, "Prove possession"),
      el("button", { class: "danger", onclick: () => act(() => call("DELETE", `/admin/certificates/${path(it.name)}`), "deleted").then(drawCertificates) }, "Delete")))));
  $("main").replaceChildren(el("div", { class: "row spread" }, el("h2", {}, "CA certificates"), el("button", { class: "main", onclick: upload }, "Upload")),
    el("p", { class: "dim" }, "A device may connect if its certificate leads to one of these, and the CA is verified."),
    el("div", { class: "card" }, el("table", {}, el("thead", {}, el("tr", {}, ["Name", "Subject", "Valid until", "State", ""].map((it) => el("th", {}, it)))),
      el("tbody", {}, rows.length ? rows : el("tr", {}, el("td", { colspan: 5, class: "empty" }, "None yet."))))));
}

function pemField() {
  const text = el("textarea", { rows: 8, required: true, placeholder: "-----BEGIN CERTIFICATE-----", spellcheck: "false" });
  const file = el("input", { type: "file", accept: ".pem,.crt,.cer", "aria-label": "PEM file" });
  file.addEventListener("change", async () => { if (file.files[0]) text.value = await file.files[0].text(); });
  return { text, nodes: [el("label", {}, el("span", {}, "PEM file"), file), el("label", {}, el("span", {}, "or its text"), text)] };
}

function upload() {
  const name = el("input", { required: true, value: "root", pattern: "[A-Za-z0-9._\\-]{1,64}" });
  const verified = el("input", { type: "checkbox", checked: true });
  const pem = pemField();
  open("Upload a CA certificate", [el("label", {}, el("span", {}, "Name"), name), ...pem.nodes,
    el("label", { class: "check" }, verified, "take it as verified, without proof of possession")], "Upload", async () => {
    const made = await act(() => call("POST", "/admin/certificates", { name: name.value, certificate: pem.text.value, isVerified: verified.checked }), "uploaded");
    if (!made) return false;
    drawCertificates();
    return true;
  });
}

// The walk of a proof: a code, a certificate with that code as its name, the check.
async function prove(certificate) {
  const hub = $("hub").textContent.split(".")[0];
  const base = `/subscriptions/local/resourceGroups/local/providers/Microsoft.Devices/IotHubs/${path(hub)}/certificates/${path(certificate.name)}`;
  const coded = await act(() => call("POST", `${base}/generateVerificationCode`, {}, { "if-match": certificate.etag }));
  if (!coded) return;
  const code = coded.properties.verificationCode;
  const commands = `openssl req -new -newkey rsa:2048 -nodes -keyout proof.key -subj "/CN=${code}" -out proof.csr\n`
    + `openssl x509 -req -in proof.csr -CA ${certificate.name}.pem -CAkey ${certificate.name}.key -CAcreateserial -days 1 -out proof.pem`;
  const pem = pemField();
  open(`Prove possession of ${certificate.name}`, [el("p", {}, "1. With the CA's key, sign a certificate whose CN is this code:"), el("pre", { class: "card" }, code),
    el("p", {}, "2. For example:"), el("pre", { class: "card" }, commands), el("p", {}, "3. Give it here:"), ...pem.nodes], "Verify", async () => {
    const done = await act(() => call("POST", `${base}/verify`, { certificate: pem.text.value }, { "if-match": coded.etag }), "verified");
    if (!done) return false;
    drawCertificates();
    return true;
  });
}

// ---- provisioning and faults ------------------------------------------------------------------

async function drawEnrollments() {
  const [groups, single, registrations] = await Promise.all(["enrollmentGroups", "enrollments", "registrations"].map((it) => act(() => call("GET", `/${it}`))));
  if (state.view !== "enrollments" || !groups || !single || !registrations) return;
  const row = (kind, id, it) => el("tr", {}, el("td", {}, id), el("td", {}, kind === "enrollmentGroups" ? "group" : "individual"), el("td", {}, it.attestation?.type ?? ""),
    el("td", {}, it.iotHubHostName ?? it.iotHubs?.join(", ") ?? "any"), el("td", {}, el("span", { class: `pill ${it.provisioningStatus === "disabled" ? "warn" : "on"}` }, it.provisioningStatus ?? "enabled")),
    el("td", {}, el("button", { class: "danger", onclick: () => act(() => call("DELETE", `/${kind}/${path(id)}`), "deleted").then(drawEnrollments) }, "Delete")));
  const rows = [...groups.map((it) => row("enrollmentGroups", it.enrollmentGroupId, it)), ...single.map((it) => row("enrollments", it.registrationId, it))];
  const made = registrations.map((it) => el("tr", { class: it.status === "assigned" ? "" : "warn" }, el("td", {}, it.registrationId), el("td", {}, it.status),
    el("td", {}, it.assignedHub ?? ""), el("td", {}, it.deviceId ?? ""), el("td", {}, it.substatus ?? it.errorMessage ?? ""), el("td", { class: "num" }, time(it.lastUpdatedDateTimeUtc))));
  const table = (names, body, none) => el("table", {}, el("thead", {}, el("tr", {}, names.map((it) => el("th", {}, it)))),
    el("tbody", {}, body.length ? body : el("tr", {}, el("td", { colspan: names.length, class: "empty" }, none))));
  $("main").replaceChildren(el("div", { class: "row spread" }, el("h2", {}, "Provisioning"), el("button", { class: "main", onclick: enroll }, "New enrolment")),
    el("p", { class: "dim" }, `Id scope ${state.scope ?? ""}`),
    el("div", { class: "card" }, el("h3", {}, "Enrolments"), table(["Id", "Kind", "By", "Hub", "State", ""], rows, "None yet.")),
    el("div", { class: "card" }, el("h3", {}, "Registrations"), table(["Registration", "Status", "Hub", "Device", "How", "When"], made, "No device has asked yet.")));
}

function enroll() {
  const id = el("input", { required: true, maxlength: 128 });
  const kind = el("select", {}, el("option", { value: "enrollmentGroups" }, "group: many devices"), el("option", { value: "enrollments" }, "individual: one device"));
  const by = el("select", {}, el("option", { value: "x509" }, "X.509 certificate"), el("option", { value: "symmetricKey" }, "symmetric key"));
  const pem = pemField();
  const box = el("div", {}, pem.nodes);
  pem.text.required = false;
  by.addEventListener("change", () => { box.hidden = by.value !== "x509"; });
  open("New enrolment", [el("label", {}, el("span", {}, "Id"), id), el("label", {}, el("span", {}, "Kind"), kind), el("label", {}, el("span", {}, "Devices prove who they are by"), by), box], "Save", async () => {
    const chain = kind.value === "enrollments" ? "clientCertificates" : "signingCertificates";
    const attestation = by.value === "x509" ? { type: "x509", x509: { [chain]: { primary: { certificate: pem.text.value } } } } : { type: "symmetricKey" };
    const made = await act(() => call("PUT", `/${kind.value}/${path(id.value)}`, { attestation }), "saved");
    if (!made) return false;
    drawEnrollments();
    return true;
  });
}

const FAULTS = {
  connack: ["CONNECT is answered with a code", { code: 3 }], puback: ["PUBACK is late, or never comes", { delayMs: "" }],
  suback: ["SUBACK is late, or never comes", { delayMs: "" }], pingresp: ["PINGRESP is late, or never comes", { delayMs: "" }],
  dropAtByte: ["The connection breaks after so many bytes", { bytes: 1000 }], dropEvery: ["The connection breaks at every so many messages", { messages: 10, seed: "" }],
  stall: ["The hub neither reads nor writes", { delayMs: 5000 }], throttle: ["Twin and methods are refused", { status: 429 }],
  provisioning: ["The provisioning service answers with an error", { status: 429, retryAfter: 5 }],
};

async function drawFaults() {
  const [all, clock] = await Promise.all([act(() => call("GET", "/admin/faults")), act(() => call("GET", "/admin/clock"))]);
  if (state.view !== "faults" || !all || !clock) return;
  const kind = el("select", {}, Object.entries(FAULTS).map(([name, [text]]) => el("option", { value: name }, text)));
  const fields = el("div", { class: "cards" });
  const device = el("input", { placeholder: "every device", list: "ids" });
  const times = el("input", { type: "number", min: 1, placeholder: "until cleared" });
  const draft = () => fields.replaceChildren(...Object.entries(FAULTS[kind.value][1]).map(([name, value]) =>
    el("label", {}, el("span", {}, name), el("input", { name, type: "number", min: 0, value, placeholder: "never" }))));
  kind.addEventListener("change", draft);
  draft();
  const set = async (event) => {
    event.preventDefault();
    const fault = { kind: kind.value, device: device.value || undefined, times: times.value ? +times.value : undefined };
    for (const field of fields.querySelectorAll("input")) if (field.value !== "") fault[field.name] = +field.value;
    if (await act(() => call("POST", "/admin/faults", fault), "set")) drawFaults();
  };
  const shift = el("input", { type: "number", value: Math.round(clock.clockShiftMs / 1000) });
  const rows = all.map((it) => el("tr", {}, el("td", {}, it.kind), el("td", {}, it.device ?? "every device"), el("td", {}, `${it.number || ""} ${it.delayMs !== null ? `${it.delayMs} ms` : ""}`),
    el("td", {}, it.times === null ? "until cleared" : `${it.times} more`), el("td", {}, el("button", { onclick: () => act(() => call("DELETE", `/admin/faults/${it.id}`), "cleared").then(drawFaults) }, "Clear"))));
  $("main").replaceChildren(el("h2", {}, "Faults on command"), el("p", { class: "dim" }, "What is to go wrong, for whom, and how often."),
    el("datalist", { id: "ids" }, state.devices.map((it) => el("option", { value: it.deviceId }))),
    el("div", { class: "cards" }, el("form", { class: "card", onsubmit: set }, el("label", {}, el("span", {}, "Fault"), kind), fields,
      el("div", { class: "cards" }, el("label", {}, el("span", {}, "Device"), device), el("label", {}, el("span", {}, "Times"), times)), el("button", { class: "main" }, "Set")),
    el("form", { class: "card", onsubmit: (event) => { event.preventDefault(); act(() => call("PUT", "/admin/clock", { shiftMs: +shift.value * 1000 }), "shifted"); } },
      el("h3", {}, "Clock"), el("label", {}, el("span", {}, "Shift against the real time, s"), shift), el("button", {}, "Shift"))),
    el("div", { class: "card" }, el("div", { class: "row spread" }, el("h3", {}, "Set now"), el("button", { onclick: () => act(() => call("DELETE", "/admin/faults"), "all cleared").then(drawFaults) }, "Clear all")),
      el("table", {}, el("tbody", {}, rows.length ? rows : el("tr", {}, el("td", { class: "empty" }, "Nothing goes wrong on command."))))));
}

function show(view) {
  state.view = view;
  location.hash = view;
  draw();
}

// ---- start ------------------------------------------------------------------------------------

document.querySelectorAll("nav button").forEach((button) => button.addEventListener("click", () => show(button.dataset.view)));
$("find").addEventListener("input", drawDevices);
$("add").addEventListener("click", addDevice);
document.addEventListener("keydown", (event) => {
  if (/INPUT|TEXTAREA|SELECT/.test(event.target.tagName) || $("dialog").open || event.ctrlKey || event.metaKey || event.altKey) return;
  const tabs = Object.keys(TABS);
  if (event.key === "/") { event.preventDefault(); $("find").focus(); }
  else if (event.key === "n") { event.preventDefault(); addDevice(); }
  else if (event.key === "e") show("events");
  else if (event.key === "c") show("certificates");
  else if (event.key === "p") show("enrollments");
  else if (event.key === "f") show("faults");
  else if (event.key === "d") show("device");
  else if (state.view === "device" && tabs[+event.key - 1]) { state.tab = tabs[+event.key - 1]; draw(); }
  else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    const at = state.devices.findIndex((it) => it.deviceId === state.selected);
    const next = state.devices[at + (event.key === "ArrowDown" ? 1 : -1)];
    if (next) { event.preventDefault(); select(next.deviceId); }
  }
});

const [view, id, tab] = location.hash.slice(1).split("/");
if (["events", "certificates", "enrollments", "faults"].includes(view)) state.view = view;
if (id) state.selected = decodeURIComponent(id);
if (tab in TABS) state.tab = tab;
call("GET", "/admin").then((about) => { $("hub").textContent = about.hubs[0]; state.scope = about.idScope; }).catch(() => {});
loadDevices().then(draw);
follow("/admin/telemetry", seenTelemetry);
follow("/admin/events", seenEvent);
