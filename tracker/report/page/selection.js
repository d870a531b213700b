// What is chosen, in words; the row of a file of pins that would confirm it.

function showSelection() {
  const box = byId("selection"), row = state.row;
  if (row < 0) {
    box.textContent = "Click a cell, or a track in the trees. Keys: ?";
    return;
  }
  const track = state.track, first = facts.step[arrays.track_first[track]], last = facts.step[arrays.track_last[track]];
  const mother = arrays.track_parent[track], daughters = facts.daughters[track];
  const swatch = element("span", { className: "swatch" });
  swatch.style.background = colourOf(track);
  const parts = [
    swatch, element("b", { textContent: `Track ${arrays.track_id[track]}` }),
    `, t = ${meta.frames[first]} to ${meta.frames[last]}`,
  ];
  if (mother >= 0) parts.push(", daughter of ", trackLink(mother, arrays.track_last[mother]));
  if (daughters.length) parts.push(", divides into ", trackLink(daughters[0], arrays.track_first[daughters[0]]));
  if (daughters.length > 1) parts.push(" and ", trackLink(daughters[1], arrays.track_first[daughters[1]]));
  if (!daughters.length && last < facts.steps - 1) parts.push(", ends there");
  parts.push(element("br"), "Cell ", element("b", { textContent: cellName(row) }), ` ${answerInWords(row)}`);
  if (Number.isFinite(arrays.margin[row])) parts.push(`, margin ${number(arrays.margin[row])}`);
  if (Number.isFinite(arrays.margin_in[row])) parts.push(` (of the way in ${number(arrays.margin_in[row])})`);
  parts.push(" · pin: ", element("code", { textContent: pinRow(row), title: "A row for a file of pins: this cell, and all that becomes of it" }));
  box.replaceChildren(...parts);
}

function trackLink(track, row) {
  const link = element("button", { type: "button", className: "link", textContent: `track ${arrays.track_id[track]}` });
  link.onclick = () => choose(row, { show: true });
  return link;
}

// kind,t,label,t2,label2,t3,label3,value,note
function pinRow(row) {
  const cells = [row, ...childrenOf(row)].map((one) => `${frameOf(one)},${arrays.label[one]}`);
  while (cells.length < 3) cells.push(",");
  return `children,${cells.join(",")},true,`;
}

function startSelection() {
  on("choice step", showSelection);
  showSelection();
}
