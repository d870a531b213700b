// The pictures of the frames, decoded when they are wanted and kept while there is room.

const LARGEST_CACHE_PIXELS = 120e6;
const pictureCache = new Map();

function hasPicture(step, plane) {
  return byId(`picture-${step}-${plane}`) !== null;
}

// The frame whose picture is shown at a step: its own, or the last one before that has one.
function picturedStep(step, plane) {
  if (!meta.pictures) return -1;
  for (let earlier = step; earlier >= Math.max(0, step - meta.pictures.every + 1); earlier--)
    if (hasPicture(earlier, plane)) return earlier;
  return -1;
}

// An image that is drawn once it is complete; asks for drawing when it comes later.
function picture(step, plane) {
  const found = picturedStep(step, plane);
  if (found < 0) return null;
  const key = `${found}/${plane}`;
  let image = pictureCache.get(key);
  if (image) {
    pictureCache.delete(key);
  } else {
    image = new Image();
    image.onload = () => tell("picture");
    image.src = `data:image/webp;base64,${byId(`picture-${found}-${plane}`).textContent}`;
  }
  pictureCache.set(key, image);
  const room = Math.max(4, Math.floor(LARGEST_CACHE_PIXELS / Math.max(1, image.naturalWidth * image.naturalHeight)));
  while (pictureCache.size > room) pictureCache.delete(pictureCache.keys().next().value);
  return image.complete && image.naturalWidth ? image : null;
}

// The same as a promise, for pictures that are drawn once; null where there is none.
function whenPicture(step, plane) {
  const image = picture(step, plane);
  if (image) return Promise.resolve(image);
  const found = picturedStep(step, plane);
  if (found < 0) return Promise.resolve(null);
  const coming = pictureCache.get(`${found}/${plane}`);
  return coming.decode().then(() => coming);
}
