// Errors against the truth, by kind; a click goes to the place.

let kindShown = -1;

function mistakeInWords(k) {
  const [one, other] = [arrays.mistake_rows[2 * k], arrays.mistake_rows[2 * k + 1]];
  const name = (row) => (row < 0 ? "a cell that the result lacks" : cellName(row));
  switch (meta.kinds[arrays.mistake_kind[k]]) {
    case "false link": return `${name(one)} did not become ${name(other)}`;
    case "missed link": return `${name(one)} became ${name(other)}, and is not linked to it`;
    case "wrong kind of link": return `${name(one)} became ${name(other)}: going on and dividing are confused`;
    case "false detection": return `${name(one)} is no cell of the truth`;
    case "missed detection": return "a cell of the truth that the result lacks";
    case "merged cells": return `${name(one)} covers several cells of the truth`;
    case "false division": return `${name(one)} does not divide`;
    case "missed division": return `${name(one)} divides`;
    default: return `${name(one)} divides, but into other daughters`;
  }
}

function showMistake(k) {
  state.mistake = k;
  const rows = [arrays.mistake_rows[2 * k], arrays.mistake_rows[2 * k + 1]].filter((row) => row >= 0);
  const [ax, ay, bx, by] = mistakePlace(k);
  choose(rows.length ? rows[0] : -1, { from: "mistakes" });
  const reach = Math.max(10 * meta.mark_radius_px, 2.5 * Math.hypot(ax - bx, ay - by));
  lookAtPlace((ax + bx) / 2, (ay + by) / 2, Math.min(Math.min(view.width, view.height) / reach, 6 * fittingZoom()));
  if (meta.dimensions === 3 && state.plane >= 0) setPlane(nearestPlane(arrays.mistake_place[6 * k + 2]));
  goTo(arrays.mistake_step[2 * k]);
  tell("mistake");
}

function startMistakes() {
  byId("tab-mistakes").textContent = meta.has_truth ? `Errors (${meta.kind_counts.reduce((a, b) => a + b, 0).toLocaleString("en")})` : "Errors";
  if (!meta.has_truth) {
    byId("mistakes-said").textContent =
      "There was no truth to compare with: `track report RESULT --truth PATH` lists every error here.";
    return;
  }
  const chip = (kind, words, count) => {
    const made = element("button", { type: "button", textContent: `${words} ${count.toLocaleString("en")}`, disabled: !count && kind >= 0 });
    made.dataset.kind = kind;
    made.onclick = () => listMistakes(kind);
    byId("kinds").append(made);
  };
  chip(-1, "all", meta.kind_counts.reduce((a, b) => a + b, 0));
  meta.kinds.forEach((words, kind) => chip(kind, words, meta.kind_counts[kind]));
  listMistakes(-1);
  on("mistake choice", () => {
    if (state.chosenFrom !== "mistakes") state.mistake = -1;
    for (const item of byId("mistakes").children)
      item.firstChild.setAttribute("aria-current", String(Number(item.dataset.mistake) === state.mistake));
  });
}

function listMistakes(kind) {
  kindShown = kind;
  for (const chip of byId("kinds").children) chip.setAttribute("aria-pressed", String(Number(chip.dataset.kind) === kind));
  const chosen = [...arrays.mistake_kind.keys()].filter((k) => kind < 0 || arrays.mistake_kind[k] === kind);
  const total = kind < 0 ? meta.kind_counts.reduce((a, b) => a + b, 0) : meta.kind_counts[kind];
  byId("mistakes-said").textContent = !total
    ? "No errors of this kind."
    : (chosen.length < total ? `Showing ${chosen.length.toLocaleString("en")} of ${total.toLocaleString("en")}. ` : "") +
      "Lines are links, rings detections, squares divisions. What is false is crossed out, what was missed is dashed, " +
      "what is of another kind is double. Divisions also show up as links.";
  byId("mistakes").replaceChildren(
    ...chosen.map((k) => {
      const item = element(
        "button", { type: "button", className: "item" },
        element("span", { className: "what", textContent: `${meta.kinds[arrays.mistake_kind[k]]}, t = ${meta.frames[arrays.mistake_step[2 * k]]}` }),
        element("span", { className: "why", textContent: mistakeInWords(k) }),
        stripOfMistake(k),
      );
      item.onclick = () => showMistake(k);
      const line = element("li", {}, item);
      line.dataset.mistake = k;
      return line;
    }),
  );
}
