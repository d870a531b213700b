"""MAESTER and time arrow prediction as commands: trained, asked, priced, and refused."""

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile

torch = pytest.importorskip("torch", reason="networks need the extra learn")

from command_line import refused, track, write_movie  # noqa: E402
from learning_files import CONFIG, LOOKS_TERM, about, counted_embeddings, setting, weights  # noqa: E402

from embeddings.table import NodeEmbeddings  # noqa: E402
from embeddings.training import pace  # noqa: E402
from tracker.config_scores import DETECTION_METHODS, TRAINED_METHODS  # noqa: E402
from tracker.learning.detection_methods import METHODS, Method  # noqa: E402
from tracker.learning.train import METHODS as TRAINING  # noqa: E402

pytestmark = pytest.mark.usefixtures("trained")


def told(section, **keys):
    """Options that override keys of a section."""
    return [argument for key, value in keys.items() for argument in setting(f"{section}.{key}", value)]


# ---- the registry


def test_the_config_names_every_method():
    assert tuple(METHODS) == DETECTION_METHODS
    untrained = [method for method, one in METHODS.items() if one.train is None]
    assert set(TRAINED_METHODS) == set(TRAINING) - set(untrained)


def test_a_method_whose_model_comes_from_elsewhere(capsys, monkeypatch):
    """One entry is enough: it cannot be trained, must be named, and its vectors depend on its file."""
    asked = []

    def embed(model, movie, *, device, shade):
        asked.append((model.name, device, shade))
        found = movie.detections
        key = np.column_stack([found.frame, found.label])
        return NodeEmbeddings(key, np.full((len(key), 2), shade, np.float32), "reid")

    entry = Method(embed, None, (), lambda config: {"shade": config.solver.seed})
    monkeypatch.setitem(METHODS, "reid", entry)
    refused(
        capsys,
        'reid is not trained here: give [embeddings] method = "reid" and, as model, weights that were published for it',
        "train", "reid", "config.toml", "-o", "new",
    )  # fmt: skip
    Path("public.pth").write_bytes(b"weights")
    given = ("embed", "reid", "config.toml", "--model", "public.pth", "-q")
    for _ in range(2):
        assert track(*given, *setting("embeddings.device", "cpu"), *setting("embeddings.path", "e.npz")) == 0
    assert asked == [("public.pth", "cpu", 0)]
    Path("public.pth").write_bytes(b"others")
    assert track(*given, *setting("embeddings.device", "cpu"), *setting("embeddings.path", "e.npz")) == 0
    assert track(*given, *told("embeddings", device="cpu", path="e.npz"), *setting("solver.seed", 3)) == 0
    assert asked[1:] == [("public.pth", "cpu", 0), ("public.pth", "cpu", 3)]
    refused(
        capsys, f"the model {Path('nowhere.pth').resolve()} cannot be read: No such file or directory",
        *given[:4], "nowhere.pth",
    )  # fmt: skip


# ---- the config is what is trained, and what is asked


@pytest.mark.parametrize(
    ("method", "model", "keys"),
    [
        ("maester", "textures", {
            "image_px": 30, "patch_px": 1, "width": 8, "depth": 2, "heads": 2, "mlp_ratio": 1,
            "position_weight": 0.5, "mask_share": 0.25, "decoder_width": 8, "decoder_depth": 2, "decoder_heads": 1,
            "zoom": 1.5, "batch_size": 2, "learning_rate": 0.01, "weight_decay": 9.0, "frames_held": 2,
            "memory_mb": 0.25,
        }),
        ("tap", "arrow", {
            "channels": 3, "levels": 2, "features": 3, "aggregate": "sum", "crop_px": 18, "gaps_frames": [2],
            "near_detections": 0.0, "augment_probability": 0.1, "scale": [1.0, 1.1], "elastic": 0.3, "gain": [0.5, 0.6],
            "offset": 0.4, "frame_scale": [0.5, 0.6], "frame_shift": 0.2, "frame_gain": [0.5, 0.6],
            "frame_offset": 0.4, "noise": 0.5, "batch_size": 3, "learning_rate": 0.01, "weight_decay": 9.0,
            "decorrelation_weight": 5.0, "temperature": 9.0, "decorrelation": "pair", "frames_held": 2,
            "memory_mb": 0.3,
        }),
    ],
)  # fmt: skip
def test_every_key_arrives(method, model, keys):
    """Each alone makes other weights; the same config makes the same."""
    given = ("train", method, "config.toml", "-q", "-o")
    assert track(*given, "again") == 0
    assert weights("again") == weights(model)
    found = {"nothing": weights(model)}
    for key, value in keys.items():
        assert track(*given, f"new_{key}", *told(method, **{key: value})) == 0
        found[key] = weights(f"new_{key}")
    assert found.pop("memory_mb") == found["frames_held"]  # both mean two frames here
    assert [key for key, one in found.items() if list(found.values()).count(one) > 1] == []


def test_which_tokens_give_embeddings():
    """Training does not ask for it, so the weights are the same."""
    assert track("train", "maester", "config.toml", "-q", "-o", "few", *told("maester", central_tokens=2)) == 0
    assert (weights("few"), about("few")["config"]["maester"]["central_tokens"]) == (weights("textures"), 2)
    given = ("embed", "maester", "config.toml", "-q", "-o")
    assert track(*given, "few.npz", "--model", "few") == track(*given, "all.npz", "--model", "textures") == 0
    one, other = (NodeEmbeddings.load(Path(name)).vector for name in ("few.npz", "all.npz"))
    assert not np.allclose(one, other)


def test_how_often_held_out_frames_are_looked_at():
    for method in ("maester", "tap"):
        assert track("train", method, "config.toml", "-q", "-o", f"{method}_looked", *told(method, validate_steps=1),
                     *told("training", report_steps=3)) == 0  # fmt: skip
        lines = Path(f"{method}_looked/training.csv").read_text().splitlines()[1:]
        looked = [line.split(",")[0] for line in lines if not line.endswith(",")]
        assert looked == (["1", "2", "3"])
        assert about(f"{method}_looked")["provenance"]["training"]["validate_steps"] == 1


@pytest.mark.parametrize(("method", "model", "channels"), [("maester", "textures", 16), ("tap", "arrow", 4)])
def test_vectors_price_links(monkeypatch, method, model, channels):
    """Computed once by track run, kept, and used again; the same as by hand."""
    calls = counted_embeddings(monkeypatch)
    Path("run.toml").write_text(f'{CONFIG}\n[embeddings]\nmethod = "{method}"\nmodel = "{model}"\n{LOOKS_TERM}')
    assert track("check", "run.toml", "-q") == 0
    for name in ("one", "two"):
        assert track("run", "run.toml", "-q", "-o", name, *told("embeddings", path="kept.npz")) == 0
    assert len(calls) == 1
    table = NodeEmbeddings.load(Path("kept.npz"))
    assert (table.method, table.vector.shape) == (method, (38, channels))
    Path("plain.toml").write_text(CONFIG)
    assert track("run", "plain.toml", "-q", "-o", "plain") == 0
    assert Path("one/tracks.csv").read_bytes() == Path("two/tracks.csv").read_bytes()


@pytest.mark.parametrize(
    "change", [{"aggregation": "mask_mean"}, {"aggregation": "mask_mean", "pixels_per_detection": 3}, {"zoom": 1.5}]
)
def test_how_maester_is_asked(change, capsys):
    given = ("embed", "maester", "config.toml", "--model", "textures", *told("embeddings", device="cpu", path="e.npz"))
    assert track(*given) == 0
    first = NodeEmbeddings.load(Path("e.npz"))
    assert first.provenance["embedding"]["aggregation"] == "centroid"
    assert track(*given, *told("maester", **change)) == 0
    assert "e.npz is out of date" in capsys.readouterr().err
    second = NodeEmbeddings.load(Path("e.npz"))
    assert not np.allclose(first.vector, second.vector)
    assert {key: second.provenance["embedding"][key] for key in change} == change


def test_all_pixels_of_a_mask():
    given = ("embed", "maester", "config.toml", "--model", "textures", "-q", *told("maester", aggregation="mask_mean"))
    assert track(*given, "-o", "all.npz", *told("maester", pixels_per_detection=0)) == 0
    assert NodeEmbeddings.load(Path("all.npz")).provenance["embedding"]["pixels_per_detection"] is None


def test_attrackt_learns_with_any_of_them():
    for model in ("textures", "arrow"):
        assert track("train", "attrackt", "config.toml", "-q", "-o", f"with_{model}",
                     *told("attrackt", autoencoder=model)) == 0  # fmt: skip
        assert weights(f"with_{model}/autoencoder") == weights(model)


# ---- what is refused


SCALE = (
    "MAESTER sees fields of 24 px in patches of {patch} px, but the cells of 01_SEG are {size} px across at zoom "
    "{zoom}: they must be larger than a patch and smaller than the field. Set zoom = {ideal}, or other image_px and "
    "patch_px"
)


def test_cells_far_from_the_field_of_view(capsys):
    """Told by train, by embed, and by check before a run, with the factor that mends it."""
    small = SCALE.format(patch=3, size=0.924, zoom=0.1, ideal=0.65)
    refused(capsys, small, "train", "maester", "config.toml", "-o", "new", *told("maester", zoom=0.1))
    large = SCALE.format(patch=3, size=46.2, zoom=5, ideal=0.65)
    refused(capsys, large, "embed", "maester", "config.toml", "--model", "textures", *told("maester", zoom=5.0))
    Path("run.toml").write_text(f'{CONFIG}\n[embeddings]\nmodel = "textures"\n{LOOKS_TERM}')
    for command in ("check", "run"):
        refused(capsys, large, command, "run.toml", *told("maester", zoom=5.0))
    assert track("train", "maester", "config.toml", "-o", "new", "-q", *told("maester", zoom=0.65)) == 0


def tiny(frames=3):
    """Frames of 7 x 9 px with a cell of 4 x 4."""
    mask = np.zeros((7, 9), np.uint16)
    mask[1:5, 2:6] = 1
    write_movie(Path("tiny_SEG"), *[mask] * frames)
    write_movie(Path("tiny"), *[(100 * mask + 7 + frame).astype(np.uint16) for frame in range(frames)])
    return [*setting("data.images", "tiny"), *setting("data.segmentation", "tiny_SEG")]


def test_frames_smaller_than_what_is_learnt_from(capsys):
    refused(
        capsys,
        "MAESTER learns from crops of at least 12 px, but the frames of tiny are 7 x 9 px at zoom 1. Set zoom = 1.72 "
        "or more, or a smaller image_px",
        "train", "maester", "config.toml", "-o", "new", *tiny(),
    )  # fmt: skip
    data = [*setting("data.images", "tiny"), *setting("data.segmentation", "tiny_SEG")]
    assert track("train", "maester", "config.toml", "-o", "new", "-q", *data, *told("maester", zoom=1.72)) == 0
    assert track("embed", "maester", "config.toml", "--model", "new", "-q", *data, "-o", "e.npz") == 0
    assert NodeEmbeddings.load(Path("e.npz")).vector.shape == (3, 16)


def test_a_movie_of_one_frame(capsys):
    more = tiny(1)
    lone = "time arrow prediction compares frames of one movie and needs at least 2, but tiny_SEG has 1: give a longer "
    lone += "movie, or a smaller gap between the frames"
    refused(capsys, lone, "train", "tap", "config.toml", "-o", "new", *more)
    refused(capsys, lone, "embed", "tap", "config.toml", "--model", "arrow", *more)
    Path("run.toml").write_text(f'{CONFIG}\n[division_scores]\nmodel = "arrow"\n')
    for command in ("check", "run"):
        refused(capsys, lone, command, "run.toml", *more)


@pytest.mark.parametrize(
    ("method", "keys", "message"),
    [
        ("maester", {"heads": 3}, "[maester] heads must divide width = 16; found 3"),
        ("maester", {"patch_px": 4}, "[maester] patch_px must be odd and positive; found 4"),
        ("maester", {"mask_share": 1.5}, "--set: [maester] mask_share: must be smaller than 1, found 1.5"),
        ("maester", {"widht": 8}, "--set: [maester] widht: unknown key; did you mean 'width'?"),
        ("tap", {"levels": 3, "crop_px": 20}, "crop_px must be a multiple of 8 for 3 levels, found 20"),
        ("tap", {"gaps_frames": [1, 1]}, "gaps_frames must be different positive numbers, found [1, 1]"),
        ("tap", {"scale": [1.2, 0.8]},
         "augmentation of pairs: scale is a range of positive numbers, found [1.2, 0.8]"),
        ("tap", {"evidence": "both"}, "--set: [tap] evidence: must be 'frame', 'change' or 'votes', found 'both'"),
        ("tap", {"gaps_frames": [9]}, "time arrow prediction compares frames of one movie and needs at least 10, but "
         "01_SEG has 6: give a longer movie, or a smaller gap between the frames"),
    ],
)  # fmt: skip
def test_numbers_that_make_no_sense(capsys, method, keys, message):
    refused(capsys, message, "train", method, "config.toml", "-o", "new", *told(method, **keys))


def test_without_images(capsys):
    blind = Path("config.toml").read_text().replace('images = "01"\n', "")
    Path("blind.toml").write_text(blind)
    for method, noun, model in (("maester", "MAESTER", "textures"), ("tap", "time arrow prediction", "arrow")):
        message = f"{noun} needs data.images: give the images of 01_SEG"
        refused(capsys, message, "train", method, "blind.toml", "-o", "new")
        refused(capsys, message, "embed", method, "blind.toml", "--model", model)


def test_nan_in_the_images_of_a_run(capsys):
    for path in Path("01").iterdir():
        image = tifffile.imread(path).astype(np.float32)
        image[3, 4] = np.nan if path.name == "t002.tif" else 0.0
        tifffile.imwrite(path, image)
    Path("points.toml").write_text(Path("points.toml").read_text().replace("[data]", '[data]\nimages = "01"'))
    assert track("embed", "tap", "points.toml", "--model", "arrow") == 2
    assert "1 are NaN or infinite in frame t = 2 of 01" in capsys.readouterr().err


# ---- a CPU and a training for a GPU


@pytest.mark.parametrize("method", ["attrackt", "autoencoder", "maester", "tap"])
def test_a_training_for_a_gpu_is_refused(capsys, monkeypatch, method):
    monkeypatch.setattr(pace, "_SECONDS", 0.0)
    section = "autoencoder" if method == "attrackt" else method
    given = ("train", method, "config.toml", "-o", "long", "-q", *told(section, steps=10**9))
    assert track(*given) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: on this CPU the training would take about ")
    assert "and at most 1 h are allowed. Train on a GPU, make steps, batch_size, " in error
    assert "or train anyway with --yes (training.cpu_hours = 0)" in error
    assert not list(Path("long").rglob("checkpoint-*"))
    assert track("train", method, "config.toml", "-o", "long", "-q") == 0  # the folder can be used


def test_yes_trains_anyway(capsys, monkeypatch):
    monkeypatch.setattr(pace, "_SECONDS", 0.0)
    given = ("train", "tap", "config.toml", "-o", "long", *told("tap", steps=12), *told("training", cpu_hours=1e-9))
    assert track(*given) == 2
    assert "at most 1e-09 h are allowed" in capsys.readouterr().err
    assert track(*given, "--yes", "--json") == 0
    assert json.loads(capsys.readouterr().out)["steps"] == 12
