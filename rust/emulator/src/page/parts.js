// Small pieces that several views use.
import { call } from "./api.js";
import { el, later } from "./dom.js";
import { toast } from "./dialog.js";
import { address } from "./list.js";

export function field(label, input, hint) {
  return el("label", {}, el("span", {}, label), input, hint ? el("small", { class: "dim" }, hint) : null);
}

export function table(names, rows, none) {
  return el("div", { class: "scroll" }, el("table", {},
    el("thead", {}, el("tr", {}, names.map((it) => it ? el("th", { scope: "col" }, it) : el("td")))),
    el("tbody", {}, rows.length ? rows : el("tr", {}, el("td", { colspan: names.length, class: "none" }, none)))));
}

export function card(title, ...content) {
  return el("section", { class: "card" }, title ? el("h3", {}, title) : null, content);
}

const TAIL = 10;
/** An id that is cut in its middle where there is no room: what tells ids apart stands at their ends. */
export const cut = (id) => id.length <= 2 * TAIL ? el("span", { class: "cut" }, el("span", {}, id))
  : el("span", { class: "cut", title: id }, el("span", {}, id.slice(0, -TAIL)), el("span", { class: "tail" }, id.slice(-TAIL)));

export const pill = (text, kind = "") => el("span", { class: `pill ${kind}` }, text);

/** What stands where there is nothing yet: what it is for, and what to do next. */
export function empty(title, text, ...actions) {
  return el("div", { class: "empty" }, el("h3", {}, title), el("p", {}, text),
    actions.length ? el("div", { class: "row middle" }, actions) : null);
}

export function button(text, run, kind = "", more = {}) {
  return el("button", { type: "button", class: kind, onclick: run, ...more }, text);
}

/** `text` may be a function, so that a secret need not stand in the document. */
export function copy(text, name = "Copy") {
  return button(name, async () => {
    const value = typeof text === "function" ? text() : text;
    try {
      await navigator.clipboard.writeText(value);
      toast("Copied.");
    } catch {
      const area = el("textarea", { class: "away", ".value": value });
      document.body.append(area);
      area.select();
      toast(document.execCommand("copy") ? "Copied." : "The browser does not allow copying here.");
      area.remove();
    }
  }, "quiet");
}

export function save(name, blob) {
  const link = el("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

/** A PEM certificate, as a file or as text. */
export function pem(required = true) {
  const text = el("textarea", { rows: 6, required, placeholder: "-----BEGIN CERTIFICATE-----", spellcheck: "false", "aria-label": "PEM text" });
  const file = el("input", { type: "file", accept: ".pem,.crt,.cer", "aria-label": "PEM file" });
  file.addEventListener("change", async () => { if (file.files[0]) text.value = await file.files[0].text(); });
  return { text, nodes: [field("PEM file", file), field("or its text", text)] };
}

/** A field for a device id; the hub is asked for those that fit what is typed. */
export function deviceInput(more = {}) {
  const known = el("datalist", { id: `ids${++lists}` });
  const input = el("input", { list: known.id, autocomplete: "off", spellcheck: "false", ...more });
  let asked = null;
  const ask = later(async () => {
    const part = input.value.trim();
    if (part === asked) return;
    asked = part;
    const { devices } = await call("GET", address({ find: part, sort: "id" }, "", 20)).catch(() => ({ devices: [] }));
    known.replaceChildren(...devices.map((it) => el("option", { value: it.deviceId })));
  }, 150);
  input.addEventListener("input", ask);
  input.addEventListener("focus", ask);
  return { input, nodes: [input, known] };
}
let lists = 0;

/** Rows of a table body, one tab stop for all: arrows move, Enter does what a click does. What is redrawn keeps the focus by `data-key`. */
export function rove(body) {
  let at = null;
  const rows = () => [...body.querySelectorAll(":scope > tr[data-key]")];
  const settle = () => {
    const all = rows(), lost = at !== null && document.activeElement === document.body;
    const chosen = all.find((it) => it.dataset.key === at) ?? all[0];
    for (const it of all) it.tabIndex = it === chosen ? 0 : -1;
    if (lost) chosen?.focus({ preventScroll: true });
  };
  new MutationObserver(settle).observe(body, { childList: true });
  body.addEventListener("focusin", (event) => { at = event.target.closest("tr")?.dataset.key ?? at; });
  body.addEventListener("focusout", (event) => { if (event.relatedTarget && !body.contains(event.relatedTarget)) at = null; });
  body.addEventListener("keydown", (event) => {
    const all = rows(), n = all.indexOf(event.target);
    const next = { ArrowDown: all[n + 1], ArrowUp: all[n - 1], Home: all[0], End: all.at(-1) }[event.key];
    if (n < 0 || (!next && event.key !== "Enter")) return;
    event.preventDefault();
    event.stopPropagation();
    if (next) { next.tabIndex = 0; event.target.tabIndex = -1; next.focus(); } else event.target.click();
  });
}

export const options = (pairs, chosen) => Object.entries(pairs).map(([value, text]) => el("option", { value, selected: value === chosen }, text));
