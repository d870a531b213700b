// Below the movie: how many divisions and errors each frame has, and when the chosen track lives.

const timeline = byId("timeline");

function startTimeline() {
  facts.divisionsAt = new Int32Array(facts.steps);
  facts.mistakesAt = new Int32Array(facts.steps);
  for (let row = 0; row < facts.n; row++) facts.divisionsAt[facts.step[row]] += facts.divides[row];
  for (let k = 0; meta.has_truth && k < arrays.mistake_kind.length; k++) facts.mistakesAt[arrays.mistake_step[2 * k]]++;
  timeline.onclick = (event) => goTo(Math.floor((event.offsetX / timeline.clientWidth) * facts.steps));
  timeline.title =
    "Above: divisions in each frame" + (meta.has_truth ? ", and errors (crossed)" : "") + "; below: the chosen track";
  on("step choice", drawTimeline);
  new ResizeObserver(drawTimeline).observe(timeline);
}

function drawTimeline() {
  const ratio = window.devicePixelRatio || 1, width = timeline.clientWidth, height = timeline.clientHeight;
  timeline.width = Math.round(width * ratio);
  timeline.height = Math.round(height * ratio);
  const pen = timeline.getContext("2d"), style = getComputedStyle(document.body);
  const colour = (name) => style.getPropertyValue(name);
  const slot = width / facts.steps, base = height - 9, most = Math.max(1, ...facts.divisionsAt);
  pen.scale(ratio, ratio);
  pen.fillStyle = colour("--accent-soft");
  pen.fillRect(state.step * slot, 0, Math.max(slot, 2), height);
  pen.fillStyle = colour("--line");
  pen.fillRect(0, base, width, 1);
  pen.fillStyle = colour("--soft");
  const bar = Math.max(1, Math.min(slot - 1, 14));
  for (let step = 0; step < facts.steps; step++) {
    const tall = ((base - 4) * facts.divisionsAt[step]) / most;
    pen.fillRect((step + 0.5) * slot - bar / 2, base - tall, bar, tall);
  }
  pen.strokeStyle = colour("--wrong");
  pen.lineWidth = 1.6;
  for (let step = 0; step < facts.steps; step++)
    if (facts.mistakesAt[step]) cross(pen, (step + 0.5) * slot, 5, Math.min(3.5, Math.max(1.5, slot / 3)));
  if (state.track >= 0) {
    const first = facts.step[arrays.track_first[state.track]], last = facts.step[arrays.track_last[state.track]];
    pen.fillStyle = colourOf(state.track);
    pen.strokeStyle = colour("--ink");
    pen.lineWidth = 1;
    pen.fillRect(first * slot, base + 3, (last - first + 1) * slot, 5);
    pen.strokeRect(first * slot + 0.5, base + 3.5, (last - first + 1) * slot - 1, 4);
  }
  pen.strokeStyle = colour("--accent");
  pen.lineWidth = 1.5;
  pen.strokeRect(state.step * slot + 0.75, 0.75, Math.max(slot, 3) - 1.5, height - 1.5);
}
