// Cloud-to-device messages: write one, watch the queue, see how each ended.
import { call } from "./api.js";
import { act, ask } from "./dialog.js";
import { el } from "./dom.js";
import { button, empty, field, options, pill, table } from "./parts.js";
import { store } from "./store.js";
import { bytes, clock, path, plural, zone } from "./words.js";

const FEEDBACK = { none: "none", full: "however it ends", positive: "if it is acknowledged", negative: "if it is given up" };
const ENDS = { Expired: "its time ran out", DeliveryCountExceeded: "it was handed out too often", Purged: "the queue was purged", Rejected: "the device refused it" };
/** Messages seen waiting, and how they ended, by device. */
const known = new Map();

export function messages(box, id) {
  let closed = false, timer = null;
  const mine = known.get(id) ?? { waiting: new Map(), ended: [] };
  known.set(id, mine);
  const body = el("textarea", { id: "body", rows: 4, spellcheck: "false", required: true });
  const properties = el("textarea", { rows: 2, spellcheck: "false", placeholder: "colour=red\nurgent=true" });
  const messageId = el("input", { maxlength: 128, placeholder: "made up if empty" });
  const correlation = el("input", { maxlength: 128 });
  const type = el("input", { list: "types", placeholder: "application/json" });
  const ack = el("select", {}, options(FEEDBACK, "none"));
  const lives = el("input", { type: "number", min: 1, max: 172800, placeholder: "3600" });
  const problem = el("p", { class: "problem", role: "alert", hidden: true });
  const queue = el("div", { id: "queue" }), ended = el("div", { id: "ended" }), count = el("span", { class: "dim" });
  const form = el("form", { class: "card", onsubmit: (event) => { event.preventDefault(); send(); } }, el("h3", {}, "Send to the device"),
    field("Body", body), field("Properties, one a line", properties, "Names arrive in lower case."),
    el("details", {}, el("summary", {}, "Message id, content type, expiry, feedback"), el("div", { class: "two tight" },
      field("Message id", messageId), field("Correlation id", correlation), field("Content type", type), field("Lives for, s", lives), field("Feedback", ack))),
    el("datalist", { id: "types" }, ["application/json", "text/plain", "application/octet-stream"].map((it) => el("option", { value: it }))),
    problem, el("div", { class: "row" }, el("button", { class: "main" }, "Send"), el("span", { class: "dim" }, "Ctrl+Enter sends")));
  form.addEventListener("keydown", (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); form.requestSubmit(); } });
  const purge = button("Purge", () => ask(`Purge the queue of ${id}?`, "Every message that waits is given up.", "Purge", async () => {
    await call("DELETE", `/devices/${path(id)}/commands`);
    load();
  }), "danger");
  box.replaceChildren(el("div", { class: "two" }, form, el("div", {},
    el("section", { class: "card" }, el("div", { class: "row spread" }, el("div", { class: "row" }, el("h3", {}, "In the queue"), count), purge), queue),
    el("section", { class: "card" }, el("h3", {}, "Ended"), ended))));

  async function send() {
    problem.hidden = true;
    try {
      const answer = await call("POST", `/devices/${path(id)}/messages/deviceBound`, body.value, headers());
      mine.waiting.set(answer.messageId, { messageId: answer.messageId, text: body.value });
      messageId.value = "";
      await act(load, "In the queue.");
    } catch (error) {
      problem.textContent = error.message;
      problem.hidden = false;
    }
  }

  function headers() {
    const more = { "iothub-ack": ack.value };
    const add = (name, value) => { if (value) more[name] = encodeURIComponent(value); };
    add("iothub-messageid", messageId.value);
    add("iothub-correlationid", correlation.value);
    add("iothub-contenttype", type.value);
    if (lives.value) more["iothub-expiry"] = encodeURIComponent(new Date(Date.now() + lives.value * 1000).toISOString());
    for (const line of properties.value.split("\n").map((it) => it.trim()).filter(Boolean)) {
      const cut = line.indexOf("=");
      const name = cut < 0 ? line : line.slice(0, cut).trim();
      if (cut < 1) throw new Error(`The property '${line}' needs the form name=value.`);
      if (!/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/.test(name)) throw new Error(`The property name '${name}' may have letters, digits and . _ - only.`);
      more[`iothub-app-${name}`] = encodeURIComponent(line.slice(cut + 1).trim());
    }
    return more;
  }

  async function load() {
    clearTimeout(timer);
    try {
      const [waiting, letters] = await Promise.all([call("GET", `/admin/devices/${path(id)}/messages`), call("GET", `/admin/dead-letters?device=${path(id)}`)]);
      if (!closed) draw(waiting, letters);
    } catch { /* asked again below */ }
    if (!closed) timer = setTimeout(load, 1500);
  }

  function draw(waiting, letters) {
    const still = new Set(waiting.map((it) => it.messageId));
    const given = new Set(letters.map((it) => it.messageId));
    for (const [key, it] of mine.waiting) {
      if (still.has(key)) continue;
      mine.waiting.delete(key);
      if (!given.has(key)) mine.ended.unshift({ messageId: key, time: new Date().toISOString(), good: true, why: "acknowledged by the device" });
    }
    for (const it of waiting) mine.waiting.set(it.messageId, it);
    const connected = store.current?.connectionState === "Connected";
    count.textContent = waiting.length ? `${plural(waiting.length, "message")} of 50` : "";
    purge.hidden = !waiting.length;
    queue.replaceChildren(waiting.length ? table(["Message", `Since (${zone()})`, "Size", "State"], waiting.map((it) => el("tr", {},
      el("td", { class: "mono clip", title: JSON.stringify(it.properties) }, it.messageId), el("td", { class: "num" }, clock(it.enqueuedTimeUtc)), el("td", { class: "num" }, bytes(it.size)),
      el("td", {}, stateOf(it, connected), el("div", { class: "dim" }, `until ${clock(it.expiryTimeUtc)}`)))), "")
      : empty("Nothing waits", connected ? "What you send is handed to the device at once." : "The device is not connected: what you send waits here until it comes."));
    const all = [...mine.ended, ...letters.map((it) => ({ messageId: it.messageId, time: it.time, good: false, why: ENDS[it.reason] ?? it.reason }))]
      .sort((a, b) => b.time.localeCompare(a.time)).slice(0, 50);
    ended.replaceChildren(table(["Message", `When (${zone()})`, "How"], all.map((it) => el("tr", {}, el("td", { class: "mono clip" }, it.messageId),
      el("td", { class: "num" }, clock(it.time)), el("td", {}, pill(it.good ? "delivered" : "given up", it.good ? "on" : "warn"), " ", it.why))),
    "None yet. What this page saw delivered, and what was given up, stands here."));
  }

  load();
  return { seen: (topic, item) => { if (topic === "event" && item?.deviceId === id && ["c2d", "connected", "closed"].includes(item.event)) load(); },
    close: () => { closed = true; clearTimeout(timer); } };
}

function stateOf(it, connected) {
  if (it.locked) return pill("handed out, not acknowledged yet", "busy");
  if (it.deliveryCount) return pill(`handed out ${it.deliveryCount === 1 ? "once" : `${it.deliveryCount} times`}, waits to be tried again`, "warn");
  return pill(connected ? "waits: the device has not subscribed" : "waits for the device", "");
}
