// Lineages as families of tracks: in which order they stand, and in which column each track.

const families = { list: [], x: null, columns: 0, order: null };

// list: of each lineage its root track, tracks, cells, length in frames and least margin.
function findFamilies() {
  const tracks = arrays.track_id.length, rootOf = new Int32Array(tracks).fill(-1), byRoot = new Map();
  for (let track = 0; track < tracks; track++) {
    const path = [];
    let top = track;
    while (rootOf[top] < 0 && arrays.track_parent[top] >= 0) {
      path.push(top);
      top = arrays.track_parent[top];
    }
    const root = rootOf[top] < 0 ? top : rootOf[top];
    for (const one of [top, ...path]) rootOf[one] = root;
    if (!byRoot.has(root)) byRoot.set(root, { root, tracks: [], cells: 0, first: 0, last: 0, margin: Infinity });
    byRoot.get(root).tracks.push(track);
  }
  facts.daughters = Array.from({ length: tracks }, () => []);
  for (let track = 0; track < tracks; track++)
    if (arrays.track_parent[track] >= 0) facts.daughters[arrays.track_parent[track]].push(track);
  facts.rootOf = rootOf;
  facts.trackMargin = new Float32Array(tracks).fill(Infinity);
  for (let row = 0; row < facts.n; row++) {
    const family = byRoot.get(rootOf[arrays.track[row]]), margin = arrays.margin[row];
    family.cells++;
    if (margin < family.margin && facts.step[row] < facts.steps - 1) family.margin = margin;
    if (margin < facts.trackMargin[arrays.track[row]]) facts.trackMargin[arrays.track[row]] = margin;
  }
  for (const family of byRoot.values()) {
    family.first = facts.step[arrays.track_first[family.root]];
    family.last = Math.max(...family.tracks.map((track) => facts.step[arrays.track_last[track]]));
  }
  families.list = [...byRoot.values()];
}

const SORTS = {
  size: (a, b) => b.cells - a.cells,
  length: (a, b) => b.last - b.first - (a.last - a.first),
  margin: (a, b) => (a.margin === b.margin ? 0 : a.margin - b.margin),
  root: (a, b) => arrays.track_id[a.root] - arrays.track_id[b.root],
};

// Leaves stand side by side, a mother midway above her daughters; families with divisions a little apart.
function layOut(sort, dividingOnly) {
  const shown = families.list.filter((family) => !dividingOnly || family.tracks.length > 1);
  shown.sort((a, b) => SORTS[sort](a, b) || a.root - b.root);
  const x = new Float32Array(arrays.track_id.length).fill(NaN);
  let column = 0;
  for (const family of shown) {
    if (family.tracks.length > 1) column += 0.4;
    const open = [family.root];
    while (open.length) {
      const track = open.pop();
      if (track < 0) {
        const below = facts.daughters[~track];
        x[~track] = below.reduce((sum, one) => sum + x[one], 0) / below.length;
      } else if (facts.daughters[track].length) {
        open.push(~track, ...facts.daughters[track].slice().reverse());
      } else x[track] = column++;
    }
    if (family.tracks.length > 1) column += 0.4;
  }
  families.x = x;
  families.columns = column;
  families.shown = shown.length;
  families.order = [...x.keys()].filter((track) => x[track] === x[track]).sort((a, b) => x[a] - x[b] || a - b);
  families.place = new Int32Array(x.length).fill(-1);
  families.order.forEach((track, place) => (families.place[track] = place));
}
