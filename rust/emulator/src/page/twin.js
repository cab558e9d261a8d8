// The twin: desired properties to edit, reported ones to read, both compared, and the versions seen.
import { call } from "./api.js";
import { act, ask } from "./dialog.js";
import { el } from "./dom.js";
import { button, card, copy, pill, table } from "./parts.js";
import { isAnswer, leaves, lines, mergePatch, strip } from "./patch.js";
import { clock, parse, path, pretty, zone } from "./words.js";

/** Desired properties by device, as this page has seen them: [{version, time, text}]. */
const seenVersions = new Map();

export function twin(box, id) {
  let base = null, now = null, closed = false, timer = null;
  const editor = el("textarea", { id: "desired", rows: 14, spellcheck: "false", "aria-label": "Desired properties" });
  const tags = el("textarea", { id: "tags", rows: 4, spellcheck: "false", "aria-label": "Tags" });
  const desiredTitle = el("h3"), reportedTitle = el("h3");
  const note = el("p", { class: "hint", role: "status" });
  const changes = el("div", { class: "diff mono", role: "group", "aria-label": "What saving changes" });
  const behind = el("div", { class: "card notice", hidden: true });
  const reported = el("pre", { class: "code tall", tabindex: 0, "aria-label": "Reported properties" });
  const comparison = el("div"), versions = el("div");
  const saveButton = button("Save", save, "main", { title: "Ctrl+Enter" });
  const undoButton = button("Undo", () => edit(now));
  editor.addEventListener("input", compare);
  tags.addEventListener("input", compare);
  for (const area of [editor, tags]) area.addEventListener("keydown", (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) save(); });
  box.replaceChildren(behind, el("div", { class: "two" },
    el("section", { class: "card" }, el("div", { class: "row spread" }, desiredTitle, el("span", { class: "dim" }, "what you want")), editor, note, changes,
      el("details", {}, el("summary", {}, "Tags"), tags, el("p", { class: "hint" }, "Only services see tags; queries find devices by them.")),
      el("div", { class: "row" }, saveButton, undoButton, el("span", { class: "dim" }, "Ctrl+Enter saves"))),
    el("section", { class: "card" }, el("div", { class: "row spread" }, reportedTitle, el("span", { class: "dim" }, "what the device says")), reported,
      el("div", { class: "row end" }, copy(() => reported.textContent)))),
  card("Desired and reported", comparison), card("Versions of desired", versions));

  const textOf = (it) => pretty(strip(it.properties.desired));

  async function load() {
    clearTimeout(timer);
    const loaded = await call("GET", `/twins/${path(id)}`).catch((error) => { note.textContent = error.message; return null; });
    if (closed) return;
    timer = setTimeout(load, 2000);
    if (!loaded || document.hidden && now || loaded.etag === now?.etag && base) return;
    const first = !base;
    now = loaded;
    remember(loaded);
    if (first || !isEdited()) edit(loaded); else moved();
    drawReported();
    drawVersions();
  }

  const isEdited = () => editor.value !== textOf(base) || tags.value !== pretty(base.tags);

  /** Puts a twin into the editor. */
  function edit(from) {
    base = from;
    editor.value = textOf(from);
    tags.value = pretty(from.tags);
    moved();
    compare();
  }

  /** The desired properties changed while they were being edited. */
  function moved() {
    const newer = now.properties.desired.$version !== base.properties.desired.$version;
    behind.hidden = !newer;
    desiredTitle.textContent = `Desired, version ${now.properties.desired.$version}`;
    if (newer) behind.replaceChildren(el("div", { class: "row spread" },
      el("span", {}, `Somebody wrote version ${now.properties.desired.$version} while you were editing version ${base.properties.desired.$version}.`),
      el("div", { class: "row" }, button("Show theirs", () => edit(now)), button("Keep mine, on top of theirs", () => {
        base = now;
        moved();
        compare();
      }, "main"))));
  }

  function compare() {
    let problem = "";
    try { read(editor, "The desired document"); read(tags, "The document of tags"); } catch (error) { problem = error.message; }
    const edited = isEdited();
    note.textContent = problem || (edited ? "Not saved yet." : "As saved.");
    note.className = `hint ${problem ? "problem" : ""}`;
    saveButton.disabled = Boolean(problem) || !edited;
    undoButton.disabled = !edited;
    changes.replaceChildren(...(edited && !problem ? diffNodes(textOf(base), editor.value) : []));
  }

  function read(area, what) {
    const value = parse(area.value || "{}", what);
    if (value === null || typeof value !== "object" || Array.isArray(value)) throw new Error(`${what} must be an object: { … }.`);
    return value;
  }

  async function save() {
    if (saveButton.disabled) return;
    await act(async () => {
      const desired = mergePatch(strip(base.properties.desired), read(editor, "The desired document"));
      const tagged = mergePatch(base.tags, read(tags, "The document of tags"));
      // Reported properties change the entity tag as well: only a newer desired version stands in the way.
      const fresh = await call("GET", `/twins/${path(id)}`);
      if (fresh.properties.desired.$version !== base.properties.desired.$version) {
        now = fresh;
        moved();
        throw new Error("Somebody else saved meanwhile. Choose above which version is to stay.");
      }
      const patch = {};
      if (Object.keys(desired).length) patch.properties = { desired };
      if (Object.keys(tagged).length) patch.tags = tagged;
      now = await call("PATCH", `/twins/${path(id)}`, patch, { "if-match": `"${fresh.etag}"` });
      remember(now);
      edit(now);
      drawReported();
      drawVersions();
    }, "Saved. The device is told if it is connected, else when it comes.");
  }

  function drawReported() {
    const { desired, reported: said } = now.properties;
    reportedTitle.textContent = `Reported, version ${said.$version}`;
    reported.textContent = pretty(strip(said));
    const [wanted, told] = [leaves(strip(desired)), leaves(strip(said))];
    const rows = [...new Set([...wanted.keys(), ...told.keys()])].sort().map((name) => {
      const [state, kind, why] = verdict(name, wanted, told);
      return el("tr", {}, el("td", { class: "mono name" }, name), el("td", { class: "mono" }, text(wanted, name)), el("td", { class: "mono" }, text(told, name)),
        el("td", {}, pill(state, kind), why ? ` ${why}` : null), el("td", { class: "num dim" }, clock(changedAt(said, name) ?? changedAt(desired, name))));
    });
    comparison.replaceChildren(table(["Property", "Desired", "Reported", "State", `Changed (${zone()})`], rows,
      "Nothing is desired and nothing reported. Write a property on the left and save it; a connected device hears of it at once."));
  }

  function remember(it) {
    const all = seenVersions.get(id) ?? [];
    if (!all.some((one) => one.version === it.properties.desired.$version)) {
      all.push({ version: it.properties.desired.$version, time: it.properties.desired.$metadata?.$lastUpdated, text: textOf(it) });
    }
    seenVersions.set(id, all.slice(-50));
  }

  function drawVersions() {
    const all = seenVersions.get(id) ?? [];
    const open = new Set([...versions.querySelectorAll("details[open]")].map((it) => it.dataset.version));
    versions.replaceChildren(el("p", { class: "hint" }, "The hub keeps only the latest; these are the versions that this page has seen."),
      ...[...all].reverse().map((one, n, list) => {
        const before = list[n + 1];
        const changed = before ? diffNodes(before.text, one.text) : [el("span", {}, one.text)];
        return el("details", { "data-version": one.version, open: open.has(`${one.version}`) }, el("summary", {}, `Version ${one.version}`, el("span", { class: "dim" }, ` ${clock(one.time)}${n === 0 ? ", now" : ""}`)),
          el("div", { class: "diff mono" }, changed.length ? changed : "No difference to the version before."),
          n === 0 ? null : el("div", { class: "row" }, button("Put it into the editor", () => {
            const go = () => { editor.value = one.text; compare(); editor.focus(); };
            if (isEdited()) ask("Overwrite what you typed?", "The editor holds changes that are not saved.", "Overwrite", go); else go();
          })));
      }));
  }

  load();
  return { seen: (topic, item) => { if (topic === "event" && item?.deviceId === id && item.event === "twin") load(); },
    close: () => { closed = true; clearTimeout(timer); } };
}

function diffNodes(before, after) {
  if (before === after) return [];
  return lines(before, after).map(([sign, line]) => el("span", { class: sign === "+" ? "add" : sign === "-" ? "del" : "" }, `${sign} ${line}`));
}

const text = (map, name) => map.has(name) ? JSON.stringify(map.get(name)) : "–";

function verdict(name, wanted, told) {
  const said = told.get(name);
  if (isAnswer(said)) {
    if (said.ac >= 400) return [`refused with ${said.ac}`, "warn", said.ad];
    if (!wanted.has(name)) return ["only reported", ""];
    return JSON.stringify(said.value) === text(wanted, name) ? [`accepted with ${said.ac}`, "on"] : ["accepted an older value", "warn"];
  }
  if (!wanted.has(name)) return ["only reported", ""];
  if (!told.has(name)) return ["not reported", "warn"];
  return text(told, name) === text(wanted, name) ? ["same", "on"] : ["differs", "warn"];
}

function changedAt(part, name) {
  let at = part.$metadata;
  for (const key of name.split(".")) at = at?.[key];
  return at?.$lastUpdated;
}
