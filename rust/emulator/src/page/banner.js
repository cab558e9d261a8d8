// What must not be overlooked: the hub is away, or something goes wrong on command.
import { call } from "./api.js";
import { act } from "./dialog.js";
import { $, el, later } from "./dom.js";
import { describe } from "./faults.js";
import { button } from "./parts.js";
import { hashOf } from "./routes.js";
import { loadAbout, store } from "./store.js";
import { duration, plural, time } from "./words.js";

let active = { faults: [], timetable: null };

/** Asks what goes wrong on command. */
export async function loadFaults() {
  try {
    const [faults, timetable] = await Promise.all([call("GET", "/admin/faults"), call("GET", "/admin/timetable")]);
    active = { faults, timetable: timetable.entries };
  } catch { return; }
  drawBanner();
}
export const loadFaultsSoon = later(loadFaults, 150);
/** A fault that strikes a number of times may just have struck for the last time. */
export const mayHaveStruck = () => active.faults.some((it) => it.times !== null);

export function drawBanner() {
  const lines = [];
  if (store.awaySince) lines.push(line("unreachable", [el("strong", {}, "The emulator does not answer"), ` since ${time(store.awaySince)} (${duration(Date.now() - store.awaySince)}). What stands here is from before; it goes on as soon as the emulator is back.`]));
  else {
    const { faults, timetable } = active, shift = store.about?.clockShiftMs ?? 0;
    const clear = (what, text) => act(what, text).then(() => Promise.all([loadFaults(), loadAbout().catch(() => {})]));
    if (faults.length) {
      const [first] = faults;
      const text = faults.length === 1 ? `${describe(first)}, for ${first.device ?? "every device"}, ${first.times === null ? "until it is taken back" : `${first.times} more`}.` : `${plural(faults.length, "fault")} are active.`;
      lines.push(line("fault", [el("strong", {}, "Going wrong on command: "), text], el("a", { class: "link", href: hashOf({ view: "faults" }) }, "Look"),
        button(faults.length === 1 ? "Take back" : "Take all back", () => clear(() => call("DELETE", "/admin/faults"), "Taken back."))));
    }
    if (timetable !== null) lines.push(line("fault", [el("strong", {}, "A timetable of faults runs"), `: ${plural(timetable, "entry", "entries")}.`], button("End the timetable", () => clear(() => call("DELETE", "/admin/timetable"), "It has ended."))));
    if (shift) lines.push(line("fault", [el("strong", {}, `The hub's clock is ${duration(Math.abs(shift))} ${shift > 0 ? "ahead" : "behind"}.`)], button("Back to real time", () => clear(() => call("PUT", "/admin/clock", { shiftMs: 0 }), "The clock is right again."))));
  }
  const key = JSON.stringify(lines.map((it) => it.textContent));
  if (key === $("banner").dataset.key) return;
  $("banner").dataset.key = key;
  $("banner").replaceChildren(...lines);
}

const line = (kind, text, ...actions) => el("div", { class: `line ${kind}` }, el("span", {}, text), actions.length ? el("span", { class: "row" }, actions) : null);
