// Everything in its order; what goes wrong is said on the page.

async function start() {
  await unpack();
  indexLines();
  meta.mark_radius_px = facts.n ? radiusOf(facts.n >> 1) : meta.point_radius_px;
  measureExtent();
  startMovie();
  startPlayback();
  startTabs();
  startTree();
  startTimeline();
  startSelection();
  drawMovie();
  startMistakes();
  startUncertain();
  startKeys();
  document.documentElement.dataset.ready = Math.round(performance.now());
}

start().catch((error) => {
  byId("problem").hidden = false;
  byId("problem").textContent = `The report cannot be shown: ${error.message}.`;
  throw error;
});

window.pintrack = { meta, arrays, facts, state, view, families, choose, goTo, toScreenX, toScreenY, treeX, treeY, across, down };
