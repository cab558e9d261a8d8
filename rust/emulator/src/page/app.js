// The page: which view is shown, what the keys do, and the header.
import { target } from "./api.js";
import { certificates } from "./certificates.js";
import { deviceView } from "./device.js";
import { addDevice, drawList, firstSteps, step } from "./devices.js";
import { show } from "./dialog.js";
import { $, el, later } from "./dom.js";
import { faults } from "./faults.js";
import { firmware } from "./firmware.js";
import { hubView } from "./hub.js";
import { log } from "./log.js";
import { options, table } from "./parts.js";
import { provisioning } from "./provisioning.js";
import { TABS, VIEWS, go, hashOf, where } from "./routes.js";
import { device, hub, listen, loadAbout, loadDevices, start, store, watch } from "./store.js";

const PANELS = { events: (box) => log(box), provisioning, certificates, faults, firmware, hub: hubView };
let panel = null;
let shown = null;

function render() {
  const here = where();
  if (here.view === "devices" && !here.id && store.devices?.length) {
    const last = localStorage.getItem("device");
    go({ view: "devices", id: device(last) ? last : store.devices[0].deviceId }, true);
    return;
  }
  for (const link of document.querySelectorAll("nav a")) {
    if (link.dataset.view === here.view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  drawList();
  const key = JSON.stringify([here, here.id ? 0 : store.devices?.length, target.hub]);
  if (key === shown) return;
  const moved = shown !== null;
  shown = key;
  panel?.close();
  if (here.id) localStorage.setItem("device", here.id);
  watch(here.view === "devices" ? here.id : store.watched);
  document.title = `${here.id ?? VIEWS[here.view]} – IoT Hub emulator`;
  const box = el("div", { class: "view" });
  $("main").replaceChildren(box);
  $("main").scrollTop = 0;
  panel = here.view === "devices" ? here.id ? deviceView(box, here) : firstSteps(box) : PANELS[here.view](box);
  $("devices").querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
  if (moved && document.activeElement === document.body) $("main").focus({ preventScroll: true });
}

const list = later(() => { if (!$("devices").contains(document.activeElement)) drawList(); }, 200);
listen((topic, item) => {
  if (topic === "about") header();
  if (topic === "live") {
    $("live").textContent = store.live ? "live" : "not reachable";
    $("live").className = `pill ${store.live ? "on" : "warn"}`;
    $("live").title = store.live ? "" : "The emulator does not answer. This page goes on as soon as it does.";
  }
  if (topic === "devices") { drawList(); render(); }
  if (topic === "event") list();
  panel?.seen?.(topic, item);
});

function header() {
  const hubs = store.about.hubs;
  if (hubs.length === 1) { $("hub").replaceChildren(hubs[0]); return; }
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

const KEYS = [["/", "find a device", () => $("find").focus()], ["n", "register a device", addDevice], ["↑ ↓", "the device before, the next one"],
  ["1 – 6", `tabs of a device: ${Object.values(TABS).join(", ")}`], ["d", "devices", () => go({ view: "devices", id: store.watched, tab: "telemetry" })], ["e", "event log", () => go({ view: "events" })],
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
$("help").addEventListener("click", help);
$("find").addEventListener("input", drawList);
$("find").addEventListener("keydown", (event) => {
  if (event.key !== "Enter") return;
  document.querySelector("#devices a")?.click();
  $("find").value = "";
  $("main").focus({ preventScroll: true });
  drawList();
});
$("add").addEventListener("click", addDevice);
for (const [view, text] of Object.entries(VIEWS)) $("views").append(el("a", { href: hashOf({ view }), "data-view": view }, text));
addEventListener("keydown", keys);
addEventListener("hashchange", () => { $("dialog").close(); render(); });
await loadAbout().catch(() => {});
if (target.hub && !store.about?.hubs.includes(target.hub)) target.hub = null;
start();
await loadDevices();
render();
