// All devices as a table: looked for, filtered and sorted at the hub, and acted upon together.
import { call } from "./api.js";
import { bulk } from "./bulk.js";
import { addDevice, lastSeen, reasonOf, stateOf } from "./devices.js";
import { el, later } from "./dom.js";
import { isNarrowed, isOfDevices, isWhole, length, list, look, lookParts, setLook } from "./list.js";
import { chart } from "./chart.js";
import { button, cut, empty, field, options, pill, table } from "./parts.js";
import { leaves } from "./patch.js";
import { go } from "./routes.js";
import { scroller } from "./scroller.js";
import { loadCounts, now, rates, store } from "./store.js";
import { count, duration, plural, pretty } from "./words.js";

const STATES = { "": "All", connected: "Connected", disconnected: "Not connected", refused: "Refused", neverSeen: "Never seen", disabled: "Disabled" };
const ORDERS = { id: "By id", "-id": "By id, from the end", state: "By state", latestFirst: "Seen last", oldestFirst: "Not seen for longest", reason: "By reason", tags: "By tags", firmware: "Oldest firmware", "-firmware": "Newest firmware" };
const PILLS = { on: "on", bad: "warn", off: "warn" };
const MOST_TAGS = 4;

/** The device ids that are marked; or all that the look finds. */
const marked = { ids: new Set(), all: false };

export function fleet(box) {
  const find = el("input", { id: "look", type: "search", placeholder: "Part of an id  ( / )", "aria-label": "Part of a device id", autocomplete: "off", ".value": look.find });
  const query = el("input", { id: "where", class: "mono", placeholder: "tags.site = 'north' AND properties.reported.battery < 20", "aria-label": "Query", autocomplete: "off", spellcheck: "false", ".value": look.where });
  const tag = el("input", { id: "tag", placeholder: "site=north", "aria-label": "Tag", autocomplete: "off", spellcheck: "false" });
  const problem = el("p", { class: "problem", role: "alert", hidden: true });
  const states = el("div", { class: "chips", role: "group", "aria-label": "State" });
  const bar = el("div", { class: "row bulk" });
  const foot = el("p", { class: "hint", id: "found", role: "status" });
  const holder = el("div", { class: "holder" });
  const over = el("div", { class: "charts rates", hidden: true });
  const overButton = button("Over time", () => { over.hidden = !over.hidden; overButton.setAttribute("aria-pressed", `${!over.hidden}`); drawRates(); }, "", { "aria-pressed": "false", id: "over-time" });
  const answer = el("section", { class: "card", hidden: true, id: "answer" });
  let closed = false;

  const change = (next) => { marked.ids.clear(); marked.all = false; setLook({ ...lookParts(), ...next }); keepAddress(); draw(); };
  const keepAddress = () => go({ view: "devices", look: Object.keys(lookParts()).length ? lookParts() : undefined }, true);
  const findSoon = later(() => { if (!closed) change({ find: find.value.trim() }); }, 150);
  find.addEventListener("input", findSoon);
  const ask = () => {
    const text = query.value.trim();
    problem.hidden = true;
    answer.hidden = true;
    if (!text || isOfDevices(text)) change({ where: text });
    else {
      change({ where: "" });
      columns(text);
    }
  };
  const filters = el("form", { class: "filters", role: "search", onsubmit: (event) => { event.preventDefault(); ask(); } },
    el("label", { class: "query" }, el("span", {}, "Where, in the hub's query language; or a whole SELECT"), el("div", { class: "row" }, query, el("button", { class: "main" }, "Ask"))));
  const tags = el("form", { onsubmit: (event) => { event.preventDefault(); byTag(tag.value); } }, field("Tag", tag));

  /** Adds "site=north" to the query, as a condition. */
  function byTag(text) {
    const [, name, value] = /^\s*([^=]+?)\s*=\s*(.*?)\s*$/.exec(text) ?? [];
    if (!name) { problem.textContent = "A tag is looked for as name=value, for example site=north."; problem.hidden = false; return; }
    let bare;
    try { bare = JSON.parse(value); } catch { bare = value; }
    const literal = ["number", "boolean"].includes(typeof bare) ? `${bare}` : `'${`${bare}`.replace(/[\\']/g, "\\$&")}'`;
    const condition = `tags.${name.split(".").map((it) => /^\w+$/.test(it) ? it : `[[${it}]]`).join(".")} = ${literal}`;
    const before = isOfDevices(query.value || "x") && !/^\s*select\b/i.test(query.value) ? query.value.trim() : "";
    query.value = before && !before.includes(condition) ? `${/\bor\b/i.test(before) ? `(${before})` : before} AND ${condition}` : condition;
    tag.value = "";
    ask();
  }

  /** A query that gives columns and numbers: its answer stands above the devices. */
  async function columns(text) {
    try {
      const rows = await call("POST", "/devices/query", { query: text }, { "x-ms-max-item-count": "1000" });
      if (closed) return;
      const names = [...new Set(rows.flatMap((it) => Object.keys(it)))];
      answer.replaceChildren(el("div", { class: "row spread" }, el("h3", {}, `${count(rows.length)} ${rows.length === 1 ? "row" : "rows"}${rows.length === 1000 ? ", the first 1,000" : ""}`), button("Close", () => { answer.hidden = true; }, "quiet")),
        table(names, rows.map((it) => el("tr", {}, names.map((name) => el("td", { class: "mono" }, typeof it[name] === "object" ? JSON.stringify(it[name]) : `${it[name] ?? "–"}`)))), "Nothing fits."));
      answer.hidden = false;
    } catch (error) {
      problem.textContent = error.message;
      problem.hidden = false;
    }
  }

  const sorted = (text, next, now) => el("div", { role: "columnheader", "aria-sort": now },
    el("button", { type: "button", class: "sort", tabindex: -1, onclick: () => change({ sort: next }) }, text, el("span", { "aria-hidden": "true" }, { ascending: " ↑", descending: " ↓", none: "" }[now])));
  const every = el("input", { type: "checkbox", tabindex: -1, "aria-label": "Mark all that are found", onchange: () => { marked.all = every.checked; marked.ids.clear(); draw(); } });
  function heads() {
    const by = (text, first, other, [up, down] = ["ascending", "descending"]) => sorted(text, look.sort === first ? other : first, { [first]: up, [other]: down }[look.sort] ?? "none");
    return el("div", { role: "row", class: "item" }, el("div", { role: "columnheader" }, every), by("Device", "id", "-id"), by("State", "state", "-state"),
      by("Last seen", "latestFirst", "oldestFirst", ["descending", "ascending"]), by("Reason", "reason", "-reason"), by("Tags", "tags", "-tags"), by("Firmware", "firmware", "-firmware"));
  }
  const order = el("select", { id: "sort", class: "narrow", "aria-label": "Order", onchange: () => change({ sort: order.value }) });
  const headRow = el("div", { role: "presentation" }, heads());
  const rows = scroller({ id: "fleet", label: "Devices", heads: headRow, cells, open: (it) => go({ view: "devices", id: it.deviceId, tab: "telemetry" }),
    mark: toggle, kind: (it) => isMarked(it) ? "marked" : "" });

  const isMarked = (it) => marked.all || marked.ids.has(it.deviceId);
  function toggle(it) {
    marked.all = false;
    if (!marked.ids.delete(it.deviceId)) marked.ids.add(it.deviceId);
  }

  function cells(it) {
    const [, words, kind] = stateOf(it), seen = lastSeen(it), reason = reasonOf(it);
    const box = el("input", { type: "checkbox", tabindex: -1, "aria-label": `Mark ${it.deviceId}`, ".checked": isMarked(it), onchange: () => { toggle(it); draw(); } });
    const all = [...leaves(it.tags)];
    return [box, el("a", { class: "name", tabindex: -1, href: `#device/${encodeURIComponent(it.deviceId)}/telemetry`, title: it.deviceId }, el("span", { class: `dot ${kind}` }), cut(it.deviceId)),
      pill(words, PILLS[kind] ?? ""), seen === null ? "–" : el("span", { title: it.lastActivityTime }, it.connectionState === "Connected" ? "now" : `${duration(now() - seen)} ago`),
      el("span", { class: kind === "bad" ? "clip problem" : "clip dim", title: reason }, reason || "–"),
      el("span", { class: "clip tags", title: pretty(it.tags) }, all.length ? all.slice(0, MOST_TAGS).map(([name, value]) => el("button", { type: "button", class: "tag", tabindex: -1, onclick: () => byTag(`${name}=${typeof value === "string" ? value : JSON.stringify(value)}`) }, `${name}: ${typeof value === "string" ? value : JSON.stringify(value)}`)) : "–"),
      el("span", { class: "clip", title: it.firmware ?? "" }, it.firmware ?? "–")];
  }

  function draw() {
    const counts = store.counts ?? {}, all = counts.totalDeviceCount ?? 0;
    const of = { "": all, connected: counts.connectedDeviceCount, disconnected: all - (counts.connectedDeviceCount ?? 0), refused: counts.refusedDeviceCount, neverSeen: counts.neverSeenDeviceCount, disabled: counts.disabledDeviceCount };
    const focused = document.activeElement?.dataset?.state;
    states.replaceChildren(...Object.entries(STATES).map(([state, text]) => el("button", { type: "button", class: "chip", "data-state": state, "aria-pressed": `${look.state === state}`, onclick: () => change({ state }) },
      text, el("span", { class: "num" }, store.counts ? count(of[state]) : ""))));
    if (focused !== undefined) states.querySelector(`[data-state="${focused}"]`)?.focus();
    every.checked = marked.all;
    headRow.replaceChildren(heads());
    if (document.activeElement !== order) order.replaceChildren(...options(ORDERS, look.sort));
    const some = marked.all || marked.ids.size > 0;
    bar.hidden = !some;
    const which = marked.all ? isNarrowed() ? "All that are found here" : `All ${count(all)} devices` : `${count(marked.ids.size)} marked`;
    bar.replaceChildren(...(some ? [el("strong", {}, which), ...bulk({ ids: marked.all ? null : [...marked.ids], look: { ...look }, known: marked.all ? isNarrowed() ? undefined : all : marked.ids.size, everything: marked.all && !isNarrowed(), which }), button("Unmark", () => { marked.all = false; marked.ids.clear(); draw(); }, "quiet")] : []));
    if (list.problem) { problem.textContent = list.problem; problem.hidden = false; }
    const none = list.asked && !list.problem && !length();
    if (none) holder.replaceChildren(empty("No device fits", "Nothing in this hub is in that state, has that in its id and fits the query.", button("Show all", clear, "main")));
    else if (holder.firstChild !== rows.box) holder.replaceChildren(rows.box);
    if (!none) rows.draw(true);
    const found = length(), more = !isWhole();
    foot.textContent = !list.asked ? "Asking the hub…" : list.problem ? "" : isNarrowed() ? `${count(found - (more ? 1 : 0))}${more ? " and more" : ""} found` : `${plural(all, "device")}.`;
    foot.classList.toggle("all", list.asked && !list.problem && !isNarrowed());
  }

  /** Messages a second, and how many are connected and refused, since this page is open. */
  function drawRates() {
    if (over.hidden) return;
    if (rates.length < 2) { over.replaceChildren(el("p", { class: "hint" }, "Two moments are needed for a rate; they come every few seconds.")); return; }
    const shared = { from: rates[0].at, to: rates.at(-1).at, cursor: null, dragging: false, zoom: () => {}, live: () => {}, point: (at) => { shared.cursor = at; for (const one of charts) one.draw(); } };
    const series = (name, short, color) => ({ name: short, short, color, points: rates.map((it) => [it.at, it[name]]) });
    const charts = [chart({ title: "Messages a second", marks: [], shared, height: 110, series: [series("perSecond", "messages a second", 0)] }),
      chart({ title: "Devices", marks: [], shared, height: 110, series: [series("connected", "connected", 0), series("refused", "refused", 1)] })];
    over.replaceChildren(...charts.map((it) => it.box));
    for (const one of charts) one.draw();
  }

  function clear() {
    find.value = query.value = tag.value = "";
    problem.hidden = true;
    answer.hidden = true;
    change({ find: "", state: "", where: "" });
  }

  // Where there is little room, tag and query are out of the way until they are asked for.
  const looks = el("div", { class: `row looks ${look.where ? "" : "folded"}` }, el("div", { class: "row grow" }, find, order,
    button("Query", () => looks.classList.toggle("folded"), "fold")), tags, filters);
  box.classList.add("full");
  box.replaceChildren(el("div", { class: "row spread" }, el("h2", {}, "Devices"), el("div", { class: "row" }, overButton, button("Register a device", addDevice, "main"))),
    el("div", { class: "sticky" }, looks, states, problem, bar), over, answer, holder, foot);
  if (look.where && !isOfDevices(look.where)) columns(look.where);
  draw();
  if (document.activeElement === document.body) rows.box.focus({ preventScroll: true });
  const soon = later(draw, 150);
  const counting = setInterval(() => { if (!over.hidden && store.live && !document.hidden) loadCounts(); }, 2000);
  return { seen: (topic) => { if (["list", "counts"].includes(topic)) soon(); if (topic === "counts") drawRates(); }, close: () => { closed = true; clearInterval(counting); rows.close(); } };
}

