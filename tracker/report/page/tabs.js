// The views on the right, and what the run was.

const tabs = ["tree", "doubt", "mistakes", "run"];

function openTab(name, focus = false) {
  for (const one of tabs) {
    const tab = byId(`tab-${one}`), open = one === name;
    tab.setAttribute("aria-selected", String(open));
    tab.tabIndex = open ? 0 : -1;
    byId(`panel-${one}`).hidden = !open;
    if (open && focus) tab.focus();
  }
  state.tab = name;
  tell("tab");
}

function startTabs() {
  tabs.forEach((name, place) => {
    byId(`tab-${name}`).onclick = () => openTab(name);
    byId(`tab-${name}`).onkeydown = (event) => {
      const turn = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!turn) return;
      event.preventDefault();
      event.stopPropagation();
      openTab(tabs[(place + turn + tabs.length) % tabs.length], true);
    };
  });
  fillRun();
  openTab("tree");
}

function fillRun() {
  const rows = (pairs, kind = "") =>
    pairs.map(([name, value]) => element("tr", {}, element("td", { textContent: name }), element("td", { textContent: value, className: kind })));
  const total = meta.seconds.total || 1;
  const times = Object.entries(meta.seconds).map(([name, seconds]) => {
    const length = element("div", { className: "length" });
    length.style.width = `${Math.min(100, (100 * seconds) / total)}%`;
    return element("tr", {}, element("td", { textContent: name }), element("td", { textContent: `${seconds.toFixed(2)} s`, className: "number" }), element("td", {}, length));
  });
  const written = (value) => (typeof value === "number" ? value.toLocaleString("en", { maximumFractionDigits: 6 }) : String(value ?? "none"));
  byId("panel-run").append(
    element("h2", { textContent: "Seconds" }), element("table", { className: "times" }, ...times),
    element("h2", { textContent: "The answer" }), element("table", {}, ...rows(Object.entries(meta.run).map(([name, value]) => [name.replaceAll("_", " "), written(value)]), "number")),
    element("h2", { textContent: "Counts" }), element("table", {}, ...rows(Object.entries(meta.counts).map(([name, value]) => [name.replaceAll("_", " "), written(value)]), "number")),
    element("h2", { textContent: "Config" }), element("pre", { textContent: meta.config, tabIndex: 0 }),
    element("h2", { textContent: "Versions" }), element("table", {}, ...rows(Object.entries(meta.versions))),
  );
}
