// Telemetry of a device: live charts, and the messages as a table.
import { blob } from "./api.js";
import { chart } from "./chart.js";
import { act, show } from "./dialog.js";
import { el, later } from "./dom.js";
import { button, copy, empty, save } from "./parts.js";
import { go } from "./routes.js";
import { groupOf, isTime, seriesOf } from "./series.js";
import { store } from "./store.js";
import { clock, plural, pretty } from "./words.js";

const SPANS = [["1 min", 60e3], ["5 min", 300e3], ["15 min", 900e3], ["1 h", 3600e3], ["all", 0]];
const ROWS = 200;
const setting = (name, otherwise) => JSON.parse(localStorage.getItem(name) ?? "null") ?? otherwise;
const keep = (name, value) => localStorage.setItem(name, JSON.stringify(value));

export function telemetry(box, id) {
  const hidden = new Map(Object.entries(setting(`series:${id}`, {})));
  const view = { span: setting("span", 300e3), together: setting("together", false), zoomed: null, paused: null, filter: "" };
  let charts = [];
  let names = "";
  let last = 0;
  const shared = { cursor: null, from: 0, to: 1, dragging: false,
    zoom: (from, to) => { if (to - from > 200) { view.zoomed = [from, to]; shared.cursor = null; draw(); } },
    live: () => { view.zoomed = null; draw(); },
    point: (at) => { shared.cursor = at; for (const one of charts) one.draw(); } };

  const spans = el("div", { class: "group", role: "group", "aria-label": "Time shown" });
  const chips = el("div", { class: "chips", role: "group", "aria-label": "Series" });
  const area = el("div", { class: "charts" });
  const pauseButton = button("Pause", () => { view.paused = view.paused ? null : [...store.telemetry]; draw(); }, "", { id: "pause" });
  const liveButton = button("Back to live", () => shared.live(), "main", { hidden: true, id: "live-again" });
  const filter = el("input", { type: "search", placeholder: "Filter messages", "aria-label": "Filter messages" });
  filter.addEventListener("input", () => { view.filter = filter.value.toLowerCase(); rows(); });
  const count = el("span", { class: "dim" });
  const body = el("tbody", { id: "messages" });
  const together = button("One chart", () => { view.together = !view.together; keep("together", view.together); names = ""; draw(); }, "", { title: "All series in one chart" });
  const controls = el("div", { class: "row spread bar" }, el("div", { class: "row" }, spans, together, liveButton), el("div", { class: "row" }, pauseButton));
  const messages = el("section", { class: "card" }, el("div", { class: "row spread" }, el("div", { class: "row" }, el("h3", {}, "Messages"), count),
    el("div", { class: "row" }, filter, button("Save as JSON lines", () => act(async () =>
      save(`${id}.jsonl`, await blob(`/admin/telemetry.jsonl?device=${encodeURIComponent(id)}`))), "quiet"))),
    el("div", { class: "scroll" }, el("table", { class: "messages" }, el("thead", {}, el("tr", {},
      ["#", "Time (UTC)", "Body", "Properties"].map((it) => el("th", { scope: "col" }, it)))), body)));
  box.replaceChildren(controls, chips, area, messages);

  const isMark = (it) => it.deviceId === id && ["connected", "closed", "refused"].includes(it.event);
  const current = () => view.paused ?? store.telemetry;

  function draw() {
    const all = seriesOf(current());
    layout(all);
    range(all);
    spans.replaceChildren(...SPANS.map(([text, span]) => button(text, () => { view.span = span; view.zoomed = null; keep("span", span); draw(); },
      "", { "aria-pressed": `${!view.zoomed && view.span === span}` })));
    const more = view.paused ? (store.telemetry.at(-1)?.seq ?? 0) - (view.paused.at(-1)?.seq ?? 0) : 0;
    pauseButton.textContent = view.paused ? `Go on${more > 0 ? ` (${more} new)` : ""}` : "Pause";
    pauseButton.classList.toggle("main", Boolean(view.paused));
    liveButton.hidden = !view.zoomed;
    together.setAttribute("aria-pressed", `${view.together}`);
    controls.hidden = !all.size;
    for (const one of charts) one.draw();
    rows();
  }

  function range(all) {
    if (view.zoomed) { [shared.from, shared.to] = view.zoomed; return; }
    let first = Infinity, latest = -Infinity;
    for (const points of all.values()) { first = Math.min(first, points[0][0]); latest = Math.max(latest, points.at(-1)[0]); }
    if (!Number.isFinite(latest)) { [shared.from, shared.to] = [0, 1]; return; }
    const ended = store.events.findLast(isMark);
    const at = ended ? Date.parse(ended.time) : 0;
    if (at > latest && at - latest < (view.span || Infinity)) latest = at;
    shared.to = latest;
    shared.from = view.span ? Math.max(first, latest - view.span) : first;
    if (shared.to - shared.from < 2000) shared.from = shared.to - 2000;
  }

  function layout(all) {
    const every = [...all.keys()].sort();
    const visible = every.filter((name) => !(hidden.get(name) ?? isTime(name)));
    const groups = new Map();
    for (const name of visible) {
      const group = view.together ? "All values" : groupOf(name);
      if (!groups.has(group)) groups.set(group, []);
      groups.get(group).push(name);
    }
    chips.replaceChildren(...(every.length > 1 ? every.map((name) => el("button", { type: "button", class: "chip", "aria-pressed": `${visible.includes(name)}`,
      onclick: () => { hidden.set(name, visible.includes(name)); keep(`series:${id}`, Object.fromEntries(hidden)); draw(); } },
      el("i", { class: `swatch s${every.indexOf(name) % 8}` }), name)) : []));
    const marks = store.events.filter(isMark).slice(-100)
      .map((it) => [Date.parse(it.time), `${it.event} at ${clock(it.time)}: ${it.reason ?? ""}`, it.event === "connected" ? "good" : "bad"]);
    charts = [...groups].map(([title, members]) => chart({ title, marks, shared, height: groups.size === 1 ? 240 : 170,
      series: members.map((name) => ({ name, short: view.together ? name : name.slice(title.length).replace(/^\./, "") || name, color: every.indexOf(name) % 8, points: all.get(name) })) }));
    // The boxes stay as long as they mean the same, so that the focus stays where it is.
    const now = charts.map((one) => one.box.dataset.chart).join("\n");
    if (now !== names || area.children.length !== charts.length) { names = now; area.replaceChildren(...charts.map((one) => one.box)); area.classList.toggle("one", charts.length === 1); } else reuse();
  }

  function reuse() {
    const focused = document.activeElement?.closest?.("[data-chart]")?.dataset.chart;
    area.replaceChildren(...charts.map((one) => one.box));
    if (focused) charts.find((one) => one.box.dataset.chart === focused)?.box.querySelector(".plot").focus({ preventScroll: true });
  }

  function rows() {
    const all = current();
    const fits = view.filter ? all.filter((it) => JSON.stringify([it.body, it.properties, it.systemProperties]).toLowerCase().includes(view.filter)) : all;
    count.textContent = all.length ? `${plural(fits.length, "message")}${fits.length > ROWS ? `, the latest ${ROWS} shown` : ""}` : "";
    const newest = all.at(-1)?.seq ?? 0;
    body.replaceChildren(...fits.slice(-ROWS).reverse().map((it) => row(it, it.seq > last && last > 0)));
    last = newest;
    messages.hidden = !all.length;
    if (!all.length) chips.replaceChildren(empty("No telemetry yet", "Messages appear here as the device sends them. How to connect it stands on the tab Connect.",
      button("How to connect", () => go({ view: "devices", id, tab: "connect" }), "main")));
    else if (!fits.length) body.replaceChildren(el("tr", {}, el("td", { colspan: 4, class: "none" }, "No message fits the filter.")));
  }

  const soon = later(() => { if (!shared.dragging) draw(); }, 150);
  const sized = new ResizeObserver(() => { for (const one of charts) one.draw(); });
  sized.observe(area);
  draw();
  return { seen: (topic, item) => { if (topic === "telemetry" || (topic === "event" && item?.deviceId === id)) soon(); }, close: () => sized.disconnect() };
}

const bodyOf = (it) => it.format === "json" ? JSON.stringify(it.body) : it.format === "base64" ? `base64: ${it.body}` : it.body;

function row(it, fresh) {
  const look = () => details(it);
  const pairs = [...Object.entries(it.properties), ...Object.entries(it.systemProperties).map(([key, value]) => [`$${key}`, value])];
  return el("tr", { class: fresh ? "new" : "", tabindex: 0, onclick: look, onkeydown: (event) => { if (event.key === "Enter") look(); } },
    el("td", { class: "num" }, `${it.seq}`), el("td", { class: "num", title: it.enqueuedTimeUtc }, clock(it.enqueuedTimeUtc)),
    el("td", { class: "mono clip" }, bodyOf(it)),
    el("td", { class: "mono clip" }, pairs.map(([key, value]) => el("span", { class: "pair" }, el("span", { class: "dim" }, `${key} `), value ?? "(no value)"))));
}

function details(it) {
  const text = it.format === "json" ? pretty(it.body) : bodyOf(it);
  show(`Message ${it.seq}`, el("p", { class: "dim" }, `${it.enqueuedTimeUtc} · QoS ${it.qos}`),
    el("div", { class: "row spread" }, el("h3", {}, "Body"), copy(text)), el("pre", { class: "code" }, text),
    el("h3", {}, "Properties"), el("pre", { class: "code" }, pretty(it.properties)),
    el("h3", {}, "System properties"), el("pre", { class: "code" }, pretty(it.systemProperties)));
}
