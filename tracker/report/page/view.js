// Where the movie lies on the screen: screen = (place - view centre) * zoom + middle of the stage.

const view = { x: 0, y: 0, zoom: 1, width: 1, height: 1, ratio: 1 };
let extent = { left: 0, top: 0, right: 1, bottom: 1 };

// The two axes on the screen, by the axis that is looked along.
function across(row) {
  return state.along === "x" ? arrays.depth[row] : arrays.x[row];
}

function down(row) {
  return state.along === "y" ? arrays.depth[row] : arrays.y[row];
}

function measureExtent() {
  if (meta.shape && state.along === "z") {
    extent = { left: -0.5, top: -0.5, right: meta.shape[1] - 0.5, bottom: meta.shape[0] - 0.5 };
    return;
  }
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (let row = 0; row < facts.n; row++) {
    const x = across(row), y = down(row);
    left = Math.min(left, x);
    right = Math.max(right, x);
    top = Math.min(top, y);
    bottom = Math.max(bottom, y);
  }
  if (!(right >= left)) [left, top, right, bottom] = [0, 0, 1, 1];
  const edge = 0.03 * Math.max(right - left, bottom - top) + meta.point_radius_px;
  extent = { left: left - edge, top: top - edge, right: right + edge, bottom: bottom + edge };
}

function fittingZoom() {
  return Math.min(view.width / (extent.right - extent.left), view.height / (extent.bottom - extent.top));
}

function fit() {
  view.zoom = fittingZoom();
  view.x = (extent.left + extent.right) / 2;
  view.y = (extent.top + extent.bottom) / 2;
  tell("view");
}

const toScreenX = (x) => (x - view.x) * view.zoom + view.width / 2;
const toScreenY = (y) => (y - view.y) * view.zoom + view.height / 2;
const toMovieX = (x) => (x - view.width / 2) / view.zoom + view.x;
const toMovieY = (y) => (y - view.height / 2) / view.zoom + view.y;

function keepInside() {
  const half = { x: view.width / 2 / view.zoom, y: view.height / 2 / view.zoom };
  const limit = (value, low, high, reach) =>
    high - low <= 2 * reach ? (low + high) / 2 : Math.max(low + reach, Math.min(high - reach, value));
  view.x = limit(view.x, extent.left, extent.right, half.x);
  view.y = limit(view.y, extent.top, extent.bottom, half.y);
}

function zoomBy(factor, screenX = view.width / 2, screenY = view.height / 2) {
  const x = toMovieX(screenX), y = toMovieY(screenY), least = fittingZoom();
  view.zoom = Math.max(least, Math.min(60 * least, view.zoom * factor));
  view.x = x - (screenX - view.width / 2) / view.zoom;
  view.y = y - (screenY - view.height / 2) / view.zoom;
  keepInside();
  tell("view");
}

function moveBy(screenX, screenY) {
  view.x -= screenX / view.zoom;
  view.y -= screenY / view.zoom;
  keepInside();
  tell("view");
}

function lookAtPlace(x, y, zoom = 0) {
  view.zoom = Math.max(view.zoom, zoom);
  view.x = x;
  view.y = y;
  keepInside();
  tell("view");
}

// Bring a detection into the middle, near enough to see it and its neighbours.
function lookAt(row) {
  const wanted = Math.min(view.width, view.height) / (14 * radiusOf(row));
  lookAtPlace(across(row), down(row), Math.max(fittingZoom(), Math.min(wanted, 8 * fittingZoom())));
}
