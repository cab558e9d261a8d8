// One device: what state it is in and why, and its tabs.
import { call } from "./api.js";
import { connect } from "./connect.js";
import { act, ask } from "./dialog.js";
import { el } from "./dom.js";
import { log } from "./log.js";
import { messages } from "./messages.js";
import { methods } from "./methods.js";
import { button, empty, pill } from "./parts.js";
import { TABS, go, hashOf } from "./routes.js";
import { hub, loadDevices, now, store } from "./store.js";
import { telemetry } from "./telemetry.js";
import { twin } from "./twin.js";
import { clock, duration, path, zone } from "./words.js";

const PANELS = { telemetry, twin, methods, messages, log, connect };

export function deviceView(box, { id, tab }) {
  const head = el("div", { id: "head" });
  const tabs = el("div", { class: "tabs", role: "tablist", "aria-label": "Parts of the device" }, Object.entries(TABS).map(([name, text], n) =>
    el("a", { role: "tab", href: hashOf({ view: "devices", id, tab: name }), "aria-selected": `${name === tab}`, title: `Key ${n + 1}` }, text)));
  const body = el("div", { id: "panel", role: "tabpanel" });
  const drawHead = () => head.replaceChildren(...headOf(id));
  let panel = null;
  /** A device that is not registered has nothing that a tab could show. */
  const draw = () => {
    drawHead();
    const there = store.current !== null;
    if (there === Boolean(panel)) return;
    panel?.close();
    panel = null;
    body.replaceChildren();
    box.replaceChildren(head, ...(there ? [tabs, body] : []));
    if (!there) return;
    tabs.querySelector('[aria-selected="true"]').scrollIntoView({ block: "nearest", inline: "nearest" });
    panel = PANELS[tab](body, id);
  };
  box.replaceChildren(head);
  draw();
  const timer = setInterval(() => { if (!head.contains(document.activeElement)) drawHead(); }, 5000);
  return {
    seen: (topic, item) => {
      if (topic === "current") draw();
      panel?.seen?.(topic, item);
    },
    close: () => { clearInterval(timer); panel?.close(); },
  };
}

function headOf(id) {
  const known = store.current;
  if (!known) {
    return [el("h2", {}, id), known === null ? empty("This device is not registered", "It may have been deleted, or the link is of another emulator.",
      button("Register it", () => act(() => call("PUT", `/devices/${path(id)}`, { deviceId: id, authentication: { type: "certificateAuthority" } }), "Registered.").then(loadDevices), "main"),
      button("Go to the devices", () => go({ view: "devices" }))) : null].filter(Boolean);
  }
  const on = known.connectionState === "Connected", off = known.status === "disabled";
  const [came, went] = [known.connected, known.ended];
  const toggle = () => act(() => call("PUT", `/devices/${path(id)}`, { deviceId: id, status: off ? "enabled" : "disabled" }, { "if-match": "*" }), off ? "Enabled." : "Disabled. A connection that it had is closed.").then(loadDevices);
  const remove = () => ask(`Delete ${id}?`, "Its twin, the messages that wait for it and its session go with it. Its telemetry stays.", "Delete", async () => {
    await call("DELETE", `/devices/${path(id)}`);
    go({ view: "devices" });
    await loadDevices();
  });
  return [el("a", { class: "back", href: "#devices" }, "‹ All devices"), el("div", { class: "row spread" },
    el("div", { class: "row" }, el("h2", {}, id), pill(on ? "connected" : "not connected", on ? "on" : ""), off ? pill("disabled", "warn") : null),
    el("div", { class: "row" }, button(off ? "Enable" : "Disable", off ? toggle : () => ask(`Disable ${id}?`, "Its connection is closed, and it is refused until you enable it again.", "Disable", toggle)),
      button("Delete", remove, "danger"))),
  on && came ? el("p", { class: "state" }, `Since ${clock(came.time)} ${zone()} (${duration(now() - Date.parse(came.time))}), connection ${came.connection} from ${came.peer}. `, el("span", { class: "dim" }, came.reason)) : null,
  went ? reason(went, on) : !on && !came ? el("p", { class: "state dim" }, `It has not tried to connect to ${hub()} since the emulator was started.`) : null].filter(Boolean);
}

/** Why it went, or was not let in: loud while it is away. */
function reason(event, on) {
  const text = `${event.code ? `${event.code} ${event.error}: ` : ""}${event.reason}`;
  const what = event.event === "refused" ? "Refused" : "Last close";
  return el("p", { class: `state ${on ? "dim" : event.level === "warn" ? "problem" : ""}`, id: "last-close" }, el("strong", {}, `${what} ${clock(event.time)} ${zone()}: `), text);
}
