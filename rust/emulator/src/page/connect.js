// How a device connects: what its registry entry says, and commands to copy.
import { call } from "./api.js";
import { act } from "./dialog.js";
import { el } from "./dom.js";
import { button, card, copy, options, save } from "./parts.js";
import { go } from "./routes.js";
import { hub, loadDevices, now, store } from "./store.js";
import { clock, day, path, pretty, zone } from "./words.js";

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
      ["State", `${entry.status}${entry.statusReason ? `: ${entry.statusReason}` : ""}`], ["Last active", entry.lastActivityTime.startsWith("0001") ? "never" : `${day(entry.lastActivityTime)} ${clock(entry.lastActivityTime)} ${zone()}`]];
    const snippet = el("pre", { class: "code", id: "snippet" });
    const language = el("select", { "aria-label": "Client" }, options({ python: "Python, azure-iot-device", node: "Node, azure-iot-device", mosquitto: "mosquitto_pub" }, localStorage.getItem("snippet") ?? "python"));
    const reveal = el("input", { type: "checkbox" });
    const place = { id, address, port, ca: `${location.origin}/admin/server-ca.pem` };
    const textOf = async (secret) => SNIPPETS[language.value]({ ...place, key: key ? secret : null, token: key && language.value === "mosquitto" ? await signature(`${hub()}/devices/${id}`, secret) : null });
    const pick = async () => {
      localStorage.setItem("snippet", language.value);
      snippet.textContent = reveal.checked ? await textOf(key) : (await textOf(key)).replaceAll(key ?? "\0", HIDDEN).replace(/(sig=)[^&]*/, `$1${HIDDEN}`);
    };
    for (const input of [language, reveal]) input.addEventListener("change", pick);
    pick();
    let whole = "";
    const refill = async () => { whole = await textOf(key); };
    language.addEventListener("change", refill);
    refill();
    const tryOut = async () => {
      const name = `first-message-${crypto.getRandomValues(new Uint32Array(1))[0].toString(36)}`;
      const made = await act(() => call("PUT", `/devices/${path(name)}`, { deviceId: name, authentication: { type: "sas" } }));
      if (made) { await loadDevices(); go({ view: "devices", id: name, tab: "connect" }); }
    };
    const ready = key ? el("p", { class: "hint" }, "As it is copied, it has the device's real key: treat it as a password.")
      : el("p", { class: "hint" }, `It needs the files ${id}.chain.pem and ${id}.key, of a certificate that this hub trusts. `, ENFORCED() ? "This hub lets in certificates alone." : ["Without one: ", button("Make a device with a key to try it", tryOut, "quiet", { id: "try" })]);
    const shown = pretty({ ...entry, authentication: { ...auth, symmetricKey: key ? { primaryKey: "(hidden)", secondaryKey: "(hidden)" } : auth.symmetricKey } });
    box.replaceChildren(el("div", { class: "two" },
      card("What it needs", el("table", {}, el("tbody", {}, facts.map(([name, value]) => el("tr", {}, el("th", { scope: "row" }, name), el("td", { class: "wrap" }, value))))),
        el("div", { class: "row" }, key ? copy(() => `HostName=${hub()};DeviceId=${id};SharedAccessKey=${key}`, "Copy the connection string") : null,
          store.about?.serverCa ? button("Save the CA that it must trust", () => save("server-ca.pem", new Blob([store.about.serverCa]))) : el("p", { class: "hint" }, "It must trust the CA of the certificate that this hub was started with."),
          button("Copy the service's connection string", () => act(async () => {
            const { connectionString } = await call("GET", "/admin/connection-string");
            await navigator.clipboard.writeText(connectionString);
          }, "Copied. It opens the registry: treat it as a password."), "quiet"))),
      card(null, el("div", { class: "row spread" }, el("h3", {}, "Send a first message"), language), ready, snippet,
        el("div", { class: "row spread" }, key ? el("label", { class: "check" }, reveal, "show the key") : el("span"), copy(() => whole)))),
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

const HIDDEN = "(hidden)";
const ENFORCED = () => Boolean(store.about?.settings.enforceX509);
const HOUR = 3600;

/** A shared access signature for an hour, as a device makes it of its key. */
async function signature(resource, key) {
  if (!crypto.subtle) return "SharedAccessSignature sr=…";
  const uri = encodeURIComponent(resource), until = Math.floor(now() / 1000) + HOUR;
  const bytes = Uint8Array.from(atob(key), (it) => it.charCodeAt(0));
  const made = await crypto.subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const signed = await crypto.subtle.sign("HMAC", made, new TextEncoder().encode(`${uri}\n${until}`));
  return `SharedAccessSignature sr=${uri}&sig=${encodeURIComponent(btoa(String.fromCharCode(...new Uint8Array(signed))))}&se=${until}`;
}

/** Each fetches the CA itself, so that it runs as it is copied. */
const SNIPPETS = {
  python: ({ id, address, port, ca, key }) => `# pip install azure-iot-device${port === "8883" ? "" : `\n# This client knows no port but 8883: start the emulator there (it is on ${port}).`}
import urllib.request
from azure.iot.device import IoTHubDeviceClient, Message${key ? "" : ", X509"}

ca = urllib.request.urlopen("${ca}").read().decode()
${key ? `client = IoTHubDeviceClient.create_from_connection_string(
    "HostName=${address};DeviceId=${id};SharedAccessKey=${key}",
    server_verification_cert=ca)`
    : `client = IoTHubDeviceClient.create_from_x509_certificate(
    X509(cert_file="${id}.chain.pem", key_file="${id}.key"),
    hostname="${address}", device_id="${id}", server_verification_cert=ca)`}
client.connect()
message = Message('{"temperature": 21.5}', content_encoding="utf-8", content_type="application/json")
client.send_message(message)
client.shutdown()
`,
  node: ({ id, address, port, ca, key }) => `// npm install azure-iot-device azure-iot-device-mqtt
const { Client, Message } = require("azure-iot-device");
const { Mqtt } = require("azure-iot-device-mqtt");
${key ? "" : 'const fs = require("fs");\n'}
(async () => {
  const ca = await (await fetch("${ca}")).text();
  const client = Client.fromConnectionString(
    "HostName=${address}${port === "8883" ? "" : `:${port}`};DeviceId=${id};${key ? `SharedAccessKey=${key}` : "x509=true"}", Mqtt);
  await client.setOptions({ ca${key ? "" : `,
    cert: fs.readFileSync("${id}.chain.pem", "utf8"), key: fs.readFileSync("${id}.key", "utf8")`} });
  await client.open();
  const message = new Message('{"temperature":21.5}');
  message.contentType = "application/json";
  message.contentEncoding = "utf-8";
  await client.sendEvent(message);
  await client.close();
})();
`,
  mosquitto: ({ id, address, port, ca, token }) => `curl -sSo server-ca.pem ${ca}
mosquitto_pub -h ${address} -p ${port} --tls-version tlsv1.2 -V mqttv311 \\
  --cafile server-ca.pem ${token ? `-P '${token}'` : `--cert ${id}.chain.pem --key ${id}.key`} \\
  -i '${id}' -u '${hub()}/${id}/?api-version=2021-04-12' -q 1 \\
  -t 'devices/${id}/messages/events/%24.ct=application%2Fjson&%24.ce=utf-8' \\
  -m '{"temperature":21.5}'
`,
};
