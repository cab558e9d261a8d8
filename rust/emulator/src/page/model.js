// What a device's model (DTDL, versions 2 and 3) says of its values: names and units. The emulator has the file of this project's
// application; that of another model is given once, to this browser.
const KNOWN = { "dtmi:iothub:Tracker;1": "/page/tracker-1.json" };
const UNITS = { degreeCelsius: "°C", degreeFahrenheit: "°F", kelvin: "K", percent: "%", unity: "", volt: "V", millivolt: "mV", ampere: "A", milliampere: "mA", watt: "W", kilowatt: "kW", kilowattHour: "kWh",
  metre: "m", centimetre: "cm", millimetre: "mm", kilometre: "km", metrePerSecond: "m/s", kilometrePerHour: "km/h", metrePerSecondSquared: "m/s²", gForce: "g", degreeOfArc: "°", radian: "rad", degreePerSecond: "°/s",
  second: "s", millisecond: "ms", minute: "min", hour: "h", pascal: "Pa", kilopascal: "kPa", bar: "bar", millibar: "mbar", lux: "lx", hertz: "Hz", gram: "g", kilogram: "kg", litre: "l", decibel: "dB", decibelMilliwatt: "dBm", byte: "B", kibibyte: "KiB" };

const key = (id) => `model:${id}`;
const textOf = (it) => typeof it === "string" ? it : it?.en ?? Object.values(it ?? {})[0];
const listOf = (it) => it === undefined ? [] : Array.isArray(it) ? it : [it];

/** Keeps a model's file for devices that announce `id`; throws a sentence if that interface is not in it. */
export function keepModel(id, text) {
  const all = listOf(JSON.parse(text));
  if (!all.some((it) => it?.["@id"] === id)) throw new Error(`The file has no interface ${id}: it has ${all.map((it) => it?.["@id"]).filter(Boolean).join(", ") || "none"}.`);
  localStorage.setItem(key(id), text);
}

const fetched = new Map();
const fileOf = (id) => localStorage.getItem(key(id)) ?? fetched.get(id);
export const hasModel = (id) => Boolean(id && fileOf(id));

/** Fetches the file of a model that the emulator has; true if it is new here. */
export async function learn(id) {
  if (!KNOWN[id] || hasModel(id)) return false;
  const answer = await fetch(KNOWN[id]).catch(() => null);
  if (!answer?.ok) return false;
  fetched.set(id, await answer.text());
  return true;
}

/** By the path of a value: {label, unit}. */
export function namesOf(id) {
  const names = new Map();
  const text = id && fileOf(id);
  if (!text) return names;
  const all = new Map(listOf(JSON.parse(text)).map((it) => [it?.["@id"], it]));
  interfaceOf(all, id, "", names, 0);
  return names;
}

function interfaceOf(all, id, before, names, depth) {
  const found = typeof id === "string" ? all.get(id) : id;
  if (!found || depth > 8) return;
  for (const schema of listOf(found.schemas)) all.set(schema["@id"], schema);
  for (const parent of listOf(found.extends)) interfaceOf(all, parent, before, names, depth + 1);
  for (const it of listOf(found.contents)) {
    const kinds = listOf(it["@type"]);
    if (kinds.includes("Component")) interfaceOf(all, it.schema, `${before}${it.name}.`, names, depth + 1);
    else if (kinds.includes("Telemetry") || kinds.includes("Property")) value(all, it, `${before}${it.name}`, names, depth);
  }
}

function value(all, it, path, names, depth) {
  const unit = typeof it.unit === "string" ? it.unit.replace(/^.*[:;]/, "") : undefined;
  // DTDL has few units; a name may have its own in brackets.
  const [, label, bracket] = /^(.*\S) \(([^(),]{1,8})\)$/.exec(textOf(it.displayName) ?? "") ?? [null, textOf(it.displayName) ?? "", ""];
  names.set(path, { label, unit: unit === undefined ? bracket : UNITS[unit] ?? unit });
  if (depth > 8) return;
  const schema = resolve(all, resolve(all, it.schema)?.elementSchema ?? it.schema);
  const fields = listOf(schema?.fields), isReading = fields.length === 2 && fields.some((field) => field.name === "v") && fields.some((field) => field.name === "ts");
  for (const inner of fields) if (!isReading) value(all, { unit: it.unit, ...inner }, `${path}.${inner.name}`, names, depth + 1);
    else if (inner.name === "v") value(all, { displayName: it.displayName, ...inner }, path, names, depth + 1);
}

const resolve = (all, schema) => typeof schema === "string" ? all.get(schema) : schema;
