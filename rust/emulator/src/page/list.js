// The devices that are looked for. The hub is asked for them a page at a time; pages far from sight are let go again.
import { call } from "./api.js";
import { tell } from "./topics.js";

const PAGE = 100;
const KEPT = 20;
const NOTHING = { find: "", state: "", where: "", sort: "id" };

/** What is looked for: a part of the id, a state, a condition of the hub's query language, an order. */
export const look = { ...NOTHING };
export const isNarrowed = () => Boolean(look.find || look.state || look.where);

/** Each page begins behind the one before, at its token; all but the last have PAGE rows. */
let pages = [{ token: "", rows: null }];
let turn = 0, busy = null, again = false;
/** First and last row in sight. */
let sight = [0, 30];

export const list = { problem: null, asked: false };
export const rowAt = (index) => pages[Math.floor(index / PAGE)]?.rows?.[index % PAGE];
/** Rows that are known, and one more if there are others behind them. */
export const length = () => (pages.length - 1) * PAGE + (pages.at(-1).rows?.length ?? pages.at(-1).size ?? (list.asked && !list.problem ? 1 : 0));
export const isWhole = () => pages.at(-1).rows !== null || pages.at(-1).size !== undefined;

/** Another look: what differs from none stands in `next`. */
export function setLook(next) {
  const wanted = { ...NOTHING, ...Object.fromEntries(Object.entries(next).filter(([name]) => name in NOTHING)) };
  if (Object.keys(NOTHING).every((name) => wanted[name] === look[name])) return;
  Object.assign(look, wanted);
  turn++;
  pages = [{ token: "", rows: null }];
  list.problem = null;
  list.asked = false;
  sight = [0, 30];
  load();
}

/** What of the look stands in the address. */
export const lookParts = () => Object.fromEntries(Object.entries(look).filter(([name, value]) => value !== NOTHING[name]));

/** The whole query that a condition means; a whole query is taken as it is. */
export const queryOf = (text) => /^\s*select\b/i.test(text) ? text.trim() : `SELECT * FROM devices WHERE ${text.trim()}`;
/** Whether a query gives devices, and not columns and numbers. */
export const isOfDevices = (text) => /^\s*select\s+\*\s+from\s+devices\b/i.test(queryOf(text));

export function address(what, token, top = PAGE) {
  const asked = new URLSearchParams({ top });
  if (what.find) asked.set("find", what.find);
  if (what.state) asked.set("state", what.state);
  if (what.where) asked.set("query", queryOf(what.where));
  if (what.sort !== "id") asked.set("sort", what.sort);
  if (token) asked.set("continuation", token);
  return `/admin/devices?${asked}`;
}

/** A scroller says which rows are in sight. */
export function see(first, last) {
  sight = [first, last];
  if (inSight().some((page) => page.rows === null)) load();
}

const inSight = () => pages.slice(Math.floor(sight[0] / PAGE), Math.floor(sight[1] / PAGE) + 1);

/** Asks anew for what is in sight. */
export function refresh() {
  for (const page of inSight()) page.stale = true;
  return load();
}

/** Loads what is in sight and missing or stale, one page after the other. */
export function load() {
  again = true;
  busy ??= (async () => {
    while (again) {
      again = false;
      for (let page; (page = inSight().find((it) => it.rows === null || it.stale));) {
        if (!await fetch(page)) break;
      }
    }
  })().finally(() => { busy = null; });
  return busy;
}

async function fetch(page) {
  const mine = turn;
  page.stale = false;
  try {
    const { devices, continuation } = await call("GET", address(look, page.token));
    if (mine !== turn) { again = true; return false; }
    put(page, devices, continuation);
    list.problem = null;
  } catch (error) {
    if (mine !== turn) { again = true; return false; }
    list.problem = error.message;
    list.asked = true;
    tell("list");
    return false;
  }
  list.asked = true;
  tell("list");
  return true;
}

function put(page, rows, token) {
  const at = pages.indexOf(page);
  if (at < 0) return;
  page.rows = rows;
  if (!token) pages.length = at + 1;
  else if (pages[at + 1]?.token !== token) {
    pages.length = at + 1;
    pages.push({ token, rows: null });
  }
  const middle = Math.floor((sight[0] + sight[1]) / 2 / PAGE);
  pages.forEach((it, n) => {
    if (it.rows && Math.abs(n - middle) > KEPT / 2) { it.size = it.rows.length; it.rows = null; }
  });
}

/** Where a device stands among the pages that are there; -1 if it does not. */
export function indexOf(id) {
  for (const [n, page] of pages.entries()) {
    const at = page.rows?.findIndex((it) => it.deviceId === id) ?? -1;
    if (at >= 0) return n * PAGE + at;
  }
  return -1;
}

/** The ids of all that a look finds, page by page, in the order of the ids. */
export async function* idsOf(what) {
  for (let token = ""; token !== null;) {
    const { devices, continuation } = await call("GET", address({ ...what, sort: "id" }, token, 1000));
    yield devices.map((it) => it.deviceId);
    token = continuation;
  }
}
