"""Configs as text: what is written is read back, and says what it means."""

import json
import os
import re
from pathlib import Path
from typing import get_args

import pytest

from tracker import config_dense, config_learning
from tracker.config import Config, load_config, make_config
from tracker.config_measured import Measured, MeasuredProperty
from tracker.config_text import relative_to, render_config, write_config
from tracker.errors import OutputError

MASKS = {"data": {"segmentation": "masks"}}


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/a/b/c", "c"), ("/a/d", "../d"), ("package:x/y", "package:x/y"), (None, None)],
)
def test_relative_to(path, expected):
    assert relative_to(path, Path("/a/b")) == expected


FULL = {
    "data": {
        "images": 'dish "7"\\ü.tif', "segmentation": "masks", "truth": "t", "scale": [2, 0.1], "unit": "µm",
        "frames": [0, 20], "every": 3, "channel": 1,
    },
    "candidates": {
        "neighbors": 0, "direction": "both", "max_distance": 1e-7, "max_frame_gap": 3, "divisions": "split",
        "pairs_per_parent": 4, "division_max_distance": 2.5, "materialise": "needed",
    },
    "costs": {
        "preset": "none", "appear": -1, "disappear": 1e300, "division": 0.1, "detection": -2.5, "border_px": 7,
        "measure_detections": 2000,
        "terms": [
            {"on": "link", "feature": "overlap", "weight": -0.3, "standardise": "zscore"},
            {"on": "detection", "feature": "my column"},
        ],
        "measured": {
            "step_scale": 0.1, "step_tail": 4, "midpoint_steps": 2.5, "separation": 0.42, "separation_spread": 1e-7,
            "division_rate": 0.25, "appear_rate": 0.01, "disappear_rate": 1 / 3, "edge_appear_rate": 0.5,
            "edge_disappear_rate": 0.125, "edge_px": 0, "missed_rate": 1e-300, "link_outliers": 0.2,
            "division_outliers": 0.9,
            "properties": {
                name: {
                    "mean": mean, "spread": 0.5, "unit": 29.651999999999997, "link_spread": 1e300,
                    "division_shift": -0.125, "division_spread": 0.3, "balance_spread": 0.7,
                }
                for name, mean in (("size", 0.0), ("intensity", -3.5))
            },
        },
    },
    "features": {"overlap_shift": [-1, 4], "flow": "neighbors"},
    "embeddings": {"path": "e.npz", "method": "reid", "model": "m", "device": "cpu"},
    "associations": {"path": "a.npz", "property": "p", "method": "attrackt", "model": "m", "fuse": "reid",
                     "variants": 1, "competition": "both", "threshold": 0.05, "device": "cpu"},
    "division_scores": {"path": "d.npz", "model": "m", "probe": False, "device": "cpu"},
    "training": {"movies": ["a.toml", "b.toml"], "steps": 7, "device": "cuda", "learning_rate": 1e-7},
    "windows": {"n_frames": 4, "augment": 3},
    "network": {"d_model": 64, "positional": "bias"},
    "autoencoder": {"patch_px": [8, 32, 32], "multipliers": [1, 2]},
    "reid": {"temperature": 0.2},
    "maester": {"zoom": 0.5, "aggregation": "mask_mean"},
    "ascent": {"zoom": 0.5, "dino": "dino.pth", "scale": [0.9, 1.1]},
    "tap": {"gaps_frames": [1, 3], "frame_scale": [0.95, 1.05], "evidence": "change"},
    "sam": {"aggregation": "centroid", "zoom": 2.0, "overlap": 0.5, "upsampler": "anyup", "upsampler_path": "u.pt"},
    "cellulus": {"object_size_px": 22.5, "zoom": [2, 1, 1], "crop_px": 80, "bandwidth_px": 9.0, "bend": False},
    "stardist": {"pseudo": "found", "sparse": "drawn", "unknown_label": 99, "contrast": [0.5, 2.0], "vary": False},
    "attrackt": {"autoencoder": "ae", "standardise": True},
    "trackastra": {"start": "m"},
    "finetune": {"start": "m", "unsupervised": False},
    "annotations": {"pins": ["one.csv", "two.csv"], "soft_weight": 2.5},
    "sequential": {"momentum": 0.2, "temperature": 0.1, "within_weight": 0.5, "max_gap_frames": 3},
    "solver": {"engine": "motile", "method": "sequential", "backend": "scip", "gap": 0.01, "time_limit_s": 60,
               "threads": 2, "seed": 9},
    "store": {"url": "sqlite:///s.db", "arrays": "vectors", "block_frames": 4, "workers": 3},
    "blocks": {"count": [4, 2, 1], "context": [1, 60, 40.5], "workers": 3,
               "launcher": "sbatch --wait {command}", "retries": 0},
    "output": {"path": "out", "margins": "none", "masks": "zarr"},
}  # fmt: skip


@pytest.mark.parametrize("content", [MASKS, {"data": {"points": "p.csv"}}, FULL])
def test_a_config_is_written_and_read_back(tmp_path, content):
    config = make_config(content)
    path = tmp_path / "new" / "my.toml"
    write_config(config, path, title="One line.\nAnother.")
    assert path.read_text(encoding="utf-8").startswith("# One line.\n# Another.\n\n[data]\n")
    assert load_config(path) == config.at(path.parent)
    assert os.listdir(path.parent) == ["my.toml"]


@pytest.mark.parametrize("content", [MASKS, FULL])
def test_a_config_goes_through_json(content):
    config = make_config(content)
    text = config.model_dump_json()
    assert make_config(json.loads(text, parse_constant=pytest.fail)) == config


def test_full_names_every_key():
    # Excluded by segmentation, by path, by count; motile terms are written among the terms.
    optional = {"data": {"points"}, "associations": {"geff"}, "costs": {"motile"}, "blocks": {"size"}}
    # Long, and all of numbers and words.
    learning = set(vars(config_learning)) | set(vars(config_dense)) | {"Ascent", "Cellulus", "Stardist", "Tuning"}
    for name, described in Config.model_fields.items():
        model = next(iter(get_args(described.annotation)), described.annotation)
        if model.__name__ not in learning:
            assert set(model.model_fields) - set(FULL.get(name, {})) == optional.get(name, set())
    measured = FULL["costs"]["measured"]
    assert set(measured) == set(Measured.model_fields)
    assert all(set(own) == set(MeasuredProperty.model_fields) for own in measured["properties"].values())


@pytest.mark.parametrize("content", [MASKS, FULL])
def test_every_key_says_what_it_means(content):
    tables = r"\[\w+\]|\[\[costs\.terms\]\].*|\[costs\.measured\]  # .*\.|\[costs\.measured\.properties\.\w+\]"
    for line in render_config(make_config(content)).splitlines():
        assert not line or re.fullmatch(rf"(# )?({tables}|\w+ =.* # \S.*\.)", line), line


def test_a_config_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError) as error:
        write_config(make_config(MASKS), tmp_path / "file" / "deep" / "my.toml", title="")
    assert str(error.value) == (
        f"the config cannot be written to {tmp_path}/file/deep/my.toml: Not a directory. "
        "Name another place with --output"
    )
