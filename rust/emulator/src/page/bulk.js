// One thing for many devices: for those that are marked, or for all that a look finds.
import { call } from "./api.js";
import { open, show } from "./dialog.js";
import { el } from "./dom.js";
import { idsOf } from "./list.js";
import { button, cut, field, table } from "./parts.js";
import { loadDevices } from "./store.js";
import { count, parse, plural, sentence } from "./words.js";

/** Azure's limit of identities in a request. */
const IDENTITIES = 100;
/** Ids that the condition of one job names. */
const NAMED = 1000;
const MOST_FAILURES = 200;
/** How often a job is asked how far it has come, ms. */
const EVERY = 500;

/** The buttons; `ids` of those that are marked, or null for all that `look` finds; `known` is how many, if that is known. */
export function bulk(target) {
  const sure = (verb, consequence, entry, danger = false) => () => open(`${verb}: ${target.which}`, [el("p", {}, consequence)], verb, () => { work(verb, target, identities(entry), IDENTITIES); return false; }, undefined, danger);
  const status = (to) => (id) => ({ id, importMode: "update", status: to });
  return [button("Enable", sure("Enable", "They may connect again.", status("enabled"))),
    button("Disable", sure("Disable", "Their connections are closed, and they are refused until they are enabled again.", status("disabled"))),
    button("Call a method", () => method(target)), button("Write the twin", () => twin(target)),
    button("Delete", sure("Delete", "Their twins, waiting messages and sessions go with them. This cannot be undone.", (id) => ({ id, importMode: "delete" }), true), "danger")];
}

/** The hub's bulk operation over identities: each entry is done or refused by itself. */
const identities = (entry) => async (ids, progress) => {
  let errors = [];
  try { await call("POST", "/devices", ids.map(entry)); } catch (error) {
    if (!Array.isArray(error.answer?.errors)) throw error;
    errors = error.answer.errors;
  }
  progress(ids.length, errors.map((it) => [it.deviceId, `${it.errorStatus} (${it.errorCode})`]));
};

/** A job of the hub. It goes on when the page is closed; `ids` is null for all devices. */
const job = (document) => async (ids, progress, stopped) => {
  const jobId = `page-${Date.now()}-${Math.random().toString(36).slice(2)}`, at = `/jobs/v2/${jobId}`;
  const quoted = (id) => `'${id.replace(/[\\']/g, "\\$&")}'`;
  await call("PUT", at, { ...document, jobId, queryCondition: ids ? `deviceId IN [${ids.map(quoted).join(", ")}]` : "*", maxExecutionTimeInSeconds: 3600 });
  let seen = 0;
  for (;;) {
    const { status, failureReason, deviceJobStatistics: of } = await call("GET", at);
    const done = of.succeededCount + of.failedCount;
    progress(done - seen, []);
    seen = done;
    if (["completed", "failed", "cancelled"].includes(status)) {
      const { answered, failed } = await failuresOf(jobId, of.failedCount);
      progress(0, answered);
      progress(0, failed, failureReason, of.failedCount);
      return;
    }
    if (stopped()) await call("POST", `${at}/cancel`);
    await new Promise((next) => setTimeout(next, EVERY));
  }
};

/** Devices that answered a method with the status of an error, and those with which the job failed; the first of them. */
async function failuresOf(jobId, most) {
  const about = `SELECT * FROM devices.jobs WHERE devices.jobs.jobId = '${jobId}' AND devices.jobs`;
  const ask = async (condition, why) => (await call("POST", "/devices/query", { query: `${about}.${condition}` }, { "x-ms-max-item-count": `${MOST_FAILURES}` })).map((it) => [it.deviceId, why(it)]);
  const answered = await ask("outcome.deviceMethodResponse.status >= 400", (it) => `answered with status ${it.outcome.deviceMethodResponse.status}`);
  const failed = most ? await ask("status = 'failed'", (it) => `${sentence(it.error?.description ?? "it failed")} (${it.error?.code ?? "no code"})`) : [];
  return { answered, failed };
}

function method(target) {
  const name = el("input", { required: true, maxlength: 128, autofocus: true, autocomplete: "off", value: "led" });
  const payload = el("textarea", { rows: 4, spellcheck: "false", ".value": "1" });
  open(`Call a method: ${target.which}`, [field("Method", name), field("Payload, JSON", payload), el("p", { class: "hint" }, "Devices that are not connected count as failed.")], "Call", () => {
    const body = { methodName: name.value, payload: payload.value.trim() ? parse(payload.value, "The payload") : null, responseTimeoutInSeconds: 30 };
    work("Call", target, job({ type: "scheduleDeviceMethod", cloudToDeviceMethod: body }), NAMED);
    return false;
  });
}

function twin(target) {
  const patch = el("textarea", { rows: 8, spellcheck: "false", autofocus: true, ".value": '{\n  "tags": { "site": "north" },\n  "properties": { "desired": {} }\n}' });
  open(`Write the twin: ${target.which}`, [field("Patch, JSON: null removes a value", patch)], "Write", () => {
    const body = parse(patch.value, "The patch");
    if (!body || typeof body !== "object" || Array.isArray(body)) throw new Error("The patch must be an object: { … }.");
    work("Write", target, job({ type: "scheduleUpdateTwin", updateTwin: { ...body, etag: "*" } }), NAMED);
    return false;
  });
}

/** The ids that are meant, so many at a time; null for all devices where a job is asked for them. */
async function* parts(target, size) {
  if (!target.ids && target.everything && size === NAMED) { yield null; return; }
  for await (const ids of target.ids ? [target.ids] : idsOf(target.look)) {
    for (let at = 0; at < ids.length; at += size) yield ids.slice(at, at + size);
  }
}

/** Does it part by part, and says how far it has come; it can be stopped. */
async function work(verb, target, run, size) {
  let done = 0, failed = 0, stopped = false, ended = false;
  const failures = [];
  const bar = el("progress", { max: target.known || 1, "aria-label": "Done" });
  const text = el("p", { role: "status" });
  const rows = el("div", {});
  const stop = button("Stop", () => { stopped = true; });
  const hint = size === NAMED ? el("p", { class: "hint" }, "This is a job of the hub: it goes on when the page is closed.") : "";
  show(`${verb}: ${target.which}`, bar, text, rows, hint, el("div", { class: "row" }, stop));
  const draw = () => {
    if (target.known) bar.value = done;
    text.textContent = `${count(done)}${target.known ? ` of ${count(target.known)}` : ""} done${failed ? `, ${count(failed)} of them failed` : ""}${stopped ? "; stopped" : ended ? "." : "…"}`;
  };
  const fail = (these, all = these.length) => {
    failed += all;
    failures.push(...these.slice(0, MOST_FAILURES - failures.length));
  };
  const progress = (more, these, why, all) => {
    done += more;
    fail(these, all);
    if (why) fail([["the job", why]]);
    draw();
  };
  draw();
  try {
    for await (const ids of parts(target, size)) {
      await run(ids, progress, () => stopped);
      if (stopped) break;
    }
  } catch (error) { fail([["the hub", error.message]]); }
  ended = true;
  bar.max = Math.max(1, done);
  bar.value = done;
  stop.remove();
  if (hint) hint.remove();
  draw();
  if (failures.length) rows.replaceChildren(table(["Device", "What happened"], failures.map(([id, why]) => el("tr", {}, el("td", { class: "device" }, cut(id ?? "–")), el("td", {}, why))), ""),
    failed > failures.length ? el("p", { class: "hint" }, `and ${plural(failed - failures.length, "more")}`) : "");
  await loadDevices();
}
