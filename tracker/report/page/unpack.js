// The numbers of the report: `meta` in words, `arrays` by name, and what follows from them directly.

const meta = JSON.parse(document.getElementById("meta").textContent);
const arrays = {};
const facts = {};
const byId = (id) => document.getElementById(id);

const ARRAY_TYPES = { Uint8Array, Int16Array, Int32Array, Float32Array, Float64Array };

function bytesOf(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let place = 0; place < text.length; place++) bytes[place] = text.charCodeAt(place);
  return bytes;
}

async function unpack() {
  if (typeof DecompressionStream === "undefined")
    throw new Error("this browser is older than the page needs (DecompressionStream, from 2023 on)");
  const packed = new Blob([bytesOf(byId("data").textContent)]).stream();
  const buffer = await new Response(packed.pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
  for (const { name, type, offset, count } of meta.arrays) arrays[name] = new ARRAY_TYPES[type](buffer, offset, count);
  derive();
}

// facts: n detections; steps; step of each row; children[2 * row] and [2 * row + 1], -1 = none; divides and born
// (1 for a mother and for daughters of a division); doubtful and wrong (1 where a list names the row).
function derive() {
  const n = arrays.x.length, steps = meta.frames.length;
  Object.assign(facts, {
    n, steps, step: new Int32Array(n), children: new Int32Array(2 * n).fill(-1),
    divides: new Uint8Array(n), born: new Uint8Array(n), doubtful: new Uint8Array(n), wrong: new Uint8Array(n),
  });
  for (let step = 0; step < steps; step++) facts.step.fill(step, arrays.start[step], arrays.start[step + 1]);
  for (let row = 0; row < n; row++) {
    const parent = arrays.parent[row];
    if (parent >= 0) facts.children[2 * parent + (facts.children[2 * parent] < 0 ? 0 : 1)] = row;
  }
  for (let k = 0; k < arrays.divisions.length; k += 3) {
    facts.divides[arrays.divisions[k]] = 1;
    facts.born[arrays.divisions[k + 1]] = facts.born[arrays.divisions[k + 2]] = 1;
  }
  for (const row of arrays.uncertain.subarray(0, 30)) facts.doubtful[row] = 1;
  for (const row of arrays.mistake_rows || []) if (row >= 0) facts.wrong[row] = 1;
  // Depth in the unit of the other axes, so that a volume seen from the side keeps its shape.
  if (arrays.z) {
    const stretch = meta.scale[0] / meta.scale[2];
    arrays.depth = arrays.z.map((z) => z * stretch);
  }
}

const frameOf = (row) => meta.frames[facts.step[row]];
const trackIdOf = (row) => arrays.track_id[arrays.track[row]];

function colourOf(track, alpha = 1) {
  const [r, g, b] = arrays.colour.subarray(3 * track, 3 * track + 3);
  return alpha === 1 ? `rgb(${r},${g},${b})` : `rgba(${r},${g},${b},${alpha})`;
}

function cellName(row) {
  return `${frameOf(row)}:${arrays.label[row]}`;
}

function childrenOf(row) {
  return [facts.children[2 * row], facts.children[2 * row + 1]].filter((child) => child >= 0);
}

function number(value, digits = 3) {
  if (!Number.isFinite(value)) return "none";
  if (value === 0) return "0";
  return Math.abs(value) >= 1e4 ? Math.round(value).toLocaleString("en") : String(Number(value.toPrecision(digits)));
}

function element(tag, properties = {}, ...inside) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...inside);
  return made;
}
