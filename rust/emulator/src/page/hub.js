// The hub as a whole: where it is, its switches, and its state as a file.
import { call } from "./api.js";
import { act, ask, toast } from "./dialog.js";
import { el } from "./dom.js";
import { button, card, copy, field, save, table } from "./parts.js";
import { loadDevices, store } from "./store.js";

export function hubView(box) {
  let closed = false;
  const places = el("section", { class: "card" });
  const switches = el("section", { class: "card" });
  box.replaceChildren(el("h2", {}, "The hub"), el("p", { class: "lead" }, "Where it is, how it is set, and its whole state as a file."), places, stateCard(), switches);
  const row = (name, value, more) => el("tr", {}, el("th", { scope: "row" }, name), el("td", {}, el("code", {}, value)), el("td", {}, more));
  async function load() {
    const it = await act(() => call("GET", "/admin"));
    if (!it || closed) return;
    const connection = async () => (await call("GET", "/admin/connection-string")).connectionString;
    places.replaceChildren(el("h3", {}, "Where it is"), table(["What", "Value", ""], [
      row("Hubs", it.hubs.join(", ")),
      row("Devices connect to", it.mqtt, it.serverCa ? button("Save the CA they must trust", () => save("server-ca.pem", new Blob([it.serverCa]))) : null),
      row("ID scope", it.idScope, copy(it.idScope)),
      row("Services connect with", "HostName=…;SharedAccessKey=…", button("Copy", async () => {
        const text = await act(connection);
        if (text) await navigator.clipboard.writeText(text).then(() => toast("Copied."), () => toast("The browser does not allow copying here.", true));
      }, "quiet")),
      row("Version", it.version),
    ], ""));
    switches.replaceChildren(el("h3", {}, "Settings"), el("p", { class: "hint" }, "Set at the start: iothub-emulator --set NAME=VALUE"),
      table(["Name", "Value", ""], Object.entries(it.settings).map(([name, value]) => row(name, `${value}`, copy(`--set ${name}=${value}`))), ""));
  }
  load();
  return { close: () => { closed = true; } };
}

function stateCard() {
  const file = el("input", { type: "file", accept: ".json", "aria-label": "Exported file" });
  const take = () => {
    const chosen = file.files[0];
    if (!chosen) { toast("Choose a file that was exported first.", true); return; }
    ask(`Import ${chosen.name}?`, "What has the same name here is replaced, all of it or nothing. Devices that are written are disconnected.", "Import", async () => {
      const { written } = await call("POST", "/admin/import", await chosen.text());
      toast(`Imported: ${written} written.`);
      file.value = "";
      await loadDevices();
    });
  };
  return card("State", el("p", {}, "Devices, twins, enrollments, CA certificates and waiting messages. Symmetric keys are in it: keep it private."),
    el("div", { class: "row" }, button("Export", async () => {
      const state = await act(() => call("GET", "/admin/export"));
      if (state) save(`${store.about?.hubs[0] ?? "hub"}.json`, new Blob([JSON.stringify(state, null, 2)], { type: "application/json" }));
    }, "main")), field("Import", file), el("div", { class: "row" }, button("Import", take)));
}
