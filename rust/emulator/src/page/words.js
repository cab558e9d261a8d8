// Times, numbers and JSON as a reader wants them.

export const pretty = (value) => JSON.stringify(value, null, 2);
export const path = (id) => encodeURIComponent(id);

/** In which zone times are shown: "UTC", as in the hub's own log, or "local". */
export const zone = () => localStorage.getItem("zone") === "local" ? "local" : "UTC";
export const setZone = (name) => localStorage.setItem("zone", name);
/** What is added to a moment so that its UTC reads as the zone's. */
export const zoneShift = (ms) => zone() === "UTC" ? 0 : -new Date(ms).getTimezoneOffset() * 60000;
/** RFC 3339 without a zone, of a moment in ms. */
export const stamp = (ms) => new Date(ms + zoneShift(ms)).toISOString();

/** hh:mm:ss.mmm of an RFC 3339 time. */
export const clock = (text) => text && !text.startsWith("0001") ? zone() === "UTC" ? text.slice(11, 23) : stamp(Date.parse(text)).slice(11, 23) : "–";
/** hh:mm:ss of a moment in ms, and the zone. */
export const time = (ms) => `${stamp(ms).slice(11, 19)} ${zone()}`;
export const day = (text) => text ? stamp(Date.parse(text)).slice(0, 10) : "–";

export function duration(ms) {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 90) return `${s} s`;
  if (s < 5400) return `${Math.round(s / 60)} min`;
  return s < 172800 ? `${Math.round(s / 3600)} h` : `${Math.round(s / 86400)} days`;
}

export const bytes = (n) => n < 1024 ? `${n} B` : `${(n / 1024).toFixed(1)} KiB`;
/** 10000 → "10,000". */
export const count = (n) => n === undefined ? "" : n.toLocaleString("en");
export const plural = (n, one, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;

export function number(value) {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e7 || size < 1e-3)) return value.toExponential(2);
  return String(+value.toFixed(size >= 1000 ? 1 : size >= 10 ? 2 : 3));
}

/** "the device went" → "The device went." */
export function sentence(text) {
  const trimmed = String(text ?? "").trim();
  if (!trimmed) return "";
  return trimmed[0].toUpperCase() + trimmed.slice(1) + (/[.!?…)]$/.test(trimmed) ? "" : ".");
}

/** Parses what a person typed, or says where it is not JSON. */
export function parse(text, what) {
  try { return JSON.parse(text); } catch (error) {
    const at = place(text, error.message);
    throw new Error(`${what} is not JSON yet${at}. Names and texts stand in double quotes, and the last entry has no comma.`);
  }
}

function place(text, message) {
  const line = /line (\d+) column (\d+)/.exec(message);
  if (line) return `: look at line ${line[1]}, column ${line[2]}`;
  const position = /position (\d+)/.exec(message);
  if (!position) return /end of/.test(message) ? ": it ends too early" : "";
  const before = text.slice(0, +position[1]).split("\n");
  return `: look at line ${before.length}, column ${before.at(-1).length + 1}`;
}
