"""Time arrow features and division scores in blocks into the arrays of a store: those at once, and resumable."""

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need the extra learn")
pytest.importorskip("funlib.persistence", reason="stores need the extra scale")

from command_line import track  # noqa: E402
from funlib.geometry import Roi  # noqa: E402
from funlib.persistence import open_ds  # noqa: E402
from learning_files import CONFIG, cells, setting, stored  # noqa: E402

from embeddings.methods.tap import division_scores  # noqa: E402
from embeddings.table import DetectionScores, NodeEmbeddings  # noqa: E402
from tracker.learning import division_scores as scoring  # noqa: E402
from tracker.learning import in_blocks  # noqa: E402
from tracker.load_result import load_result  # noqa: E402
from tracker.pins import PinRow, write_pins  # noqa: E402

SMALL = setting("store.block_frames", 2)
SCORES = '\n[division_scores]\nmodel = "arrow"\ndevice = "cpu"\n'
TERM = '\n[[costs.terms]]\non = "division"\nfeature = "division_score"\nweight = -1.0\nstandardise = "zscore"\n'


@pytest.fixture(autouse=True)
def _place(trained):
    """The current folder: a movie of 6 frames, a config with division scores, and models."""
    Path("run.toml").write_text(CONFIG + SCORES + TERM)


@pytest.fixture
def asked(monkeypatch):
    """How many detections were scored each time; the number of times that it works is `left`."""

    class Asked(list):
        left = 100

    calls = Asked()

    def counting(model, movie, **options):
        if len(calls) == calls.left:
            raise KeyboardInterrupt
        calls.append(len(movie.detections))
        return division_scores(model, movie, **options)

    monkeypatch.setattr(in_blocks, "division_scores", counting)
    return calls


def scores_of(arrays):
    return np.concatenate([arrays.read_detection_scores(block)[1] for block in sorted(arrays.done())])


@pytest.mark.parametrize(("role", "workers"), [("first", 1), ("second", 1), ("both", 2)])
def test_blocks_are_the_tables(role, workers, capsys):
    how = (*setting("tap.role", role), *setting("store.workers", workers), *SMALL)
    once = setting("tap.role", role)
    assert track("embed", "tap", "run.toml", "-q", "-o", "once.npz", *once) == 0
    assert track("embed", "tap", "run.toml", "--store", "--json", *how) == 0
    report = json.loads(capsys.readouterr().out)
    arrays = Path("result.arrays").resolve()
    assert report == {
        "method": "tap", "table": str(arrays / "embeddings"), "kind": "detections", "rows": 38,
        "division_scores": str(arrays / "division_scores"), "scored_by": "attribution",
    }  # fmt: skip
    vectors, scores = stored("embeddings"), stored("division_scores")
    assert vectors.done() == scores.done() == {0, 1, 2}
    table = DetectionScores.load(Path("once.division_scores.npz"))
    np.testing.assert_allclose(scores_of(scores), table.score, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(
        np.concatenate([vectors.read_vectors(block)[1] for block in range(3)]),
        NodeEmbeddings.load(Path("once.npz")).vector,
        rtol=1e-4,
        atol=1e-6,
    )
    first, part = scores.read_detection_scores(1)
    assert first == (table.key[:, 0] < 2).sum()
    plain = open_ds(scores.folder / "000001" / "score")  # as others open it: by ids
    np.testing.assert_array_equal(plain[Roi((first + 1,), (2,))], part[1:3])
    assert not list(Path().glob("result.*.npz"))


def test_an_interrupted_embedding_goes_on_and_a_run_uses_it(asked, capsys):
    asked.left = 2
    assert track("embed", "tap", "run.toml", "--store", "-q", *SMALL) == 1
    assert "result.arrays, and the same command goes on from there" in "".join(capsys.readouterr().err.splitlines())
    arrays = stored("division_scores")
    assert arrays.done() == {0, 1}
    assert stored("embeddings").done() == {0, 1, 2}
    before = {path: path.stat().st_mtime_ns for path in Path("result.arrays").rglob("*") if path.is_file()}
    asked.left = 100
    assert track("embed", "tap", "run.toml", "--store", "-q", *SMALL) == 0
    assert len(asked) == 3
    assert sum(asked) == 38
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert track("run", "run.toml", "-q", *SMALL) == 0  # solves in blocks, asks nothing
    assert len(asked) == 3
    assert not list(Path().glob("result.*.npz"))


def test_a_run_scores_what_is_not_there(asked):
    """The same lineage as with the table."""
    assert track("run", "run.toml", "-q", "-o", "plain") == 0
    assert track("run", "run.toml", "-q", *SMALL) == 0
    assert len(asked) == 3
    once, blocks = (load_result(Path(name)).lineage for name in ("plain", "result"))
    np.testing.assert_array_equal(blocks.links, once.links)
    np.testing.assert_array_equal(blocks.divisions, once.divisions)
    assert len(once.links) > 20


def test_asked_otherwise_it_is_another_folder():
    assert track("embed", "tap", "run.toml", "--store", "-q", *SMALL) == 0
    first = scores_of(stored("division_scores"))
    (folder,) = Path("result.arrays/division_scores").iterdir()
    assert track("embed", "tap", "run.toml", "--store", "-q", *SMALL, *setting("tap.evidence", "votes")) == 0
    assert len(list(Path("result.arrays/embeddings").iterdir())) == 1  # vectors do not depend on it
    (other,) = set(Path("result.arrays/division_scores").iterdir()) - {folder}
    folder.rename("away")
    assert not np.allclose(scores_of(stored("division_scores")), first)
    assert other.exists()


def test_a_probe_is_kept_in_blocks_and_learns_from_the_vectors_there(monkeypatch, capsys):
    frame, label = cells().nuclei.frame, cells().label
    key = list(zip(frame.tolist(), label.tolist(), strict=True))
    mothers = [int(np.flatnonzero(frame == t)[0]) for t in range(3)]
    others = np.flatnonzero((frame > 2) & (frame < 5))[:10].tolist()
    children = [[key[row] for row in np.flatnonzero(frame == frame[mother] + 1)[-2:]] for mother in mothers]
    rows = [PinRow("children", (key[mother], *two)) for mother, two in zip(mothers, children, strict=True)]
    write_pins(Path("pins.csv"), [*rows, *(PinRow("children", (key[row],)) for row in others)])
    pins = setting("annotations.pins", ["pins.csv"])
    assert track("embed", "tap", "run.toml", "-q", "-o", "once.npz", *pins) == 0
    assert track("embed", "tap", "run.toml", "--store", "--json", *SMALL, *pins) == 0
    assert json.loads(capsys.readouterr().out)["scored_by"] == "probe"
    wanted = DetectionScores.load(Path("once.division_scores.npz")).score
    np.testing.assert_allclose(scores_of(stored("division_scores")), wanted, rtol=1e-3, atol=1e-4)
    monkeypatch.setattr(scoring, "linear_probe", None)  # what is there is used
    assert track("embed", "tap", "run.toml", "--store", "--json", *SMALL, *pins) == 0
    assert stored("division_scores").done() == {0, 1, 2}
