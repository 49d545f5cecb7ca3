// The page of a terminal: xterm.js over an exec. What comes goes to xterm only; credit is given as it is drawn.
import {Talk, base64, bytes} from "./talk.js";

const CREDIT = 65536;
const TYPED_MAX = 256 * 1024; // bytes that wait for the command to read; more is left out, and it is said
const FRAME = 16384;
const SETTLE_MS = 150;

const $ = id => document.getElementById(id);
const box = $("terminal"), words = box.dataset, conn = $("conn"), encoder = new TextEncoder();
const SAFE = {activate() {}}; // addresses that a program prints are text

let talk = null, screen = null, fit = null, subscription = 0, room = 0, typed = [], waiting = 0, left = 0;

function say(state) {
  document.body.dataset.uiConn = state;
  conn.textContent = conn.dataset[state] + (state === "lost" ? ` ${new Date().toLocaleTimeString()}` : "");
}

function trouble(text) {
  $("trouble").hidden = !text;
  $("trouble").textContent = text;
}

function colours() { // of the card, as this theme has them
  const style = getComputedStyle(box), ground = style.backgroundColor, text = style.color;
  return {background: ground, foreground: text, cursor: text, cursorAccent: ground, selectionBackground: "#8886"};
}

function made() {
  const style = getComputedStyle($("screen"));
  const it = new Terminal({
    fontFamily: style.fontFamily, fontSize: 13, scrollback: 5000, minimumContrastRatio: 4.5, theme: colours(), linkHandler: SAFE,
    screenReaderMode: false, allowProposedApi: false,
  });
  fit = new FitAddon.FitAddon();
  it.loadAddon(fit);
  it.open($("screen"));
  it.onData(text => type(encoder.encode(text)));
  it.onBinary(text => type(Uint8Array.from(text, c => c.charCodeAt(0) & 255)));
  it.onResize(({cols, rows}) => { if (subscription) talk.say({type: "resize", id: subscription, cols, rows}); });
  it.attachCustomKeyEventHandler(e => {
    if (!(e.ctrlKey && e.shiftKey && e.key === "ArrowUp")) return true;
    e.preventDefault();
    if (e.type === "keydown") (subscription ? $("end") : $("command")).focus();
    return false;
  });
  let later = 0;
  new ResizeObserver(() => { clearTimeout(later); later = setTimeout(() => fit.fit(), SETTLE_MS); }).observe($("screen"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { it.options.theme = colours(); });
  return it;
}

// -- one command -------------------------------------------------------------------------------------------------------

function run() {
  screen ??= made();
  fit.fit();
  screen.reset();
  [room, typed, waiting, left] = [0, [], 0, 0];
  trouble("");
  const command = split($("command").value);
  const at = {project: words.project, service: words.service, replica: Number(words.replica)};
  const size = {cols: screen.cols, rows: screen.rows, credit: CREDIT};
  subscription = talk.ask({type: "exec", ...at, ...size, command, tty: true, stdin: true}, take);
  $("told").textContent = words.starting;
  $("end").hidden = false;
  $("start").disabled = $("command").disabled = true;
  screen.focus();
}

function take(frame) {
  switch (frame.type) {
    case "source":
      $("told").textContent = `${words.on} ${frame.node}`;
      break;
    case "data": {
      const data = bytes(frame.data), id = frame.id;
      screen.write(data, () => talk.say({type: "credit", id, source: 1, credit: data.length}));
      break;
    }
    case "credit":
      room += frame.credit;
      send();
      break;
    case "over":
      ended(frame.code == null ? words.unknown : `${words.ended} ${frame.code}`, frame.message ?? "");
  }
}

function ended(text, message) {
  subscription = 0;
  $("told").textContent = text;
  trouble(message);
  $("end").hidden = true;
  $("start").disabled = $("command").disabled = false;
  if ($("screen").contains(document.activeElement) || document.activeElement === document.body) $("start").focus();
}

function type(data) {
  if (!subscription) return;
  const fits = Math.max(0, TYPED_MAX - waiting);
  if (data.length > fits) {
    left += data.length - fits;
    trouble(`${left.toLocaleString()} ${words.full}`);
  }
  const part = data.subarray(0, fits);
  if (part.length) typed.push(part);
  waiting += part.length;
  send();
}

function send() { // as much as the command takes
  while (room > 0 && typed.length) {
    const part = typed[0].subarray(0, Math.min(room, FRAME));
    if (part.length === typed[0].length) typed.shift(); else typed[0] = typed[0].subarray(part.length);
    room -= part.length;
    waiting -= part.length;
    talk.say({type: "input", id: subscription, data: base64(part)});
  }
}

// Words as a shell takes them apart: quotes hold words together, a backslash the next character. No shell runs it.
export function split(text) {
  const found = [...text.matchAll(/(?:[^\s"'\\]|\\.|"(?:[^"\\]|\\.)*"|'[^']*')+/g)];
  return found.map(([word]) => word.replace(/'([^']*)'|"((?:[^"\\]|\\.)*)"|\\(.)/g,
    (_, single, double, one) => single ?? double?.replace(/\\(["\\])/g, "$1") ?? one));
}

$("run").addEventListener("submit", e => {
  e.preventDefault();
  if (talk?.socket?.readyState === WebSocket.OPEN && !subscription) run();
});
$("end").onclick = () => { // the command loses its terminal
  talk.stop(subscription);
  ended(words.unknown, "");
};
document.addEventListener("click", e => { // a menu closes when something else is clicked
  const menu = $("menu");
  if (menu.open && !menu.contains(e.target)) menu.open = false;
});

talk = new Talk({
  ticket: words.ticket, lang: words.lang,
  opened: () => { say("live"); $("start").focus(); },
  heard: () => say("live"),
  lost: () => {
    say("lost");
    if (subscription) ended(words.unknown, words.broken);
  },
});
