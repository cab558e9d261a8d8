// The page: which view is shown, what the keys do, and the header.
import { target } from "./api.js";
import { drawBanner, loadFaults, loadFaultsSoon, mayHaveStruck } from "./banner.js";
import { certificates } from "./certificates.js";
import { deviceView } from "./device.js";
import { addDevice, drawSide, firstSteps, side, step } from "./devices.js";
import { show } from "./dialog.js";
import { $, el, later } from "./dom.js";
import { faults } from "./faults.js";
import { firmware } from "./firmware.js";
import { fleet } from "./fleet.js";
import { hubView } from "./hub.js";
import { list, length, load, look, lookParts, rowAt, setLook } from "./list.js";
import { log } from "./log.js";
import { options, table } from "./parts.js";
import { provisioning } from "./provisioning.js";
import { TABS, VIEWS, go, hashOf, where } from "./routes.js";
import { hub, loadAbout, loadCounts, start, store, watch } from "./store.js";
import { listen } from "./topics.js";
import { setZone, zone } from "./words.js";

const PANELS = { events: (box) => log(box), provisioning, certificates, faults, firmware, hub: hubView };
let panel = null;
let shown = null;

function render() {
  const here = where();
  if (here.look) setLook(here.look);
  for (const link of document.querySelectorAll("nav a")) {
    if (link.dataset.view === here.view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const isEmpty = store.counts?.totalDeviceCount === 0;
  const key = JSON.stringify([here.view, here.id, here.tab, here.view === "devices" && !here.id && isEmpty, target.hub]);
  if (key === shown) return;
  const moved = shown !== null;
  shown = key;
  panel?.close();
  watch(here.view === "devices" ? here.id : store.watched);
  document.body.classList.toggle("alone", here.view === "devices" && !here.id);
  document.title = `${here.id ? `${here.id}, ${TABS[here.tab].toLowerCase()}` : VIEWS[here.view]} – IoT Hub emulator`;
  const box = el("div", { class: "view" });
  $("work").replaceChildren(box);
  $("main").scrollTop = 0;
  panel = here.view === "devices" ? here.id ? deviceView(box, here) : isEmpty ? firstSteps(box) : fleet(box) : PANELS[here.view](box);
  drawSide();
  if (moved && document.activeElement === document.body) $("main").focus({ preventScroll: true });
}

const drawSideSoon = later(drawSide, 150);
listen((topic, item) => {
  if (topic === "about") header();
  if (topic === "live") {
    $("live").textContent = store.live ? "live" : "not reachable";
    $("live").className = `pill ${store.live ? "on" : "warn"}`;
    setAway();
  }
  if (topic === "about") drawBanner();
  if (topic === "event" && (item?.event === "fault" || mayHaveStruck())) loadFaultsSoon();
  if (topic === "list" || topic === "counts") drawSideSoon();
  if (topic === "counts") render();
  panel?.seen?.(topic, item);
});

/** Long enough to be away, and not just a stream that begins anew. */
const BEGINS_ANEW = 1500;

/** What stands here while the hub is away is old, and nothing can be asked for. */
function setAway() {
  const away = !store.live && store.awaySince !== null && Date.now() - store.awaySince >= BEGINS_ANEW;
  if (!store.live && !away) setTimeout(setAway, BEGINS_ANEW);
  document.body.classList.toggle("stale", away);
  $("work").disabled = away;
  $("add").disabled = away;
  if (away || store.live) drawBanner();
  if (store.live) loadFaults();
}

function header() {
  const hubs = store.about.hubs;
  if (hubs.length === 1) { $("hub").replaceChildren(hubs[0]); return; }
  if ($("hub").querySelector("select")) return;
  const select = el("select", { "aria-label": "Hub" }, options(Object.fromEntries(hubs.map((it) => [it, it])), hub()));
  select.addEventListener("change", () => {
    sessionStorage.setItem("hub", select.value);
    location.hash = "#devices";
    location.reload();
  });
  $("hub").replaceChildren(select);
}

const THEMES = ["auto", "light", "dark"];
function theme(name) {
  if (name === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
  $("theme").textContent = { auto: "◐", light: "☀", dark: "☾" }[name];
  $("theme").title = `Colours: ${name === "auto" ? "as the system has them" : name}`;
  $("theme").setAttribute("aria-label", $("theme").title);
  localStorage.setItem("theme", name);
}

const KEYS = [["/", "find a device", () => ($("look") ?? $("find")).focus()], ["n", "register a device", addDevice], ["↑ ↓", "the device before, the next one"],
  ["1 – 6", `tabs of a device: ${Object.values(TABS).join(", ")}`], ["d", "all devices", () => go({ view: "devices" })], ["e", "event log", () => go({ view: "events" })],
  ["p", "provisioning", () => go({ view: "provisioning" })], ["c", "CA certificates", () => go({ view: "certificates" })], ["f", "faults", () => go({ view: "faults" })],
  ["w", "firmware", () => go({ view: "firmware" })], ["h", "the hub: settings, export, import", () => go({ view: "hub" })],
  ["t", "light, dark, or as the system has it", () => $("theme").click()], ["?", "these keys", help], ["+ − ← → Esc", "in a chart: zoom, move, back to live"], ["Ctrl+Enter", "save, call, send"]];

function help() {
  show("Keys", table(["Key", "What"], KEYS.map(([key, what]) => el("tr", {}, el("td", {}, el("kbd", {}, key)), el("td", {}, what))), ""));
}

function keys(event) {
  if (event.target.closest("input, textarea, select, dialog") || $("dialog").open || event.ctrlKey || event.metaKey || event.altKey) return;
  const tabs = Object.keys(TABS), here = where();
  const run = KEYS.find(([key]) => key === event.key)?.[2];
  if (run) run();
  else if (here.id && tabs[event.key - 1]) go({ view: "devices", id: here.id, tab: tabs[event.key - 1] });
  else if (here.id && (event.key === "ArrowDown" || event.key === "ArrowUp")) step(event.key === "ArrowDown" ? 1 : -1);
  else return;
  event.preventDefault();
}

target.hub = sessionStorage.getItem("hub");
theme(THEMES.includes(localStorage.getItem("theme")) ? localStorage.getItem("theme") : "auto");
$("theme").addEventListener("click", () => theme(THEMES[(THEMES.indexOf(localStorage.getItem("theme")) + 1) % 3]));
function drawZone() {
  $("zone").textContent = zone();
  $("zone").title = zone() === "UTC" ? "Times are UTC; to local time" : "Times are local; to UTC";
  $("zone").setAttribute("aria-label", $("zone").title);
}
$("zone").addEventListener("click", () => {
  setZone(zone() === "UTC" ? "local" : "UTC");
  drawZone();
  shown = null;
  render();
});
drawZone();
$("help").addEventListener("click", help);
const menu = (open) => { $("menu").setAttribute("aria-expanded", `${open}`); $("views").classList.toggle("open", open); };
$("menu").addEventListener("click", () => menu($("menu").getAttribute("aria-expanded") !== "true"));
$("side").append(side.box);
const find = later(() => setLook({ ...lookParts(), find: $("find").value.trim() }), 150);
$("find").addEventListener("input", find);
$("find").addEventListener("keydown", async (event) => {
  if (event.key !== "Enter") return;
  setLook({ ...lookParts(), find: $("find").value.trim() });
  await load();
  if (length() && rowAt(0)) go({ view: "devices", id: rowAt(0).deviceId, tab: where().tab });
  $("find").value = "";
  setLook({ ...lookParts(), find: "" });
  $("main").focus({ preventScroll: true });
});
$("add").addEventListener("click", addDevice);
for (const [view, text] of Object.entries(VIEWS)) $("views").append(el("a", { href: hashOf({ view }), "data-view": view }, text));
addEventListener("keydown", keys);
addEventListener("hashchange", () => { menu(false); $("dialog").close(); $("find").value = look.find; render(); });
await loadAbout().catch(() => {});
if (target.hub && !store.about?.hubs.includes(target.hub)) target.hub = null;
if (where().look) setLook(where().look);
await Promise.all([loadCounts(), load()]);
// One device alone is what one wants to see.
if (location.hash.length < 2 && list.asked && store.counts?.totalDeviceCount === 1 && rowAt(0)) go({ view: "devices", id: rowAt(0).deviceId }, true);
start();
render();
setInterval(() => { drawBanner(); if (store.live && !document.hidden) loadFaults(); }, 10000);
