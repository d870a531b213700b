// Strips of crops: one place in successive frames, drawn when they come into sight.

const PANEL_PX = 132;

const sightings = new IntersectionObserver((seen) => {
  for (const { isIntersecting, target } of seen) {
    if (!isIntersecting) continue;
    sightings.unobserve(target);
    target.drawStrip();
  }
}, { rootMargin: "200px" });

// steps: of the panels, -1 = outside of the movie; x, y, half: the place; marked: rows that are outlined in white;
// rivals: rows that are outlined dashed; plane: -1 = from above, else z; mistake: an error that is drawn, or -1.
function strip(what) {
  const canvas = element("canvas");
  const ratio = Math.min(2, window.devicePixelRatio || 1);
  canvas.width = what.steps.length * PANEL_PX * ratio;
  canvas.height = PANEL_PX * ratio;
  canvas.style.maxWidth = `${what.steps.length * PANEL_PX}px`;
  canvas.drawStrip = async () => {
    const images = await Promise.all(what.steps.map((step) => (step < 0 ? null : whenPicture(step, what.plane))));
    const pen = canvas.getContext("2d");
    what.steps.forEach((step, place) => drawPanel(pen, step, images[place], place, ratio, what));
  };
  sightings.observe(canvas);
  return canvas;
}

function drawPanel(pen, step, image, place, ratio, { x, y, half, marked, rivals = [], plane, mistake = -1 }) {
  const zoom = PANEL_PX / (2 * half), gap = 2;
  pen.save();
  pen.setTransform(ratio, 0, 0, ratio, place * PANEL_PX * ratio, 0);
  pen.beginPath();
  pen.rect(0, 0, PANEL_PX - gap, PANEL_PX);
  pen.fillStyle = "#0b0f14";
  pen.fill();
  pen.clip();
  const shown = step < 0 ? -1 : picturedStep(step, plane);
  if (step >= 0) {
    pen.translate(PANEL_PX / 2, PANEL_PX / 2);
    pen.scale(zoom, zoom);
    pen.translate(-x, -y);
    if (image && shown === step) pen.drawImage(image, -0.5, -0.5, meta.shape[1], meta.shape[0]);
    drawCells(pen, step, plane, zoom, { fill: image ? 0 : 0.35, outlines: true });
    for (const row of rivals) if (facts.step[row] === step) outline(pen, pathOf(row, plane), zoom, [5 / zoom, 4 / zoom]);
    for (const row of marked) if (facts.step[row] === step) outline(pen, pathOf(row, plane), zoom, []);
    if (mistake >= 0) {
      const before = state.mistake;
      state.mistake = mistake;
      drawMistakes(pen, step, zoom);
      state.mistake = before;
    }
  }
  pen.setTransform(ratio, 0, 0, ratio, place * PANEL_PX * ratio, 0);
  pen.font = "600 11px system-ui, sans-serif";
  pen.lineWidth = 3;
  pen.strokeStyle = "#000";
  pen.fillStyle = "#fff";
  const title = step < 0 ? "no frame" : `t = ${meta.frames[step]}${meta.pictures && shown !== step ? ", no picture" : ""}`;
  pen.strokeText(title, 6, 14);
  pen.fillText(title, 6, 14);
  pen.restore();
}

// White within black, seen on any ground: what is dashed is another line on the same ground.
function outline(pen, path, zoom, dashes) {
  if (!path) return;
  for (const [width, colour, dash] of [[5, "#000", []], [2.2, "#fff", dashes]]) {
    pen.lineWidth = width / zoom;
    pen.strokeStyle = colour;
    pen.setLineDash(dash);
    pen.stroke(path);
  }
  pen.setLineDash([]);
}

// Volumes that have their planes are shown at the height of the detection, others from above.
function planeOf(row) {
  return meta.planes.length > 1 ? nearestPlane(arrays.z[row]) : -1;
}

// The frame before a detection, its own, and those of its children and rivals or at least the next.
function stripOf(row, rivals) {
  const step = facts.step[row], children = childrenOf(row), parent = arrays.parent[row];
  const last = Math.max(step + 1, ...[...children, ...rivals].map((later) => facts.step[later]));
  const steps = [];
  for (let one = step - 1; one <= last; one++) steps.push(one < facts.steps ? one : -1);
  const family = [row, ...children, ...(parent >= 0 ? [parent] : [])], radius = radiusOf(row);
  const reach = (rows) => Math.max(0, ...rows.map((one) => Math.hypot(across(one) - across(row), down(one) - down(row))));
  const beyond = Math.min(reach(rivals), 7 * radius); // a rival far away must not make all others small
  const half = Math.max(3.2 * radius, reach(family) + 1.6 * radius, beyond + 1.6 * radius);
  return strip({ steps, x: across(row), y: down(row), half, marked: family, rivals, plane: planeOf(row) });
}

function stripOfMistake(k) {
  const [ax, ay, bx, by] = mistakePlace(k), one = arrays.mistake_step[2 * k], other = arrays.mistake_step[2 * k + 1];
  const steps = [];
  for (let step = one; step <= Math.max(other, Math.min(one + 1, facts.steps - 1)); step++) steps.push(step);
  if (steps.length < 2 && one > 0) steps.unshift(one - 1);
  const half = Math.max(3.2 * meta.mark_radius_px, Math.hypot(ax - bx, ay - by) / 2 + 2 * meta.mark_radius_px);
  return strip({ steps, x: (ax + bx) / 2, y: (ay + by) / 2, half, marked: [], plane: -1, mistake: k });
}
