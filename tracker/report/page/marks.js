// What is drawn over the picture of a frame. Shapes tell things apart, not colours alone.

const TAIL_STEPS = 8;
const MARKS_PX = { ring: 7, thin: 1.3 };

// One frame on any canvas: pen transformed to the movie's pixels, `zoom` screen pixels for each.
function drawCells(pen, step, plane, zoom, { fill, outlines, chosen = -1, dim = false }) {
  for (let row = arrays.start[step]; row < arrays.start[step + 1]; row++) {
    const path = pathOf(row, plane);
    if (!path) continue;
    const track = arrays.track[row], own = track === chosen;
    if (fill > 0) {
      pen.fillStyle = colourOf(track, own ? Math.max(fill, 0.3) : dim ? 0.55 * fill : fill);
      pen.fill(path, "evenodd");
    }
    if (outlines || own) {
      pen.lineWidth = (own ? 2.4 : MARKS_PX.thin) / zoom;
      pen.strokeStyle = colourOf(track, dim && !own ? 0.6 : 1);
      pen.stroke(path);
    }
  }
}

// The chosen track: a white line within a black one, seen on any ground.
function drawChosen(pen, step, plane, zoom) {
  const row = state.track < 0 ? -1 : rowOfTrack(state.track, step);
  const path = row < 0 ? null : pathOf(row, plane);
  if (!path) return;
  for (const [width, colour] of [[6, "#000"], [2.6, "#fff"]]) {
    pen.lineWidth = width / zoom;
    pen.strokeStyle = colour;
    pen.stroke(path);
  }
}

function drawTails(pen, step, zoom) {
  pen.lineCap = "round";
  for (let row = arrays.start[step]; row < arrays.start[step + 1]; row++) {
    const own = arrays.track[row] === state.track;
    let child = row;
    for (let back = 0; back < (own ? facts.steps : TAIL_STEPS); back++) {
      const parent = arrays.parent[child];
      if (parent < 0) break;
      pen.lineWidth = (own ? 2.6 : 1.5) / zoom;
      pen.strokeStyle = colourOf(arrays.track[child], own ? 0.95 : 0.9 * (1 - back / TAIL_STEPS));
      pen.beginPath();
      pen.moveTo(across(child), down(child));
      pen.lineTo(across(parent), down(parent));
      pen.stroke();
      child = parent;
    }
  }
}

// A white ring around both daughters in the frame they are born, a dotted one around a mother in her last.
function drawDivisions(pen, step, zoom) {
  const first = arrays.start[step], end = arrays.start[step + 1];
  pen.strokeStyle = "#fff";
  pen.lineWidth = 1.6 / zoom;
  for (let row = first; row < end; row++) {
    if (facts.divides[row]) {
      pen.setLineDash([3 / zoom, 3 / zoom]);
      ring(pen, across(row), down(row), 1.25 * radiusOf(row) + 2 / zoom);
      pen.setLineDash([]);
    }
    if (!facts.born[row]) continue;
    const [one, other] = childrenOf(arrays.parent[row]);
    if (row !== one || facts.step[other] !== step) continue;
    const x = (across(one) + across(other)) / 2, y = (down(one) + down(other)) / 2;
    const half = Math.hypot(across(one) - across(other), down(one) - down(other)) / 2;
    ring(pen, x, y, half + Math.max(radiusOf(one), radiusOf(other)) + 2 / zoom);
    pen.beginPath();
    pen.moveTo(across(one), down(one));
    pen.lineTo(across(other), down(other));
    pen.stroke();
  }
}

function ring(pen, x, y, radius) {
  pen.beginPath();
  pen.arc(x, y, radius, 0, 2 * Math.PI);
  pen.stroke();
}

// Lines are links, rings detections, squares divisions; false ones are crossed out, missed ones dashed, those of another
// kind double. The chosen one is thicker.
function drawMistakes(pen, step, zoom) {
  if (!meta.has_truth) return;
  for (let k = 0; k < arrays.mistake_kind.length; k++)
    if (arrays.mistake_step[2 * k] === step || arrays.mistake_step[2 * k + 1] === step) drawMistake(pen, k, zoom);
}

function drawMistake(pen, k, zoom) {
  const kind = meta.kinds[arrays.mistake_kind[k]], own = k === state.mistake;
  const crossed = kind.startsWith("false"), dashed = kind.startsWith("missed"), double = !crossed && !dashed;
  const [ax, ay, bx, by] = mistakePlace(k), wide = own ? 3.2 : 1.8;
  const crossY = kind.includes("link") ? (ay + by) / 2 : ay - 1.5 * meta.mark_radius_px; // of rings and squares on top
  const strokes = [[2 * wide + (double ? 2.4 : 0), "rgba(0,0,0,0.7)"], [double ? wide + 2.8 : wide, "#ff8a7d"]];
  if (double) strokes.push([wide, "#000"]);
  for (const [width, colour] of strokes) {
    pen.lineWidth = width / zoom;
    pen.strokeStyle = colour;
    pen.setLineDash(dashed ? [5 / zoom, 4 / zoom] : []);
    outlineOfMistake(pen, kind, ax, ay, bx, by);
    pen.setLineDash([]);
    if (crossed) cross(pen, (ax + bx) / 2, crossY, 4.5 / zoom);
  }
}

function outlineOfMistake(pen, kind, ax, ay, bx, by) {
  const reach = 1.5 * meta.mark_radius_px, still = ax === bx && ay === by;
  pen.beginPath();
  if (kind.includes("link")) {
    pen.moveTo(still ? ax - reach / 2 : ax, ay); // a link that goes nowhere is seen, too
    pen.lineTo(still ? ax + reach / 2 : bx, by);
  } else if (kind.includes("division") || kind.includes("children")) {
    pen.rect(ax - reach, ay - reach, 2 * reach, 2 * reach);
  } else pen.arc(ax, ay, reach, 0, 2 * Math.PI);
  pen.stroke();
}

function cross(pen, x, y, half) {
  pen.beginPath();
  pen.moveTo(x - half, y - half);
  pen.lineTo(x + half, y + half);
  pen.moveTo(x + half, y - half);
  pen.lineTo(x - half, y + half);
  pen.stroke();
}

// The two ends of an error on the screen's axes, in the movie's pixels.
function mistakePlace(k) {
  const axes = meta.dimensions, place = arrays.mistake_place.subarray(2 * axes * k, 2 * axes * (k + 1));
  const stretch = axes === 3 ? meta.scale[0] / meta.scale[2] : 1;
  const end = (at) => [
    state.along === "x" ? place[at + 2] * stretch : place[at],
    state.along === "y" ? place[at + 2] * stretch : place[at + 1],
  ];
  return [...end(0), ...end(axes)];
}

// Numbers of tracks, in screen pixels: where they are asked for, and of the chosen track and its daughters.
function drawNumbers(pen, step) {
  pen.font = "600 12px system-ui, sans-serif";
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  pen.lineWidth = 3;
  pen.lineJoin = "round";
  for (let row = arrays.start[step]; row < arrays.start[step + 1]; row++) {
    const own = arrays.track[row] === state.track;
    if (!own && !state.numbers) continue;
    const x = toScreenX(across(row)), y = toScreenY(down(row));
    if (x < 0 || y < 0 || x > view.width || y > view.height || !pathOf(row)) continue;
    pen.strokeStyle = "rgba(0,0,0,0.85)";
    pen.strokeText(trackIdOf(row), x, y);
    pen.fillStyle = "#fff";
    pen.fillText(trackIdOf(row), x, y);
  }
}
