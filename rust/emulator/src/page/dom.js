// Elements. Whatever comes from a peer is set as text or as an attribute's value, never as HTML.
const SVG = new Set(["svg", "path", "line", "rect", "circle", "text", "title", "g"]);

/** el("button", {class: "main", onclick: run}, "Save"): attributes, listeners (on…), properties (.value), children. */
export function el(tag, attributes = {}, ...children) {
  const node = SVG.has(tag) ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name.startsWith(".")) node[name.slice(1)] = value;
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== undefined && value !== null) node.setAttribute(name, value);
  }
  node.append(...children.flat(3).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export const $ = (id) => document.getElementById(id);

/** Runs `draw` soon, once for many calls. */
export function later(draw, ms = 120) {
  let timer = null;
  return () => { timer ??= setTimeout(() => { timer = null; draw(); }, ms); };
}
