"""The viewer: from a key to new tracks on the screen, and what thirty keys mend.

xvfb-run -a python benchmarks/viewer.py     HeLa t 0-19, attrackt preset; without xvfb-run on a desktop

Keys are real events on the canvas of a shown window. A key is over when the canvas was drawn again after it, with the
new lineage. The scripted annotator knows the truth, and presses one key per suggestion: the number of the right way,
or E where the cell has no children; N where the right way has no number.
"""

import tempfile
import time
from pathlib import Path

import numpy as np
from annotations import Annotator
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from tracker.evaluate import evaluate
from tracker.view.application import make_window
from tracker.view.layers import tracks_layer
from tracker.view.proofreading import Proofreading
from tracker.view.window import Window

N_TIMED, N_KEYS = 30, 30
BAR_MS = 300


def press(window: Window, name: str) -> None:
    QTest.keyClick(window.viewer.window._qt_viewer.canvas.native, getattr(Qt.Key, f"Key_{name}"))


class Drawings:
    """When the canvas came to the screen, and whether the lineage of that moment was on it."""

    def __init__(self, window: Window) -> None:
        self._window = window
        self._canvas = window.viewer.window._qt_viewer.canvas.native
        self.drawn: list[tuple[float, bool]] = []
        self._canvas.frameSwapped.connect(self._note)

    def wait(self) -> None:
        """Let Qt draw the canvas, with what was changed so far."""
        count = len(self.drawn)
        self._canvas.update()
        while len(self.drawn) == count:
            QApplication.processEvents()

    def wait_for_lineage(self, since: int) -> float:
        """When, first after `since` drawings, the lineage of now was drawn."""
        while not (times := [when for when, whole in self.drawn[since:] if whole]):
            QApplication.processEvents()
        return times[0]

    def _note(self) -> None:
        """After a drawing was swapped in; then see whether the layer's lines are those of the lineage."""
        now, opened = time.perf_counter(), self._window.opened
        lines = tracks_layer(opened.lineage, opened.track)
        stack = self._window.stack
        whole = np.array_equal(stack.tracks.data, lines.data) and np.array_equal(stack.forks.data, lines.forks)
        self.drawn.append((now, whole))


def timed_keys(window: Window, drawings: Drawings) -> tuple[np.ndarray, np.ndarray]:
    """(K,) seconds from a key to its lineage on the screen, and the share of solving; each key forbids a link."""
    rng = np.random.default_rng(0)
    opened = window.opened
    total, solving = [], []
    while len(total) < N_TIMED:
        links = opened.lineage.links
        window.go_to(int(links[rng.integers(len(links)), 0]))
        window.settle()
        drawings.wait()
        before, count = opened.lineage, len(drawings.drawn)
        solved: list[float] = []
        act = window.show_change
        window.show_change = lambda update, act=act, solved=solved: (solved.append(update.seconds), act(update))  # type: ignore[method-assign]
        start = time.perf_counter()
        press(window, "F")
        passed = drawings.wait_for_lineage(count) - start
        del window.show_change
        window.settle()
        if opened.lineage is not before and solved:
            total.append(passed)
            solving.append(solved[0])
    while opened.undo() is not None:
        pass
    return np.array(total), np.array(solving)


def annotate(person: Annotator, window: Window) -> int:
    """Press N_KEYS keys; returns how many of them had to pass a suggestion over."""
    opened, passed = window.opened, 0
    window.next()
    for _ in range(N_KEYS):
        wanted = tuple(sorted(person.children.get(opened.selection, [])))
        out = [way.rows for way in opened.ways if way.side == "out"]
        if not wanted:
            press(window, "E")
        elif wanted in out[:9]:
            press(window, str(out.index(wanted) + 1))
        else:
            press(window, "N")
            passed += 1
        window.settle()
    return passed


def main() -> None:
    person = Annotator()

    def errors(opened: Proofreading) -> float:
        return float(evaluate(opened.lineage, person.truth, masks=person.prepared.inputs.masks).AOGM)

    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        opened = Proofreading(person.config, Path(folder) / "pins.csv")
        print(
            f"HeLa, {len(opened.track)} detections: opened and ranked in {time.perf_counter() - start:.1f} s",
            flush=True,
        )
        start = time.perf_counter()
        window = make_window(opened, title="benchmark")
        window.viewer.window.resize(1400, 900)
        drawings = Drawings(window)
        drawings.wait()
        print(f"window in {time.perf_counter() - start:.1f} s", flush=True)
        total, solving = timed_keys(window, drawings)
        print(
            f"{len(total)} keys, from key to drawn tracks: median {1000 * np.median(total):.0f} ms, "
            f"90 % below {1000 * np.quantile(total, 0.9):.0f} ms, max {1000 * total.max():.0f} ms "
            f"(bar {BAR_MS} ms: ratio of the median {1000 * np.median(total) / BAR_MS:.2f}); "
            f"of that solving: median {1000 * np.median(solving):.0f} ms",
            flush=True,
        )
        before = errors(opened)
        passed = annotate(person, window)
        print(
            f"{N_KEYS} keys on suggestions ({opened.suggestions.order}): AOGM {before:g} -> {errors(opened):g}, "
            f"{len(opened.pins)} pins, {passed} keys only passed a suggestion over",
            flush=True,
        )
        window.close()
        window.viewer.close()


if __name__ == "__main__":
    main()
