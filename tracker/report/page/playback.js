// Time: the slider, and playing.

let lastShown = 0;

function setPlaying(playing) {
  if (playing === state.playing) return;
  state.playing = playing;
  byId("play").textContent = playing ? "Pause" : "Play";
  byId("play").setAttribute("aria-label", playing ? "Pause" : "Play");
  byId("play").setAttribute("aria-pressed", String(playing));
  if (!playing) return;
  if (state.step === facts.steps - 1) goTo(0);
  lastShown = performance.now();
  requestAnimationFrame(playOn);
}

function playOn(now) {
  if (!state.playing) return;
  const pause = 1000 / Number(byId("speed").value);
  if (now - lastShown >= pause) {
    lastShown = now - lastShown > 4 * pause ? now : lastShown + pause;
    const last = state.step === facts.steps - 1;
    if (last && !byId("loop").checked) return setPlaying(false);
    goTo(last ? 0 : state.step + 1);
  }
  requestAnimationFrame(playOn);
}

function showTime() {
  const t = meta.frames[state.step];
  byId("slider").value = state.step;
  byId("slider").setAttribute("aria-valuetext", `t = ${t}`);
  byId("time").textContent = `t = ${t}  (${state.step + 1} of ${facts.steps})`;
}

function startPlayback() {
  byId("slider").max = facts.steps - 1;
  byId("slider").oninput = () => goTo(Number(byId("slider").value));
  byId("play").onclick = () => setPlaying(!state.playing);
  byId("previous").onclick = () => goTo(state.step - 1);
  byId("next").onclick = () => goTo(state.step + 1);
  on("step", showTime);
  showTime();
}
