// One chart of several series over time, as SVG. Charts of a panel share the time that they show.
import { el } from "./dom.js";
import { nearest, thin, ticks, timeTicks } from "./series.js";
import { clock, number, stamp, zoneShift } from "./words.js";

const LEFT = 52, RIGHT = 12, TOP = 10, BOTTOM = 22;

/** `shared` is the panel's: {from, to, cursor, zoom(from, to), live(), point(at)}; `marks` are [time, text] of connection events. */
export function chart({ title, heading, series, marks, shared, height }) {
  const box = el("section", { class: "card chart", "data-chart": title });
  const legend = el("div", { class: "legend" });
  const stats = el("p", { class: "stats" });
  const holder = el("div", { class: "plot", tabindex: 0, role: "img", onkeydown: (event) => keys(event, shared) });
  box.append(el("div", { class: "row spread" }, el("h3", {}, heading ?? title), legend), holder, stats);
  const draw = () => plot(holder, legend, stats, { title, series, marks, shared, height });
  return { box, draw };
}

function keys(event, shared) {
  const span = shared.to - shared.from;
  const middle = (shared.to + shared.from) / 2;
  const moves = { "+": () => shared.zoom(middle - span / 4, middle + span / 4), "-": () => shared.zoom(middle - span, middle + span),
    ArrowLeft: () => shared.zoom(shared.from - span / 4, shared.to - span / 4),
    ArrowRight: () => shared.zoom(shared.from + span / 4, shared.to + span / 4), Escape: shared.live, 0: shared.live };
  const move = moves[event.key === "=" ? "+" : event.key];
  if (!move) return;
  event.preventDefault();
  event.stopPropagation();
  move();
}

function plot(holder, legend, stats, { title, series, marks, shared, height }) {
  const width = Math.max(240, holder.clientWidth);
  const { from, to } = shared;
  const shown = series.map((one) => ({ ...one, ...around(one.points, from, to) }));
  const values = shown.flatMap((one) => one.points.map(([, value]) => value));
  let low = Math.min(...values), high = Math.max(...values);
  if (!values.length) [low, high] = [0, 1];
  if (low === high) [low, high] = [low - Math.max(1, Math.abs(low) * 0.05), high + Math.max(1, Math.abs(high) * 0.05)];
  const air = (high - low) * 0.08;
  // What is never negative has an axis from 0 on where it comes near it.
  const least = Math.min(...values, 0) < 0 || low > air ? -Infinity : 0;
  [low, high] = [Math.max(least, low - air), high + air];
  const x = (at) => LEFT + ((at - from) / (to - from)) * (width - LEFT - RIGHT);
  const y = (value) => TOP + (1 - (value - low) / (high - low)) * (height - TOP - BOTTOM);
  const svg = el("svg", { width, height, viewBox: `0 0 ${width} ${height}` });
  const levels = ticks(low, high, height / 45);
  // Where values lie close together, all of their digits are needed.
  const short = levels.map(number), level = new Set(short).size < short.length ? String : number;
  for (const value of levels) {
    svg.append(el("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: y(value), y2: y(value) }),
      el("text", { class: "tick", x: LEFT - 8, y: y(value) + 4, "text-anchor": "end" }, level(value)));
  }
  const times = timeTicks(from, to, width / 110, zoneShift(to));
  for (const at of times.at) {
    svg.append(el("text", { class: "tick", x: Math.min(x(at), width - 30), y: height - 6, "text-anchor": "middle" }, label(at, times.step)));
  }
  for (const [at, text, kind] of marks.filter(([at]) => at >= from && at <= to)) {
    svg.append(el("g", { class: `mark ${kind}` }, el("title", {}, text), el("line", { x1: x(at), x2: x(at), y1: TOP, y2: height - BOTTOM }),
      el("path", { d: `M${x(at) - 4} ${TOP - 6}h8l-4 7z` })));
  }
  const inner = el("svg", { x: LEFT - 4, width: width - LEFT - RIGHT + 8, height, viewBox: `${LEFT - 4} 0 ${width - LEFT - RIGHT + 8} ${height}` });
  svg.append(inner);
  for (const one of shown) {
    const points = thin(one.reach, width);
    const line = points.map(([at, value], n) => `${n ? "L" : "M"}${x(at).toFixed(1)} ${y(value).toFixed(1)}`).join("");
    inner.append(el("path", { class: `line s${one.color}${one.other ? " other" : ""}`, d: line }));
    if (points.length < 90) inner.append(...points.map(([at, value]) => el("circle", { class: `dot-s s${one.color}`, cx: x(at), cy: y(value), r: 2.6 })));
  }
  cursor(svg, shown, { shared, x, y, height, legend });
  pointer(svg, { shared, width, from, to, height });
  stats.replaceChildren(...shown.filter((one) => one.points.length > 1).map((one) => el("span", {}, shown.length > 1 ? `${one.short}: ` : "", summary(one))));
  holder.setAttribute("aria-label", `${title}: ${shown.map((one) => `${one.name}, ${one.points.length} values, now ${number(one.points.at(-1)?.[1])}`).join("; ")}. Keys: plus and minus zoom, arrows move, Escape goes back to live.`);
  holder.replaceChildren(svg);
}

/** Of what is shown: the least, the mean, the most. */
function summary({ points, unit }) {
  let low = Infinity, high = -Infinity, sum = 0;
  for (const [, value] of points) { low = Math.min(low, value); high = Math.max(high, value); sum += value; }
  const text = (value) => `${number(value)}${unit ? ` ${unit}` : ""}`;
  return `min ${text(low)} · mean ${text(sum / points.length)} · max ${text(high)}`;
}

/** The points inside, and one on either side, so that the line reaches the edge. */
function around(points, from, to) {
  let first = points.findIndex(([at]) => at >= from);
  if (first < 0) first = points.length;
  let end = points.findIndex(([at]) => at > to);
  if (end < 0) end = points.length;
  return { points: points.slice(first, end), reach: points.slice(Math.max(0, first - 1), end + 1) };
}

function label(at, step) {
  const text = stamp(at);
  return step >= 86400000 ? text.slice(5, 10) : step >= 60000 ? text.slice(11, 16) : text.slice(11, 19);
}

function cursor(svg, shown, { shared, x, y, height, legend }) {
  const at = shared.cursor;
  legend.replaceChildren(...shown.map((one) => {
    const point = one.points.length ? one.points[at === null ? one.points.length - 1 : nearest(one.points, at)] : null;
    if (point && at !== null) svg.append(el("circle", { class: `dot-s s${one.color}`, cx: x(point[0]), cy: y(point[1]), r: 4.5 }));
    return el("span", { class: "value", title: point ? `${new Date(point[0]).toISOString()}` : "" }, shown.length > 1 ? [el("i", { class: `swatch s${one.color}` }), `${one.short} `] : null, el("strong", {}, point ? `${number(point[1])}${one.unit ? ` ${one.unit}` : ""}` : "–"));
  }));
  if (at === null) return;
  svg.append(el("line", { class: "cursor", x1: x(at), x2: x(at), y1: TOP, y2: height - BOTTOM }));
  legend.prepend(el("span", { class: "dim num" }, clock(new Date(at).toISOString())));
}

function pointer(svg, { shared, width, from, to, height }) {
  const time = (event) => {
    const box = svg.getBoundingClientRect();
    const share = ((event.clientX - box.left) / box.width * width - LEFT) / (width - LEFT - RIGHT);
    return from + Math.min(1, Math.max(0, share)) * (to - from);
  };
  svg.addEventListener("pointermove", (event) => { if (!shared.dragging) shared.point(time(event)); });
  svg.addEventListener("pointerleave", () => { if (!shared.dragging) shared.point(null); });
  svg.addEventListener("dblclick", () => shared.live());
  svg.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || event.pointerType === "touch") return;
    event.preventDefault();
    svg.parentNode.focus({ preventScroll: true });
    const first = time(event);
    shared.dragging = true;
    const area = el("rect", { class: "area", y: TOP, height: height - TOP - BOTTOM, x: 0, width: 0 });
    svg.append(area);
    const x = (at) => LEFT + ((at - from) / (to - from)) * (width - LEFT - RIGHT);
    const move = (moved) => {
      const [left, right] = [first, time(moved)].sort((a, b) => a - b);
      area.setAttribute("x", x(left));
      area.setAttribute("width", x(right) - x(left));
    };
    const up = (ended) => {
      removeEventListener("pointermove", move);
      removeEventListener("pointerup", up);
      shared.dragging = false;
      const [left, right] = [first, time(ended)].sort((a, b) => a - b);
      if (x(right) - x(left) > 6) shared.zoom(left, right); else area.remove();
    };
    addEventListener("pointermove", move);
    addEventListener("pointerup", up);
  });
}
