"""track embed tap --plot: where the arrow of time shows in a frame."""

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need the extra learn")

from command_line import refused, track  # noqa: E402

from embeddings.methods.tap import division_scores  # noqa: E402
from embeddings.methods.tap_plot import frame_attribution  # noqa: E402
from embeddings.pixel_pools import PixelPools  # noqa: E402
from embeddings.table import DetectionScores  # noqa: E402
from tracker.config import load_config  # noqa: E402
from tracker.learning.movies import learning_movie  # noqa: E402

pytestmark = pytest.mark.usefixtures("trained")


def test_the_picture_of_the_highest_score(capsys):
    pytest.importorskip("matplotlib", reason="pictures need the extra plot")
    from PIL import Image

    given = ("embed", "tap", "config.toml", "--model", "arrow", "--json", "--plot")
    assert track(*given, "pictures/best.png") == 0
    assert json.loads(capsys.readouterr().out)["picture"] == "pictures/best.png"
    scores = DetectionScores.load(Path("result.division_scores.npz"))
    best = int(scores.key[scores.score.argmax(), 0])
    assert track(*given, "same.png", "--frame", best) == 0
    assert track(*given, "other.png", "--frame", (best + 1) % 6) == 0
    pixels = {name: np.asarray(Image.open(name)) for name in ("pictures/best.png", "same.png", "other.png")}
    assert pixels["same.png"].shape[1] == 1080
    assert np.array_equal(pixels["same.png"], pixels["pictures/best.png"])
    assert not np.array_equal(pixels["same.png"], pixels["other.png"])


@pytest.mark.parametrize("role", ["first", "second", "both"])
@pytest.mark.parametrize("evidence", ["frame", "votes"])
def test_the_map_is_what_scores_are_pooled_from(role, evidence):
    shown = learning_movie(load_config(Path("config.toml")))
    score = division_scores(Path("arrow"), shown, role=role, evidence=evidence, device="cpu")
    for step in range(6):
        pixels = frame_attribution(Path("arrow"), shown, step, role=role, evidence=evidence, device="cpu")
        pools = PixelPools(shown, step, pixels.shape, 8.0)
        np.testing.assert_allclose(pools.of(pixels[None])[:, 0], score[pools.rows], rtol=1e-4, atol=1e-7)


def test_pictures_that_there_are_not(capsys, monkeypatch):
    given = ("embed", "tap", "config.toml", "--model", "arrow")
    refused(capsys, "--frame 9 is not there; this run has t = 0 to 5", *given, "--plot", "a.png", "--frame", 9)
    refused(capsys, "--frame says which frame --plot FILE.png draws: give both", *given, "--frame", 1)
    refused(
        capsys, "--plot shows the attribution of tap; reid has none: leave it out",
        "embed", "reid", "config.toml", "--model", "views", "--plot", "a.png",
    )  # fmt: skip
    Path("there.png").write_bytes(b"")
    refused(
        capsys, "there.png exists already. Name another --plot, or replace it with --overwrite",
        *given, "--plot", "there.png",
    )  # fmt: skip
    monkeypatch.setattr("embeddings.methods.tap_plot.find_spec", lambda name: None)
    refused(
        capsys,
        "the picture of an attribution needs the package matplotlib, which is not installed. Install it with: pip "
        'install "pintrack[plot]"',
        *given, "--plot", "a.png",
    )  # fmt: skip
