"""The frames of a movie as small grey pictures, within a number of bytes."""

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tracker.io.movie import Movie

# Side and quality, best first; the first that fits is taken.
_LADDER = ((1.0, 82), (1.0, 65), (1.0, 45), (0.75, 55), (0.5, 60), (0.5, 40), (0.35, 45), (0.25, 45))
_LARGEST_SIDE_PX = 2200
_SAMPLED = 6
_GAMMA = 0.6
BASE64 = 4 / 3


@dataclass(frozen=True)
class Pictures:
    """webp: (step, plane) -> a WebP file; plane -1 is the frame from above (of volumes the maximum), else a z.

    scale: of their sides.   every: of the kept frames every so-many-th has a picture.   dark, bright: the values of the
    images that are black and white.
    """

    webp: dict[tuple[int, int], bytes]
    scale: float
    every: int
    dark: float
    bright: float


def draw_pictures(images: Movie, frames: NDArray[np.int64], planes: list[int], max_bytes: float) -> Pictures:
    """Draw the kept frames, at most `max_bytes` in base64 all together.

    frames: (T,) frame of `images` of each step, -1 = none.   planes: -1 or a z.
    Grey between percentiles 1 and 99.7 of a few frames, to the power 0.6, which lifts dim cells. Where all frames are
    too many, quality goes down first, then the size to a quarter, then every so-many-th frame is drawn.
    """
    steps = np.flatnonzero(frames >= 0)
    chosen = steps[np.unique(np.linspace(0, len(steps) - 1, min(_SAMPLED, len(steps))).astype(int))]
    seen = [images.read(int(frames[step])) for step in chosen]
    dark, bright = _range(seen)
    shrink = min(1.0, _LARGEST_SIDE_PX / max(images.shape[-2:]))
    for rung, (side, quality) in enumerate(_LADDER):
        scale = side * shrink
        sample = [_webp(_plane(pixels, plane), dark, bright, scale, quality) for pixels in seen for plane in planes]
        needed = BASE64 * len(steps) * len(planes) * float(np.mean([len(one) for one in sample]))
        last = rung == len(_LADDER) - 1
        if needed > 0.97 * max_bytes and not last:
            continue
        every = max(1, int(np.ceil(needed / max(0.97 * max_bytes, 1.0)))) if last else 1
        webp: dict[tuple[int, int], bytes] = {}
        for step in steps[::every].tolist():
            pixels = images.read(int(frames[step]))
            for plane in planes:
                webp[step, plane] = _webp(_plane(pixels, plane), dark, bright, scale, quality)
        while last and len(webp) > len(planes) and _size(webp) > max_bytes:
            every *= 2
            kept = set(steps[::every].tolist())
            webp = {key: one for key, one in webp.items() if key[0] in kept}
        if last or _size(webp) <= max_bytes:
            return Pictures(webp, scale, every, dark, bright)
    raise AssertionError("the last rung always returns")


def _size(webp: dict[tuple[int, int], bytes]) -> float:
    return BASE64 * sum(len(one) for one in webp.values())


def _range(seen: list[NDArray[np.generic]]) -> tuple[float, float]:
    """Percentiles 1 and 99.7 of the finite pixels, of at most a million of each frame."""
    flat = np.concatenate([pixels.ravel()[:: max(1, pixels.size // 1_000_000)].astype(np.float64) for pixels in seen])
    flat = flat[np.isfinite(flat)]
    dark, bright = np.percentile(flat, [1, 99.7]) if len(flat) else (0.0, 1.0)
    return float(dark), float(bright)


def _plane(pixels: NDArray[np.generic], plane: int) -> NDArray[np.generic]:
    if pixels.ndim == 2:
        return pixels
    return np.asarray(pixels.max(axis=0)) if plane < 0 else pixels[plane]


def _webp(pixels: NDArray[np.generic], dark: float, bright: float, scale: float, quality: int) -> bytes:
    grey = pixels.astype(np.float32)
    grey -= dark
    grey /= max(bright - dark, 1e-12)
    np.nan_to_num(grey, copy=False, nan=0.0, posinf=1.0, neginf=0.0)
    np.power(np.clip(grey, 0, 1, out=grey), _GAMMA, out=grey)
    picture = Image.fromarray((255 * grey).astype(np.uint8))
    if scale < 1:
        height, width = (max(1, round(scale * side)) for side in pixels.shape)
        picture = picture.resize((width, height), Image.Resampling.BOX)
    file = io.BytesIO()
    picture.save(file, format="WEBP", quality=quality, method=4)
    return file.getvalue()
