// Numbers out of messages, as series over time.

/** A reading as asset trackers send it: a value and when it was taken, in ms since 1970. */
export const isReading = (it) => it !== null && typeof it === "object" && "v" in it && Object.keys(it).every((key) => key === "v" || key === "ts");
export const timeOf = (reading, otherwise) => typeof reading.ts === "number" && reading.ts > 1e12 ? reading.ts : otherwise;

/** Series by name, each with points [time, value], out of the messages' JSON bodies; true and false are 1 and 0. */
export function seriesOf(messages) {
  const all = new Map();
  for (const message of messages) {
    if (message.format !== "json") continue;
    for (const [name, value, at] of numbers(message.body, "", Date.parse(message.enqueuedTimeUtc))) {
      if (!all.has(name)) all.set(name, []);
      all.get(name).push([at, value]);
    }
  }
  // Readings may have waited on the device, and then arrive behind later ones.
  for (const points of all.values()) if (points.some(([at], n) => n && at < points[n - 1][0])) points.sort(([a], [b]) => a - b);
  return all;
}

function* numbers(value, name, at) {
  if (typeof value === "number") yield [name || "value", value, at];
  else if (typeof value === "boolean") yield [name || "value", value ? 1 : 0, at];
  else if (Array.isArray(value)) {
    if (value.length && value.every(isReading)) for (const item of value) yield* numbers(item, name, at);
    else if (value.length <= 8) for (const [n, item] of value.entries()) yield* numbers(item, `${name}[${n}]`, at);
  } else if (isReading(value)) yield* numbers(value.v, name, timeOf(value, at));
  else if (value && typeof value === "object") {
    for (const [key, item] of Object.entries(value)) yield* numbers(item, name ? `${name}.${key}` : key, at);
  }
}

/** Times and counters of milliseconds say nothing as a curve, nor do places, which have a track, and numbers that are names; they are hidden until asked for. */
export const isAside = (name) => /[.](band|area|mccmnc|cell)$/.test(name) || /(^|[._])(lat|lon|lng|long|latitude|longitude)$/i.test(name) || /(^|[._])(ts|time|timestamp|uptime|utc)(_?ms)?$/i.test(name) || /(Time|Timestamp)(Utc|Ms)?$/.test(name);

/** Values of one object share a chart: accel.x, accel.y and accel.z are read together. */
export function groupOf(name) {
  const cut = Math.max(name.lastIndexOf("."), name.lastIndexOf("["));
  return cut > 0 ? name.slice(0, cut) : name;
}

/** Whether values can be read on one axis: those of a vector can, and those of about one size. */
export function areAlike(all, names) {
  if (names.every((name) => /[.\[](x|y|z|\d)\]?$/.test(name))) return true;
  const sizes = names.map((name) => all.get(name).reduce((most, [, value]) => Math.max(most, Math.abs(value)), 0));
  return Math.max(...sizes) <= 8 * Math.min(...sizes);
}

/** At most about two points a pixel: of each column the lowest and the highest stay. */
export function thin(points, width) {
  if (points.length <= width * 2) return points;
  const size = points.length / width;
  const out = [];
  for (let n = 0; n < width; n++) {
    const part = points.slice(Math.floor(n * size), Math.floor((n + 1) * size));
    if (!part.length) continue;
    let low = part[0], high = part[0];
    for (const point of part) { if (point[1] < low[1]) low = point; if (point[1] > high[1]) high = point; }
    out.push(...(low[0] <= high[0] ? [low, high] : [high, low]));
  }
  return out;
}

/** The index of the point nearest to a time. */
export function nearest(points, at) {
  let low = 0, high = points.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (points[middle][0] < at) low = middle + 1; else high = middle;
  }
  return low > 0 && at - points[low - 1][0] < points[low][0] - at ? low - 1 : low;
}

/** Round steps for an axis. */
export function ticks(low, high, count) {
  const rough = (high - low) / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((it) => it * power).find((it) => it >= rough) ?? rough;
  const out = [];
  for (let at = Math.ceil(low / step) * step; at <= high + step / 1e6; at += step) out.push(+at.toPrecision(12));
  return out;
}

const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 43200, 86400, 604800].map((it) => it * 1000);
export function timeTicks(from, to, count, shift = 0) {
  const step = STEPS.find((it) => it >= (to - from) / Math.max(1, count)) ?? STEPS.at(-1);
  const out = [];
  for (let at = Math.ceil((from + shift) / step) * step - shift; at <= to; at += step) out.push(at);
  return { step, at: out };
}
