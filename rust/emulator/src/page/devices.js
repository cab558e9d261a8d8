// The list of devices at the side, what a device is like in a line, and registering a new one.
import { call } from "./api.js";
import { open } from "./dialog.js";
import { $, el } from "./dom.js";
import { indexOf, isNarrowed, length, list, look, rowAt } from "./list.js";
import { button, cut, field, options } from "./parts.js";
import { go, hashOf, where } from "./routes.js";
import { scroller } from "./scroller.js";
import { hub, loadDevices, now, store } from "./store.js";
import { clock, count, duration, path } from "./words.js";

/** What state a device is in: [key, words, the kind of its dot and pill]. */
export function stateOf(it) {
  if (it.connectionState === "Connected") return ["connected", "connected", "on"];
  if (it.status === "disabled") return ["disabled", "disabled", "off"];
  const [came, went] = [it.connected?.seq ?? 0, it.ended?.seq ?? 0];
  if (it.ended?.event === "refused" && went > came) return ["refused", "refused", "bad"];
  if (lastSeen(it) === null) return ["neverSeen", "never seen", ""];
  return ["disconnected", "not connected", it.ended?.level === "warn" ? "bad" : ""];
}

/** When it was last active, in ms; null if never. */
export const lastSeen = (it) => it.lastActivityTime.startsWith("0001") ? null : Date.parse(it.lastActivityTime);

/** Why it is there, or why not. */
export function reasonOf(it) {
  if (it.connectionState === "Connected") return it.connected?.reason ?? "";
  if (it.status === "disabled" && it.statusReason) return it.statusReason;
  const event = it.ended;
  return event ? `${event.code ? `${event.code} ${event.error}: ` : ""}${event.reason ?? ""}` : "";
}

function line(it) {
  const [state, words] = stateOf(it);
  if (state === "connected") return it.connected ? `connected for ${duration(now() - Date.parse(it.connected.time))}` : words;
  if (state === "disabled" || state === "neverSeen") return words;
  return it.ended ? `${state === "refused" ? "refused" : "closed"} ${clock(it.ended.time).slice(0, 8)}: ${it.ended.reason}` : `seen ${duration(now() - lastSeen(it))} ago`;
}

export const side = scroller({ id: "devices", label: "Devices", open: (it) => show(it.deviceId), kind: (it) => where().id === it.deviceId ? "here" : "",
  cells: (it) => {
    const [, , kind] = stateOf(it), text = line(it), here = where();
    return [el("a", { href: hashOf({ view: "devices", id: it.deviceId, tab: here.id ? here.tab : "telemetry" }), tabindex: -1, "aria-current": here.id === it.deviceId ? "page" : undefined, title: `${it.deviceId}: ${text}` },
      el("span", { class: `dot ${kind}` }), el("span", { class: "id" }, cut(it.deviceId), el("small", { class: kind === "bad" ? "bad" : "" }, text)),
      it.cloudToDeviceMessageCount ? el("span", { class: "pill", title: "messages wait for it" }, `${it.cloudToDeviceMessageCount}`) : null)];
  } });

const show = (id) => go({ view: "devices", id, tab: where().id ? where().tab : "telemetry" });

export function drawSide() {
  side.draw(true);
  const { connectedDeviceCount: on, totalDeviceCount: all } = store.counts ?? {};
  const none = list.asked && !length();
  $("count").textContent = list.problem ?? (none && isNarrowed() ? `No device fits “${look.find || look.where || look.state}”.` : all === undefined ? "" : all ? `${count(on)} of ${count(all)} connected` : "No device yet.");
  $("count").classList.toggle("problem", Boolean(list.problem));
}

/** The device before or after the one that is shown. */
export function step(by) {
  const here = where();
  const at = indexOf(here.id) + by;
  const next = rowAt(Math.max(0, at));
  if (!next || next.deviceId === here.id) return;
  go({ view: "devices", id: next.deviceId, tab: here.tab });
  side.move(at);
}

export function addDevice() {
  const id = el("input", { id: "new-id", required: true, maxlength: 128, autofocus: true, autocomplete: "off", placeholder: "my-device" });
  const kind = el("select", {}, options({ certificateAuthority: "an X.509 certificate signed by a CA that is registered here", selfSigned: "an X.509 certificate of which I know the thumbprint", sas: "a symmetric key, which is made now" }, "certificateAuthority"));
  const thumb = el("input", { placeholder: "SHA-1 or SHA-256, hexadecimal" });
  const label = field("Thumbprint", thumb);
  label.hidden = true;
  kind.addEventListener("change", () => { label.hidden = kind.value !== "selfSigned"; thumb.required = !label.hidden; });
  open("Register a device", [field("Device id", id, "The common name of its certificate is the same."), field("It proves who it is by", kind), label], "Register", async () => {
    const authentication = { type: kind.value };
    if (kind.value === "selfSigned") authentication.x509Thumbprint = { primaryThumbprint: thumb.value.replace(/[:\s]/g, "") };
    await call("PUT", `/devices/${path(id.value)}`, { deviceId: id.value, authentication }).catch((error) => {
      throw error.status === 409 ? new Error(`There is a device '${id.value}' already.`) : error;
    });
    await loadDevices();
    go({ view: "devices", id: id.value, tab: "connect" });
  });
}

/** What stands where there is no device: the first steps. */
export function firstSteps(box) {
  const step = (n, title, text, action) => el("li", {}, el("span", { class: "count" }, `${n}`), el("div", {}, el("h3", {}, title), el("p", {}, text), action));
  box.replaceChildren(el("div", { class: "steps card" }, el("h2", {}, "Connect the first device"), el("p", { class: "lead" }, `This is ${hub()}, an IoT Hub on this machine. Nothing leaves it.`), el("ol", {},
    step(1, "Let the hub know your CA", "Devices with a certificate are let in if a registered CA has signed it. Devices with a symmetric key do not need this.",
      button("Upload a CA certificate", () => go({ view: "certificates" }))),
    step(2, "Register the device", "Or let it register itself, by an enrollment.", el("div", { class: "row" }, button("Register a device", addDevice, "main"), button("Make an enrollment", () => go({ view: "provisioning" })))),
    step(3, "Connect it", `It talks MQTT over TLS 1.2 to ${store.about?.mqtt ?? "the hub"}. The tab Connect of the device has commands to copy; if it is refused, the event log says why.`,
      button("Event log", () => go({ view: "events" }))))));
  return { close: () => {} };
}
