// How sure the decisions are: margins of all ways out, counted in bars of equal width on a logarithmic axis.

function drawHistogram() {
  const shown = meta.histogram, svg = byId("histogram"), said = byId("histogram-said");
  if (!shown) {
    svg.remove();
    said.textContent = "This result has no margins: nothing says how sure its decisions are.";
    return;
  }
  const [width, height, left, bottom, top] = [560, 170, 44, 34, 10];
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-label", "Histogram of margins");
  const most = Math.max(...shown.counts, shown.zero), low = Math.log10(shown.edges[0]);
  const span = Math.log10(shown.edges.at(-1)) - low || 1;
  const x = (value) => left + 26 + ((width - left - 36) * (Math.log10(value) - low)) / span;
  const y = (count) => height - bottom - ((height - bottom - top) * count) / most;
  const add = (tag, attributes, text) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    if (text !== undefined) made.append(text);
    svg.append(made);
    return made;
  };
  const bar = (from, to, count, words, kind) => {
    const made = add("rect", { x: from + 0.5, y: y(count), width: Math.max(1, to - from - 1), height: Math.max(0, height - bottom - y(count)), class: kind });
    const title = document.createElementNS("http://www.w3.org/2000/svg", "title");
    title.append(words);
    made.append(title);
  };
  for (const part of [0, 0.5, 1]) {
    const count = Math.round(part * most);
    add("line", { x1: left, x2: width, y1: y(count), y2: y(count) });
    add("text", { x: left - 6, y: y(count) + 4, "text-anchor": "end" }, count.toLocaleString("en"));
  }
  if (shown.zero) {
    bar(left + 2, left + 20, shown.zero, `${shown.zero} decisions with a margin below ${number(shown.edges[0])}`, "low");
    add("text", { x: left + 11, y: height - bottom + 15, "text-anchor": "middle" }, "~0");
  }
  shown.counts.forEach((count, k) => {
    const words = `${count} decisions with a margin of ${number(shown.edges[k])} to ${number(shown.edges[k + 1])}`;
    bar(x(shown.edges[k]), x(shown.edges[k + 1]), count, words, "bar-shape");
  });
  for (let power = Math.floor(low); power <= low + span; power++)
    for (const digit of span > 2 ? [1] : [1, 2, 5]) {
      const at = Math.log10(digit) + power;
      if (at < low - 1e-9 || at > low + span + 1e-9) continue;
      add("text", { x: x(10 ** at), y: height - bottom + 15, "text-anchor": "middle" }, number(10 ** at));
    }
  add("text", { x: width, y: height - 4, "text-anchor": "end" }, "margin (cost) → surer");
  const counted = shown.counts.reduce((sum, count) => sum + count, shown.zero);
  const bound = meta.margins === "exact" ? "" : " Margins here are proven lower bounds.";
  said.textContent =
    `${counted.toLocaleString("en")} decisions, median margin ${number(shown.median)}; ` +
    `${shown.none.toLocaleString("en")} more have no other way. The margin says how much dearer the cheapest other ` +
    `answer would be.${bound}`;
}
