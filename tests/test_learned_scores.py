"""A model in [associations]: scores are computed, kept, used again, and computed anew when they must be."""

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need the extra learn")

from command_line import refused, track  # noqa: E402
from learning_files import ASSOCIATIONS, CONFIG, setting  # noqa: E402

from embeddings.table import Associations  # noqa: E402
from tracker.learning import scores  # noqa: E402


@pytest.fixture(autouse=True)
def _place(trained):
    """The current folder: a movie, a config that names a model, and models."""
    Path("config.toml").write_text(CONFIG + ASSOCIATIONS)


def counted(monkeypatch):
    """How many links each call of the network is asked for."""
    asked, real = [], scores.link_scores

    def counting(network, movie, links, *given):
        asked.append(len(links))
        return real(network, movie, links, *given)

    monkeypatch.setattr(scores, "link_scores", counting)
    return asked


# ---- scores of links


def test_scores_are_computed_kept_and_used_again(monkeypatch):
    asked = counted(monkeypatch)
    assert track("run", "config.toml", "-q") == 0
    path = Path("result.associations.npz")
    table = Associations.load(path)
    report = json.loads(Path("result/run.json").read_text())
    assert asked == [report["counts"]["links"]] == [len(table.score)]
    assert table.method == "attrackt"
    assert table.provenance["model"] == "model"
    assert table.provenance["made_by"]["method"] == "attrackt"
    assert 0 <= table.score.min() < table.score.max() < 1
    before = path.stat().st_mtime_ns, path.read_bytes(), Path("result/tracks.csv").read_bytes()
    assert track("run", "config.toml", "-q", "--overwrite") == 0
    assert len(asked) == 1
    assert before == (path.stat().st_mtime_ns, path.read_bytes(), Path("result/tracks.csv").read_bytes())


def test_scores_decide():
    """The same movie without them is tracked otherwise, as a table of the opposite scores shows."""
    assert track("run", "config.toml", "-q") == 0
    table = Associations.load(Path("result.associations.npz"))
    Associations(table.link, 1 - table.score).save(Path("opposite.npz"))
    Path("opposite.toml").write_text(CONFIG + '\n[associations]\npath = "opposite.npz"\n')
    assert track("run", "opposite.toml", "-q", "-o", "other") == 0
    assert Path("other/tracks.csv").read_bytes() != Path("result/tracks.csv").read_bytes()


@pytest.mark.parametrize(
    ("key", "value"),
    [("associations.threshold", 0.2), ("associations.variants", 8),
     ("associations.model", "told"), ("data.frames", [0, 5])],
)  # fmt: skip
def test_what_makes_scores_out_of_date(monkeypatch, capsys, key, value):
    assert track("run", "config.toml", "-q") == 0
    first = Associations.load(Path("result.associations.npz"))
    asked = counted(monkeypatch)
    assert track("run", "config.toml", "--overwrite", *setting(key, value)) == 0
    said = "result.associations.npz is out of date (detections, model or settings changed) and is computed anew"
    assert said in capsys.readouterr().err
    second = Associations.load(Path("result.associations.npz"))
    assert asked == [len(second.score)]
    assert second.provenance["identity"] != first.provenance["identity"]
    assert len(second.score) < len(first.score) or not np.array_equal(first.score, second.score)


def test_only_new_links_are_scored(monkeypatch):
    asked = counted(monkeypatch)
    assert track("run", "config.toml", "-q") == 0
    few = Associations.load(Path("result.associations.npz"))
    more = ("run", "config.toml", "-q", "--overwrite", *setting("candidates.neighbors", 6))
    assert track(*more) == 0
    many = Associations.load(Path("result.associations.npz"))
    assert asked == [len(few.score), len(many.score) - len(few.score)]
    assert len(asked) == 2
    known = dict(zip(map(str, many.link.tolist()), many.score.tolist(), strict=True))
    np.testing.assert_allclose([known[str(link)] for link in few.link.tolist()], few.score, atol=1e-6)
    assert track("run", "config.toml", "-q", "--overwrite") == 0  # fewer links: nothing to do
    assert track(*more) == 0
    assert len(asked) == 2


def test_links_that_pins_demand_are_scored_too(monkeypatch):
    assert track("run", "config.toml", "-q", *setting("candidates.neighbors", 1)) == 0
    proposed = {str(link) for link in Associations.load(Path("result.associations.npz")).link.tolist()}
    far = next(
        [[0, one], [1, other]]
        for one in range(1, 9)
        for other in range(1, 7)
        if str([[0, one], [1, other]]) not in proposed
    )
    header = "kind,t,label,t2,label2,t3,label3,value,note\n"
    Path("pins.csv").write_text(f"{header}link,0,{far[0][1]},1,{far[1][1]},,,true,\n")
    asked = counted(monkeypatch)
    run = ("run", "config.toml", "-q", "--overwrite", "--pins", "pins.csv", *setting("candidates.neighbors", 1))
    assert track(*run) == 0
    assert track(*run) == 0
    assert asked == [1]
    assert far in Associations.load(Path("result.associations.npz")).link.tolist()


def test_scores_are_kept_where_path_says(monkeypatch):
    Path("config.toml").write_text(CONFIG + ASSOCIATIONS + 'path = "kept/scores.npz"\n')
    assert track("run", "config.toml", "-q") == 0
    assert track("run", "config.toml", "-q", "-o", "other") == 0
    assert Associations.load(Path("kept/scores.npz")).method == "attrackt"
    assert not list(Path().glob("*.npz"))


def test_a_file_from_elsewhere_is_not_replaced(capsys):
    Path("config.toml").write_text(CONFIG + ASSOCIATIONS + 'path = "scores.npz"\n')
    Associations(np.array([[[0, 1], [1, 1]]]), np.ones(1, np.float32), "mine").save(Path("scores.npz"))
    message = (
        "scores.npz holds scores that came from elsewhere, and would be replaced by the model's. Leave out model to "
        "use them, or let path name another file"
    )
    for command in ("run", "check"):
        refused(capsys, message, command, "config.toml")
    Path("scores.npz").write_bytes(b"no table")
    for command in ("run", "check"):
        assert track(command, "config.toml") == 2
        said = capsys.readouterr().err
        assert said.startswith("error: scores.npz is not a table of associations written by pintrack: ")
        assert said.endswith(". Remove it, or let path name another file for what the model computes\n")
    assert Path("scores.npz").read_bytes() == b"no table"


def test_scores_that_cannot_be_written(capsys):
    Path("config.toml").write_text(CONFIG + ASSOCIATIONS + 'path = "points.csv/scores.npz"\n')
    refused(
        capsys,
        "points.csv/scores.npz could not be written: File exists. Let path name a place that can be written",
        "run", "config.toml",
    )  # fmt: skip
