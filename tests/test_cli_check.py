"""track check: what can be known before work starts."""

import json

import pytest
from command_line import WALK_CONFIG, refused, track, tree

from tracker.config_measured import Measured, MeasuredProperty

pytestmark = pytest.mark.usefixtures("walk")

# What the preset auto says of a movie whose cells differ in intensity, but not in size.
MEASURED = [
    *(name for name in Measured.model_fields if name != "properties"),
    *(f"intensity.{name}" for name in MeasuredProperty.model_fields),
]
SIX_LINKS = "measured on too little (6 links): the numbers of the preset auto are starting values (docs/auto.md)"


def test_check_prints_sizes_and_writes_nothing(capsys, walk):
    before = tree(walk)
    assert track("check", "config.toml") == 0
    output = capsys.readouterr()
    assert output.err == f"note: {SIX_LINKS}\n"
    lines = [line.strip().split(maxsplit=1) for line in output.out.splitlines()]
    assert lines[:5] == [
        ["frames", "4"], ["detections", "8"], ["links", "12"], ["divisions", "6"], ["columns", "42"],
    ]  # fmt: skip
    assert [line[1] for line in lines if line[0] == "term"] == [
        "+1 x link surprise",
        "+1 x division surprise",
    ]
    assert "intensity_mean" in output.out
    names = [line[0] for line in lines]
    assert names[names.index("step_scale") :][: len(MEASURED)] == MEASURED
    assert ["division_rate", "0.009434  How often a cell divides."] in lines
    assert ["intensity.division_spread", "0.3  Of that shift."] in lines
    assert tree(walk) == before


def test_check_shows_a_preset_that_measures_nothing(capsys):
    assert track("check", "config.toml", "--set", "costs.preset=attrackt") == 0
    lines = [line.strip().split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    assert [line[1] for line in lines if line[0] == "term"] == [
        "+1 x link distance (z-score)",
        "+1 x division distance (z-score)",
    ]
    assert not {line[0] for line in lines} & set(MEASURED)
    assert track("check", "config.toml", "--json", "--set", "costs.preset=attrackt") == 0
    assert json.loads(capsys.readouterr().out)["measured"] is None


def test_check_json(capsys):
    assert track("check", "config.toml", "--json", "--set", "candidates.divisions=split") == 0
    found = json.loads(capsys.readouterr().out)
    memory = found.pop("memory_mb")
    assert 20 < memory < 10_000
    measured = found.pop("measured")
    properties = {f"{name}.{key}" for name, own in measured.pop("properties").items() for key in own}
    assert {*measured, *properties} == set(MEASURED)
    assert (measured["step_tail"], measured["missed_rate"]) == (4.0, 0.01)
    assert found == {
        "frames": 4,
        "detections": 8,
        "links": 12,
        "divisions": 0,
        "columns": 44,
            "columns_held": 44,
        "pins": 0, "blocks": None,
        "terms": [{"on": "link", "feature": "surprise", "weight": 1.0, "standardise": "none"}],
        "features": {
            "link": [
                "area_ratio", "association", "association_surprise", "constant", "density_distance", "distance",
                "embedding_distance", "frame_gap", "intensity_difference", "overlap", "size_sum", "surprise",
                "velocity",
            ],
            "division": [
                "area_ratio", "association", "association_surprise", "constant", "density_distance", "distance",
                "division_axis", "division_opposition", "division_score", "division_surprise", "division_symmetry",
                "embedding_distance", "frame_gap", "intensity_difference", "mother_intensity", "overlap", "size_sum",
                "surprise", "velocity",
            ],
            "detection": [
                "constant", "area_px", "border_distance_px", "equivalent_diameter_px", "intensity_mean",
                "intensity_relative",
            ],
        },
        "notes": [SIX_LINKS],
    }  # fmt: skip


def test_check_notes_what_is_odd(capsys, walk):
    (walk / "cells.csv").write_text("id,t,y,x\n1,0,1,1\n2,1,1,1\n3,1,90,90\n4,3,5,5\n")
    (walk / "result").mkdir()
    (walk / "points.toml").write_text('[data]\npoints = "cells.csv"\n[candidates]\nmax_distance = 9.0\n')
    notes = [
        "frames without detections: t = 2",
        "detections without any candidate link: 1:3, 3:4 (frame:label)",
        SIX_LINKS.replace("6 links", "1 link"),
        f"the result folder {walk}/result exists already. Name another [output] path, or replace it with --overwrite",
    ]
    assert track("check", "points.toml") == 0
    assert capsys.readouterr().err.splitlines() == [f"note: {note}" for note in notes]
    assert track("check", "points.toml", "--json") == 0
    output = capsys.readouterr()
    assert json.loads(output.out)["notes"] == notes
    assert output.err == ""


def test_check_finds_a_missing_truth(capsys):
    refused(
        capsys, "data.truth: there is no 01_GT", "check", "config.toml", "--set", "data.truth=01_GT",
    )  # fmt: skip


def test_check_notes_terms_that_divisions_lack(capsys, walk):
    text = WALK_CONFIG + '[[costs.terms]]\non = "link"\nfeature = "overlap"\nweight = -1.0\n'
    (walk / "config.toml").write_text(text)
    assert track("check", "config.toml", "--json") == 0
    assert json.loads(capsys.readouterr().out)["notes"] == [
        SIX_LINKS,
        "overlap prices links but not divisions, which replace two links: "
        'add a term with on = "division", or divisions become rarer or more frequent than you think',
    ]
    (walk / "config.toml").write_text(text + text.removeprefix(WALK_CONFIG).replace('"link"', '"division"'))
    assert track("check", "config.toml", "--json") == 0
    assert json.loads(capsys.readouterr().out)["notes"] == [SIX_LINKS]


def test_nothing_can_be_linked(capsys, walk):
    """Every fifth frame holds points, and candidates reach to the next frame only: said by check and by run."""
    cells = "".join(f"{5 * step + cell},{5 * step},{9 * cell},{step}\n" for step in range(3) for cell in (1, 2))
    (walk / "cells.csv").write_text("id,t,y,x\n" + cells)
    (walk / "points.toml").write_text('[data]\npoints = "cells.csv"\n')
    notes = [
        "no links are proposed, so no cell is followed: there are detections at t = 0, 5, 10, with "
        "candidates.max_frame_gap = 1, data.every = 1. Where frames between them are empty, raise data.every or "
        "candidates.max_frame_gap to their distance",
        SIX_LINKS.replace("6 links", "0 links"),
    ]
    assert track("check", "points.toml") == 0
    told = capsys.readouterr().err.splitlines()
    assert told[1:] == [f"note: {note}" for note in notes]
    assert told[0].startswith("note: frames without detections: t = 1, 2, 3, 4, 6")
    assert track("run", "points.toml") == 0
    assert capsys.readouterr().err.splitlines() == [f"note: {note}" for note in notes]
    assert json.loads((walk / "result/run.json").read_text())["notes"] == notes
    assert track("run", "points.toml", "--set", "data.every=5", "--output", "every", "--json") == 0
    output = capsys.readouterr()
    assert json.loads(output.out)["notes"] == [SIX_LINKS.replace("6 links", "4 links")]
    assert output.err == ""
    fixed = ("--set", "data.every=5", "--set", "costs.preset=attrackt", "--set", "candidates.max_distance=0.5")
    assert track("check", "points.toml", *fixed, "--json") == 0
    assert "data.every = 5, candidates.max_distance = 0.5." in json.loads(capsys.readouterr().out)["notes"][0]


def test_check_counts_and_refuses_pins(capsys, tmp_path):
    (tmp_path / "config.toml").write_text('[data]\nsegmentation = "masks"\n[annotations]\npins = ["a.csv"]\n')
    (tmp_path / "a.csv").write_text("kind,t,label,t2,label2,t3,label3,value,note\nlink,0,1,1,77,,,true,\n")
    assert track("check", "config.toml") == 2
    assert "there is no detection 1:77" in capsys.readouterr().err
