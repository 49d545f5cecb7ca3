// A page's socket to /stream (protocol/live.py): subscriptions by number, bytes in base64, comes back by itself.
const SILENT_MS = 12000; // the server speaks at least every 5 s
const WAIT_MS = 500, WAIT_MAX_MS = 8000;
const OVER = 1008; // not signed in any more

export const bytes = text => Uint8Array.from(atob(text), c => c.charCodeAt(0));

export function base64(data) {
  let text = "";
  for (let at = 0; at < data.length; at += 8192) text += String.fromCharCode(...data.subarray(at, at + 8192));
  return btoa(text);
}

export class Talk {
  // opened(): ask for what is wanted. heard(): a frame came. lost(): the line is cut; it is tried again unless `again` is false.
  constructor({ticket, lang, opened, heard = () => {}, lost = () => {}, again = true}) {
    Object.assign(this, {ticket, lang, opened, heard, lost, again});
    this.takers = new Map();
    this.number = 0;
    this.tries = 0;
    this.heardAt = 0;
    setInterval(() => { // a line that was cut says nothing
      if (this.socket?.readyState === WebSocket.OPEN && Date.now() - this.heardAt > SILENT_MS) this.drop();
    }, 1000);
    this.connect();
  }

  connect() {
    const address = new URL(`/stream?lang=${this.lang}`, location.href);
    address.protocol = address.protocol.replace("http", "ws");
    const socket = this.socket = new WebSocket(address, ["ropeteam.live.v1", `ticket.${this.ticket}`]);
    socket.onopen = () => { this.heardAt = Date.now(); this.opened(); };
    socket.onmessage = e => {
      if (socket !== this.socket) return;
      this.tries = 0;
      this.heardAt = Date.now();
      const frame = JSON.parse(e.data);
      this.heard();
      this.takers.get(frame.id)?.(frame);
      if (frame.type === "over") this.takers.delete(frame.id);
    };
    socket.onclose = e => { if (socket === this.socket) this.closed(e.code); };
  }

  drop() { // close() of a dead line takes as long as the line: do not wait for it
    const socket = this.socket;
    this.socket = null;
    socket.close();
    this.closed(0);
  }

  closed(code) {
    this.takers.clear();
    if (code === OVER) return location.assign("/login");
    this.lost();
    if (!this.again) return;
    const most = Math.min(WAIT_MAX_MS, WAIT_MS * 2 ** this.tries++);
    setTimeout(() => this.connect(), most * (.2 + .8 * Math.random()));
  }

  ask(frame, take) { // begin a subscription; its number
    const id = ++this.number;
    this.takers.set(id, take);
    this.say({...frame, id});
    return id;
  }

  say(frame) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(frame));
  }

  stop(id) {
    this.takers.delete(id);
    this.say({type: "stop", id});
  }
}

addEventListener("pageshow", e => { if (e.persisted) location.reload(); }); // from the back/forward cache: its socket is dead
