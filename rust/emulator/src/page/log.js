// The event log: of all, or of one device.
import { show } from "./dialog.js";
import { el, later } from "./dom.js";
import { button, copy, cut, empty, pill, rove, save } from "./parts.js";
import { go } from "./routes.js";
import { store } from "./store.js";
import { clock, plural, pretty, zone } from "./words.js";

const ROWS = 400;
const view = { text: "", warnings: false, kinds: new Set() };

export function log(box, id = null) {
  let paused = null;
  const filter = el("input", { id: "filter", type: "search", placeholder: "Filter: a device, a code, a word", "aria-label": "Filter events", ".value": view.text });
  filter.addEventListener("input", () => { view.text = filter.value; draw(); });
  const warnings = el("input", { type: "checkbox", ".checked": view.warnings });
  warnings.addEventListener("change", () => { view.warnings = warnings.checked; draw(); });
  const pause = button("Pause", () => { paused = paused ? null : [...store.events]; draw(); });
  const kinds = el("div", { class: "chips", role: "group", "aria-label": "Kinds of events" });
  const count = el("span", { class: "dim" });
  const body = el("tbody", { id: "events" });
  const holder = el("div", { class: "scroll tall" });
  const heads = [`Time (${zone()})`, "Event", ...(id === null ? ["Device"] : []), "Code", "Reason"];
  const sheet = el("table", { class: "events" }, el("thead", {}, el("tr", {}, heads.map((it) => el("th", { scope: "col" }, it)))), body);
  rove(body);
  if (id === null) box.append(el("h2", {}, "Event log"), el("p", { class: "lead" }, "Every connect, refusal and close, each with its reason and Azure's code."));
  box.append(el("section", { class: "card" }, el("div", { class: "row spread" }, el("div", { class: "row grow" }, filter, el("label", { class: "check" }, warnings, "only refusals and faults")),
    el("div", { class: "row" }, count, pause, button("Save as JSON lines", () => save("events.jsonl", new Blob(fitting().map((it) => `${JSON.stringify(it)}\n`))), "quiet"))), kinds, holder));

  const all = () => (paused ?? store.events).filter((it) => id === null || it.deviceId === id);
  function fitting() {
    const words = view.text.toLowerCase().split(/\s+/).filter(Boolean);
    return all().filter((it) => (!view.warnings || it.level === "warn") && (!view.kinds.size || view.kinds.has(it.event))
      && words.every((word) => `${it.event} ${it.deviceId ?? ""} #${it.connection ?? ""} ${it.peer ?? ""} ${it.code ?? ""} ${it.error ?? ""} ${it.reason ?? ""}`.toLowerCase().includes(word)));
  }

  function draw() {
    const fits = fitting();
    const present = [...new Set([...all().map((it) => it.event), ...view.kinds])].sort();
    kinds.replaceChildren(...present.map((kind) => el("button", { type: "button", class: "chip", "aria-pressed": `${view.kinds.has(kind)}`,
      onclick: () => { if (!view.kinds.delete(kind)) view.kinds.add(kind); draw(); } }, kind)));
    pause.textContent = paused ? "Go on" : "Pause";
    pause.classList.toggle("main", Boolean(paused));
    count.textContent = `${plural(fits.length, "event")}${fits.length > ROWS ? `, the latest ${ROWS} shown` : ""}`;
    if (fits.length) { body.replaceChildren(...fits.slice(-ROWS).reverse().map((it) => row(it, id))); holder.replaceChildren(sheet); }
    else if (all().length) holder.replaceChildren(empty("No event fits", "The filter leaves nothing over.", button("Clear the filter", () => {
      Object.assign(view, { text: "", warnings: false, kinds: new Set() });
      filter.value = "";
      warnings.checked = false;
      draw();
    }, "main")));
    else holder.replaceChildren(empty("Nothing has happened yet", "As soon as a device tries to connect, it stands here, with the reason if it was refused."));
  }

  const soon = later(draw, 150);
  draw();
  return { seen: (topic) => { if (topic === "event" && !paused) soon(); }, close: () => {} };
}

function row(it, id) {
  const look = () => details(it);
  return el("tr", { class: it.level === "warn" ? "warn" : "", "data-key": it.seq, onclick: look },
    el("td", { class: "num", title: it.time }, clock(it.time)), el("td", {}, it.event),
    id === null ? el("td", { class: "num device" }, it.deviceId ? el("button", { type: "button", class: "link", tabindex: -1, onclick: (event) => { event.stopPropagation(); go({ view: "devices", id: it.deviceId, tab: "log" }); } }, cut(it.deviceId)) : null,
      it.connection ? el("span", { class: "dim", title: it.peer }, ` #${it.connection}`) : null) : null,
    el("td", {}, it.code ? el("span", { class: "num" }, `${it.code} `, el("span", { class: "dim" }, it.error)) : null), el("td", { class: "reason" }, it.reason ?? ""));
}

function details(it) {
  show(`${it.event} ${it.deviceId ?? ""}`, el("div", { class: "row" }, pill(it.level === "warn" ? "refusal or fault" : "as usual", it.level === "warn" ? "warn" : "on"), el("span", { class: "dim" }, it.time)),
    el("p", {}, it.reason ?? ""), it.deviceId ? button("To the device", () => go({ view: "devices", id: it.deviceId, tab: "log" })) : null, el("div", { class: "row spread" }, el("h3", {}, "The whole event"), copy(pretty(it))), el("pre", { class: "code" }, pretty(it)));
}
