// One thing for many devices: for those that are marked, or for all that a look finds.
import { call } from "./api.js";
import { open, show } from "./dialog.js";
import { el } from "./dom.js";
import { idsOf } from "./list.js";
import { button, cut, field, table } from "./parts.js";
import { loadDevices } from "./store.js";
import { count, parse, path, plural } from "./words.js";

const AT_ONCE = 8;
const MOST_FAILURES = 200;
const ANY = { "if-match": "*" };

/** The buttons; `ids` of those that are marked, or null for all that `look` finds; `known` is how many, if that is known. */
export function bulk(target) {
  const sure = (verb, consequence, run, danger = false) => () => open(`${verb}: ${target.which}`, [el("p", {}, consequence)], verb, () => { work(verb, target, run); return false; }, undefined, danger);
  const status = (id, to) => call("PUT", `/devices/${path(id)}`, { deviceId: id, status: to }, ANY);
  return [button("Enable", sure("Enable", "They may connect again.", (id) => status(id, "enabled"))),
    button("Disable", sure("Disable", "Their connections are closed, and they are refused until they are enabled again.", (id) => status(id, "disabled"))),
    button("Call a method", () => method(target)), button("Write the twin", () => twin(target)),
    button("Delete", sure("Delete", "Their twins, waiting messages and sessions go with them. This cannot be undone.", (id) => call("DELETE", `/devices/${path(id)}`), true), "danger")];
}

function method(target) {
  const name = el("input", { required: true, maxlength: 128, autofocus: true, autocomplete: "off", value: "led" });
  const payload = el("textarea", { rows: 4, spellcheck: "false", ".value": "1" });
  open(`Call a method: ${target.which}`, [field("Method", name), field("Payload, JSON", payload), el("p", { class: "hint" }, "Devices that are not connected count as failed.")], "Call", () => {
    const body = { methodName: name.value, payload: payload.value.trim() ? parse(payload.value, "The payload") : null, responseTimeoutInSeconds: 30 };
    work("Call", target, async (id) => {
      const answer = await call("POST", `/twins/${path(id)}/methods`, body);
      if (answer.status >= 400) throw new Error(`answered with status ${answer.status}`);
    });
    return false;
  });
}

function twin(target) {
  const patch = el("textarea", { rows: 8, spellcheck: "false", autofocus: true, ".value": '{\n  "tags": { "site": "north" },\n  "properties": { "desired": {} }\n}' });
  open(`Write the twin: ${target.which}`, [field("Patch, JSON: null removes a value", patch)], "Write", () => {
    const body = parse(patch.value, "The patch");
    if (!body || typeof body !== "object" || Array.isArray(body)) throw new Error("The patch must be an object: { … }.");
    work("Write", target, (id) => call("PATCH", `/twins/${path(id)}`, body, ANY));
    return false;
  });
}

async function* pages(target) {
  if (target.ids) yield target.ids;
  else yield* idsOf(target.look);
}

/** Does it for each, a few at once, and says how far it has come; it can be stopped. */
async function work(verb, target, run) {
  let done = 0, stopped = false, ended = false;
  const failures = [];
  let failed = 0;
  const bar = el("progress", { max: target.known ?? 1, "aria-label": "Done" });
  const text = el("p", { role: "status" });
  const rows = el("div", {});
  const stop = button("Stop", () => { stopped = true; });
  show(`${verb}: ${target.which}`, bar, text, rows, el("div", { class: "row" }, stop));
  const draw = () => {
    if (target.known) bar.value = done;
    text.textContent = `${count(done)}${target.known ? ` of ${count(target.known)}` : ""} done${failed ? `, ${count(failed)} of them failed` : ""}${stopped ? "; stopped" : ended ? "." : "…"}`;
  };
  const timer = setInterval(draw, 200);
  draw();
  try {
    for await (const ids of pages(target)) {
      let at = 0;
      await Promise.all(Array.from({ length: AT_ONCE }, async () => {
        while (at < ids.length && !stopped) {
          const id = ids[at++];
          try { await run(id); } catch (error) {
            failed++;
            if (failures.length < MOST_FAILURES) failures.push([id, error.message]);
          }
          done++;
        }
      }));
      if (stopped) break;
    }
  } catch (error) {
    failures.push(["the list", error.message]);
    failed++;
  }
  ended = true;
  clearInterval(timer);
  bar.max = Math.max(1, done);
  bar.value = done;
  stop.remove();
  draw();
  if (failures.length) rows.replaceChildren(table(["Device", "What happened"], failures.map(([id, why]) => el("tr", {}, el("td", { class: "device" }, cut(id)), el("td", {}, why))), ""),
    failed > failures.length ? el("p", { class: "hint" }, `and ${plural(failed - failures.length, "more")}`) : "");
  await loadDevices();
}
