// Requests and streams. The token, where one is asked for, is sent as a header and kept for this tab only.
import { el } from "./dom.js";
import { open } from "./dialog.js";
import { sentence } from "./words.js";

/** The hub that is looked at; null is the emulator's first. */
export const target = { hub: null };

const token = () => sessionStorage.getItem("token");
const headers = (more = {}) => token() ? { ...more, authorization: `Bearer ${token()}` } : more;

function address(path) {
  return target.hub ? `${path}${path.includes("?") ? "&" : "?"}hub=${encodeURIComponent(target.hub)}` : path;
}

/** Asks, and gives the answer's JSON or text; an error has a sentence, `status` and `code`. */
export async function call(method, path, body, more = {}) {
  const answer = await reach(address(path), { method, headers: headers(more),
    body: body === undefined ? undefined : typeof body === "string" || body instanceof Blob ? body : JSON.stringify(body) });
  if (answer.status === 401 && await askToken()) return call(method, path, body, more);
  const text = await answer.text();
  let value = text;
  try { value = text ? JSON.parse(text) : null; } catch { /* plain text */ }
  if (!answer.ok) throw refusal(method, path, answer, value);
  return value;
}

async function reach(url, options) {
  try { return await fetch(url, options); } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The emulator does not answer. Is it still running?");
  }
}

/** "ErrorCode:DeviceNotOnline;device 'x' is not connected" → "Device 'x' is not connected. (404103 DeviceNotOnline)" */
function refusal(method, path, answer, value) {
  // The hub's shape; the provisioning service and management have others, without the code's name.
  const told = value?.message ?? value?.error?.message;
  if (told) return Object.assign(new Error(`${sentence(told)} (${value.errorCode ?? answer.status})`), { status: answer.status, code: value.errorCode });
  const parts = /^ErrorCode:([^;]*);?([^]*)$/.exec(value?.Message ?? "");
  const name = parts ? ` (${value.errorCode ?? answer.status} ${parts[1]})` : "";
  const why = parts ? parts[2] || parts[1] : typeof value === "string" && value ? value : `${method} ${path} was answered with ${answer.status}`;
  return Object.assign(new Error(sentence(why) + name), { status: answer.status, code: value?.errorCode, answer: value });
}

/** The answer as it comes, for saving. */
export async function blob(path) {
  const answer = await reach(address(path), { headers: headers() });
  if (!answer.ok) throw new Error(`The emulator answered with ${answer.status}.`);
  return answer.blob();
}

let asking = null;
function askToken() {
  asking ??= new Promise((done) => {
    const field = el("input", { type: "password", autocomplete: "current-password", required: true, autofocus: true });
    open("This emulator asks for its token", [
      el("p", {}, token() ? "The token was not the right one. " : "", "It stands in the file that was given as --token-file."),
      el("label", {}, el("span", {}, "Token"), field)], "Go on", () => {
      sessionStorage.setItem("token", field.value);
      done(true);
    }, () => done(false));
  }).finally(() => { asking = null; });
  return asking;
}

/** Follows server-sent events, and begins anew when the connection ends; gives a function that stops it. */
export function follow(path, { begin, seen, live }) {
  const stop = new AbortController();
  (async () => {
    while (!stop.signal.aborted) {
      try {
        const answer = await fetch(address(path), { headers: headers(), signal: stop.signal });
        if (answer.status === 401) { if (!await askToken()) await pause(3000); continue; }
        if (!answer.ok) throw new Error(answer.statusText);
        begin();
        live?.(true);
        await read(answer.body, seen);
      } catch { /* begun anew below */ }
      if (stop.signal.aborted) return;
      live?.(false);
      await pause(1000);
    }
  })();
  return () => stop.abort();
}

const pause = (ms) => new Promise((next) => setTimeout(next, ms));

/** A stream says at least every 15 s that it is still there; one that does not is given up. */
const SILENCE = 40000;

async function read(body, seen) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const timer = setTimeout(() => reader.cancel(), SILENCE);
    const { value, done } = await reader.read().finally(() => clearTimeout(timer));
    if (done) return;
    text += value;
    const parts = text.split("\n\n");
    text = parts.pop();
    for (const part of parts) {
      const data = part.split("\n").find((line) => line.startsWith("data: "));
      if (data) seen(JSON.parse(data.slice(6)));
    }
  }
}
