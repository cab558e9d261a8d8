// Faults on command: what is to go wrong, for whom, and how often.
import { call } from "./api.js";
import { act, ask } from "./dialog.js";
import { el } from "./dom.js";
import { button, deviceInput, empty, field, options, table } from "./parts.js";
import { duration } from "./words.js";

const late = { delayMs: { label: "Late by, ms", none: "never comes" } };
const KINDS = {
  connack: { text: "Refuse the connection", fields: { code: { label: "CONNACK code", value: 3, min: 1, max: 5, hint: "3 unavailable, 5 not authorised" } }, says: (it) => `CONNECT is answered with code ${it.code}` },
  puback: { text: "Hold back the acknowledgement of a message", fields: late, says: (it) => `PUBACK ${lateness(it)}` },
  suback: { text: "Hold back the answer to a subscription", fields: late, says: (it) => `SUBACK ${lateness(it)}` },
  pingresp: { text: "Hold back the answer to a ping", fields: late, says: (it) => `PINGRESP ${lateness(it)}` },
  dropAtByte: { text: "Break the connection after so many bytes", fields: { bytes: { label: "Bytes", value: 1000, min: 1 } }, says: (it) => `the connection breaks after ${it.bytes} bytes` },
  dropEvery: { text: "Break the connection every so many messages", fields: { messages: { label: "Messages", value: 10, min: 1 }, seed: { label: "Seed", none: "exactly every so many" } }, says: (it) => `the connection breaks ${it.messages === 1 ? "at every message" : `every ${it.messages} messages`}` },
  stall: { text: "Stand still: neither read nor write", fields: { delayMs: { label: "For, ms", value: 5000, min: 1 } }, says: (it) => `the hub stands still for ${it.delayMs} ms` },
  throttle: { text: "Throttle twin requests and methods", fields: { status: { label: "Status", choices: { 429: "429 too many requests", 503: "503 unavailable" } } }, says: (it) => `twin requests and methods are answered with ${it.status}` },
  provisioning: { text: "Let the provisioning service fail", fields: { status: { label: "Status", value: 429, min: 400, max: 599 }, retryAfter: { label: "Retry after, s", value: 5 } }, says: (it) => `provisioning is answered with ${it.status}${it.retryAfter === null ? "" : `, retry after ${it.retryAfter} s`}` },
};
const lateness = (it) => it.delayMs === null ? "never comes" : `is ${it.delayMs} ms late`;

/** What a fault does, in words. */
export const describe = (it) => KINDS[it.kind]?.says(it) ?? it.kind;

export function faults(box) {
  let closed = false;
  const active = el("section", { class: "card" });
  const kind = el("select", { id: "kind" }, options(Object.fromEntries(Object.entries(KINDS).map(([name, { text }]) => [name, text])), "connack"));
  const fields = el("div", { class: "two tight" });
  const device = deviceInput({ placeholder: "every device" });
  const times = el("input", { type: "number", min: 1, placeholder: "until it is cleared" });
  const draft = () => fields.replaceChildren(...Object.entries(KINDS[kind.value].fields).map(([name, it]) => field(it.label,
    it.choices ? el("select", { name }, options(it.choices)) : el("input", { name, type: "number", min: it.min ?? 0, max: it.max, value: it.value, placeholder: it.none ?? "", required: it.value !== undefined }), it.hint)));
  kind.addEventListener("change", draft);
  draft();
  const set = async (event) => {
    event.preventDefault();
    const fault = { kind: kind.value, device: device.input.value || undefined, times: times.value ? +times.value : undefined };
    for (const input of fields.querySelectorAll("input, select")) if (input.value !== "") fault[input.name] = +input.value;
    await act(() => call("POST", "/admin/faults", fault), "From now on.");
    load();
  };
  const form = el("form", { class: "card", onsubmit: set }, el("h3", {}, "Let something go wrong"), field("What", kind), fields,
    el("div", { class: "two tight" }, field("For", device.nodes), field("How often", times)),
    el("button", { class: "main" }, "Set"));
  const shift = el("input", { type: "number", required: true });
  const shown = el("p", { class: "hint" });
  const clockForm = el("form", { class: "card", onsubmit: async (event) => { event.preventDefault(); await act(() => call("PUT", "/admin/clock", { shiftMs: Math.round(shift.value * 1000) }), "The hub's clock is shifted."); load(); } },
    el("h3", {}, "The hub's clock"), field("Shift against the real time, s", shift), shown,
    el("div", { class: "row" }, el("button", { class: "main" }, "Shift"), button("+ 1 h", () => { shift.value = +shift.value + 3600; }), button("+ 1 day", () => { shift.value = +shift.value + 86400; }), button("Back to real time", () => { shift.value = 0; clockForm.requestSubmit(); })));
  box.replaceChildren(el("h2", {}, "Faults on command"), el("p", { class: "lead" }, "See how your device copes: choose what goes wrong, for whom and how often."), active,
    el("div", { class: "two" }, el("div", {}, form, timetableForm()), el("div", {}, clockForm, certificateForm())));

  async function load() {
    const answers = await act(() => Promise.all([call("GET", "/admin/faults"), call("GET", "/admin/clock")]));
    if (!answers || closed) return;
    const [all, clock] = answers;
    const rows = all.map((it) => el("tr", {}, el("td", {}, describe(it)), el("td", {}, it.device ?? "every device"), el("td", {}, it.times === null ? "until it is cleared" : `${it.times} more`),
      el("td", {}, el("div", { class: "row end" }, button("Clear", () => act(() => call("DELETE", `/admin/faults/${it.id}`), "Cleared.").then(load))))));
    active.classList.toggle("notice", all.length > 0);
    active.replaceChildren(el("div", { class: "row spread" }, el("h3", {}, "Going wrong now"), all.length ? button("Clear all", () => act(() => call("DELETE", "/admin/faults"), "All cleared.").then(load), "main") : null),
      all.length ? table(["What", "For", "How often", ""], rows, "") : empty("Nothing goes wrong on command", "Set a fault below; it strikes at once."));
    if (document.activeElement !== shift) shift.value = Math.round(clock.clockShiftMs / 1000);
    shown.textContent = clock.clockShiftMs ? `It is ${duration(Math.abs(clock.clockShiftMs))} ${clock.clockShiftMs > 0 ? "ahead" : "behind"}: ${clock.time}` : "It is right. Certificates and tokens are judged by it.";
  }
  load();
  const timer = setInterval(() => { if (!document.hidden) load(); }, 5000);
  return { seen: (topic, item) => { if (topic === "event" && ["fault", "refused"].includes(item?.event)) load(); }, close: () => { closed = true; clearInterval(timer); } };
}

/** Faults by a timetable; its times count from the moment at which it is started. */
function timetableForm() {
  const text = el("textarea", { rows: 7, spellcheck: "false", required: true, "aria-label": "Timetable", placeholder: EXAMPLE });
  const state = el("p", { class: "hint" });
  const end = button("End it", () => act(() => call("DELETE", "/admin/timetable"), "It has ended. What it has set is in the list above.").then(load));
  async function load() {
    const it = await act(() => call("GET", "/admin/timetable"));
    if (!it) return;
    end.hidden = it.entries === null;
    state.textContent = it.entries === null ? "None runs." : `${it.entries} of them since ${it.begun}.`;
    if (it.timetable && !text.value) text.value = it.timetable;
  }
  load();
  return el("form", { class: "card", onsubmit: async (event) => {
    event.preventDefault();
    await act(() => call("PUT", "/admin/timetable", text.value), "The timetable begins now.");
    load();
  } }, el("h3", {}, "By a timetable"), field("TOML, as --faults takes it", text), state,
    el("div", { class: "row" }, el("button", { class: "main" }, "Start"), button("An example", () => { text.value = EXAMPLE; }), end));
}

const EXAMPLE = `[[fault]]
kind = "connack"
code = 3
afterMs = 10000
forMs = 5000
everyMs = 60000
`;

function certificateForm() {
  const file = (label) => el("input", { type: "file", accept: ".pem,.crt,.cer,.key", required: true, "aria-label": label });
  const [chain, key] = [file("Chain"), file("Key")];
  return el("form", { class: "card", onsubmit: (event) => {
    event.preventDefault();
    ask("Swap the certificate?", "Devices that do not trust the new one cannot connect any more. It stays until the emulator is started again.", "Swap", async () =>
      call("PUT", "/admin/server-certificate", { chain: await chain.files[0].text(), key: await key.files[0].text() }));
  } }, el("h3", {}, "The hub's certificate"), field("Chain, leaf first (PEM)", chain), field("Key (PEM)", key), el("button", {}, "Swap"));
}
