"use strict";
// A device with a shared access signature: just enough MQTT 3.1.1 to connect and to send.
const crypto = require("crypto");
const tls = require("tls");

const text = (value) => Buffer.concat([Buffer.from([value.length >> 8, value.length & 255]), Buffer.from(value)]);

function packet(kind, ...parts) {
  const body = Buffer.concat(parts);
  const length = [];
  for (let left = body.length; ;) {
    length.push(left > 127 ? (left & 127) | 128 : left);
    if (left <= 127) break;
    left >>= 7;
  }
  return Buffer.concat([Buffer.from([kind, ...length]), body]);
}

function token(resource, key) {
  const uri = encodeURIComponent(resource);
  const until = Math.floor(Date.now() / 1000) + 3600;
  const signature = crypto.createHmac("sha256", Buffer.from(key, "base64")).update(`${uri}\n${until}`).digest("base64");
  return `SharedAccessSignature sr=${uri}&sig=${encodeURIComponent(signature)}&se=${until}`;
}

/** Connects; gives {send(json), end()}; fails with the CONNACK code. */
exports.connect = ({ port, ca, hub, id, key, model }) => new Promise((done, failed) => {
  const socket = tls.connect({ port, host: "127.0.0.1", servername: hub, ca, maxVersion: "TLSv1.2" });
  let next = 1;
  const waiting = new Map();
  socket.on("error", failed);
  socket.on("close", () => failed(new Error("the hub closed the connection")));
  socket.on("secureConnect", () => socket.write(packet(0x10, text("MQTT"), Buffer.from([4, 0xc2, 0, 60]), text(id),
    text(`${hub}/${id}/?api-version=2021-04-12${model ? `&model-id=${encodeURIComponent(model)}` : ""}`), text(token(`${hub}/devices/${id}`, key)))));
  let bytes = Buffer.alloc(0);
  socket.on("data", (more) => {
    for (bytes = Buffer.concat([bytes, more]); bytes.length >= 4; bytes = bytes.subarray(2 + bytes[1])) {
      if (bytes[0] === 0x20) {
        if (bytes[3] !== 0) failed(new Error(`CONNACK ${bytes[3]}`));
        else done({ send, end: () => new Promise((ended) => { socket.once("close", ended); socket.end(packet(0xe0)); }) });
      } else if (bytes[0] === 0x40) waiting.get(bytes.readUInt16BE(2))?.();
    }
  });
  const send = (body) => new Promise((acknowledged) => {
    const number = next++;
    waiting.set(number, acknowledged);
    socket.write(packet(0x32, text(`devices/${id}/messages/events/%24.ct=application%2Fjson&%24.ce=utf-8`),
      Buffer.from([number >> 8, number & 255]), Buffer.from(body)));
  });
});
