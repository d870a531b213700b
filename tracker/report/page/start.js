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
  startMistakes();
  startUncertain();
  startKeys();
  goToAddress();
  window.addEventListener("hashchange", goToAddress);
  document.documentElement.dataset.ready = Math.round(performance.now());
}

// The end of the address may name what to show: report.html#t=7&track=12&tab=mistakes
function goToAddress() {
  const wanted = new URLSearchParams(location.hash.slice(1));
  if (tabs.includes(wanted.get("tab"))) openTab(wanted.get("tab"));
  const at = meta.frames.indexOf(Number(wanted.get("t") ?? NaN)), track = arrays.track_id.indexOf(Number(wanted.get("track")));
  if (at >= 0) goTo(at);
  if (track < 0) return;
  const now = rowOfTrack(track, state.step);
  choose(now >= 0 ? now : arrays.track_first[track], { show: at < 0 || now < 0 });
}

start().catch((error) => {
  byId("problem").hidden = false;
  byId("problem").textContent = `The report cannot be shown: ${error.message}.`;
  throw error;
});

window.pintrack = { meta, arrays, facts, state, view, families, choose, goTo, toScreenX, toScreenY, treeX, treeY, across, down, pathOf };
