// How a device connects: what its registry entry says, and commands to copy.
import { call } from "./api.js";
import { act } from "./dialog.js";
import { el } from "./dom.js";
import { button, card, copy, options, save } from "./parts.js";
import { hub, store } from "./store.js";
import { clock, day, path, pretty } from "./words.js";

const BY = { certificateAuthority: "an X.509 certificate that a registered CA has signed; its common name is the device id",
  selfSigned: "an X.509 certificate with a registered thumbprint", sas: "a symmetric key", none: "nothing" };

export function connect(box, id) {
  let closed = false;
  const draw = (entry) => {
    const auth = entry.authentication;
    const key = auth.symmetricKey?.primaryKey;
    const [address, port] = split(store.about?.mqtt ?? "");
    const facts = [["Hub", hub()], ["MQTT over TLS 1.2", `${address}, port ${port}`], ["Device id", id], ["User name", `${hub()}/${id}/?api-version=2021-04-12`],
      ["It proves who it is by", BY[auth.type] ?? auth.type], ...(auth.type === "selfSigned" ? [["Thumbprint", auth.x509Thumbprint.primaryThumbprint ?? auth.x509Thumbprint.secondaryThumbprint ?? "–"]] : []),
      ["State", `${entry.status}${entry.statusReason ? `: ${entry.statusReason}` : ""}`], ["Last active", entry.lastActivityTime.startsWith("0001") ? "never" : `${day(entry.lastActivityTime)} ${clock(entry.lastActivityTime)} UTC`]];
    const snippet = el("pre", { class: "code", id: "snippet" });
    const language = el("select", { "aria-label": "Client" }, options({ python: "Python, azure-iot-device", node: "Node, azure-iot-device", mosquitto: "mosquitto_pub" }, localStorage.getItem("snippet") ?? "python"));
    const pick = () => { snippet.textContent = SNIPPETS[language.value]({ id, address, port, sas: Boolean(key) }); localStorage.setItem("snippet", language.value); };
    language.addEventListener("change", pick);
    pick();
    const shown = pretty({ ...entry, authentication: { ...auth, symmetricKey: key ? { primaryKey: "(hidden)", secondaryKey: "(hidden)" } : auth.symmetricKey } });
    box.replaceChildren(el("div", { class: "two" },
      card("What it needs", el("table", {}, el("tbody", {}, facts.map(([name, value]) => el("tr", {}, el("th", { scope: "row" }, name), el("td", { class: "wrap" }, value))))),
        el("div", { class: "row" }, key ? copy(() => `HostName=${hub()};DeviceId=${id};SharedAccessKey=${key}`, "Copy the connection string") : null,
          store.about?.serverCa ? button("Save the CA that it must trust", () => save("server-ca.pem", new Blob([store.about.serverCa]))) : el("p", { class: "hint" }, "It must trust the CA of the certificate that this hub was started with."),
          button("Copy the service's connection string", () => act(async () => {
            const { connectionString } = await call("GET", "/admin/connection-string");
            await navigator.clipboard.writeText(connectionString);
          }, "Copied. It opens the registry: treat it as a password."), "quiet"))),
      card(null, el("div", { class: "row spread" }, el("h3", {}, "Send a first message"), language), snippet, el("div", { class: "row end" }, copy(() => snippet.textContent)))),
    el("details", { class: "card" }, el("summary", {}, "Registry entry"), el("pre", {}, shown)));
  };
  act(() => call("GET", `/devices/${path(id)}`)).then((entry) => { if (entry && !closed) draw(entry); });
  return { close: () => { closed = true; } };
}

function split(address) {
  const cut = address.lastIndexOf(":");
  const host = address.slice(0, cut);
  return [["127.0.0.1", "0.0.0.0", "[::1]", "[::]"].includes(host) ? "localhost" : host, address.slice(cut + 1)];
}

const SNIPPETS = {
  python: ({ id, address, port, sas }) => `# pip install azure-iot-device${port === "8883" ? "" : `\n# This client knows no port but 8883: start the emulator there (it is on ${port}).`}
from azure.iot.device import IoTHubDeviceClient${sas ? "" : ", X509"}

ca = open("server-ca.pem").read()
${sas ? `client = IoTHubDeviceClient.create_from_connection_string(
    "HostName=${address};DeviceId=${id};SharedAccessKey=…", server_verification_cert=ca)`
    : `client = IoTHubDeviceClient.create_from_x509_certificate(
    X509(cert_file="${id}.chain.pem", key_file="${id}.key"),
    hostname="${address}", device_id="${id}", server_verification_cert=ca)`}
client.connect()
client.send_message('{"temperature": 21.5}')
client.shutdown()
`,
  node: ({ id, address, port, sas }) => `// npm install azure-iot-device azure-iot-device-mqtt
const fs = require("fs");
const { Client, Message } = require("azure-iot-device");
const { Mqtt } = require("azure-iot-device-mqtt");

const client = Client.fromConnectionString(
  "HostName=${address}:${port};DeviceId=${id};${sas ? "SharedAccessKey=…" : "x509=true"}", Mqtt);
(async () => {
  await client.setOptions({ ca: fs.readFileSync("server-ca.pem", "utf8")${sas ? "" : `,
    cert: fs.readFileSync("${id}.chain.pem", "utf8"), key: fs.readFileSync("${id}.key", "utf8")`} });
  await client.open();
  await client.sendEvent(new Message('{"temperature":21.5}'));
  await client.close();
})();
`,
  mosquitto: ({ id, address, port, sas }) => `mosquitto_pub -h ${address} -p ${port} --tls-version tlsv1.2 -V mqttv311 \\
  --cafile server-ca.pem ${sas ? "-P 'SharedAccessSignature sr=…'" : `--cert ${id}.chain.pem --key ${id}.key`} \\
  -i '${id}' -u '${hub()}/${id}/?api-version=2021-04-12' -q 1 \\
  -t 'devices/${id}/messages/events/%24.ct=application%2Fjson&%24.ce=utf-8' \\
  -m '{"temperature":21.5}'
`,
};
