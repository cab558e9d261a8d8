// The list of devices at the side, and registering a new one.
import { call } from "./api.js";
import { open } from "./dialog.js";
import { $, el } from "./dom.js";
import { empty, button, field, options } from "./parts.js";
import { go, hashOf, where } from "./routes.js";
import { hub, loadDevices, store } from "./store.js";
import { clock, duration, path } from "./words.js";

const MOST = 300;

export function drawList() {
  const here = where();
  const text = $("find").value.trim().toLowerCase();
  const all = (store.devices ?? []).filter((it) => it.deviceId.toLowerCase().includes(text));
  const items = all.slice(0, MOST).map((it) => item(it, here));
  if (all.length > MOST) items.push(el("li", { class: "dim note" }, `and ${all.length - MOST} more: type a part of the id above`));
  if (!all.length && store.devices) items.push(el("li", { class: "dim note" }, text ? "No device of that name." : "No device yet."));
  $("devices").replaceChildren(...items);
  const on = (store.devices ?? []).filter((it) => it.connectionState === "Connected").length;
  $("count").textContent = store.devices?.length ? `${on} of ${store.devices.length} connected` : "";
}

function item(it, here) {
  const id = it.deviceId;
  const on = it.connectionState === "Connected", off = it.status === "disabled";
  const [came, went] = [store.connected.get(id), store.ended.get(id)];
  const bad = !on && went?.level === "warn";
  const line = off ? "disabled" : on ? (came ? `connected for ${duration(Date.now() - Date.parse(came.time))}` : "connected")
    : went ? `${went.event === "refused" ? "refused" : "closed"} ${clock(went.time).slice(0, 8)}: ${went.reason}` : "never seen";
  return el("li", {}, el("a", { href: hashOf({ view: "devices", id, tab: here.view === "devices" && here.id ? here.tab : "telemetry" }),
    "aria-current": here.id === id ? "page" : undefined, title: `${id}: ${line}` },
    el("span", { class: `dot ${on ? "on" : off ? "off" : bad ? "bad" : ""}` }),
    el("span", { class: "id" }, id, el("small", { class: bad ? "bad" : "" }, line)),
    it.cloudToDeviceMessageCount ? el("span", { class: "pill", title: "messages wait for it" }, `${it.cloudToDeviceMessageCount}`) : null));
}

/** The device before or after the one that is shown. */
export function step(by) {
  const here = where();
  const all = (store.devices ?? []).map((it) => it.deviceId);
  const next = all[all.indexOf(here.id) + by];
  if (next !== undefined) go({ view: "devices", id: next, tab: here.tab });
}

export function addDevice() {
  const id = el("input", { id: "new-id", required: true, maxlength: 128, autofocus: true, autocomplete: "off", placeholder: "my-device" });
  const kind = el("select", {}, options({ certificateAuthority: "an X.509 certificate signed by a CA that is registered here", selfSigned: "an X.509 certificate of which I know the thumbprint", sas: "a symmetric key, which is made now" }, "certificateAuthority"));
  const thumb = el("input", { placeholder: "SHA-1 or SHA-256, hexadecimal" });
  const label = field("Thumbprint", thumb);
  label.hidden = true;
  kind.addEventListener("change", () => { label.hidden = kind.value !== "selfSigned"; thumb.required = !label.hidden; });
  open("Register a device", [field("Device id", id, "The common name of its certificate is the same."), field("It proves who it is by", kind), label], "Register", async () => {
    if ((store.devices ?? []).some((it) => it.deviceId === id.value)) throw new Error(`There is a device '${id.value}' already.`);
    const authentication = { type: kind.value };
    if (kind.value === "selfSigned") authentication.x509Thumbprint = { primaryThumbprint: thumb.value.replace(/[:\s]/g, "") };
    await call("PUT", `/devices/${path(id.value)}`, { deviceId: id.value, authentication });
    await loadDevices();
    go({ view: "devices", id: id.value, tab: "connect" });
  });
}

/** What stands where no device is chosen: the first steps. */
export function firstSteps(box) {
  if (!store.devices) { box.replaceChildren(el("p", { class: "dim" }, "Asking the hub…")); return { close: () => {} }; }
  if (store.devices.length) { box.replaceChildren(empty("Choose a device", "The list shows who is connected, and why the others are not.")); return { close: () => {} }; }
  const step = (n, title, text, action) => el("li", {}, el("span", { class: "count" }, `${n}`), el("div", {}, el("h3", {}, title), el("p", {}, text), action));
  box.replaceChildren(el("div", { class: "steps card" }, el("h2", {}, "Connect the first device"), el("p", { class: "lead" }, `This is ${hub()}, an IoT Hub on this machine. Nothing leaves it.`), el("ol", {},
    step(1, "Let the hub know your CA", "Devices with a certificate are let in if a registered CA has signed it. Devices with a symmetric key do not need this.",
      button("Upload a CA certificate", () => go({ view: "certificates" }))),
    step(2, "Register the device", "Or let it register itself, by an enrolment.", el("div", { class: "row" }, button("Register a device", addDevice, "main"), button("Make an enrolment", () => go({ view: "provisioning" })))),
    step(3, "Connect it", `It talks MQTT over TLS 1.2 to ${store.about?.mqtt ?? "the hub"}. The tab Connect of the device has commands to copy; if it is refused, the event log says why.`,
      button("Event log", () => go({ view: "events" }))))));
  return { close: () => {} };
}
