"""Points by the million: their number, their density, their lineage, and the memory that writing them takes."""

import numpy as np
import pytest
from command_line import track

from tracker.errors import ConfigError
from tracker.io.points import read_points
from tracker.simulate_scale import scale_settings, stream_points


@pytest.mark.parametrize(("detections", "frames", "expected"), [(4000, None, 20), (4000, 40, 40), (250_000, 2, 2)])
def test_settings_fill_the_number_at_one_density(detections, frames, expected):
    settings = scale_settings(detections, frames)
    assert settings.n_frames == expected
    assert settings.n_frames * settings.n_cells * 0.99 == pytest.approx(detections, rel=0.02)
    assert np.prod(settings.shape) / settings.n_cells == pytest.approx(26**2, rel=0.05)


def test_more_frames_than_detections_are_refused():
    with pytest.raises(ConfigError, match="10 detections do not fill 20 frames"):
        scale_settings(10, 20)


def test_points_are_a_lineage_of_constant_number(tmp_path):
    settings = scale_settings(6000)
    count = stream_points(settings, 5, tmp_path / "a.csv")
    table = read_points(tmp_path / "a.csv")
    assert len(table) == count == pytest.approx(6000, rel=0.03)
    per_frame = np.bincount(table.frame)
    assert len(per_frame) == settings.n_frames
    assert (np.abs(per_frame - settings.n_cells) < 0.05 * settings.n_cells).all()
    parent = table.parent_id
    assert parent is not None
    row = parent[parent >= 0] - 1  # ids count from 1
    gap = table.frame[parent >= 0] - table.frame[row]
    assert set(np.unique(gap)) == {1, 2, 3} or set(np.unique(gap)) == {1, 2}
    assert np.bincount(row).max() == 2
    divisions = (np.bincount(row, minlength=count) == 2).sum()
    assert 0.3 * count / 100 < divisions < 2 * count / 100  # a cycle takes 100 frames
    step = np.linalg.norm(table.position[parent >= 0] - table.position[row], axis=1)
    assert np.median(step[gap == 1]) < 4
    stream_points(settings, 5, tmp_path / "b.csv")
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def test_command(tmp_path, capsys):
    assert track("simulate", tmp_path / "c.csv", "--detections", 500, "--seed", 2) == 0
    assert len(read_points(tmp_path / "c.csv")) == pytest.approx(500, rel=0.15)
    assert track("simulate", tmp_path / "d", "--detections", 500) == 2
    assert "--detections makes a table of points" in " ".join(capsys.readouterr().err.split())
