// What the keys do, wherever the focus is, unless it is where the key has a meaning of its own.

function step(list) {
  const items = [...list.querySelectorAll(".item")];
  const now = items.findIndex((item) => item.getAttribute("aria-current") === "true");
  return (turn) => {
    if (!items.length) return;
    const next = now < 0 ? (turn > 0 ? 0 : items.length - 1) : (now + turn + items.length) % items.length;
    items[next].click();
    items[next].scrollIntoView({ block: "nearest" });
  };
}

function goThroughList(turn) {
  if (state.tab !== "mistakes" && state.tab !== "doubt") openTab("doubt");
  step(byId(state.tab === "mistakes" ? "mistakes" : "doubts"))(turn);
}

const KEYS = {
  " ": () => setPlaying(!state.playing),
  ArrowLeft: () => goTo(state.step - 1),
  ArrowRight: () => goTo(state.step + 1),
  Home: () => goTo(0),
  End: () => goTo(facts.steps - 1),
  "+": () => zoomBy(1.5),
  "=": () => zoomBy(1.5),
  "-": () => zoomBy(1 / 1.5),
  0: () => fit(),
  n: () => goThroughList(1),
  p: () => goThroughList(-1),
  1: () => openTab("tree"),
  2: () => openTab("doubt"),
  3: () => openTab("mistakes"),
  4: () => openTab("run"),
  Escape: () => choose(-1),
  "?": () => byId("help").showModal(),
};

function startKeys() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || byId("help").open) return;
    const where = event.target, own = where.closest("input, select, textarea, pre");
    if (own && event.key !== "Escape" && !(own.type === "checkbox" && event.key !== " ")) return;
    if (event.key === " " && where.closest("button")) return;
    const act = KEYS[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
  byId("help-button").onclick = () => byId("help").showModal();
}
