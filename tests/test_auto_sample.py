"""Measuring a large movie: windows that are a movie of their own, and the motion everywhere."""

import numpy as np
import pytest

from tracker.auto.sample import quick_flow, sample_windows
from tracker.config import make_config
from tracker.detections import Detections
from tracker.prepare import measure


def drifting(n_frames: int = 40, n_cells: int = 50, drift: tuple[float, float] = (1.0, -0.5)) -> Detections:
    rng = np.random.default_rng(0)
    place = rng.uniform(0, 200, (n_cells, 2))
    frames = [place + step * np.array(drift) + rng.normal(0, 0.1, place.shape) for step in range(n_frames)]
    return Detections(
        frame=np.repeat(np.arange(n_frames), n_cells),
        label=np.tile(np.arange(1, n_cells + 1), n_frames),
        position=np.concatenate(frames),
        frames=np.arange(n_frames),
        scale=np.ones(2),
        properties={"radius": np.tile(rng.uniform(4, 6, n_cells), n_frames)},
    )


@pytest.mark.parametrize(("wanted", "windows", "length"), [(1200, 6, 4), (250, 1, 5), (1, 1, 4), (10**6, 6, 6)])
def test_windows_of_successive_frames(wanted, windows, length):
    found = drifting()
    sample = sample_windows(found, wanted, apart=2, seed=3)
    assert sample.windows.shape == (windows, 2)
    assert (np.diff(sample.windows, axis=1) == length).all()
    assert (sample.windows[1:, 0] >= sample.windows[:-1, 1]).all()
    part = sample.detections
    filled = np.diff(part.starts) > 0
    assert filled.tolist() == (([True] * length + [False] * 2) * windows)[:-2]
    rows = np.concatenate([np.arange(found.starts[low], found.starts[high]) for low, high in sample.windows])
    assert part.position.tolist() == found.position[rows].tolist()
    assert part.properties["radius"].tolist() == found.properties["radius"][rows].tolist()
    assert sample_windows(found, wanted, apart=2, seed=3).windows.tolist() == sample.windows.tolist()


def test_the_motion_is_found_everywhere_but_in_the_last_frame():
    found = drifting()
    flow = quick_flow(found, threads=2)
    assert np.abs(flow[:-50] - [1.0, -0.5]).max() < 0.3
    assert not flow[-50:].any()


def test_a_large_movie_is_measured_on_a_part_and_says_so():
    found = drifting()
    settings = {"data": {"points": "none.csv"}, "costs": {"measure_detections": 1000}}
    part, whole = (measure(make_config(own), found) for own in (settings, {"data": settings["data"]}))
    assert part.sample == "1,000 of 2,000 detections, in 5 windows of 4 frames"
    assert whole.sample is None
    assert part.numbers.step_scale == pytest.approx(whole.numbers.step_scale, rel=0.2)
    assert part.flow.shape == found.position.shape
