// The keyboard: palette, shortcuts, filters; and buttons that copy, dismiss or fill in. Nothing while somebody types or
// composes (Chinese input): a key that belongs to the input method is not ours.
const byId = id => document.getElementById(id);
const palette = byId("palette"), ask = byId("palette-ask"), found = byId("palette-found"), shortcuts = byId("shortcuts");
const GO = {o: "/", p: "/projects", n: "/nodes", e: "/events", d: "/new", s: "/settings"};
const ROWS = "main tbody tr, main .node, main .work, main .feed li";
const OPTIONS = "[role=option]:not([aria-disabled])";
const SEQUENCE_MS = 1200, WAIT_MS = 80;
let asked = 0, timer = 0, chosen = -1, wentAt = -Infinity;

const composing = e => e.isComposing || e.keyCode === 229;
const typing = e => e.target.closest?.("input, textarea, select, [contenteditable], .xterm");

function choose(index) {
  const options = found.querySelectorAll(OPTIONS);
  options[chosen]?.removeAttribute("aria-selected");
  chosen = options.length ? (index + options.length) % options.length : -1;
  options[chosen]?.setAttribute("aria-selected", "true");
  options[chosen]?.scrollIntoView({block: "nearest"});
  if (chosen < 0) ask.removeAttribute("aria-activedescendant");
  else ask.setAttribute("aria-activedescendant", options[chosen].id);
}

async function search() {
  const mine = ++asked;
  const answer = await fetch(`/palette?q=${encodeURIComponent(ask.value)}`).catch(() => null);
  if (mine !== asked || !answer) return; // a newer question is under way, or the Center is away
  if (answer.redirected) return location.assign("/login");
  const html = await answer.text();
  if (mine !== asked) return;
  found.innerHTML = html; // escaped by the server's templates, as every page is
  chosen = -1;
  choose(0);
}

function open() {
  shortcuts.close();
  ask.value = "";
  palette.showModal();
  search();
}

ask.addEventListener("input", e => {
  if (composing(e)) return;
  clearTimeout(timer);
  timer = setTimeout(search, WAIT_MS);
});
ask.addEventListener("compositionend", () => search());
ask.addEventListener("keydown", e => {
  if (composing(e)) return;
  const step = {ArrowDown: 1, ArrowUp: -1}[e.key];
  if (step) choose(chosen + step);
  else if (e.key === "Enter") found.querySelectorAll(OPTIONS)[chosen]?.click();
  else return;
  e.preventDefault();
});
found.addEventListener("click", e => { if (e.target.closest("a")) palette.close(); });
byId("palette-open").addEventListener("click", open);
for (const dialog of [palette, shortcuts])
  dialog.addEventListener("click", e => { if (e.target === dialog) dialog.close(); }); // beside it

function walk(step) {
  const rows = [...document.querySelectorAll(ROWS)].filter(r => r.querySelector("a, button") && r.offsetParent);
  const at = rows.findIndex(r => r.contains(document.activeElement));
  const next = rows[at < 0 ? (step > 0 ? 0 : rows.length - 1) : Math.min(rows.length - 1, Math.max(0, at + step))];
  next?.querySelector("a, button").focus();
}

document.addEventListener("keydown", e => {
  if (composing(e)) return;
  if ((e.ctrlKey || e.metaKey) && !e.altKey && !e.shiftKey && e.key.toLowerCase() === "k" && !e.target.closest?.(".xterm")) {
    e.preventDefault();
    return palette.open ? palette.close() : open();
  }
  if (e.ctrlKey || e.metaKey || e.altKey || typing(e) || palette.open || shortcuts.open) return;
  const second = performance.now() - wentAt < SEQUENCE_MS;
  wentAt = e.key === "g" ? performance.now() : -Infinity;
  if (second && GO[e.key]) location.assign(GO[e.key]);
  else if (e.key === "?") shortcuts.showModal();
  else if (e.key === "j") walk(1);
  else if (e.key === "k") walk(-1);
  else if (e.key === "/") document.querySelector("[data-filter], [data-slash]")?.focus();
  else return;
  e.preventDefault();
});

function sift(input) { // what does not fit is hidden by CSS; the mark survives live updates
  const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const row of byId(input.dataset.filter).children) {
    const out = words.some(w => !row.textContent.toLowerCase().includes(w));
    if (out !== "uiOut" in row.dataset) out ? row.dataset.uiOut = "" : delete row.dataset.uiOut;
  }
}

for (const input of document.querySelectorAll("[data-filter]")) {
  input.addEventListener("input", e => { if (!composing(e)) sift(input); });
  input.addEventListener("compositionend", () => sift(input));
  new MutationObserver(() => sift(input)).observe(byId(input.dataset.filter), {childList: true, subtree: true, characterData: true});
}

for (const input of document.querySelectorAll("[data-into]"))
  input.addEventListener("change", async () => {
    if (input.files[0]) byId(input.dataset.into).value = await input.files[0].text();
  });

async function copy(button) {
  const text = byId(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(text.textContent);
  } catch { // plain HTTP has no clipboard: select it, and let the old way try
    getSelection().selectAllChildren(text);
    if (!document.execCommand("copy")) return;
  }
  button.textContent = button.dataset.done;
}

document.addEventListener("click", e => {
  const copying = e.target.closest("[data-copy]"), dismissing = e.target.closest("[data-dismiss]");
  if (copying) copy(copying);
  if (dismissing) dismissing.parentElement.remove();
});
