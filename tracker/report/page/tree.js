// The lineage trees: time runs down, a column per track, a fork per division. Only what is in sight is drawn.

const forest = byId("forest"), ground = byId("ground"), tree = byId("tree");
const GUTTER = 36, TOP = 10, BOTTOM = 10;
let columnPx = 14;

const treeX = (track) => GUTTER + (families.x[track] + 0.5) * columnPx - forest.scrollLeft;
const treeY = (step) => TOP + ((step + 0.5) * (forest.clientHeight - TOP - BOTTOM)) / facts.steps;

function startTree() {
  findFamilies();
  on("choice", () => {
    if (state.track >= 0 && families.place[state.track] < 0) {
      byId("dividing").checked = false; // or the chosen track would stay hidden
      arrangeTree();
    }
    showInTree();
    askTree();
  });
  on("step tab", askTree);
  byId("sort").onchange = byId("dividing").onchange = arrangeTree;
  byId("column").oninput = () => {
    const middle = (forest.scrollLeft + forest.clientWidth / 2) / columnPx;
    columnPx = Number(byId("column").value);
    sizeGround();
    forest.scrollLeft = middle * columnPx - forest.clientWidth / 2;
  };
  byId("find").onchange = findTrack;
  byId("legend-wrong").hidden = !meta.has_truth;
  forest.onscroll = askTree;
  forest.onkeydown = treeKeys;
  tree.onclick = (event) => {
    const row = treeCell(event.offsetX, event.offsetY);
    if (row >= 0) choose(row, { show: true, from: "tree" });
  };
  tree.onpointermove = (event) => {
    const row = treeCell(event.offsetX, event.offsetY);
    tree.title = row < 0 ? "" : `track ${trackIdOf(row)}, t = ${frameOf(row)}, margin ${number(arrays.margin[row])}`;
  };
  new ResizeObserver(sizeGround).observe(forest);
  columnPx = Math.round(Math.max(12, Math.min(24, (forest.clientWidth - GUTTER) / (arrays.track_id.length + 1))));
  byId("column").value = columnPx;
  arrangeTree();
}

function arrangeTree() {
  layOut(byId("sort").value, byId("dividing").checked);
  const all = meta.n_lineages, tracks = families.order.length;
  const few = tracks < meta.n_tracks || families.shown < all;
  byId("tree-said").textContent = few
    ? `showing ${tracks.toLocaleString("en")} of ${meta.n_tracks.toLocaleString("en")} tracks, ` +
      `${families.shown.toLocaleString("en")} of ${all.toLocaleString("en")} lineages`
    : `${tracks.toLocaleString("en")} tracks in ${all.toLocaleString("en")} lineages`;
  sizeGround();
  showInTree();
}

function sizeGround() {
  ground.style.width = `${Math.max(forest.clientWidth, GUTTER + (families.columns + 1) * columnPx)}px`;
  const ratio = window.devicePixelRatio || 1;
  tree.width = Math.round(forest.clientWidth * ratio);
  tree.height = Math.round(forest.clientHeight * ratio);
  tree.style.width = `${forest.clientWidth}px`;
  tree.style.height = `${forest.clientHeight}px`;
  drawTree();
}

let treeAsked = false;
function askTree() {
  if (treeAsked) return;
  treeAsked = true;
  requestAnimationFrame(() => {
    treeAsked = false;
    drawTree();
  });
}

function drawTree() {
  const width = forest.clientWidth, height = forest.clientHeight;
  if (!width || !height) return;
  const pen = tree.getContext("2d"), ratio = window.devicePixelRatio || 1;
  const style = getComputedStyle(document.body), colour = (name) => style.getPropertyValue(name);
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  drawTimes(pen, width, height, colour);
  pen.save();
  pen.beginPath();
  pen.rect(GUTTER, 0, width - GUTTER, height);
  pen.clip();
  const line = Math.max(1.2, Math.min(4, 0.32 * columnPx));
  const seen = families.order.filter((track) => {
    const mother = arrays.track_parent[track], x = treeX(track), other = mother < 0 ? x : treeX(mother);
    return Math.max(x, other) > GUTTER - 8 && Math.min(x, other) < width + 8;
  });
  for (const track of seen) drawTrack(pen, track, line, colourOf(track));
  for (const track of seen) drawTrackMarks(pen, track, line, colour);
  if (state.track >= 0 && families.place[state.track] >= 0) frameTrack(pen, state.track, line, colour);
  pen.restore();
}

function drawTimes(pen, width, height, colour) {
  pen.font = "11px system-ui, sans-serif";
  pen.textAlign = "right";
  pen.textBaseline = "middle";
  const room = Math.max(1, Math.ceil((16 * facts.steps) / (height - TOP - BOTTOM)));
  const every = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 1e4, 1e5].find((one) => one >= room);
  pen.fillStyle = colour("--soft");
  pen.strokeStyle = colour("--line");
  pen.lineWidth = 1;
  for (let step = 0; step < facts.steps; step += every) {
    pen.fillText(meta.frames[step], GUTTER - 7, treeY(step));
    pen.beginPath();
    pen.moveTo(GUTTER, Math.round(treeY(step)) + 0.5);
    pen.lineTo(width, Math.round(treeY(step)) + 0.5);
    pen.stroke();
  }
  pen.strokeStyle = pen.fillStyle = colour("--accent");
  pen.lineWidth = 1.5;
  pen.beginPath();
  pen.moveTo(GUTTER - 4, treeY(state.step));
  pen.lineTo(width, treeY(state.step));
  pen.stroke();
}

function drawTrack(pen, track, width, colour) {
  const mother = arrays.track_parent[track], x = treeX(track);
  const first = facts.step[arrays.track_first[track]], last = facts.step[arrays.track_last[track]];
  pen.lineWidth = width;
  pen.lineCap = "round";
  pen.lineJoin = "round";
  pen.strokeStyle = colour;
  pen.beginPath();
  if (mother >= 0) {
    const fork = treeY(facts.step[arrays.track_last[mother]]);
    pen.moveTo(treeX(mother), fork);
    pen.lineTo(x, fork);
  } else pen.moveTo(x, treeY(first));
  pen.lineTo(x, Math.max(treeY(last), treeY(first) + 0.5));
  pen.stroke();
}

// The chosen track stands in a frame, which also shows around a track of one cell.
function frameTrack(pen, track, line, colour) {
  const x = treeX(track), half = Math.max(6, line + 4);
  const first = treeY(facts.step[arrays.track_first[track]]), last = treeY(facts.step[arrays.track_last[track]]);
  for (const [width, ink] of [[4, colour("--tree")], [2, colour("--ink")]]) {
    pen.lineWidth = width;
    pen.strokeStyle = ink;
    pen.strokeRect(x - half, first - half, 2 * half, last - first + 2 * half);
  }
}

function drawTrackMarks(pen, track, line, colour) {
  const x = treeX(track), lastRow = arrays.track_last[track], last = facts.step[lastRow];
  if (facts.divides[lastRow]) {
    pen.fillStyle = colour("--tree");
    pen.strokeStyle = colour("--ink");
    pen.lineWidth = 1.2;
    pen.beginPath();
    pen.arc(x, treeY(last), Math.max(2.2, line), 0, 2 * Math.PI);
    pen.fill();
    pen.stroke();
  } else if (last < facts.steps - 1) {
    pen.fillStyle = colour("--ink");
    pen.fillRect(x - line - 1, treeY(last), 2 * line + 2, 1.6);
  }
  for (let row = lastRow; row >= 0 && arrays.track[row] === track; row = arrays.parent[row]) {
    if (facts.doubtful[row]) diamond(pen, x, treeY(facts.step[row]) + 0.5, Math.max(2.6, line), colour("--ink"), colour("--tree"));
    if (!facts.wrong[row] || !meta.has_truth) continue;
    pen.strokeStyle = colour("--wrong");
    pen.lineWidth = 2;
    cross(pen, x, treeY(facts.step[row]), Math.max(3, line));
  }
}

function diamond(pen, x, y, half, ink, paper) {
  pen.beginPath();
  pen.moveTo(x, y - half - 1);
  pen.lineTo(x + half, y);
  pen.lineTo(x, y + half + 1);
  pen.lineTo(x - half, y);
  pen.closePath();
  pen.fillStyle = ink;
  pen.strokeStyle = paper;
  pen.lineWidth = 1;
  pen.fill();
  pen.stroke();
}

// The detection below the pointer: of the nearest track that lives then, at that time or at the nearest it has.
function treeCell(x, y) {
  const step = Math.floor(((y - TOP) * facts.steps) / (forest.clientHeight - TOP - BOTTOM));
  let [best, distance] = [-1, Math.max(6, 0.6 * columnPx)];
  for (const track of families.order) {
    const away = Math.abs(treeX(track) - x);
    const first = facts.step[arrays.track_first[track]], last = facts.step[arrays.track_last[track]];
    if (away < distance && step >= first - 1 && step <= last + 1) [best, distance] = [track, away];
  }
  if (best < 0) return -1;
  let row = arrays.track_last[best];
  while (facts.step[row] > step && row !== arrays.track_first[best]) row = arrays.parent[row];
  return row;
}

function showInTree() {
  if (state.track < 0 || families.place[state.track] < 0 || state.chosenFrom === "tree") return;
  const x = (families.x[state.track] + 0.5) * columnPx + GUTTER, width = forest.clientWidth;
  if (x < forest.scrollLeft + GUTTER + columnPx || x > forest.scrollLeft + width - columnPx)
    forest.scrollLeft = x - width / 2;
}

function findTrack() {
  const track = arrays.track_id.indexOf(Number(byId("find").value));
  byId("find").setCustomValidity(track < 0 ? `no track ${byId("find").value} in this page` : "");
  byId("find").reportValidity();
  if (track >= 0) choose(arrays.track_first[track], { show: true });
}

function treeKeys(event) {
  const sideways = { ArrowLeft: -1, ArrowRight: 1 }[event.key], along = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  if (!sideways && !along) return;
  event.preventDefault();
  event.stopPropagation();
  if (!families.order.length) return;
  if (sideways) {
    const place = state.track < 0 ? (sideways > 0 ? -1 : 0) : families.place[state.track];
    const track = families.order[(place + sideways + families.order.length) % families.order.length];
    const now = rowOfTrack(track, state.step);
    return choose(now >= 0 ? now : arrays.track_first[track], { show: true });
  }
  if (state.row < 0) return goTo(state.step + along);
  const next = along < 0 ? arrays.parent[state.row] : facts.children[2 * state.row];
  if (next >= 0) choose(next, { show: true });
}
