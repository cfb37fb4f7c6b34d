"use strict";
// Wherever the page is mounted: with or without a slash at the end.
const base = location.pathname.replace(/\/?$/, "/");
const view = document.getElementById("view");
const status = document.getElementById("status");
let overview = null;
let catalog = null;
let sorted = { column: "function", down: false };

// Keys and names can hold anything: everything from the server becomes text, and nothing becomes markup. What has no width or turns
// a line around is shown by its number.
const HIDDEN = /[\u0000-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;
function shown(text) {
  return String(text).replace(HIDDEN, (it) => "\\u{" + it.charCodeAt(0).toString(16) + "}");
}
function el(name, attributes, ...children) {
  const element = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes || {})) element.setAttribute(attribute, value);
  element.append(...children.filter((child) => child !== null));
  return element;
}
// A text of several lines.
function lines(value) {
  return document.createTextNode(value.split("\n").map(shown).join("\n"));
}
function text(value) {
  return document.createTextNode(shown(value));
}
function time(millis) {
  if (millis === null || millis === undefined) return "–";
  if (millis < 10000) return millis < 10 ? millis.toFixed(1) + " ms" : Math.round(millis) + " ms";
  const seconds = Math.round(millis / 1000);
  const parts = [[86400, "d"], [3600, "h"], [60, "m"], [1, "s"]];
  let rest = seconds;
  return parts.map(([unit, name]) => {
    const count = Math.floor(rest / unit);
    rest %= unit;
    return count ? count + name : "";
  }).filter(Boolean).slice(0, 2).join(" ") || "0s";
}
function size(bytes) {
  if (bytes < 1024) return bytes + " B";
  const [unit, name] = bytes < 1048576 ? [1024, "KiB"] : [1048576, "MiB"];
  return (bytes / unit).toFixed(1) + " " + name;
}
async function ask(path, options) {
  const answer = await fetch(base + path, options);
  const body = await answer.json().catch(() => ({ error: "the server answered " + answer.status }));
  if (!answer.ok) throw new Error(body.error || "the server answered " + answer.status);
  return body;
}
function facts(rows) {
  const body = el("tbody");
  for (const [name, value] of rows) {
    body.append(el("tr", {}, el("th", { scope: "row" }, text(name)), el("td", {}, value instanceof Node ? value : text(value))));
  }
  return el("table", { class: "facts" }, body);
}

// Functions.
const COLUMNS = [
  ["function", "Function", (row) => row.name, (row) => row.name],
  ["hit_rate", "Hit rate", (row) => row.hit_rate ?? -1, (row) => row.hit_rate === null ? "–" : (row.hit_rate * 100).toFixed(1) + " %"],
  ["hits", "Hits", (row) => row.hits, (row) => row.hits],
  ["loads", "Loads", (row) => row.loads, (row) => row.loads],
  ["load_ms", "Load time", (row) => row.load_ms ?? -1, (row) => time(row.load_ms)],
  ["stale", "Stale", (row) => row.stale, (row) => row.stale],
  ["refused", "Refused", (row) => row.refused, (row) => row.refused],
  ["errors", "Errors", (row) => row.errors, (row) => row.errors],
  ["verified", "Verified", (row) => row.verified, (row) => row.verified],
  ["mismatched", "Mismatched", (row) => row.mismatched, (row) => row.mismatched],
  ["ttl_ms", "TTL", (row) => row.ttl_ms ?? -1, (row) => time(row.ttl_ms)],
];
function functionRows() {
  const ttls = new Map((catalog ? catalog.functions : []).map((it) => [it.module + "::" + it.name, it.ttl_ms]));
  const rows = new Map([...ttls.keys()].map((name) => [name, {
    name, hit_rate: null, hits: 0, loads: 0, load_ms: null, stale: 0, refused: 0, errors: 0, verified: 0, mismatched: 0,
  }]));
  for (const row of overview.functions) rows.set(row.name, { ...row });
  // Of two functions with one path the second has its place behind its name.
  for (const row of rows.values()) row.ttl_ms = ttls.get(row.name.split(" (")[0]) ?? null;
  return [...rows.values()];
}
function showFunctions() {
  if (!overview) return [el("p", { class: "faint" }, "Loading…")];
  const [, , value] = COLUMNS.find(([column]) => column === sorted.column);
  const rows = functionRows().sort((a, b) => {
    const [x, y] = [value(a), value(b)];
    return (x < y ? -1 : x > y ? 1 : 0) * (sorted.down ? -1 : 1);
  });
  const head = el("tr");
  for (const [column, name] of COLUMNS) {
    const button = el("button", { type: "button", "data-column": column }, name);
    button.addEventListener("click", () => {
      sorted = { column, down: sorted.column === column ? !sorted.down : column !== "function" };
      draw();
      view.querySelector(`button[data-column="${column}"]`).focus();
    });
    const order = sorted.column !== column ? "none" : sorted.down ? "descending" : "ascending";
    head.append(el("th", { scope: "col", "aria-sort": order }, button));
  }
  const body = el("tbody");
  for (const row of rows) {
    const cells = COLUMNS.map(([column, , , cell]) => {
      const bad = (column === "errors" || column === "mismatched") && row[column] > 0;
      return el("td", bad ? { class: "bad" } : {}, text(cell(row)));
    });
    body.append(el("tr", {}, ...cells));
  }
  const whose = overview.processes === null
    ? "Counts of this process, since its start."
    : "Counts of " + overview.processes + " process(es) that publish theirs, since their starts."
      + (overview.unreadable ? " Left out: " + overview.unreadable + " of another version." : "");
  return [el("h2", {}, "Functions"), el("p", { class: "faint" }, whose),
    el("div", { class: "wide" }, el("table", { id: "functions" }, el("thead", {}, head), body))];
}

// One entry.
let looked = null;
function showEntry(key) {
  const input = el("input", { id: "key", "aria-label": "Key", placeholder: "user:42", autocomplete: "off", spellcheck: "false" });
  input.value = key;
  const form = el("form", {}, input, el("button", { class: "do" }, "Look"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const hash = "#entry/" + encodeURIComponent(input.value);
    if (location.hash === hash) look(input.value);
    else location.hash = hash;
  });
  const nodes = [el("h2", {}, "Entry"), form];
  if (key && looked && looked.asked === key) nodes.push(...entryFacts(looked.found));
  return nodes;
}
function entryFacts(found) {
  if (found.error) return [el("p", { class: "bad" }, text(found.error))];
  const nodes = [el("h2", { id: "found" }, text(found.key))];
  const rows = found.facts.map(([name, value]) => [name, value]);
  if (found.fingerprint_fits !== undefined && found.fingerprint_fits !== null) {
    rows.push(["type", found.fingerprint_fits ? "the one that this build of the application reads"
      : "of another build: this one replaces it with the next call"]);
  }
  if (found.codec) rows.push(["codec", found.codec]);
  if (found.corrupt) rows.push(["corrupt", "the checksum is wrong; the next call loads it again"]);
  if (found.value !== undefined && found.value !== null) rows.push(["value", lines(JSON.stringify(found.value, null, 2))]);
  else if (found.bytes) rows.push(["bytes", found.bytes + "  (only the program can decode it)"]);
  nodes.push(facts(rows));
  if (found.invalidation && found.state !== "foreign") nodes.push(invalidation(found));
  nodes.push(el("h2", {}, "Who owns it, and who invalidates it"));
  if (!found.owners.length) nodes.push(el("p", { class: "faint" }, "No cached function of the catalog has such a key."));
  for (const owner of found.owners) {
    const by = owner.invalidated_by.map((write) => [
      "invalidated by", write.function + "  " + write.file + ":" + write.line + "  (" + write.through + ")",
    ]);
    if (!by.length) by.push(["invalidated by", "nothing: a change of the origin shows after up to " + time(owner.oldest_ms)]);
    nodes.push(facts([["owned by", owner.function + "  " + owner.file + ":" + owner.line], ["key", owner.template],
      ["at most", time(owner.oldest_ms) + " old, if a write that changes it is not named"], ...by]));
  }
  return nodes;
}
function invalidation(found) {
  const row = el("form", { id: "invalidation" });
  const first = el("button", { class: "do", type: "button", id: "invalidate" }, "Invalidate…");
  first.addEventListener("click", () => {
    const yes = el("button", { class: "do bad", type: "submit", id: "confirm" }, "Invalidate this entry");
    const no = el("button", { class: "do", type: "button" }, "Keep it");
    no.addEventListener("click", () => draw());
    row.replaceChildren(yes, no);
    no.focus();
  });
  row.append(first);
  row.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      await ask("api/invalidate", {
        method: "POST",
        headers: { "content-type": "application/json", "x-cached-aside": "invalidate" },
        body: JSON.stringify({ key: found.key }),
      });
      status.textContent = shown(found.key) + " was invalidated";
      await look(found.key);
    } catch (error) {
      status.textContent = shown(error.message);
    }
  });
  return row;
}
async function look(key) {
  try {
    looked = { asked: key, found: await ask("api/entry?key=" + encodeURIComponent(key)) };
  } catch (error) {
    looked = { asked: key, found: { error: error.message } };
  }
  draw();
}

// The picture: writes at the left, an arrow to each function that they invalidate.
function svg(name, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [attribute, value] of Object.entries(attributes)) element.setAttribute(attribute, value);
  element.append(...children);
  return element;
}
function targetsOf(write) {
  return [...new Set(write.targets.flatMap((it) => it.function !== undefined ? [it.function] : it.functions || []))];
}
function showCatalog() {
  if (!catalog) return [el("p", { class: "faint" }, "There is no catalog.")];
  const [HEIGHT, GAP] = [44, 10];
  const cut = (it) => { const line = shown(it); return line.length > 48 ? "…" + line.slice(-47) : line; };
  const width = (lines) => Math.max(...lines.flat().map((line) => line.length), 10) * 8 + 20;
  const writes = catalog.writes.map((it) => [cut(it.module + "::" + it.name), cut(it.file + ":" + it.line)]);
  const reads = catalog.functions.map((it) => [cut(it.module + "::" + it.name), cut(it.template + "  ttl " + time(it.ttl_ms))]);
  const [left, right] = [width(writes), width(reads)];
  const at = (number) => number * (HEIGHT + GAP) + 4;
  const height = at(Math.max(writes.length, reads.length)) + 4;
  const picture = svg("svg", { width: left + 140 + right, height, role: "img", "aria-label": "Which write invalidates which function" });
  const box = (kind, lines, x, y, wide) => {
    const group = svg("g", { class: kind }, svg("rect", { class: kind, x, y, width: wide - 4, height: HEIGHT, rx: kind === "read" ? 16 : 3 }));
    lines.forEach((line, number) => group.append(svg("text", { x: x + 10, y: y + 18 + 17 * number }, document.createTextNode(line))));
    return group;
  };
  catalog.writes.forEach((write, number) => {
    for (const target of targetsOf(write)) {
      const [y, to] = [at(number) + HEIGHT / 2, at(target) + HEIGHT / 2];
      const [from, end] = [left, left + 140];
      picture.append(svg("path", { d: `M${from} ${y} C${from + 70} ${y} ${end - 70} ${to} ${end} ${to} m-8 -4 l8 4 l-8 4` }));
    }
  });
  writes.forEach((lines, number) => picture.append(box("write", lines, 2, at(number), left)));
  reads.forEach((lines, number) => picture.append(box("read", lines, left + 140, at(number), right)));
  // The same for those who can't see it.
  const list = el("ul");
  for (const write of catalog.writes) {
    const named = targetsOf(write).map((it) => catalog.functions[it].module + "::" + catalog.functions[it].name);
    list.append(el("li", {}, text(write.module + "::" + write.name + " → " + (named.join(", ") || "nothing that is in the catalog"))));
  }
  return [el("h2", {}, "Who invalidates what"), el("div", { class: "wide", id: "picture", tabindex: "0" }, picture), list];
}

function showServers() {
  if (!overview) return [el("p", { class: "faint" }, "Loading…")];
  const nodes = [el("h2", {}, "Servers")];
  if (!overview.servers.length) nodes.push(el("p", { class: "faint" }, "None: the cache is inside this process."));
  for (const server of overview.servers) {
    const state = server.up ? "in use (the breaker is closed)"
      : "not in use (the breaker is open) for " + time(server.down_ms) + ": " + server.reason;
    nodes.push(facts([["server", server.address], ["state", state], ["outages", server.outages],
      ["commands on their way", server.in_flight]]));
  }
  if (overview.own) nodes.push(...showOwn(overview.own));
  nodes.push(el("h2", {}, "Writes"));
  nodes.push(facts([["on the recovery list", overview.recovering + " key(s)"], ...Object.entries(overview.writes)]));
  return nodes;
}
// What only the process that serves the page knows.
function showOwn(own) {
  const nodes = [el("h2", {}, "Recovery list of this process")];
  if (own.recovering) {
    nodes.push(el("p", {}, "Invalidations that have not been delivered. Until they are, this process leaves these keys alone."));
    const keys = own.owed.map((key) => el("li", {}, el("a", { href: "#entry/" + encodeURIComponent(key) }, text(key))));
    const more = own.recovering - own.owed.length;
    if (more > 0) keys.push(el("li", { class: "faint" }, "and " + more + " more"));
    nodes.push(el("ul", { id: "owed" }, ...keys));
  } else {
    nodes.push(el("p", { class: "faint" }, "Empty: every invalidation has been delivered."));
  }
  nodes.push(el("h2", {}, "Local copies in this process"));
  nodes.push(facts([["copies", own.local_entries], ["size", size(own.local_bytes)]]));
  return nodes;
}
function showProblems() {
  const problems = catalog ? catalog.problems : [];
  const list = el("ul", {}, ...problems.map((it) => el("li", {}, text(it))));
  const mismatched = overview ? overview.functions.filter((it) => it.mismatched > 0) : [];
  const found = el("ul", {}, ...mismatched.map((it) =>
    el("li", { class: "bad" }, text(it.name + ": " + it.mismatched + " entries were not what the function gives"))));
  return [el("h2", {}, "Problems of the catalog"), problems.length ? list : el("p", { class: "faint" }, "None."),
    el("h2", {}, "Verification"), mismatched.length ? found : el("p", { class: "faint" }, "No entry was found to be wrong.")];
}

function route() {
  const [name, ...rest] = location.hash.slice(1).split("/");
  let key = rest.join("/");
  try { key = decodeURIComponent(key); } catch { /* It was typed in by hand. */ }
  return [name || "functions", key];
}
function draw(keep = true) {
  const [name, key] = route();
  // What arrives while a key is typed must not take it away.
  const typing = document.activeElement?.id === "key" ? document.activeElement.value : null;
  const views = { functions: showFunctions, entry: () => showEntry(key), catalog: showCatalog, servers: showServers, problems: showProblems };
  view.replaceChildren(...(views[name] || showFunctions)());
  const input = document.getElementById("key");
  if (input && typing !== null) {
    if (keep) input.value = typing;
    input.focus();
  }
  for (const link of document.querySelectorAll("nav a")) {
    if (link.getAttribute("href").replace("/", "") === "#" + name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}
function go() {
  status.textContent = "";
  draw(false);
  const [name, key] = route();
  if (name === "entry" && key) look(key);
  if (name === "catalog" || name === "problems") readCatalog();
}
async function readCatalog() {
  try {
    catalog = await ask("api/catalog");
    draw();
  } catch (error) {
    status.textContent = shown(error.message);
  }
}
addEventListener("hashchange", go);
const events = new EventSource(base + "api/events");
events.addEventListener("message", (event) => {
  overview = JSON.parse(event.data);
  document.getElementById("where").textContent = shown(overview.at) + ", namespace " + shown(overview.namespace);
  const [name] = route();
  // A view that is typed into, or that does not move, is left as it is.
  const focused = document.activeElement && document.activeElement.dataset.column;
  if (name === "functions" || name === "servers") {
    draw();
    if (focused) view.querySelector(`button[data-column="${focused}"]`)?.focus();
  }
});
readCatalog();
go();
