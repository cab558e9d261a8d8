// Messages as a table for a spreadsheet (RFC 4180): a column for each value.
import { leaves } from "./patch.js";

/** A text that a spreadsheet would take for a formula is marked as text. */
function cell(value) {
  const text = value === undefined || value === null ? "" : typeof value === "object" ? JSON.stringify(value) : String(value);
  const safe = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** CSV of messages as the hub gives them, a JSON object a line. */
export function csvOf(lines) {
  const names = new Set(), rows = [];
  for (const line of lines.split("\n")) {
    if (!line) continue;
    const message = JSON.parse(line);
    const isObject = message.format === "json" && message.body !== null && typeof message.body === "object" && !Array.isArray(message.body);
    const values = isObject ? leaves(message.body) : new Map([["body", message.body]]);
    for (const name of values.keys()) names.add(name);
    rows.push([message, values]);
  }
  const columns = [...names].sort();
  return [["seq", "device", "enqueuedTimeUtc", ...columns], ...rows.map(([it, values]) => [it.seq, it.deviceId, it.enqueuedTimeUtc, ...columns.map((name) => values.get(name))])]
    .map((row) => `${row.map(cell).join(",")}\r\n`).join("");
}
