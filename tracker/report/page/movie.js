// The movie: a picture below, what is known above it; and what the pointer does there.

const stage = byId("stage"), below = byId("picture"), above = byId("overlay");
let drawingAsked = false;

function askDrawing() {
  if (drawingAsked) return;
  drawingAsked = true;
  requestAnimationFrame(() => {
    drawingAsked = false;
    drawMovie();
  });
}

function sizeStage() {
  const box = stage.getBoundingClientRect(), ratio = window.devicePixelRatio || 1;
  const fitted = view.zoom <= fittingZoom() * 1.001;
  Object.assign(view, { width: Math.max(1, box.width), height: Math.max(1, box.height), ratio });
  for (const canvas of [below, above]) {
    canvas.width = Math.round(view.width * ratio);
    canvas.height = Math.round(view.height * ratio);
  }
  if (fitted || !state.sized) fit();
  state.sized = true;
  drawMovie();
}

function toMovieTransform(pen) {
  const scale = view.zoom * view.ratio;
  pen.setTransform(
    scale, 0, 0, scale,
    (view.width / 2 - view.x * view.zoom) * view.ratio, (view.height / 2 - view.y * view.zoom) * view.ratio,
  );
}

function drawMovie() {
  drawPicture(below.getContext("2d"));
  const pen = above.getContext("2d");
  pen.setTransform(1, 0, 0, 1, 0, 0);
  pen.clearRect(0, 0, above.width, above.height);
  toMovieTransform(pen);
  const zoom = view.zoom;
  drawCells(pen, state.step, state.plane, zoom, {
    fill: state.fill, outlines: state.outlines, chosen: state.track, dim: state.track >= 0,
  });
  if (state.tails) drawTails(pen, state.step, zoom);
  if (state.divisions) drawDivisions(pen, state.step, zoom);
  if (state.mistakes) drawMistakes(pen, state.step, zoom);
  drawChosen(pen, state.step, state.plane, zoom);
  pen.setTransform(view.ratio, 0, 0, view.ratio, 0, 0);
  drawNumbers(pen, state.step);
  document.documentElement.dataset.drawn = state.step;
}

function drawPicture(pen) {
  pen.setTransform(1, 0, 0, 1, 0, 0);
  const image = state.along === "z" ? picture(state.step, state.plane) : null;
  if (!image && meta.pictures && state.along === "z" && picturedStep(state.step, state.plane) >= 0) return; // it comes
  pen.clearRect(0, 0, below.width, below.height);
  const shown = picturedStep(state.step, state.plane);
  const other = image && shown !== state.step ? ` · picture of t = ${meta.frames[shown]}` : "";
  byId("badge").textContent = `t = ${meta.frames[state.step]}${other}`;
  if (!image) return;
  toMovieTransform(pen);
  pen.imageSmoothingEnabled = view.zoom / meta.pictures.scale < 4;
  pen.drawImage(image, -0.5, -0.5, meta.shape[1], meta.shape[0]);
  if (meta.pictures.every === 1) picture((state.step + 1) % facts.steps, state.plane); // the next one beforehand
}

function startMovie() {
  sizeStage();
  new ResizeObserver(sizeStage).observe(stage);
  on("step choice view looks plane picture mistake", askDrawing);
  on("looks", () => (below.style.filter = state.light === 1 ? "" : `brightness(${state.light})`));
  byId("zoom-in").onclick = () => zoomBy(1.5);
  byId("zoom-out").onclick = () => zoomBy(1 / 1.5);
  byId("zoom-fit").onclick = fit;
  startPointer();
  startLooks();
}

function startPointer() {
  let [pressed, moved] = [null, false];
  above.onwheel = (event) => {
    event.preventDefault();
    zoomBy(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0016)), event.offsetX, event.offsetY);
  };
  above.onpointerdown = (event) => {
    above.setPointerCapture(event.pointerId);
    [pressed, moved] = [{ x: event.offsetX, y: event.offsetY }, false];
  };
  above.onpointermove = (event) => {
    if (!pressed) return showHover(event);
    if (!moved && Math.hypot(event.offsetX - pressed.x, event.offsetY - pressed.y) < 4) return;
    moved = true;
    above.classList.add("moving");
    moveBy(event.offsetX - pressed.x, event.offsetY - pressed.y);
    pressed = { x: event.offsetX, y: event.offsetY };
  };
  above.onpointerup = (event) => {
    if (pressed && !moved) choose(cellAt(toMovieX(event.offsetX), toMovieY(event.offsetY)), { from: "movie" });
    pressed = null;
    above.classList.remove("moving");
  };
  above.onpointercancel = () => (pressed = null);
  above.onpointerleave = () => (byId("hover").hidden = true);
  above.ondblclick = (event) => zoomBy(2, event.offsetX, event.offsetY);
}

function showHover(event) {
  const row = cellAt(toMovieX(event.offsetX), toMovieY(event.offsetY)), hint = byId("hover");
  hint.hidden = row < 0;
  if (row < 0) return;
  hint.textContent = `track ${trackIdOf(row)} · label ${arrays.label[row]}`;
  hint.style.left = `${Math.min(event.offsetX + 14, view.width - 150)}px`;
  hint.style.top = `${Math.min(event.offsetY + 14, view.height - 30)}px`;
}

function startLooks() {
  const set = (id, key, read) => {
    byId(id).oninput = () => {
      state[key] = read(byId(id));
      tell("looks");
    };
  };
  set("fill", "fill", (input) => Number(input.value));
  set("light", "light", (input) => Number(input.value));
  for (const [id, key] of [
    ["outlines", "outlines"], ["tails", "tails"], ["division-marks", "divisions"], ["numbers", "numbers"],
    ["mistake-marks", "mistakes"],
  ]) set(id, key, (input) => input.checked);
  byId("light-label").hidden = !meta.pictures;
  byId("mistakes-label").hidden = !meta.has_truth;
  byId("axes-label").hidden = !(meta.dimensions === 3 && !meta.has_masks && !meta.pictures);
  byId("axes").onchange = () => {
    state.along = byId("axes").value;
    paths.clear();
    measureExtent();
    fit();
  };
  const planes = meta.planes.length - 1;
  byId("plane-label").hidden = planes < 1;
  byId("plane").max = Math.max(0, planes - 1);
  byId("plane").value = planes >> 1;
  byId("above").onchange = () => setPlane(byId("above").checked ? -1 : Number(byId("plane").value));
  byId("plane").oninput = () => setPlane(Number(byId("plane").value));
  on("plane", () => {
    byId("above").checked = state.plane < 0;
    byId("plane").disabled = state.plane < 0;
    if (state.plane >= 0) byId("plane").value = state.plane;
    byId("plane-value").textContent = state.plane < 0 ? "" : `z = ${state.plane}`;
  });
}
