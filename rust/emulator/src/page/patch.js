// JSON documents against each other: the patch that leads from one to the other, and the lines that differ.
const isObject = (it) => it !== null && typeof it === "object" && !Array.isArray(it);

/** RFC 7396: what is to be sent so that `from` becomes `to`. */
export function mergePatch(from, to) {
  const patch = {};
  for (const key of Object.keys(from)) if (!(key in to)) patch[key] = null;
  for (const [key, value] of Object.entries(to)) {
    if (isObject(value) && isObject(from[key])) {
      const inner = mergePatch(from[key], value);
      if (Object.keys(inner).length) patch[key] = inner;
    } else if (JSON.stringify(value) !== JSON.stringify(from[key])) patch[key] = value;
  }
  return patch;
}

/** Lines as [sign, text], with sign " ", "+" or "-": the longest common part stays. */
export function lines(before, after) {
  const [a, b] = [before.split("\n"), after.split("\n")];
  if (a.length * b.length > 400000) return [...a.map((it) => ["-", it]), ...b.map((it) => ["+", it])];
  const common = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i--) for (let j = b.length - 1; j >= 0; j--) {
    common[i][j] = a[i] === b[j] ? common[i + 1][j + 1] + 1 : Math.max(common[i + 1][j], common[i][j + 1]);
  }
  const out = [];
  let i = 0, j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) { out.push([" ", a[i]]); i++; j++; }
    else if (i < a.length && (j === b.length || common[i + 1][j] >= common[i][j + 1])) out.push(["-", a[i++]]);
    else out.push(["+", b[j++]]);
  }
  return out;
}

export const strip = ({ $metadata, $version, ...rest }) => rest;

/** The leaves of a document by their path; lists and empty objects are leaves. */
export function leaves(value, name = "", out = new Map()) {
  if (isObject(value) && Object.keys(value).length && !isAnswer(value)) {
    for (const [key, item] of Object.entries(value)) leaves(item, name ? `${name}.${key}` : key, out);
  } else if (name) out.set(name, value);
  return out;
}

/** The form in which IoT Plug and Play devices acknowledge a desired property. */
export const isAnswer = (it) => isObject(it) && "ac" in it && "value" in it;
