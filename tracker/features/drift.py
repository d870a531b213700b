"""How far the whole picture moves from one frame to another."""

import numpy as np
from numpy.typing import NDArray

from tracker.errors import FeatureError
from tracker.features.context import FeatureContext

_LONGEST_PX = {2: 256, 3: 96}  # images are averaged down to at most this many pixels per axis: speed, and less noise


def drift_px(
    context: FeatureContext, earlier: int, later: int, masks: tuple[NDArray[np.generic], NDArray[np.generic]]
) -> NDArray[np.int64]:
    """(D,) whole pixels along [z,] y, x by which the content of frame `later` lies from that of frame `earlier`.

    The place of the highest phase correlation, F^-1(B conj(A) / |B conj(A)|), of the images, or of masks > 0 where the
    context has no images. A drift of half the image or more cannot be told from a smaller one the other way; it is 0
    where a frame is all of one grey level. Kept in `context.drifts`, so that a pair of frames is measured once.
    Raises FeatureError when an image holds NaN or infinity. Source: Kuglin and Hines 1975, as in scikit-image.
    """
    if (earlier, later) not in context.drifts:
        context.drifts[earlier, later] = _measure(context, earlier, later, masks)
    return context.drifts[earlier, later]


def _measure(
    context: FeatureContext, earlier: int, later: int, masks: tuple[NDArray[np.generic], NDArray[np.generic]]
) -> NDArray[np.int64]:
    from skimage.registration import phase_cross_correlation  # slow to import, and seldom needed

    if context.images is None:
        pictures = [(mask != 0).astype(np.float64) for mask in masks]
    else:
        pictures = [np.asarray(context.images.read(t)).astype(np.float64) for t in (earlier, later)]
    for t, picture in zip((earlier, later), pictures, strict=True):
        if not np.isfinite(picture).all():
            raise FeatureError(
                f'features.overlap_shift = "drift" needs finite images, found NaN or infinity in frame {t}. '
                'Mend the image, or set features.overlap_shift = "none"'
            )
    shape = pictures[0].shape
    block = -(-np.array(shape) // _LONGEST_PX[len(shape)])
    first, second = (_averaged(picture, block) for picture in pictures)
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return np.zeros(len(shape), np.int64)
    shift = phase_cross_correlation(second, first, upsample_factor=int(block.max()))[0]  # type: ignore[no-untyped-call]
    return np.rint(shift * block).astype(np.int64)


def _averaged(picture: NDArray[np.float64], block: NDArray[np.int64]) -> NDArray[np.float64]:
    """Means over blocks of pixels; what is left over at the far ends is cut off."""
    sizes = np.array(picture.shape) // block
    whole = picture[tuple(slice(0, end) for end in (sizes * block).tolist())]
    parts = np.column_stack([sizes, block]).ravel()
    means: NDArray[np.float64] = whole.reshape(parts).mean(axis=tuple(range(1, 2 * picture.ndim, 2)))
    return means
