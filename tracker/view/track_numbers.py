"""Numbers of tracks through steps that are done, undone and done again."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracker.lineage import Lineage
from tracker.view.history import LONGEST
from tracker.view.stable_tracks import follow_tracks


@dataclass(frozen=True)
class _Renumbering:
    """What a step did to numbers. rows: (K,) detections.   before, after: (K,) their numbers; int32, to be small."""

    rows: NDArray[np.int32]
    before: NDArray[np.int32]
    after: NDArray[np.int32]


class TrackNumbers:
    """track: (N,) number of each detection's track, 0 where it is not selected.

    A number stays with its track while others change (`follow_tracks`). Undoing a step gives every track the number
    that it had before the step, doing it again the one after it, however much the step changed. Only of steps that
    an earlier viewer did the numbers are not known: there tracks are followed as through any change.
    """

    def __init__(self, lineage: Lineage) -> None:
        """Numbers as the lineage counts its tracks."""
        self._remembered = np.zeros(len(lineage.track_id), np.int64)
        self.track = follow_tracks(lineage.track_id, lineage, remembered=self._remembered)
        self._largest = int(self.track.max(initial=0))
        self._done: list[_Renumbering] = []
        self._undone: list[_Renumbering] = []

    def follow(self, event: str, lineage: Lineage) -> None:
        """The numbers of the lineage after an event of the journal: `do`, `undo` or `redo` of a step."""
        stacks: dict[str, list[_Renumbering]] = {"do": [], "undo": self._done, "redo": self._undone}
        known = stacks[event]
        old, start = self.track, self.track.copy()
        if known:
            step = known.pop()
            start[step.rows] = step.before if event == "undo" else step.after
        # Where a step comes back to another lineage of the same cost, the numbers of then are the best to start from.
        new = follow_tracks(start, lineage, self._largest, self._remembered)
        self.track = new
        self._largest = max(self._largest, int(new.max(initial=0)))
        rows = np.flatnonzero(old != new)
        before, after = (new, old) if event == "undo" else (old, new)
        made = _Renumbering(*(values.astype(np.int32) for values in (rows, before[rows], after[rows])))
        if event == "undo":
            self._undone.append(made)
            return
        self._done.append(made)
        del self._done[:-LONGEST]
        if event == "do":
            self._undone.clear()
