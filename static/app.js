// What the server cannot do: say whether the page is live, put times into the reader's zone, leave when signed out.
const SILENT_MS = 12000; // the server speaks at least every 5 s
const conn = document.getElementById("conn");
let heard = new Date(), socket = null;

const two = n => String(n).padStart(2, "0");
const clock = d => `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
const shown = d => d.toDateString() === new Date().toDateString()
  ? clock(d) : `${two(d.getMonth() + 1)}-${two(d.getDate())} ${two(d.getHours())}:${two(d.getMinutes())}`;

function say(state) {
  const words = state === "lost" ? `${conn.dataset.lost} ${clock(heard)}` : conn.dataset[state];
  if (conn.textContent !== words) conn.textContent = words;
  document.body.dataset.uiConn = state;
}

function localise() {
  for (const time of document.querySelectorAll("time[datetime]")) {
    const words = shown(new Date(time.dateTime));
    if (time.textContent !== words) time.textContent = words;
  }
}

document.addEventListener("htmx:ws:after:connection", e => { socket = e.detail.connection.socket; });
document.addEventListener("htmx:ws:after:message:incoming", () => { heard = new Date(); say("live"); });
document.addEventListener("htmx:ws:close", e => {
  if (e.detail.code === 1008) location.assign("/login"); // the session is over; htmx does not try again
  else say("lost");
});
document.addEventListener("rope:heard", () => { heard = new Date(); say("live"); }); // a page with a socket of its own
document.addEventListener("rope:lost", () => say("lost"));
setInterval(() => { // a line that was cut says nothing
  if (new Date() - heard < SILENT_MS) return;
  say("lost");
  if (socket?.readyState === WebSocket.OPEN) socket.close();
}, 1000);
addEventListener("pageshow", e => { if (e.persisted) location.reload(); }); // from the back/forward cache: its socket is dead
document.addEventListener("click", e => { // a menu closes when something else is clicked
  const menu = document.getElementById("menu");
  if (menu.open && !menu.contains(e.target)) menu.open = false;
});
new MutationObserver(localise).observe(document.getElementById("main"), {childList: true, subtree: true, characterData: true});
localise();
