// What the page knows: the hub's counts, the event log, the device that is looked at and its telemetry.
import { call, follow, target } from "./api.js";
import { later } from "./dom.js";
import { refresh } from "./list.js";
import { tell } from "./topics.js";
import { path } from "./words.js";

export const store = { about: null, counts: null, events: [], telemetry: [], watched: null, live: false,
  /** Since when the hub does not answer, in ms; null while it does. */
  awaySince: null,
  /** The device that is looked at: undefined until the hub has answered, null if it is not registered. */
  current: undefined };

const MOST = 5000;
/** Between two moments of the rates, ms. */
const SHORTEST = 1800;

export const hub = () => target.hub ?? store.about?.hubs[0] ?? "";
/** The hub's time, which may be shifted. */
export const now = () => Date.now() + (store.about?.clockShiftMs ?? 0);

export async function loadAbout() {
  store.about = await call("GET", "/admin");
  tell("about");
}

export async function loadCounts() {
  try { store.counts = await call("GET", "/admin/statistics"); } catch { return; }
  noteRates(store.counts);
  tell("counts");
}

/** Moments of the hub's counts, since this page is open: [{at, perSecond, connected, refused}]. */
export const rates = [];
let lastCount = null;

function noteRates({ lastTelemetry, connectedDeviceCount, refusedDeviceCount }) {
  const at = Date.now();
  if (lastCount && at - lastCount.at < SHORTEST) return;
  const messages = lastCount ? lastTelemetry - lastCount.lastTelemetry : 0;
  if (lastCount && messages >= 0) rates.push({ at, perSecond: messages / (at - lastCount.at) * 1000, connected: connectedDeviceCount, refused: refusedDeviceCount });
  if (rates.length > MOST) rates.shift();
  lastCount = { at, lastTelemetry };
}

/** Asks anew about all devices in sight, and how many there are. */
export async function loadDevices() {
  await Promise.all([loadCounts(), refresh(), loadCurrent()]);
}

export async function loadCurrent() {
  const id = store.watched;
  if (id === null) return;
  try {
    const row = await call("GET", `/admin/devices/${path(id)}`);
    if (store.watched === id) store.current = row;
  } catch (error) {
    if (error.status !== 404 || store.watched !== id) return;
    store.current = null;
  }
  tell("current");
}

const soon = later(loadDevices, 700);
const soonCurrent = later(loadCurrent, 100);
const CHANGES = new Set(["connected", "closed", "refused", "registry", "twin"]);

/** Follows the event log from its beginning. */
export function start() {
  follow("/admin/events", { live, begin: () => {
    store.events = [];
    if (store.about) soon();
    tell("event", null);
  }, seen: (event) => {
    if (event.hub && event.hub !== hub() && store.about?.hubs.includes(event.hub)) return;
    store.events.push(event);
    if (store.events.length > MOST + 500) store.events.splice(0, 500);
    if (event.deviceId && CHANGES.has(event.event)) {
      soon();
      if (event.deviceId === store.watched) soonCurrent();
    }
    tell("event", event);
  } });
  setInterval(() => {
    if (document.hidden || !store.live) return;
    soon();
    loadAbout().catch(() => {});
  }, 10000);
}

function live(on) {
  store.live = on;
  store.awaySince = on ? null : store.awaySince ?? Date.now();
  tell("live");
}

let unwatch = () => {};
/** Follows the telemetry of one device, from its latest messages on. */
export function watch(id) {
  if (store.watched === id) return;
  unwatch();
  store.watched = id;
  store.current = undefined;
  store.telemetry = [];
  loadCurrent();
  unwatch = id === null ? () => {} : follow(`/admin/telemetry?last=2000&device=${path(id)}`, {
    begin: () => { store.telemetry = []; tell("telemetry"); },
    seen: (message) => {
      if (message.hub !== hub()) return;
      store.telemetry.push(message);
      if (store.telemetry.length > MOST) store.telemetry.splice(0, 1000);
      tell("telemetry");
    } });
}
