// The provisioning service: enrollments, groups, and what became of the devices that asked.
import { call } from "./api.js";
import { act, ask, open } from "./dialog.js";
import { el, later } from "./dom.js";
import { button, copy, empty, field, options, pem, pill, table } from "./parts.js";
import { go } from "./routes.js";
import { store } from "./store.js";
import { clock, parse, path, pretty, zone } from "./words.js";

const KINDS = { enrollmentGroups: "group", enrollments: "individual" };
const BY = { x509: "X.509", symmetricKey: "symmetric key", tpm: "TPM" };

export function provisioning(box) {
  let closed = false;
  const enrollments = el("section", { class: "card" }), registrations = el("section", { class: "card" });
  box.replaceChildren(el("div", { class: "row spread" }, el("h2", {}, "Provisioning"), button("New enrollment", () => enrol(load), "main", { id: "enrol" })),
    el("p", { class: "lead" }, "An enrollment lets devices register themselves. They ask at the id scope ", el("code", {}, store.about?.idScope ?? ""), " ", copy(() => store.about?.idScope ?? "")), enrollments, registrations);
  async function load() {
    const answers = await act(() => Promise.all(["enrollmentGroups", "enrollments", "registrations"].map((it) => call("GET", `/${it}`))));
    if (!answers || closed) return;
    const [groups, single, asked] = answers;
    const all = [...groups.map((it) => ["enrollmentGroups", it.enrollmentGroupId, it]), ...single.map((it) => ["enrollments", it.registrationId, it])];
    enrollments.replaceChildren(el("h3", {}, "Enrollments"), all.length ? table(["Id", "Kind", "By", "Hub", "State", ""], all.map(([kind, id, it]) => row(kind, id, it, load)), "")
      : empty("No enrollment yet", "A group lets in all devices whose certificates one CA has signed; an individual enrollment is for one device.", button("Make one", () => enrol(load), "main")));
    registrations.replaceChildren(el("h3", {}, "Registrations"), asked.length ? table(["Registration", "Status", "Hub", "Device", "How", `When (${zone()})`, ""], asked.map((it) => registration(it, load)), "")
      : empty("No device has asked yet", "Each device that asks stands here, with the hub that it was given or the reason why not."));
  }
  const soon = later(load, 300);
  load();
  return { seen: (topic, item) => { if (topic === "event" && ["provisioned", "refused", "enrollment"].includes(item?.event)) soon(); }, close: () => { closed = true; } };
}

function row(kind, id, it, load) {
  const off = it.provisioningStatus === "disabled";
  const url = `/${kind}/${path(id)}`;
  const remove = () => ask(`Delete the enrollment ${id}?`, "Devices that are registered stay; new ones are refused.", "Delete", async () => { await call("DELETE", url); load(); });
  const toggle = () => act(async () => { await call("PUT", url, { ...await full(kind, id), provisioningStatus: off ? "enabled" : "disabled" }); }, off ? "Enabled." : "Disabled.").then(load);
  return el("tr", {}, el("td", {}, id), el("td", {}, KINDS[kind]), el("td", {}, BY[it.attestation?.type] ?? it.attestation?.type ?? ""), el("td", {}, it.iotHubHostName ?? it.iotHubs?.join(", ") ?? "any"),
    el("td", {}, pill(off ? "disabled" : "enabled", off ? "warn" : "on")),
    el("td", {}, el("div", { class: "row end" }, button("Look, edit", () => edit(kind, id, load), "quiet"), button(off ? "Enable" : "Disable", toggle), button("Delete", remove, "danger"))));
}

/** The enrollment without what only the service writes; certificates cannot be read back and stay as they are. */
async function full(kind, id) {
  const { etag, createdDateTimeUtc, lastUpdatedDateTimeUtc, registrationState, ...rest } = await call("GET", `/${kind}/${path(id)}`);
  return rest;
}

async function edit(kind, id, load) {
  const document = await act(() => full(kind, id));
  if (!document) return;
  const keys = document.attestation?.symmetricKey;
  const hidden = keys ? { ...document, attestation: { ...document.attestation, symmetricKey: undefined } } : document;
  const text = el("textarea", { rows: 16, spellcheck: "false", ".value": pretty(hidden), "aria-label": "Enrollment" });
  open(`Enrollment ${id}`, [text, keys ? el("div", { class: "row" }, copy(() => keys.primaryKey, "Copy the primary key"), copy(() => keys.secondaryKey, "Copy the secondary key")) : null,
    el("p", { class: "hint" }, "For example provisioningStatus, initialTwin, iotHubHostName, reprovisionPolicy.")].filter(Boolean), "Save", async () => {
    const changed = parse(text.value, "The enrollment");
    if (keys && changed.attestation) changed.attestation.symmetricKey ??= keys;
    await call("PUT", `/${kind}/${path(id)}`, changed);
    load();
  });
}

function registration(it, load) {
  const good = it.status === "assigned";
  const forget = () => ask(`Forget the registration ${it.registrationId}?`, "The device stays in its hub; it is assigned anew when it asks again.", "Forget", async () => { await call("DELETE", `/registrations/${path(it.registrationId)}`); load(); });
  return el("tr", {}, el("td", {}, it.registrationId), el("td", {}, pill(it.status, good ? "on" : "warn")), el("td", {}, it.assignedHub ?? "–"),
    el("td", {}, it.deviceId ? el("button", { class: "link", onclick: () => go({ view: "devices", id: it.deviceId }) }, it.deviceId) : "–"),
    el("td", {}, it.errorMessage ?? HOW[it.substatus] ?? it.substatus ?? ""), el("td", { class: "num" }, clock(it.lastUpdatedDateTimeUtc)), el("td", {}, el("div", { class: "row end" }, button("Forget", forget, "quiet"))));
}

const HOW = { initialAssignment: "for the first time", deviceDataMigrated: "moved, with its twin", deviceDataReset: "moved, twin begun anew", reprovisionedToInitialAssignment: "again" };

function enrol(load) {
  const id = el("input", { id: "enrollment-id", required: true, maxlength: 128, autofocus: true, autocomplete: "off" });
  const kind = el("select", {}, options({ enrollmentGroups: "many devices: a group", enrollments: "one device" }, "enrollmentGroups"));
  const by = el("select", {}, options({ x509: "X.509 certificates", symmetricKey: "a symmetric key, which is made now" }, "x509"));
  const device = el("input", { placeholder: "the registration id", autocomplete: "off" });
  const deviceField = field("Device id that it gets", device);
  const hubs = store.about?.hubs ?? [];
  const target = el("select", {}, options(Object.fromEntries([["", "any"], ...hubs.map((it) => [it, it])]), ""));
  const text = pem(false);
  const certificate = el("div", {}, text.nodes);
  const draft = () => { certificate.hidden = by.value !== "x509"; deviceField.hidden = kind.value !== "enrollments"; };
  for (const select of [kind, by]) select.addEventListener("change", draft);
  draft();
  open("New enrollment", [field("For", kind), field("Id", id, "Of a group any name; of one device its registration id, the common name of its certificate."), deviceField,
    field("Devices prove who they are by", by), certificate, hubs.length > 1 ? field("Hub", target) : null].filter(Boolean), "Save", async () => {
    if (by.value === "x509" && !text.text.value.trim()) throw new Error(kind.value === "enrollments" ? "The device's certificate is missing." : "The certificate of the CA that signs the devices is missing.");
    const chain = kind.value === "enrollments" ? "clientCertificates" : "signingCertificates";
    const attestation = by.value === "x509" ? { type: "x509", x509: { [chain]: { primary: { certificate: text.text.value } } } } : { type: "symmetricKey" };
    const document = { attestation };
    if (target.value) document.iotHubHostName = target.value;
    if (kind.value === "enrollments" && device.value) document.deviceId = device.value;
    await call("PUT", `/${kind.value}/${path(id.value)}`, document);
    load();
  });
}
