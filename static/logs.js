// The page of logs: follows, pauses, searches, saves. Text of containers reaches the page as text nodes only.
import {parts, plain} from "./ansi.js";
import {Sources, place} from "./lines.js";
import {Talk} from "./talk.js";

const LINES_MAX = 5000;   // on the page; older ones are dropped, and it is said
const HELD_MAX = 5000;    // kept while paused; then nothing more is asked for, and the rest waits where it is
const CREDIT = 65536;     // bytes that each source may be ahead
const FLUSH_MS = 100;
const HAND_MS = 1000;
const WHO_MAX = 40;       // replicas that can be hidden by a button
const COLOURS = 8;
const FROM_MAX = 36;      // characters of replica and node
const SAVE_MAX = 32 * 1024 * 1024;
const OVERLAP_MS = 10000; // comes again after a break

const $ = id => document.getElementById(id);
const box = $("logs"), list = $("lines"), words = box.dataset;
const skew = Number(words.now) - Date.now(); // the Center's clock against this one's
const scope = {type: "logs", project: words.project, service: words.service, replica: Number(words.replica), credit: CREDIT};

let sources = new Sources();
let lines = [], held = [], told = "", dropped = 0, widest = 0, paused = false, wanted = "", sifted = 0, subscription = 0;
const replicas = new Map(); // name -> {colour, hidden, button}

// -- what is asked -----------------------------------------------------------------------------------------------------

function range() {
  const kind = $("since").value[0], n = Number($("since").value.slice(1));
  return kind === "n" ? {lines: n} : from(Date.now() + skew - n * 1000);
}
const from = ms => ({lines: -1, since_ns: Math.round(ms) * 1000000}); // exact to 256 ns

function follow() { // from the beginning of the range, or from where the line was cut
  const newest = sources.newest();
  sources.open.clear();
  subscription = talk.ask({...scope, ...(newest ? from(newest - OVERLAP_MS) : range()), follow: true}, take);
}

function take(frame) {
  switch (frame.type) {
    case "source": {
      const source = sources.begin(frame);
      replica(source);
      if (frame.note) note(source, frame.note);
      break;
    }
    case "data":
      for (const line of sources.feed(frame)) held.push(line);
      break;
    case "sourceover": {
      const source = sources.open.get(frame.source);
      sources.open.delete(frame.source);
      if (source && frame.reason) note(source, `${frame.reason}${frame.again ? ` – ${words.again}` : ""}`);
      break;
    }
    case "over":
      trouble(frame.message || words.gone);
  }
}

function note(source, text) {
  const now = new Date(Date.now() + skew).toISOString();
  held.push({at: now.slice(0, 23).padEnd(29, "0"), source, text, note: true});
}

function trouble(text) {
  $("trouble").hidden = !text;
  $("trouble").textContent = text;
}

// -- what is shown -----------------------------------------------------------------------------------------------------

function replica(source) {
  if (replicas.has(source.name)) return;
  let sum = 0;
  for (const c of source.service) sum = (sum * 31 + c.charCodeAt(0)) % 997;
  const made = {colour: `r${(sum + source.replica) % COLOURS}`, hidden: false};
  replicas.set(source.name, made);
  widest = Math.max(widest, Math.min(FROM_MAX, source.name.length + 2 + source.node.length));
  list.style.setProperty("--who", `${widest}ch`); // one width for all lines
  if (replicas.size > WHO_MAX) return;
  const button = made.button = document.createElement("button");
  button.className = made.colour;
  button.textContent = source.name;
  button.setAttribute("aria-pressed", "true");
  button.onclick = () => {
    made.hidden = !made.hidden;
    button.setAttribute("aria-pressed", String(!made.hidden));
    sift();
  };
  const after = [...$("who").children].find(b => b.textContent.localeCompare(source.name, "en", {numeric: true}) > 0);
  $("who").insertBefore(button, after ?? null);
}

const two = n => String(n).padStart(2, "0");
function clock(at) {
  const when = new Date(`${at.slice(0, 23)}Z`);
  return isNaN(when) ? "" : `${two(when.getHours())}:${two(when.getMinutes())}:${two(when.getSeconds())}.${at.slice(20, 23)}`;
}

function span(text, style) {
  const made = document.createElement("span");
  made.className = style;
  made.textContent = text;
  return made;
}

function drawn(line) {
  const row = line.row = document.createElement("div");
  const who = span(line.source.name, `from ${replicas.get(line.source.name)?.colour ?? "r0"}`), node = document.createElement("i");
  node.textContent = ` ${line.source.node}`;
  who.append(node);
  row.className = line.note ? "note" : line.stderr ? "stderr" : "";
  row.title = `${line.source.name} #${line.source.epoch} · ${line.source.node}${line.at > "1" ? ` · ${line.at}Z` : ""}${line.stderr ? ` · ${words.stderr}` : ""}`;
  line.said = span("", "said");
  line.parts = line.note ? [{text: line.text, style: ""}] : parts(line.text);
  line.lower = line.parts.map(p => p.text).join("").toLowerCase();
  row.append(span(clock(line.at), "at"), who, line.said);
  fill(line);
  return row;
}

function fill(line) { // the text, with what is searched for marked
  const found = [];
  if (wanted) for (let at = line.lower.indexOf(wanted); at >= 0; at = line.lower.indexOf(wanted, at + wanted.length)) found.push(at);
  line.said.replaceChildren();
  let start = 0;
  for (const {text, style} of line.parts) {
    const holder = style ? span("", style) : document.createDocumentFragment();
    let at = 0;
    for (const from of found) {
      const a = Math.max(from - start, at), b = Math.min(from + wanted.length - start, text.length);
      if (a >= b) continue;
      const mark = document.createElement("mark");
      mark.textContent = text.slice(a, b);
      holder.append(text.slice(at, a), mark);
      at = b;
    }
    holder.append(text.slice(at));
    line.said.append(holder);
    start += text.length;
  }
  line.shown = (!wanted || found.length > 0) && !replicas.get(line.source.name)?.hidden;
  line.row.hidden = !line.shown;
}

function sift() { // what is searched for, or who is shown, changed
  wanted = $("find").value.toLowerCase();
  for (const line of lines) fill(line);
  sifted++;
  tell();
  if (!paused) list.scrollTop = list.scrollHeight;
}

function flush() {
  if (!paused && held.length) {
    const over = Math.max(0, held.length - LINES_MAX); // never drawn
    held.sort((a, b) => a.at < b.at ? -1 : a.at > b.at ? 1 : 0);
    dropped += over;
    const fresh = document.createDocumentFragment();
    for (const line of held.slice(over)) {
      const where = place(lines, line.at);
      if (where === lines.length) fresh.append(drawn(line));
      else { // older than what is there: another source was quicker
        const next = lines[where].row;
        next.parentNode.insertBefore(drawn(line), next);
      }
      lines.splice(where, 0, line);
    }
    held = [];
    list.append(fresh);
    const old = lines.splice(0, Math.max(0, lines.length - LINES_MAX));
    for (const line of old) line.row.remove();
    dropped += old.length;
    list.scrollTop = list.scrollHeight;
    $("nothing").hidden = true;
  }
  if (held.length < HELD_MAX) for (const [number, source] of sources.open) {
    if (!source.owed) continue;
    talk.say({type: "credit", id: subscription, source: number, credit: source.owed});
    source.owed = 0;
  }
  tell();
}

function tell() {
  const state = [lines.length, lines.at(-1)?.at, held.length, dropped, paused, wanted, sifted].join();
  if (state === told) return;
  told = state;
  const shown = lines.reduce((n, line) => n + line.shown, 0), some = shown !== lines.length;
  const count = `${some ? `${shown.toLocaleString()} / ` : ""}${lines.length.toLocaleString()} ${words.lines}`;
  const gone = dropped ? ` · ${dropped.toLocaleString()} ${words.dropped}` : "";
  put($("count"), count + gone);
  const more = held.length ? ` (${held.length.toLocaleString()} ${words.new}${held.length >= HELD_MAX ? `; ${words.held}` : ""})` : "";
  put($("follow"), paused ? words.continue + more : words.pause);
}
const put = (element, text) => { if (element.textContent !== text) element.textContent = text; };

// -- what people do ----------------------------------------------------------------------------------------------------

function pause(on) {
  paused = on;
  $("follow").classList.toggle("primary", on);
  box.dataset.uiPaused = on;
  flush();
  if (!on) list.scrollTop = list.scrollHeight;
}

$("follow").onclick = () => pause(!paused);
let top = 0, hand = 0; // when somebody last moved it: lines that come and go move it, too
for (const kind of ["wheel", "touchmove", "pointerdown", "pointermove", "keydown"])
  list.addEventListener(kind, e => { if (kind !== "pointermove" || e.buttons) hand = performance.now(); }, {passive: true});
list.addEventListener("scroll", () => { // who scrolls up wants to read
  const up = list.scrollTop < top - 4, bottom = list.scrollTop + list.clientHeight >= list.scrollHeight - 24;
  top = list.scrollTop;
  if (up && !bottom && !paused && performance.now() - hand < HAND_MS) pause(true);
});

let later = 0;
$("find").addEventListener("input", e => {
  if (e.isComposing) return;
  clearTimeout(later);
  later = setTimeout(sift, 120);
});
$("find").addEventListener("compositionend", sift);
$("since").onchange = () => {
  talk.stop(subscription);
  [sources, lines, held, dropped] = [new Sources(), [], [], 0];
  list.replaceChildren();
  trouble("");
  follow();
  pause(false);
};

document.addEventListener("keydown", e => { // "/" is keys.js's
  if (e.isComposing || e.ctrlKey || e.metaKey || e.altKey) return;
  if (e.key === "Escape" && e.target === $("find")) {
    $("find").value = "";
    sift();
    list.focus();
  }
  if (e.target.closest("input, select, textarea, [contenteditable]")) return;
  if (e.key === "p") pause(!paused);
  if (e.key === "End" && paused) pause(false);
});

// All lines of the range, not only those on the page: a reading of its own, put in order and saved as a file.
let saving = null; // {id, sources, found, size, name}
$("download").onclick = () => {
  saving = {sources: new Sources(), found: [], size: 0, name: $("download").textContent};
  $("download").disabled = true;
  saving.id = talk.ask({...scope, ...range()}, collect);
};

function collect(frame) {
  switch (frame.type) {
    case "source":
      saving.sources.begin(frame);
      break;
    case "data": {
      for (const line of saving.sources.feed(frame)) {
        saving.found.push(line);
        saving.size += line.text.length + 60;
      }
      put($("download"), `${words.collecting} ${saving.found.length.toLocaleString()}`);
      if (saving.size > SAVE_MAX) {
        talk.stop(saving.id);
        return saved(true);
      }
      const source = saving.sources.open.get(frame.source);
      if (source) talk.say({type: "credit", id: saving.id, source: frame.source, credit: source.owed});
      if (source) source.owed = 0;
      break;
    }
    case "over":
      if (frame.message) trouble(frame.message);
      saved(false);
  }
}

function saved(cut) {
  const {found, name} = saving;
  saving = null;
  [$("download").disabled, $("download").textContent] = [false, name];
  save(found, cut);
}

function save(found, cut) {
  found.sort((a, b) => a.at < b.at ? -1 : a.at > b.at ? 1 : 0);
  const rows = found.map(l => `${l.at > "1" ? `${l.at}Z` : "-"} ${l.source.name} ${l.source.node} ${l.stderr ? "stderr" : "stdout"} ${plain(l.text)}\n`);
  if (cut) rows.push(`--- ${words.cut}\n`);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(rows, {type: "text/plain"}));
  link.download = `${[scope.project, scope.service, scope.replica || ""].filter(Boolean).join("-")}.log`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

const talk = new Talk({
  ticket: words.ticket, lang: words.lang, opened: follow,
  heard: () => document.dispatchEvent(new Event("rope:heard")),
  lost: () => {
    document.dispatchEvent(new Event("rope:lost"));
    if (saving) saved(true); // what came until now, and that it is not all
  },
});
setInterval(flush, FLUSH_MS);
tell();
