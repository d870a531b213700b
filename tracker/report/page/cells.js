// The shape of each detection in the movie's own pixels, made when it is first drawn.

const paths = new Map();
let lineFirst, lineCount, pointFirst;

// Lines are sorted by frame and plane, so that those of one detection in one plane lie together.
function indexLines() {
  const lines = arrays.line_row ? arrays.line_row.length : 0, planes = meta.planes.length;
  lineFirst = new Int32Array(facts.n * planes).fill(-1);
  lineCount = new Uint16Array(facts.n * planes);
  pointFirst = new Int32Array(lines + 1);
  for (let line = 0; line < lines; line++) {
    const slot = arrays.line_row[line] * planes + arrays.line_plane[line] + 1;
    if (lineFirst[slot] < 0) lineFirst[slot] = line;
    lineCount[slot]++;
    pointFirst[line + 1] = pointFirst[line] + arrays.line_length[line];
  }
}

const isDisk = () => !arrays.line_row || state.along !== "z";

// Half the size of a detection: of its outline, or of the disk that stands for it.
function radiusOf(row) {
  if (isDisk()) return meta.point_radius_px;
  const slot = row * meta.planes.length;
  if (lineFirst[slot] < 0) return meta.point_radius_px;
  return Math.max(2, Math.sqrt(areaOf(lineFirst[slot]) / Math.PI));
}

function areaOf(line) {
  let [area, x, y] = [0, 0, 0];
  for (let point = pointFirst[line] + 1; point < pointFirst[line + 1]; point++) {
    const dy = arrays.line_points[2 * point], dx = arrays.line_points[2 * point + 1];
    area += x * dy - y * dx;
    x += dx;
    y += dy;
  }
  return (Math.abs(area) / 2) * meta.line_unit_px ** 2;
}

// null where the detection does not reach into the plane that is shown.
function pathOf(row, plane = state.plane) {
  const key = isDisk() ? `${row}${state.along}` : row * meta.planes.length + plane + 1;
  let path = paths.get(key);
  if (path === undefined) {
    if (paths.size > 60000) paths.clear();
    path = isDisk() ? diskOf(row) : linesOf(row, key);
    paths.set(key, path);
  }
  return path;
}

function diskOf(row) {
  const path = new Path2D();
  path.arc(across(row), down(row), meta.point_radius_px, 0, 2 * Math.PI);
  return path;
}

function linesOf(row, slot) {
  if (lineFirst[slot] < 0) return null;
  const path = new Path2D(), unit = meta.line_unit_px;
  for (let line = lineFirst[slot]; line < lineFirst[slot] + lineCount[slot]; line++) {
    let y = Math.floor(arrays.y[row] / unit + 0.5), x = Math.floor(arrays.x[row] / unit + 0.5);
    for (let point = pointFirst[line]; point < pointFirst[line + 1]; point++) {
      y += arrays.line_points[2 * point];
      x += arrays.line_points[2 * point + 1];
      if (point === pointFirst[line]) path.moveTo(x * unit, y * unit);
      else path.lineTo(x * unit, y * unit);
    }
    path.closePath();
  }
  return path;
}

// The detection at a place of the movie in the frame that is shown: inside it, else the nearest within reach.
function cellAt(x, y) {
  const pen = byId("overlay").getContext("2d");
  const reach = 10 / view.zoom;
  let [best, distance] = [-1, Infinity];
  pen.save();
  pen.setTransform(1, 0, 0, 1, 0, 0);
  for (let row = arrays.start[state.step]; row < arrays.start[state.step + 1]; row++) {
    const path = pathOf(row);
    if (!path) continue;
    const away = Math.hypot(across(row) - x, down(row) - y);
    const inside = pen.isPointInPath(path, x, y, "evenodd");
    const rank = inside ? away - 1e6 : away;
    if ((inside || away <= Math.max(reach, meta.has_masks ? 0 : 1.5 * meta.point_radius_px)) && rank < distance)
      [best, distance] = [row, rank];
  }
  pen.restore();
  return best;
}
