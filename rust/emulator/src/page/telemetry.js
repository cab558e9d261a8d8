// Telemetry of a device: live charts, and the messages as a table.
import { blob, follow } from "./api.js";
import { chart } from "./chart.js";
import { csvOf } from "./csv.js";
import { act, open, show } from "./dialog.js";
import { el, later } from "./dom.js";
import { hasModel, keepModel, learn, namesOf } from "./model.js";
import { button, copy, deviceInput, empty, field, rove, save } from "./parts.js";
import { go } from "./routes.js";
import { areAlike, groupOf, isAside, seriesOf } from "./series.js";
import { store } from "./store.js";
import { placesOf, track } from "./track.js";
import { clock, plural, pretty, zone } from "./words.js";

const SPANS = [["1 min", 60e3], ["5 min", 300e3], ["15 min", 900e3], ["1 h", 3600e3], ["all", 0]];
const ROWS = 200;
/** With which devices a device is compared, while the page is open. */
const compared = new Map();
/** How many of the latest messages of another device are compared. */
const COMPARED = 2000;
const setting = (name, otherwise) => JSON.parse(localStorage.getItem(name) ?? "null") ?? otherwise;
const keep = (name, value) => localStorage.setItem(name, JSON.stringify(value));

export function telemetry(box, id) {
  const hidden = new Map(Object.entries(setting(`series:${id}`, {})));
  /** Other devices beside this one: their messages and what ends following them. */
  const others = new Map();
  const view = { span: setting("span", 300e3), together: setting("together", false), zoomed: null, paused: null, filter: "" };
  let charts = [];
  let names = "";
  let last = 0;
  const shared = { cursor: null, from: 0, to: 1, dragging: false,
    zoom: (from, to) => { if (to - from > 200) { view.zoomed = [from, to]; shared.cursor = null; draw(); } },
    live: () => { view.zoomed = null; draw(); },
    point: (at) => { shared.cursor = at; for (const one of charts) one.draw(); } };

  const spans = el("div", { class: "group", role: "group", "aria-label": "Time shown" });
  const chips = el("div", { class: "chips series", role: "group", "aria-label": "Series" });
  const area = el("div", { class: "charts" });
  const pauseButton = button("Pause", () => { view.paused = view.paused ? null : [...store.telemetry]; draw(); }, "", { id: "pause" });
  const liveButton = button("Back to live", () => shared.live(), "main", { hidden: true, id: "live-again" });
  const filter = el("input", { type: "search", placeholder: "Filter messages", "aria-label": "Filter messages" });
  filter.addEventListener("input", () => { view.filter = filter.value.toLowerCase(); rows(); });
  const count = el("span", { class: "dim" });
  const body = el("tbody", { id: "messages" });
  const together = button("One chart", () => { view.together = !view.together; keep("together", view.together); names = ""; draw(); }, "", { title: "All series in one chart" });
  const model = button("Names and units", giveModel, "quiet", { hidden: true });
  const controls = el("div", { class: "row spread bar" }, el("div", { class: "row" }, spans, together, liveButton), el("div", { class: "row" }, model, button("Compare with…", compare, "", { id: "compare" }), pauseButton));
  const map = track();
  const messages = el("section", { class: "card" }, el("div", { class: "row spread" }, el("div", { class: "row" }, el("h3", {}, "Messages"), count),
    el("div", { class: "row" }, filter, button("Save as JSON lines", () => act(async () => save(`${id}.jsonl`, await lines())), "quiet"),
      button("Save as CSV", () => act(async () => save(`${id}.csv`, new Blob([csvOf(await (await lines()).text())], { type: "text/csv" }))), "quiet"))),
    el("div", { class: "scroll" }, el("table", { class: "messages" }, el("thead", {}, el("tr", {},
      ["#", `Time (${zone()})`, "Body", "Properties"].map((it) => el("th", { scope: "col" }, it)))), body)));
  box.replaceChildren(controls, chips, el("div", { class: "reading" }, area, map.box), messages);
  rove(body);

  const isMark = (it) => it.deviceId === id && ["connected", "closed", "refused"].includes(it.event);
  const current = () => view.paused ?? store.telemetry;

  const lines = () => blob(`/admin/telemetry.jsonl?device=${encodeURIComponent(id)}`);

  function compare() {
    const device = deviceInput({ required: true, autofocus: true });
    open("Compare with another device", [field("Device", device.nodes, "Its values stand beside those of the same name, dashed.")], "Compare", () => {
      const other = device.input.value.trim();
      if (other === id) throw new Error("That is the device that is shown.");
      beside(other);
      draw();
    });
  }

  function beside(other) {
    if (others.has(other)) return;
    const mine = { messages: [], stop: () => {} };
    mine.stop = follow(`/admin/telemetry?last=${COMPARED}&device=${encodeURIComponent(other)}`, { begin: () => { mine.messages = []; }, seen: (message) => {
      mine.messages.push(message);
      if (mine.messages.length > COMPARED) mine.messages.splice(0, COMPARED / 10);
      soon();
    } });
    others.set(other, mine);
    compared.set(id, [...others.keys()]);
  }

  function giveModel() {
    const file = el("input", { type: "file", accept: ".json", required: true, "aria-label": "Model" });
    open("Names and units", [el("p", {}, "This device announces the model ", el("code", {}, store.current.modelId), "."), field("Its DTDL file", file, "It stays in this browser.")], "Take it", async () => {
      keepModel(store.current.modelId, await file.files[0].text());
      names = "";
      draw();
    });
  }

  function draw() {
    const all = seriesOf(current());
    const modelId = store.current?.modelId;
    learn(modelId).then((isNew) => { if (isNew) soon(); });
    model.hidden = !modelId;
    model.classList.toggle("main", Boolean(modelId) && !hasModel(modelId));
    layout(all, namesOf(modelId));
    map.show(placesOf(current()));
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
    for (const points of [...all.values(), ...[...others.values()].flatMap((it) => [...seriesOf(it.messages).values()])]) { first = Math.min(first, points[0][0]); latest = Math.max(latest, points.at(-1)[0]); }
    if (!Number.isFinite(latest)) { [shared.from, shared.to] = [0, 1]; return; }
    const ended = store.events.findLast(isMark);
    const at = ended ? Date.parse(ended.time) : 0;
    if (at > latest && at - latest < (view.span || Infinity)) latest = at;
    shared.to = latest;
    shared.from = view.span ? Math.max(first, latest - view.span) : first;
    if (shared.to - shared.from < 2000) shared.from = shared.to - 2000;
  }

  function layout(all, known) {
    const every = [...all.keys()].sort();
    const visible = every.filter((name) => !(hidden.get(name) ?? isAside(name)));
    const groups = new Map();
    const add = (group, name) => groups.set(group, [...groups.get(group) ?? [], name]);
    for (const name of visible) add(view.together ? "All values" : groupOf(name), name);
    for (const [group, members] of [...groups]) if (!view.together && members.length > 1 && !areAlike(all, members)) {
      groups.delete(group);
      for (const name of members) add(name, name);
    }
    const their = [...others].map(([other, { messages }]) => [other, seriesOf(messages)]);
    chips.replaceChildren(...[...others.keys()].map((other) => el("button", { type: "button", class: "chip", "aria-pressed": "true", title: `Without ${other}`, "aria-label": `Without ${other}`,
      onclick: () => { others.get(other).stop(); others.delete(other); compared.set(id, [...others.keys()]); draw(); } }, `beside ${other}`, el("span", { "aria-hidden": "true" }, "×"))), ...(every.length > 1 ? every.map((name) => el("button", { type: "button", class: "chip", "aria-pressed": `${visible.includes(name)}`,
      onclick: () => { hidden.set(name, visible.includes(name)); keep(`series:${id}`, Object.fromEntries(hidden)); draw(); } },
      el("i", { class: `swatch s${every.indexOf(name) % 8}` }), name)) : []));
    const marks = store.events.filter(isMark).slice(-100)
      .map((it) => [Date.parse(it.time), `${it.event} at ${clock(it.time)}: ${it.reason ?? ""}`, it.event === "connected" ? "good" : "bad"]);
    charts = [...groups].map(([title, members]) => chart({ title, heading: known.get(title)?.label || title, marks, shared, height: groups.size === 1 ? 240 : 170,
      series: members.flatMap((name) => {
        const { label, unit } = known.get(name) ?? {};
        const short = label || (view.together ? name : name.slice(title.length).replace(/^\./, "") || name);
        return [{ name, short: others.size ? `${short} here` : short, unit, color: every.indexOf(name) % 8, points: all.get(name) },
          ...their.filter(([, series]) => series.has(name)).map(([other, series], n) => ({ name: `${name} of ${other}`, short: `${short} of ${other}`, unit, other: true, color: (every.indexOf(name) + 1 + n) % 8, points: series.get(name) }))];
      }) }));
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
  for (const other of compared.get(id) ?? []) beside(other);
  draw();
  return { seen: (topic, item) => { if (topic === "telemetry" || topic === "current" || (topic === "event" && item?.deviceId === id)) soon(); },
    close: () => { sized.disconnect(); for (const it of others.values()) it.stop(); } };
}

const bodyOf = (it) => it.format === "json" ? JSON.stringify(it.body) : it.format === "base64" ? `base64: ${it.body}` : it.body;

function row(it, fresh) {
  const look = () => details(it);
  const pairs = [...Object.entries(it.properties), ...Object.entries(it.systemProperties).map(([key, value]) => [`$${key}`, value])];
  return el("tr", { class: fresh ? "new" : "", "data-key": it.seq, onclick: look },
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
