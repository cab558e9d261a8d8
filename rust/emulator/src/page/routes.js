// Where one is stands in the address, so that links, reload and the back button work:
// #devices?state=refused&find=…, #device/ID/tab, #events, #provisioning, #certificates, #faults, #firmware, #hub.
export const VIEWS = { devices: "Devices", events: "Event log", provisioning: "Provisioning", certificates: "CA certificates", faults: "Faults", firmware: "Firmware", hub: "Hub" };
export const TABS = { telemetry: "Telemetry", twin: "Twin", methods: "Methods", messages: "Cloud to device", log: "Log", connect: "Connect" };

export function where() {
  const [path, asked] = location.hash.slice(1).split("?");
  const [view, id, tab] = path.split("/");
  if (view === "device" && id) return { view: "devices", id: decode(id), tab: tab in TABS ? tab : "telemetry" };
  return { view: view in VIEWS ? view : "devices", id: null, tab: "telemetry", look: asked === undefined ? null : Object.fromEntries(new URLSearchParams(asked)) };
}

function decode(text) {
  try { return decodeURIComponent(text); } catch { return text; }
}

export const hashOf = ({ view, id, tab, look }) => view === "devices" && id ? `#device/${encodeURIComponent(id)}/${tab ?? "telemetry"}` : `#${view}${look ? `?${new URLSearchParams(look)}` : ""}`;

/** Goes there; `replace` leaves no step in the history. */
export function go(place, replace = false) {
  const hash = hashOf(place);
  if (hash === location.hash) return;
  if (replace) {
    history.replaceState(null, "", hash);
    dispatchEvent(new HashChangeEvent("hashchange"));
  } else location.hash = hash;
}
