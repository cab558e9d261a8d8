// What the page knows: devices, the event log, and the telemetry of the device that is looked at.
import { call, follow, target } from "./api.js";
import { later } from "./dom.js";

export const store = { about: null, devices: null, events: [], telemetry: [], watched: null, live: false,
  /** The latest `connected`, and the latest `closed` or `refused`, by device. */
  connected: new Map(), ended: new Map() };

const listeners = new Set();
const MOST = 5000;

/** run(topic, item): topics are devices, event, telemetry, live. Gives a function that ends it. */
export function listen(run) {
  listeners.add(run);
  return () => listeners.delete(run);
}

function tell(topic, item) {
  for (const run of [...listeners]) run(topic, item);
}

const order = new Intl.Collator("en", { numeric: true });
export const hub = () => target.hub ?? store.about?.hubs[0] ?? "";
export const device = (id) => store.devices?.find((it) => it.deviceId === id);

export async function loadAbout() {
  store.about = await call("GET", "/admin");
  tell("about");
}

export async function loadDevices() {
  try { store.devices = (await call("GET", "/devices")).sort((a, b) => order.compare(a.deviceId, b.deviceId)); } catch { return; }
  tell("devices");
}

const soon = later(loadDevices, 400);

/** Follows the event log from its beginning. */
export function start() {
  follow("/admin/events", { live, begin: () => {
    store.events = [];
    store.connected.clear();
    store.ended.clear();
    if (store.about) soon();
    tell("event", null);
  }, seen: (event) => {
    if (event.hub && event.hub !== hub() && event.hub !== "") { if (store.about?.hubs.includes(event.hub)) return; }
    store.events.push(event);
    if (store.events.length > MOST + 500) store.events.splice(0, 500);
    if (event.deviceId) note(event);
    tell("event", event);
  } });
  setInterval(() => { if (!document.hidden && store.live) soon(); }, 10000);
}

function note(event) {
  const id = event.deviceId;
  if (event.event === "connected") store.connected.set(id, event);
  else if (event.event === "closed" || event.event === "refused") store.ended.set(id, event);
  else if (event.event !== "registry") return;
  const known = device(id);
  if (known && event.event === "connected") known.connectionState = "Connected";
  soon();
}

function live(on) {
  store.live = on;
  tell("live");
}

let unwatch = () => {};
/** Follows the telemetry of one device, from its latest messages on. */
export function watch(id) {
  if (store.watched === id) return;
  unwatch();
  store.watched = id;
  store.telemetry = [];
  unwatch = id === null ? () => {} : follow(`/admin/telemetry?last=2000&device=${encodeURIComponent(id)}`, {
    live: (on) => { if (!on) live(false); },
    begin: () => { store.telemetry = []; tell("telemetry"); },
    seen: (message) => {
      if (message.hub !== hub()) return;
      store.telemetry.push(message);
      if (store.telemetry.length > MOST) store.telemetry.splice(0, 1000);
      tell("telemetry");
    } });
}
