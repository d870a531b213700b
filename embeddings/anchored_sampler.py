"""Windows around given detections: those that a person has annotated."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from embeddings.window_sampler import SamplerSettings, WindowSampler
from embeddings.windows import TokenMovie, Window, WindowSettings
from tracker.errors import InputError


class AnchoredSampler(WindowSampler):
    """Draws an anchor, each alike, then the first frame among those whose window holds it, then a crop around it.

    Otherwise as WindowSampler; no window is favoured but for its anchor.
    """

    def __init__(
        self,
        movies: Sequence[TokenMovie],
        anchors: Sequence[NDArray[np.int64]],
        windows: WindowSettings,
        settings: SamplerSettings | None = None,
        *,
        seed: int = 0,
    ) -> None:
        """anchors: rows of detections of each movie. Raises InputError where there is none, and as WindowSampler."""
        super().__init__(movies, windows, replace(settings or SamplerSettings(), favour="nothing"), seed=seed)
        self._anchor_movie = np.repeat(np.arange(len(anchors)), [len(rows) for rows in anchors])
        self._anchor_row = np.concatenate(list(anchors)).astype(np.int64)
        if not len(self._anchor_row):
            raise InputError("there is no detection to draw windows around; annotate some")

    def _draw(self, generator: np.random.Generator) -> Window:
        chosen = int(generator.integers(len(self._anchor_row)))
        number, row = int(self._anchor_movie[chosen]), int(self._anchor_row[chosen])
        movie = self.movies[number]
        step = int(movie.step_of(np.array([row]))[0])
        last = movie.n_frames - self.windows.n_frames
        # Not with the anchor in the last frame: its children must be able to show.
        first = min(max(step - self.windows.n_frames + 2, 0), last)
        start = int(generator.integers(first, max(min(step, last), first) + 1))
        return self._window(number, start, generator, row)
