"""Division scores as commands: by the arrow of time, or by a probe that pins have taught."""

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need the extra learn")

from command_line import refused, track, tree  # noqa: E402
from learning_files import CONFIG, EMBEDDINGS, LOOKS_TERM, cells, setting  # noqa: E402

from embeddings.inference.linear_probe import linear_probe  # noqa: E402
from embeddings.methods.tap import division_scores, embed_tap  # noqa: E402
from embeddings.table import DetectionScores, NodeEmbeddings  # noqa: E402
from tracker.config import load_config  # noqa: E402
from tracker.learning import division_scores as scoring  # noqa: E402
from tracker.learning.movies import learning_movie  # noqa: E402
from tracker.pins import PinRow, write_pins  # noqa: E402
from tracker.pipeline import run  # noqa: E402

SCORES = '\n[division_scores]\nmodel = "arrow"\ndevice = "cpu"\n'
TERM = '\n[[costs.terms]]\non = "division"\nfeature = "division_score"\nweight = -1.0\nstandardise = "zscore"\n'


@pytest.fixture(autouse=True)
def _place(trained):
    """The current folder: a movie, a config that names no model, one with division scores, and models."""
    Path("run.toml").write_text(CONFIG + SCORES + TERM)


@pytest.fixture
def asked(monkeypatch):
    """How often detections were scored, and by what."""
    calls = []
    for name in ("division_scores", "linear_probe"):
        real = getattr(scoring, name)
        monkeypatch.setattr(
            scoring, name, lambda *given, name=name, real=real, **more: calls.append(name) or real(*given, **more)
        )
    return calls


def movie():
    return learning_movie(load_config(Path("config.toml")))


def write_answers(path, dividing=3, others=10):
    """Pins of which so many say that a cell divides, and so many that it does not: what they say of each row."""
    frame, label = cells().nuclei.frame, cells().label
    key = list(zip(frame.tolist(), label.tolist(), strict=True))
    mothers = [int(np.flatnonzero(frame == t)[0]) for t in range(dividing)]
    rest = [row for row in np.flatnonzero(frame > 2).tolist() if frame[row] < 5][:others]
    rows = [
        PinRow("division" if t % 2 else "children", (key[row], *(key[k] for k in np.flatnonzero(frame == t + 1)[-2:])))
        for t, row in enumerate(mothers)
    ]
    rows += [PinRow("disappear" if row % 2 else "children", (key[row],)) for row in rest]
    rows += [  # none of these says whether a cell divides
        PinRow("detection", (key[-1],)),
        PinRow("disappear", (key[-2],), False),
        PinRow("disappear", (key[-3],), True, 0.9),
    ]
    write_pins(path, rows)
    return {**dict.fromkeys(mothers, True), **dict.fromkeys(rest, False)}


# ---- track embed


def test_features_and_scores(capsys):
    assert track("embed", "tap", "config.toml", "--model", "arrow") == 0
    assert capsys.readouterr() == (
        "38 detections in result.embeddings.npz\n"
        "division scores, by attribution, in result.division_scores.npz\n",
        "",
    )  # fmt: skip
    table, scores = (
        NodeEmbeddings.load(Path("result.embeddings.npz")),
        DetectionScores.load(Path("result.division_scores.npz")),
    )
    np.testing.assert_array_equal(table.vector, embed_tap(Path("arrow"), movie(), device="cpu").vector)
    np.testing.assert_array_equal(scores.score, division_scores(Path("arrow"), movie(), device="cpu"))
    assert (scores.key == table.key).all()
    assert (scores.method, scores.provenance["scored_by"], scores.provenance["evidence"]) == (
        "tap",
        "attribution",
        "frame",
    )


def test_what_the_model_is_for(capsys):
    assert track("train", "tap", "config.toml", "-o", "new") == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == 'model in new; use it in config.toml with: [embeddings] or [division_scores] model = "new"'


def test_where_the_tables_go(capsys):
    assert track("embed", "tap", "config.toml", "--model", "arrow", "-o", "tables/looks.npz", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {
        "method": "tap", "table": str(Path("tables/looks.npz").resolve()), "kind": "detections", "rows": 38,
        "division_scores": str(Path("tables/looks.division_scores.npz").resolve()), "scored_by": "attribution",
    }  # fmt: skip
    assert sorted(path.name for path in Path("tables").iterdir()) == ["looks.division_scores.npz", "looks.npz"]


@pytest.mark.parametrize(
    "change", [{"evidence": "votes"}, {"role": "second"}, {"decision": "forward"}, {"pool": "max"}]
)
def test_how_a_detection_is_scored(change):
    more = [argument for key, value in change.items() for argument in setting(f"tap.{key}", value)]
    assert track("embed", "tap", "config.toml", "--model", "arrow", "-q", *more) == 0
    scores = DetectionScores.load(Path("result.division_scores.npz"))
    np.testing.assert_array_equal(scores.score, division_scores(Path("arrow"), movie(), device="cpu", **change))
    assert {key: scores.provenance[key] for key in change} == change


def test_discs_of_points():
    text = Path("points.toml").read_text().replace("[data]", '[data]\nimages = "01"')
    Path("points.toml").write_text(text)
    given = ("embed", "tap", "points.toml", "--model", "arrow", "-q")
    assert track(*given, "-o", "a.npz") == 0
    assert track(*given, "-o", "b.npz", *setting("tap.radius_px", 2)) == 0
    for name, kind in (("{}.npz", NodeEmbeddings), ("{}.division_scores.npz", DetectionScores)):
        one, other = (kind.load(Path(name.format(which))) for which in "ab")
        held = "vector" if kind is NodeEmbeddings else "score"
        assert not np.allclose(getattr(one, held), getattr(other, held))


def test_the_model_of_the_division_scores_is_enough(capsys):
    """No need to name it a second time; [embeddings] goes before it."""
    assert track("embed", "tap", "run.toml", "-q") == 0
    assert len(NodeEmbeddings.load(Path("result.embeddings.npz")).vector) == 38
    assert DetectionScores.load(Path("result.division_scores.npz")).provenance["model"] == "arrow"
    refused(
        capsys,
        "which model? Give --model FOLDER, or [embeddings] or [division_scores] model in the config",
        "embed", "tap", "config.toml",
    )  # fmt: skip
    Path("run.toml").write_text(CONFIG + SCORES + TERM + EMBEDDINGS)
    message = "division_scores needs a model of tap, but looks was made by autoencoder: name another model"
    refused(capsys, message, "embed", "tap", "run.toml")


# ---- track run


def test_scores_are_a_cost_of_divisions(asked):
    """Computed once, kept, and used again; the same from a file."""
    assert track("check", "run.toml", "-q") == 0
    assert asked == []
    assert track("run", "run.toml", "-q") == 0
    kept = DetectionScores.load(Path("result.division_scores.npz"))
    before = Path("result/tracks.csv").read_bytes()
    assert track("run", "run.toml", "-q", "--overwrite") == 0
    assert asked == ["division_scores"]
    order = np.random.default_rng(0).permutation(len(kept.score))
    DetectionScores(kept.key[order], kept.score[order]).save(Path("mine.npz"))
    Path("mine.toml").write_text(f'{CONFIG}\n[division_scores]\npath = "mine.npz"\n{TERM}')
    assert track("run", "mine.toml", "-q", "-o", "by_hand") == 0
    assert Path("by_hand/tracks.csv").read_bytes() == before


def test_a_high_score_makes_a_cell_divide():
    frame, label = cells().nuclei.frame, cells().label
    row = int(np.flatnonzero(frame == 2)[0])
    score = np.where(np.arange(38) == row, 1e4, 0).astype(np.float32)
    DetectionScores(np.column_stack([frame, label]), score).save(Path("mine.npz"))
    term = TERM.replace('"zscore"', '"none"')
    Path("mine.toml").write_text(f'{CONFIG}\n[division_scores]\npath = "mine.npz"\n{term}')
    assert row in run(load_config(Path("mine.toml"))).lineage.divisions[:, 0]
    Path("plain.toml").write_text(CONFIG)
    assert row not in run(load_config(Path("plain.toml"), ["output.path=plain"])).lineage.divisions[:, 0]


@pytest.mark.parametrize(
    ("key", "value"), [("tap.evidence", "change"), ("data.frames", [0, 5]), ("division_scores.model", "other")]
)
def test_what_makes_scores_out_of_date(asked, capsys, key, value):
    assert track("train", "tap", "config.toml", "-o", "other", "-q", *setting("tap.learning_rate", 0.01)) == 0
    assert track("run", "run.toml", "-q") == 0
    assert track("run", "run.toml", "--overwrite", *setting(key, value)) == 0
    said = "result.division_scores.npz is out of date (detections, model or settings changed) and is computed anew"
    assert said in capsys.readouterr().err
    assert len(asked) == 2


def test_surprise_of_scores():
    Path("run.toml").write_text(CONFIG + SCORES + TERM.replace("division_score", "division_surprise"))
    assert track("check", "run.toml", "-q") == track("run", "run.toml", "-q") == 0


def test_both_tables_of_one_model():
    """What track embed makes is what track run uses."""
    Path("run.toml").write_text(CONFIG + SCORES + TERM + EMBEDDINGS.replace("looks", "arrow") + LOOKS_TERM)
    assert track("embed", "tap", "run.toml", "-q") == 0
    before = {name: content for name, content in tree(Path()).items() if name.endswith(".npz")}
    assert sorted(before) == ["result.division_scores.npz", "result.embeddings.npz"]
    assert track("run", "run.toml", "-q") == 0
    assert {name: tree(Path())[name] for name in before} == before


# ---- the probe


def test_enough_pins_teach_a_probe(asked, capsys):
    told = write_answers(Path("pins.csv"))
    more = setting("annotations.pins", ["pins.csv"])
    assert track("embed", "tap", "config.toml", "--model", "arrow", "--json", *more) == 0
    assert json.loads(capsys.readouterr().out)["scored_by"] == "probe"
    scores = DetectionScores.load(Path("result.division_scores.npz"))
    about = {key: scores.provenance[key] for key in ("scored_by", "dividing", "others")}
    assert about == {"scored_by": "probe", "dividing": 3, "others": 10}
    rows = np.array(sorted(told))
    vector = embed_tap(Path("arrow"), movie(), device="cpu").vector
    wanted = linear_probe(vector, rows, np.array([told[row] for row in rows]))
    np.testing.assert_allclose(scores.score, wanted, rtol=1e-3, atol=1e-4)
    assert asked == ["linear_probe"]
    # Other answers, other scores; and without the probe it is the arrow of time again.
    more = setting("annotations.pins", ["more.csv"])
    write_answers(Path("more.csv"), others=11)
    assert (
        track("embed", "tap", "config.toml", "--model", "arrow", "--json", *setting("annotations.pins", ["more.csv"]))
        == 0
    )
    assert json.loads(capsys.readouterr().out)["scored_by"] == "probe"
    assert not np.array_equal(DetectionScores.load(Path("result.division_scores.npz")).score, scores.score)
    Path("never.toml").write_text(CONFIG + SCORES + "probe = false\n")
    assert (
        track("embed", "tap", "never.toml", "--model", "arrow", "--json", *setting("annotations.pins", ["more.csv"]))
        == 0
    )
    assert json.loads(capsys.readouterr().out)["scored_by"] == "attribution"


@pytest.mark.parametrize(("dividing", "others"), [(2, 10), (3, 9)])
def test_too_few_pins(capsys, dividing, others):
    write_answers(Path("pins.csv"), dividing, others)
    given = ("embed", "tap", "config.toml", "--model", "arrow", *setting("annotations.pins", ["pins.csv"]))
    assert track(*given) == 0
    output = capsys.readouterr()
    assert "division scores, by attribution, in " in output.out
    said = f"pins name {dividing} cells that divide and {others} that do not; 3 and 10 would teach a probe"
    assert said in " ".join(output.err.split())


# ---- what is refused


def test_models_that_do_not_score(capsys):
    message = "division_scores needs a model of tap, but looks was made by autoencoder: name another model"
    for command in ("check", "run"):
        refused(capsys, message, command, "run.toml", *setting("division_scores.model", "looks"))
    Path("bad.toml").write_text(f"{CONFIG}\n[division_scores]\nprobe = true\n")
    refused(
        capsys,
        "bad.toml: [division_scores]: give path (a DetectionScores file) or model (a folder that `track train tap` "
        "wrote)",
        "check", "bad.toml",
    )  # fmt: skip


def test_scores_from_elsewhere_are_not_replaced(capsys):
    DetectionScores(np.array([[0, 1]]), np.ones(1, np.float32)).save(Path("result.division_scores.npz"))
    message = (
        "result.division_scores.npz holds scores that came from elsewhere, and would be replaced by the model's. Leave "
        "out model to use them, or let path name another file"
    )
    for command in ("check", "run"):
        refused(capsys, message, command, "run.toml")
    NodeEmbeddings(np.array([[0, 1]]), np.ones((1, 1), np.float32)).save(Path("result.division_scores.npz"))
    refused(
        capsys,
        "result.division_scores.npz holds node_embeddings, wanted detection_scores. Remove it, or let path name "
        "another file for what the model computes",
        "run", "run.toml",
    )  # fmt: skip
