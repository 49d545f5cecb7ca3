// What a container wrote, made harmless: colours become classes, other escapes go, other control characters are written
// out, and so are those that change the direction of text. The rules of `rope logs` (ropeteam/plain.py), for the DOM.
const ESCAPE = /\x9b[0-?]*[ -/]*[@-~]|\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])?/g;
const SGR = /^(?:\x1b\[|\x9b)([0-9;:]{0,40})m$/;
const HIDDEN = /[\x00-\x08\x0a-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;

const written = c => c <= "\xff"
  ? `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}` : `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`;

// [{text, style}] of one line, `style` a list of classes: f0–f15 the colour, k0–k15 its ground, bold, dim, under.
export function parts(line) {
  const found = [];
  let state = {}, at = 0;
  const put = text => {
    if (!text) return;
    const style = Object.values(state).filter(Boolean).join(" "), last = found.at(-1);
    const clean = text.replace(HIDDEN, written);
    if (last && last.style === style) last.text += clean;
    else found.push({text: clean, style});
  };
  line = line.replace(/\r+$/, "");
  for (const escape of line.matchAll(ESCAPE)) {
    put(line.slice(at, escape.index));
    at = escape.index + escape[0].length;
    const codes = SGR.exec(escape[0]);
    if (codes) state = styled(state, codes[1]);
  }
  put(line.slice(at));
  return found;
}

function styled(state, text) {
  const codes = text.split(/[;:]/).map(Number), next = {...state};
  for (let i = 0; i < codes.length; i++) {
    const n = codes[i], ten = Math.floor(n / 10), one = n % 10;
    if (n === 0) for (const key in next) next[key] = "";
    else if (n === 1) next.weight = "bold";
    else if (n === 2) next.weight = "dim";
    else if (n === 22) next.weight = "";
    else if (n === 4) next.under = "under";
    else if (n === 24) next.under = "";
    else if (n === 39) next.fore = "";
    else if (n === 49) next.ground = "";
    else if (n === 38 || n === 48) {
      const [colour, used] = extended(codes.slice(i + 1));
      i += used;
      if (colour !== null) next[n === 38 ? "fore" : "ground"] = `${n === 38 ? "f" : "k"}${colour}`;
    } else if (one < 8) {
      if (ten === 3 || ten === 9) next.fore = `f${one + (ten === 9 ? 8 : 0)}`;
      else if (ten === 4 || ten === 10) next.ground = `k${one + (ten === 10 ? 8 : 0)}`;
    }
  }
  return next;
}

// `5;N` or `2;R;G;B`: the nearest of the sixteen, and how many codes it took.
function extended([kind, ...rest]) {
  if (kind === 5 && rest.length >= 1) return [indexed(rest[0]), 2];
  if (kind === 2 && rest.length >= 3) return [nearest(rest.slice(0, 3)), 4];
  return [null, rest.length + 1];
}

function indexed(n) {
  if (!(n >= 0 && n < 256)) return null;
  if (n < 16) return n;
  if (n >= 232) return nearest(Array(3).fill(8 + 10 * (n - 232)));
  const cube = n - 16, level = v => v ? 55 + 40 * v : 0;
  return nearest([Math.floor(cube / 36), Math.floor(cube / 6) % 6, cube % 6].map(level));
}

function nearest(rgb) {
  const [least, most] = [Math.min(...rgb), Math.max(...rgb)];
  if (!(least >= 0 && most < 256)) return null;
  if (most - least < 40) return most < 64 ? 0 : most < 150 ? 8 : most < 225 ? 7 : 15; // a grey
  const middle = (least + most) / 2;
  return rgb.reduce((n, v, bit) => n + (v > middle ? 1 << bit : 0), 0) + (most > 200 ? 8 : 0);
}

// The same line as plain text.
export const plain = line => parts(line).map(p => p.text).join("");
