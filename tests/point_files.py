"""Helpers of the tests that read tables of points."""

import pytest

from tracker.errors import PointsError
from tracker.io.points import read_points


def write(tmp_path, text, name="points.csv", **options):
    path = tmp_path / name
    path.write_text(text, **{"encoding": "utf-8", "newline": "", **options})
    return path


def refused(path, message, **options):
    """The exact message, in which FILE stands for the path."""
    with pytest.raises(PointsError) as error:
        read_points(path, **options)
    assert str(error.value) == message.replace("FILE", str(path))
