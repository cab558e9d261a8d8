// A long list of which only what is in sight stands in the document. One tab stop: arrows move, Enter opens, space marks.
import { el } from "./dom.js";
import { isWhole, length, rowAt, see } from "./list.js";

const AROUND = 6;
let numbers = 0;

/** `cells(row)` gives the cells' contents; `open(row)` and, where rows can be marked, `mark(row)` are what keys do. */
export function scroller({ id, label, heads = null, cells, open, mark, kind = () => "" }) {
  const name = `rows${++numbers}`;
  const space = el("div", { class: "space", role: "rowgroup" });
  const box = el("div", { id, class: "rows", role: "grid", tabindex: 0, "aria-label": label, onkeydown: keys, onscroll: () => requestAnimationFrame(draw) },
    heads ? el("div", { role: "rowgroup", class: "heads" }, heads) : null, space);
  const nodes = new Map();
  let active = -1, height = 0;

  const top = () => heads ? box.firstChild.offsetHeight : 0;

  /** Draws what has come into sight; `anew` all of it. */
  function draw(anew = false) {
    if (!box.isConnected) return;
    height = parseFloat(getComputedStyle(box).getPropertyValue("--row"));
    const all = length();
    const first = Math.max(0, Math.floor((box.scrollTop - top()) / height) - AROUND);
    const last = Math.min(all - 1, Math.ceil((box.scrollTop + box.clientHeight) / height) + AROUND);
    space.style.height = `${all * height}px`;
    box.setAttribute("aria-rowcount", isWhole() ? all + (heads ? 1 : 0) : -1);
    for (const [index, node] of nodes) if (anew === true || index < first || index > last) { node.remove(); nodes.delete(index); }
    for (let index = first; index <= last; index++) if (!nodes.has(index)) {
      const node = row(index);
      nodes.set(index, node);
      space.append(node);
    }
    see(first, Math.max(first, last));
    point();
  }

  function row(index) {
    const it = rowAt(index);
    const node = el("div", { role: "row", id: `${name}-${index}`, class: `item ${it ? kind(it) : "missing"}`, "aria-rowindex": index + (heads ? 2 : 1),
      onclick: (event) => { active = index; point(); if (it && !event.target.closest("a, button, input, label")) open(it); } },
      it ? cells(it).map((cell) => el("div", { role: "gridcell" }, cell)) : el("div", { role: "gridcell", class: "dim" }, "…"));
    node.style.top = `${index * height}px`;
    return node;
  }

  function point() {
    for (const [index, node] of nodes) node.classList.toggle("active", index === active);
    if (nodes.has(active)) box.setAttribute("aria-activedescendant", `${name}-${active}`);
    else box.removeAttribute("aria-activedescendant");
  }

  function keys(event) {
    if (event.target !== box) return;
    const page = Math.max(1, Math.floor((box.clientHeight - top()) / height) - 1), most = length() - 1;
    const to = { ArrowDown: active + 1, ArrowUp: active - 1, PageDown: active + page, PageUp: active - page, Home: 0, End: most }[event.key];
    const it = rowAt(active);
    if (to !== undefined) move(Math.min(most, Math.max(0, to)));
    else if (event.key === "Enter" && it) open(it);
    else if (event.key === " " && it && mark) { mark(it); draw(true); }
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  function move(index) {
    active = index;
    const [upper, lower] = [index * height, (index + 1) * height + top()];
    if (upper < box.scrollTop) box.scrollTop = upper;
    else if (lower > box.scrollTop + box.clientHeight) box.scrollTop = lower - box.clientHeight;
    draw();
  }

  const sized = new ResizeObserver(() => draw(true));
  sized.observe(box);
  return { box, draw, move, close: () => sized.disconnect() };
}
