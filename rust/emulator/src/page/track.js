// Places out of messages, as a track on plain paper: north is up, and a bar says how far is how far. No map is fetched.
import { el } from "./dom.js";
import { isReading, timeOf } from "./series.js";
import { clock, number } from "./words.js";

const SIZE = 320, EDGE = 22, EARTH = 6371000;
const NAMES = [["lat", "lon"], ["lat", "lng"], ["lat", "long"], ["latitude", "longitude"]];

/** [{at, lat, lon}] out of the messages, wherever in them places stand, by time. */
export function placesOf(messages) {
  const places = messages.flatMap((message) => message.format === "json" ? [...placesIn(message.body, Date.parse(message.enqueuedTimeUtc), 0)] : []);
  return places.sort((a, b) => a.at - b.at);
}

function* placesIn(value, at, depth) {
  if (!value || typeof value !== "object" || depth > 6) return;
  if (isReading(value)) { yield* placesIn(value.v, timeOf(value, at), depth + 1); return; }
  for (const [north, east] of NAMES) {
    const [lat, lon] = [value[north], value[east]];
    if (typeof lat === "number" && typeof lon === "number" && Math.abs(lat) <= 90 && Math.abs(lon) <= 180) { yield { at, lat, lon }; return; }
  }
  for (const item of Object.values(value)) yield* placesIn(item, at, depth + 1);
}

/** Metres between two places. */
export function distance(a, b) {
  const rad = Math.PI / 180;
  const h = Math.sin((b.lat - a.lat) * rad / 2) ** 2 + Math.cos(a.lat * rad) * Math.cos(b.lat * rad) * Math.sin((b.lon - a.lon) * rad / 2) ** 2;
  return 2 * EARTH * Math.asin(Math.min(1, Math.sqrt(h)));
}

const metres = (m) => m >= 1000 ? `${number(m / 1000)} km` : `${number(m)} m`;

export function track() {
  let places = [], follows = true;
  const slider = el("input", { type: "range", min: 0, value: 0, "aria-label": "Moment on the track" });
  const text = el("p", { class: "place" });
  const paper = el("div", { class: "paper" });
  const box = el("section", { class: "card", hidden: true, id: "track" }, el("h3", {}, "Track"), paper, slider, text);
  slider.addEventListener("input", () => { follows = +slider.value === places.length - 1; draw(); });

  function draw() {
    const here = Math.min(+slider.value, places.length - 1), now = places[here], before = places[here - 1];
    const lats = places.map((it) => it.lat), lons = places.map((it) => it.lon);
    const [south, north, west, east] = [Math.min(...lats), Math.max(...lats), Math.min(...lons), Math.max(...lons)];
    const narrow = Math.cos((south + north) / 2 * Math.PI / 180) || 1;
    const span = Math.max(north - south, (east - west) * narrow, 1e-5);
    const scale = (SIZE - 2 * EDGE) / span;
    const x = (lon) => SIZE / 2 + (lon - (west + east) / 2) * narrow * scale;
    const y = (lat) => SIZE / 2 - (lat - (south + north) / 2) * scale;
    const line = (some) => some.map((it, n) => `${n ? "L" : "M"}${x(it.lon).toFixed(1)} ${y(it.lat).toFixed(1)}`).join("");
    const wide = span * Math.PI / 180 * EARTH, step = 10 ** Math.floor(Math.log10(wide / 3)), bar = step * scale * 180 / Math.PI / EARTH;
    paper.replaceChildren(el("svg", { viewBox: `0 0 ${SIZE} ${SIZE}`, role: "img", "aria-label": `Track of ${places.length} places, now at ${now.lat}, ${now.lon}` },
      el("path", { class: "line later", d: line(places.slice(here)) }), el("path", { class: "line s0", d: line(places.slice(0, here + 1)) }),
      el("circle", { class: "dot-s s7", cx: x(places[0].lon), cy: y(places[0].lat), r: 4 }, el("title", {}, "The first place")), el("circle", { class: "dot-s s1", cx: x(now.lon), cy: y(now.lat), r: 6 }),
      el("line", { class: "scale", x1: EDGE, x2: EDGE + bar, y1: SIZE - 8, y2: SIZE - 8 }), el("text", { class: "tick", x: EDGE + bar + 6, y: SIZE - 4 }, metres(step)),
      el("text", { class: "tick", x: SIZE - 12, y: 14, "text-anchor": "end" }, "N ↑")));
    const moved = before ? distance(before, now) : 0, seconds = before ? (now.at - before.at) / 1000 : 0;
    text.textContent = `${clock(new Date(now.at).toISOString())}: ${now.lat.toFixed(5)}, ${now.lon.toFixed(5)}${before ? `; ${metres(moved)} from the place before${seconds > 0 ? `, ${number(moved / seconds * 3.6)} km/h` : ""}` : ""} (${here + 1} of ${places.length})`;
  }

  return { box, show: (found) => {
    places = found;
    box.hidden = places.length < 2;
    if (box.hidden) return;
    slider.max = places.length - 1;
    if (follows) slider.value = slider.max;
    draw();
  } };
}
