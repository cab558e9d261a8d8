// Firmware: which images there are, who is to run them, and how far each device has come.
import { call } from "./api.js";
import { act, ask, open } from "./dialog.js";
import { el } from "./dom.js";
import { button, deviceInput, empty, field, pill, table } from "./parts.js";
import { path } from "./words.js";

const KIND = { current: "on", error: "warn", rolledback: "warn" };

export function firmware(box) {
  let closed = false;
  const states = el("section", { class: "card" });
  const images = el("section", { class: "card" });
  box.replaceChildren(el("h2", {}, "Firmware"), el("p", { class: "lead" }, "Images for devices, who is to run them, and what devices say of them."), states, images);

  const deploy = (image) => {
    const device = deviceInput({ required: true, autofocus: true });
    const version = el("input", { value: image.version ?? "", required: true });
    open(`Update with ${image.name}?`, [field("Device", device.nodes), field("Version", version, "as the image is signed with")], "Update", async () => {
      await call("POST", "/admin/firmware/deployments", { deviceId: device.input.value, image: image.name, version: version.value });
      load();
    });
  };
  const put = async (files) => {
    for (const file of files) await act(() => call("PUT", `/admin/firmware/images/${path(file.name)}`, file), `${file.name} is in the folder.`);
    load();
  };
  const chosen = el("input", { type: "file", multiple: true, "aria-label": "Image to upload", onchange: () => put([...chosen.files]).then(() => { chosen.value = ""; }) });
  const remove = (image) => ask(`Delete ${image.name}?`, "Devices that are to fetch it will not find it.", "Delete", async () => {
    await call("DELETE", `/admin/firmware/images/${path(image.name)}`);
    load();
  });
  const state = ({ deviceId, desired, reported }) => {
    const it = reported ?? {};
    const under = typeof it.progress === "number" ? el("progress", { max: 100, value: it.progress, "aria-label": `${it.progress} %` }) : null;
    return el("tr", {}, el("td", {}, deviceId), el("td", {}, it.currentFwVersion ?? "not said"),
      el("td", {}, pill(it.fwUpdateStatus ?? "not said", KIND[it.fwUpdateStatus]), under, it.reason ? el("div", { class: "dim" }, it.reason) : null),
      el("td", {}, desired ? `${desired.fwVersion}, job ${desired.jobId ?? "without a name"}` : "nothing"),
      el("td", {}, desired ? button("Take back", () => act(() => call("DELETE", `/admin/firmware/deployments/${encodeURIComponent(deviceId)}`), "Taken back.").then(load)) : null));
  };
  async function load() {
    const answers = await act(() => Promise.all([call("GET", "/admin/firmware/devices"), call("GET", "/admin/firmware")]));
    if (!answers || closed) return;
    const [devices, all] = answers;
    states.replaceChildren(el("h3", {}, "Devices"), devices.length ? table(["Device", "Runs", "Says", "Is to run", ""], devices.map(state), "")
      : empty("No device has spoken of firmware", "It appears here once it reports its version, or is to be updated."));
    if (document.activeElement === chosen) return;
    images.replaceChildren(el("h3", {}, "Images"), ...(all.folder ? [field("Upload images", chosen, "app_update.bin of a build; the version stands in its MCUboot header.")] : []), all.images.length
      ? table(["File", "Version", "Bytes", "Went out", ""], all.images.map((it) => el("tr", {}, el("td", { title: it.sha256 }, it.name), el("td", {}, it.version ?? "not said"),
        el("td", {}, it.size), el("td", {}, it.bytesServed), el("td", {}, el("div", { class: "row end" }, button("Update a device", () => deploy(it)), button("Delete", () => remove(it), "danger"))))), "")
      : empty("There are no images", all.folder ? "Upload a signed image, and tell a device to run it." : "Start the emulator with --firmware FOLDER to have a place for them."));
  }
  load();
  const timer = setInterval(() => { if (!document.hidden) load(); }, 2000);
  return { close: () => { closed = true; clearInterval(timer); } };
}
