// Firmware: which images there are, who is to run them, and how far each device has come. The hub is asked for all of it once, and
// then for those devices of which the event log says that something has changed.
import { call } from "./api.js";
import { act, ask, open } from "./dialog.js";
import { el, later } from "./dom.js";
import { button, deviceInput, empty, field, pill, table } from "./parts.js";
import { path } from "./words.js";

const KIND = { current: "on", error: "warn", rolledback: "warn" };
/** With more devices than this to ask for, all are asked for together, and not more often than this, ms. */
const MOST = 20;
const RARELY = 5000;
/** What no event tells of, such as a device's report over AMQP, is seen after so long, ms. */
const AT_THE_LATEST = 30000;

export function firmware(box) {
  let closed = false, busy = false, lastAll = 0;
  const states = el("section", { class: "card" });
  const images = el("section", { class: "card" });
  box.replaceChildren(el("h2", {}, "Firmware"), el("p", { class: "lead" }, "Images for devices, who is to run them, and what devices say of them."), states, images);
  /** What the hub has said of each device, and the devices that have changed since. */
  const known = new Map();
  const changed = new Set();

  const deploy = (image) => {
    const device = deviceInput({ required: true, autofocus: true });
    const version = el("input", { value: image.version ?? "", required: true });
    open(`Update with ${image.name}?`, [field("Device", device.nodes), field("Version", version, "as the image is signed with")], "Update", async () => {
      await call("POST", "/admin/firmware/deployments", { deviceId: device.input.value, image: image.name, version: version.value });
      note(device.input.value);
    });
  };
  const put = async (files) => {
    for (const file of files) await act(() => call("PUT", `/admin/firmware/images/${path(file.name)}`, file), `${file.name} is in the folder.`);
    loadImages();
  };
  const chosen = el("input", { type: "file", multiple: true, "aria-label": "Image to upload", onchange: () => put([...chosen.files]).then(() => { chosen.value = ""; }) });
  const remove = (image) => ask(`Delete ${image.name}?`, "Devices that are to fetch it will not find it.", "Delete", async () => {
    await call("DELETE", `/admin/firmware/images/${path(image.name)}`);
    loadImages();
  });
  const takeBack = (id) => act(() => call("DELETE", `/admin/firmware/deployments/${path(id)}`), "Taken back.").then(() => note(id));
  const state = ({ deviceId, desired, reported }) => {
    const it = reported ?? {};
    const under = typeof it.progress === "number" ? el("progress", { max: 100, value: it.progress, "aria-label": `${it.progress} %` }) : null;
    return el("tr", {}, el("td", {}, deviceId), el("td", {}, it.currentFwVersion ?? "not said"),
      el("td", {}, pill(it.fwUpdateStatus ?? "not said", KIND[it.fwUpdateStatus]), under, it.reason ? el("div", { class: "dim" }, it.reason) : null),
      el("td", {}, desired ? `${desired.fwVersion}, job ${desired.jobId ?? "without a name"}` : "nothing"),
      el("td", {}, desired ? button("Take back", () => takeBack(deviceId)) : null));
  };
  const draw = () => {
    const devices = [...known.values()].sort((one, other) => one.deviceId < other.deviceId ? -1 : 1);
    states.replaceChildren(el("h3", {}, "Devices"), devices.length ? table(["Device", "Runs", "Says", "Is to run", ""], devices.map(state), "")
      : empty("No device has spoken of firmware", "It appears here once it reports its version, or is to be updated."));
  };

  async function loadAll() {
    changed.clear();
    lastAll = Date.now();
    const devices = await act(() => call("GET", "/admin/firmware/devices"));
    if (!devices || closed) return;
    known.clear();
    for (const it of devices) known.set(it.deviceId, it);
    draw();
  }
  /** Asks for those that have changed; one time after the other, so that a slow hub is not asked twice. */
  async function loadChanged() {
    if (busy || closed || document.hidden) return;
    const early = changed.size > MOST ? lastAll + RARELY - Date.now() : 0;
    if (early > 0) { setTimeout(soon, early); return; }
    busy = true;
    try {
      if (changed.size > MOST) await loadAll();
      for (const id of [...changed]) {
        changed.delete(id);
        const [it] = await act(() => call("GET", `/admin/firmware/devices?device=${path(id)}`)) ?? [];
        if (it) known.set(id, it); else known.delete(id);
      }
      if (!closed) draw();
    } finally { busy = false; }
    loadImages();
    if (changed.size) soon();
  }
  const soon = later(loadChanged, 300);
  const note = (id) => { changed.add(id); soon(); };
  const shown = () => { if (!document.hidden && changed.size) soon(); };
  document.addEventListener("visibilitychange", shown);

  async function loadImages() {
    const all = await act(() => call("GET", "/admin/firmware"));
    if (!all || closed || document.activeElement === chosen) return;
    images.replaceChildren(el("h3", {}, "Images"), ...(all.folder ? [field("Upload images", chosen, "app_update.bin of a build; the version stands in its MCUboot header.")] : []), all.images.length
      ? table(["File", "Version", "Bytes", "Went out", ""], all.images.map((it) => el("tr", {}, el("td", { title: it.sha256 }, it.name), el("td", {}, it.version ?? "not said"),
        el("td", {}, it.size), el("td", {}, it.bytesServed), el("td", {}, el("div", { class: "row end" }, button("Update a device", () => deploy(it)), button("Delete", () => remove(it), "danger"))))), "")
      : empty("There are no images", all.folder ? "Upload a signed image, and tell a device to run it." : "Start the emulator with --firmware FOLDER to have a place for them."));
  }
  loadAll();
  loadImages();
  const slowly = setInterval(() => { if (!document.hidden) loadAll().then(loadImages); }, AT_THE_LATEST);
  return {
    seen: (topic, item) => {
      if (topic !== "event") return;
      // The log begins anew after a break: anything may have changed meanwhile.
      if (item === null) loadAll().then(loadImages);
      else if (item.deviceId && ["twin", "registry"].includes(item.event)) note(item.deviceId);
    },
    close: () => { closed = true; clearInterval(slowly); document.removeEventListener("visibilitychange", shown); },
  };
}
