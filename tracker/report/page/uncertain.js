// The decisions that the model is least sure of, as strips; a click shows the place.

function answerInWords(row) {
  const children = childrenOf(row).map(cellName);
  if (!children.length) return "ends here";
  return children.length === 1 ? `goes on as ${children[0]}` : `divides into ${children.join(" and ")}`;
}

function marginInWords(margin) {
  if (margin > 0) return `margin ${number(margin)}: another answer costs ${meta.margins === "exact" ? "" : "at least "}that much more`;
  return meta.margins === "exact" ? "margin 0: another answer costs the same" : "margin 0: another answer may cost the same";
}

// What else the decision of that place in the list could have been linked to.
function rivalsOf(place) {
  return [...arrays.rivals.subarray(3 * place, 3 * place + 3)].filter((row) => row >= 0);
}

function startUncertain() {
  drawHistogram();
  const rows = [...arrays.uncertain];
  byId("doubt-said").textContent = rows.length
    ? "Full lines: the cell, where it came from, and what became of it. " +
      (arrays.rivals.some((one) => one >= 0) ? "Dashed lines: what else it could have been linked to, up to three. " : "") +
      `Names are frame:label. Showing ${rows.length}; \`track suggest\` writes them as pins to be confirmed.`
    : "There is none with a margin.";
  rows.forEach((row, place) => {
    const rivals = rivalsOf(place);
    const others = rivals.length ? ` · or ${rivals.map(cellName).join(", ")} (dashed)` : "";
    const item = element(
      "button", { type: "button", className: "item" },
      element("span", { className: "what", textContent: `${place + 1}. Cell ${cellName(row)} ${answerInWords(row)}` }),
      element("span", { className: "why", textContent: `track ${trackIdOf(row)} · ${marginInWords(arrays.margin[row])}${others}` }),
      stripOf(row, rivals),
    );
    item.onclick = () => choose(row, { show: true, from: "doubts" });
    byId("doubts").append(element("li", {}, item));
  });
  on("choice", () => {
    for (const [place, item] of [...byId("doubts").children].entries())
      item.firstChild.setAttribute("aria-current", String(rows[place] === state.row));
  });
}
