// Direct methods: call one, see the answer, call it again.
import { call } from "./api.js";
import { el } from "./dom.js";
import { button, card, copy, empty, field, pill } from "./parts.js";
import { store } from "./store.js";
import { clock, parse, path, pretty } from "./words.js";

const MOST = 30;
const kept = (id) => JSON.parse(localStorage.getItem(`methods:${id}`) ?? "[]");

export function methods(box, id) {
  const history = kept(id);
  const first = history[0] ?? example(id);
  const name = el("input", { id: "method", required: true, maxlength: 128, pattern: "[^\\/#+?$]+", title: "without / # + ? $", list: "known-methods", autocomplete: "off", placeholder: "name of the method", ".value": first?.name ?? "" });
  const payload = el("textarea", { id: "payload", rows: 5, spellcheck: "false", ".value": first ? first.payload : "null" });
  const wait = el("input", { type: "number", min: 5, max: 300, value: 30, required: true });
  const online = el("input", { type: "number", min: 0, max: 300, value: 0, required: true });
  const problem = el("p", { class: "problem", role: "alert", hidden: true });
  const known = el("datalist", { id: "known-methods" });
  const list = el("div", { "aria-live": "polite", id: "answers" });
  const form = el("form", { class: "card", onsubmit: (event) => { event.preventDefault(); invoke(); } }, el("h3", {}, "Call a method"),
    field("Method", name), field("Payload (JSON)", payload),
    el("div", { class: "two tight" }, field("Wait for the answer, s", wait), field("Wait for the device to come, s", online)),
    problem, el("div", { class: "row" }, el("button", { class: "main" }, "Call"), el("span", { class: "dim" }, "Ctrl+Enter calls")), known);
  form.addEventListener("keydown", (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); form.requestSubmit(); } });
  box.replaceChildren(el("div", { class: "two" }, form, card("Calls", list)));

  async function invoke() {
    let value;
    problem.hidden = true;
    try { value = parse(payload.value || "null", "The payload"); } catch (error) {
      problem.textContent = error.message;
      problem.hidden = false;
      payload.focus();
      return;
    }
    const entry = { name: name.value, payload: payload.value || "null", at: new Date().toISOString(), state: "running" };
    history.unshift(entry);
    draw();
    const begun = performance.now();
    try {
      const answer = await call("POST", `/twins/${path(id)}/methods`, { methodName: entry.name, payload: value,
        responseTimeoutInSeconds: +wait.value, connectTimeoutInSeconds: +online.value });
      Object.assign(entry, { state: "answered", status: answer.status, answer: pretty(answer.payload) });
    } catch (error) { Object.assign(entry, { state: "failed", answer: error.message }); }
    entry.ms = Math.round(performance.now() - begun);
    localStorage.setItem(`methods:${id}`, JSON.stringify(history.filter((it) => it.state !== "running").slice(0, MOST)));
    draw();
  }

  function draw() {
    known.replaceChildren(...[...new Set(history.map((it) => it.name))].map((it) => el("option", { value: it })));
    list.replaceChildren(...(history.length ? history.slice(0, MOST).map(entry) : [empty("No call yet", "Give a method's name and its payload, and press Call. Answers stay here.")]));
  }

  function entry(it) {
    const [text, kind] = it.state === "running" ? ["calling…", ""] : it.state === "failed" ? ["no answer", "warn"]
      : [`status ${it.status}`, it.status < 400 ? "on" : "warn"];
    const fill = () => { name.value = it.name; payload.value = it.payload; };
    return el("article", { class: "call" }, el("div", { class: "row spread" },
      el("div", { class: "row" }, pill(text, kind), el("strong", { class: "mono" }, it.name), el("span", { class: "dim" }, `${clock(it.at)}${it.ms === undefined ? "" : `, ${it.ms} ms`}`)),
      el("div", { class: "row" }, button("Edit", () => { fill(); payload.focus(); }, "quiet"), button("Again", () => { fill(); invoke(); }, "quiet"))),
      el("div", { class: "mono dim clip" }, `→ ${it.payload.replace(/\s+/g, " ")}`),
      it.answer === undefined ? null : el("div", { class: "row top" }, el("pre", { class: it.state === "failed" ? "problem" : "" }, it.answer), it.state === "answered" ? copy(it.answer) : null));
  }

  draw();
  return { close: () => {} };
}

/** The project's own application has the method led. */
function example(id) {
  const ours = /client iothub\//.test(store.current?.connected?.reason ?? "");
  return ours ? { name: "led", payload: "1" } : null;
}
