// Lines of logs as they travel (protocol/loglines.py): bytes of sources in, lines with their time and copy out. No DOM.
import {bytes} from "./talk.js";

const LINE_MAX = 8192; // characters; the rest of a line is left out
const STAMP = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9})Z /;
const EARLIEST = "0";

export class Sources {
  constructor() {
    this.open = new Map();
    this.last = new Map(); // the newest line of a copy and channel: after a break lines come again, known by their time
  }

  begin(frame) {
    const name = `${frame.service}/${frame.replica}`;
    const source = {name, service: frame.service, replica: frame.replica, node: frame.node, epoch: frame.epoch, rest: "", owed: 0, decoder: new TextDecoder()};
    source.known = new Map(["e", "o"].map(channel => [channel, this.last.get(this.key(source, channel))?.at ?? ""]));
    this.open.set(frame.source, source);
    return source;
  }

  // Lines that these bytes complete. What is owed to the source's credit is counted in `owed`.
  feed(frame) {
    const source = this.open.get(frame.source);
    if (!source) return [];
    const data = bytes(frame.data);
    source.owed += data.length;
    const whole = (source.rest + source.decoder.decode(data, {stream: true})).split("\n");
    source.rest = whole.pop();
    if (source.rest.length > 2 * LINE_MAX) source.rest = source.rest.slice(0, LINE_MAX + 64); // a line without an end
    return whole.map(text => this.line(source, text)).filter(Boolean);
  }

  line(source, raw) {
    const channel = raw[0] === "e" ? "e" : "o", found = STAMP.exec(raw.slice(1));
    const at = found ? found[1] : "", rest = raw.slice(1 + (found ? found[0].length : 0));
    const text = rest.length > LINE_MAX ? `${rest.slice(0, LINE_MAX)}…` : rest;
    const key = this.key(source, channel), last = this.last.get(key);
    if (at) {
      if (at <= source.known.get(channel)) return null; // of before this source began
      if (last && (at < last.at || (at === last.at && text === last.text))) return null; // a container that started again
      this.last.set(key, {at, text});
    }
    return {at: at || last?.at || EARLIEST, stderr: channel === "e", source, text};
  }

  key(source, channel) {
    return `${source.name} ${source.epoch} ${source.node} ${channel}`;
  }

  newest() { // when the newest line of all was written, wall milliseconds; 0 = none yet
    const at = [...this.last.values()].map(line => line.at).sort().at(-1);
    return at ? Date.parse(`${at.slice(0, 23)}Z`) || 0 : 0;
  }
}

// Where a line of this time belongs among lines in order: after those that are as old.
export function place(lines, at) {
  let low = 0, high = lines.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (lines[middle].at <= at) low = middle + 1; else high = middle;
  }
  return low;
}
