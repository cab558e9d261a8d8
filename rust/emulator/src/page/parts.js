// Small pieces that several views use.
import { el } from "./dom.js";
import { toast } from "./dialog.js";

export function field(label, input, hint) {
  return el("label", {}, el("span", {}, label), input, hint ? el("small", { class: "dim" }, hint) : null);
}

export function table(names, rows, none) {
  return el("div", { class: "scroll" }, el("table", {},
    el("thead", {}, el("tr", {}, names.map((it) => el("th", { scope: "col" }, it)))),
    el("tbody", {}, rows.length ? rows : el("tr", {}, el("td", { colspan: names.length, class: "none" }, none)))));
}

export function card(title, ...content) {
  return el("section", { class: "card" }, title ? el("h3", {}, title) : null, content);
}

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

export const options = (pairs, chosen) => Object.entries(pairs).map(([value, text]) => el("option", { value, selected: value === chosen }, text));
