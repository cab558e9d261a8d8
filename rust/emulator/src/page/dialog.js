// Dialogs and the short notes in the corner.
import { $, el } from "./dom.js";

/** A form in a dialog. `run` gives false, or throws a sentence, if it is to stay open. */
export function open(title, content, verb, run, cancelled, danger = false) {
  const dialog = $("dialog");
  const problem = el("p", { class: "problem", role: "alert", hidden: true });
  const shut = () => dialog.close();
  const submit = el("button", { class: danger ? "danger solid" : "main", type: "submit" }, verb);
  const form = el("form", { method: "dialog", onsubmit: async (event) => {
    event.preventDefault();
    submit.disabled = true;
    try {
      if (await run() !== false) shut();
    } catch (error) {
      problem.textContent = error.message;
      problem.hidden = false;
    } finally { submit.disabled = false; }
  } }, el("h2", {}, title), ...content, problem,
    el("div", { class: "row end" }, el("button", { type: "button", onclick: () => { shut(); cancelled?.(); } }, "Cancel"), submit));
  dialog.oncancel = () => cancelled?.();
  dialog.replaceChildren(form);
  dialog.showModal();
}

/** Something to read. */
export function show(title, ...content) {
  const dialog = $("dialog");
  dialog.oncancel = null;
  dialog.replaceChildren(el("h2", {}, title), ...content,
    el("div", { class: "row end" }, el("button", { class: "main", autofocus: true, onclick: () => dialog.close() }, "Close")));
  dialog.showModal();
}

/** Asks before something is lost. */
export function ask(title, consequence, verb, run) {
  open(title, [el("p", {}, consequence)], verb, run, undefined, true);
}

export function toast(text, warn = false) {
  const box = $("toast");
  box.textContent = text;
  box.className = warn ? "warn" : "";
  box.hidden = false;
  clearTimeout(toast.timer);
  toast.timer = setTimeout(() => { box.hidden = true; }, warn ? 10000 : 3500);
}

/** Does something and says how it went; undefined if it failed. */
export async function act(what, done) {
  try {
    const value = await what();
    if (done) toast(done);
    return value ?? null;
  } catch (error) {
    toast(error.message, true);
    return undefined;
  }
}
