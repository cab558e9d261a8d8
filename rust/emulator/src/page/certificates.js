// CA certificates of the hub and of the provisioning service, with the proof of possession.
import { call } from "./api.js";
import { act, ask, open } from "./dialog.js";
import { el } from "./dom.js";
import { button, copy, empty, field, options, pem, pill, save, table } from "./parts.js";
import { hub } from "./store.js";
import { day, path } from "./words.js";

const SCOPES = { IotHubs: "devices of this hub", provisioningServices: "enrollments" };

const base = (kind) => `/subscriptions/local/resourceGroups/local/providers/Microsoft.Devices/${kind}/${kind === "IotHubs" ? path(hub().split(".")[0]) : "dps"}/certificates`;

export function certificates(box) {
  let closed = false;
  const list = el("section", { class: "card" });
  box.replaceChildren(el("div", { class: "row spread" }, el("h2", {}, "CA certificates"), button("Upload", () => upload(load), "main", { id: "upload" })),
    el("p", { class: "lead" }, "A device is let in if its certificate leads to one of these, and the CA is verified: somebody has shown that they hold its key."), list);
  async function load() {
    const answers = await act(() => Promise.all(Object.keys(SCOPES).map((kind) => call("GET", base(kind)))));
    if (!answers || closed) return;
    const all = Object.keys(SCOPES).flatMap((kind, n) => answers[n].value.map((it) => ({ ...it, kind })));
    list.replaceChildren(all.length ? table(["Name", "Subject", "For", "Valid until", "State", ""], all.map((it) => row(it, load)), "")
      : empty("No CA certificate yet", "Upload the root or the intermediate CA that signs your devices' certificates.", button("Upload one", () => upload(load), "main")));
  }
  load();
  return { seen: (topic, item) => { if (topic === "event" && item?.event === "certificate") load(); }, close: () => { closed = true; } };
}

function row(it, load) {
  const { isVerified, subject, expiry, certificate, thumbprint } = it.properties;
  const text = `-----BEGIN CERTIFICATE-----\n${certificate.match(/.{1,64}/g).join("\n")}\n-----END CERTIFICATE-----\n`;
  const remove = () => ask(`Delete ${it.name}?`, "Devices whose certificates lead to it are refused from their next connection on.", "Delete", async () => {
    await call("DELETE", `${base(it.kind)}/${path(it.name)}`, undefined, { "if-match": it.etag });
    load();
  });
  const late = Date.parse(expiry) < Date.now();
  return el("tr", {}, el("td", {}, it.name), el("td", { title: `SHA-1 ${thumbprint}` }, subject), el("td", {}, SCOPES[it.kind]), el("td", { class: "num" }, day(expiry), late ? pill("expired", "warn") : null),
    el("td", {}, pill(isVerified ? "verified" : "not verified", isVerified ? "on" : "warn")),
    el("td", {}, el("div", { class: "row end" }, isVerified ? null : button("Prove possession", () => prove(it, load), "main"),
      button("Save", () => save(`${it.name}.pem`, new Blob([text])), "quiet"), button("Delete", remove, "danger"))));
}

function upload(load) {
  const name = el("input", { required: true, value: "root", pattern: "[A-Za-z0-9._\\-]{1,64}", title: "letters, digits and . _ -" });
  const kind = el("select", {}, options(SCOPES, "IotHubs"));
  const verified = el("input", { type: "checkbox", ".checked": true });
  const text = pem();
  open("Upload a CA certificate", [field("Name", name), field("For", kind), ...text.nodes,
    el("label", { class: "check" }, verified, "Take it as verified. Azure asks for a proof first; untick this to walk through it.")], "Upload", async () => {
    await call("PUT", `${base(kind.value)}/${path(name.value)}`, { properties: { certificate: text.text.value, isVerified: verified.checked } });
    load();
  });
}

/** The walk of a proof: a code, a certificate with that code as its name, the check. */
async function prove(it, load) {
  const url = `${base(it.kind)}/${path(it.name)}`;
  const coded = await act(() => call("POST", `${url}/generateVerificationCode`, {}, { "if-match": it.etag }));
  if (!coded) return;
  const code = coded.properties.verificationCode;
  const commands = `openssl ecparam -name prime256v1 -genkey -noout -out proof.key
openssl req -new -key proof.key -subj "/CN=${code}" -out proof.csr
openssl x509 -req -in proof.csr -CA ${it.name}.pem -CAkey ${it.name}.key -CAcreateserial -days 1 -out proof.pem`;
  const tool = `iothub-provision ca prove ${code} --name ${it.name}`;
  const text = pem();
  const part = (n, title, ...content) => el("li", {}, el("span", { class: "count" }, `${n}`), el("div", {}, el("h3", {}, title), ...content));
  open(`Prove possession of ${it.name}`, [el("ol", { class: "walk" },
    part(1, "Take this code", el("div", { class: "row" }, el("code", { id: "code" }, code), copy(code))),
    part(2, "Sign a certificate with that name, with the CA's key", el("pre", { class: "code" }, commands), copy(commands),
      el("p", { class: "hint" }, "or, if iothub-provision made the CA: it says where proof.pem is"), el("pre", { class: "code", id: "tool" }, tool), copy(tool)),
    part(3, "Give proof.pem here", ...text.nodes))], "Verify", async () => {
    await call("POST", `${url}/verify`, { certificate: text.text.value }, { "if-match": coded.etag });
    load();
  }, load);
}
