// What is shown now, and who wants to know when it changes.

const state = {
  step: 0, // index of the frame
  plane: -1, // -1 = from above, else z
  row: -1, // the chosen detection, which may lie in another frame
  track: -1, // its track
  mistake: -1, // the chosen error
  playing: false,
  fill: 0.5, light: 1, outlines: true, tails: true, divisions: true, numbers: false, mistakes: true,
  along: "z",
};

const listeners = {};

function on(what, act) {
  for (const name of what.split(" ")) (listeners[name] ||= []).push(act);
}

function tell(what) {
  for (const act of listeners[what] || []) act();
}

function goTo(step) {
  const next = Math.max(0, Math.min(facts.steps - 1, step));
  if (next === state.step) return;
  state.step = next;
  if (state.track >= 0) {
    const row = rowOfTrack(state.track, next);
    if (row >= 0) state.row = row;
  }
  tell("step");
}

function setPlane(plane) {
  state.plane = plane;
  tell("plane");
}

// The detection of a track in a frame, -1 where it has none.
function rowOfTrack(track, step) {
  for (let row = arrays.start[step]; row < arrays.start[step + 1]; row++) if (arrays.track[row] === track) return row;
  return -1;
}

// Choose a detection and its track; show: also go to its frame and place.
function choose(row, { show = false, from = "" } = {}) {
  state.row = row;
  state.track = row < 0 ? -1 : arrays.track[row];
  state.chosenFrom = from;
  if (show && row >= 0) {
    if (state.plane >= 0 && arrays.z) setPlane(nearestPlane(arrays.z[row]));
    lookAt(row);
    if (facts.step[row] !== state.step) {
      state.step = facts.step[row];
      tell("step");
    }
  }
  tell("choice");
}

function nearestPlane(z) {
  return Math.max(0, Math.min(meta.planes.length - 2, Math.round(z)));
}
