"""ASCENT: that it learns, that it is the same by seed, that a training is resumed, what it embeds, what it refuses."""

import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need the extra learn")

from ascent_cases import GENTLE, SETTINGS, SHORT, SMALL, marked_cells, points  # noqa: E402
from autoencoder_cases import copy_model, nearer_than_others, part  # noqa: E402
from memory_movie import MemoryMovie  # noqa: E402

from embeddings.methods.ascent import PUBLISHED, embed_ascent, load_ascent, train_ascent  # noqa: E402
from embeddings.nets.errors import ModelError  # noqa: E402
from embeddings.table import NodeEmbeddings  # noqa: E402
from embeddings.training.errors import TrainingError  # noqa: E402
from tracker.detections import Detections  # noqa: E402
from tracker.errors import ConfigError, MovieError  # noqa: E402
from tracker.sequential import sequential_links  # noqa: E402

LOOKS = replace(SMALL, positions="none")
GIVEN = {"config": SMALL, "augmentation": GENTLE, "settings": SHORT, "batch_size": 2}


@pytest.fixture(scope="module")
def cells():
    return marked_cells()[0]


@pytest.fixture(scope="module")
def trained(cells, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ascent")
    return folder, train_ascent([cells], folder, config=LOOKS, augmentation=GENTLE, settings=SETTINGS, batch_size=4)


def weights(folder):
    return load_ascent(folder)[0].state_dict()


def test_the_same_detection_is_found_in_the_next_frame_once_it_has_learnt(trained, tmp_path):
    other, links = marked_cells()
    untrained = replace(SETTINGS, steps=1, warmup_steps=0, learning_rate=1e-9)
    train_ascent([other], tmp_path, config=LOOKS, augmentation=GENTLE, settings=untrained, batch_size=4)
    before, after = (embed_ascent(folder, other, device="cpu") for folder in (tmp_path, trained[0]))
    ranked = [nearer_than_others(table.vector, other.detections.frame, links) for table in (before, after)]
    assert ranked[0] < 0.85
    assert ranked[1] > 0.94
    true = {tuple(link) for link in links.tolist()}
    right = [
        len(true & {tuple(link) for link in sequential_links(other.detections, table.vector).tolist()}) / len(true)
        for table in (before, after)
    ]
    assert right[1] > right[0] + 0.2


def test_the_published_numbers():
    assert (PUBLISHED.learning_rate, PUBLISHED.rate(0), PUBLISHED.rate(12_000)) == (1e-4, 1e-4, 1e-4)


def test_the_folder_says_where_the_model_comes_from(cells, trained):
    folder, done = trained
    about = json.loads((folder / "model.json").read_text())
    assert about["network"] == "ascent"
    assert about["config"] == {"ascent": LOOKS.as_mapping(), "frames": {"zoom": 1.0, "dimensions": 2}}
    kept = about["provenance"]
    assert (kept["stopped"], kept["steps"], kept["best_step"]) == ("finished", SETTINGS.steps, done.best_step)
    assert kept["held_out_loss"] == done.held_out_loss < 1.2
    assert kept["loss"] == {"temperature": 0.05, "negatives": "other_view"}
    (movie,) = kept["movies"]
    assert len(movie.pop("held_out_frames")) == 1
    assert movie == {"name": "movie 0", "digest": cells.digest, "images": "images", "detections": 72}


def test_two_movies_and_the_seed(cells, tmp_path):
    movies = [cells, marked_cells(1, n_frames=3)[0]]
    for name, seed in (("one", 0), ("same", 0), ("other", 1)):
        train_ascent(movies, tmp_path / name, **{**GIVEN, "settings": replace(SHORT, seed=seed)})
    one, same, other = (weights(tmp_path / name) for name in ("one", "same", "other"))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["visual.weight"], other["visual.weight"])


def test_an_interrupted_training_goes_on(cells, tmp_path):
    def press(shown):
        if shown.step == 4:
            raise KeyboardInterrupt

    train_ascent([cells], tmp_path / "whole", **GIVEN)
    first = train_ascent([cells], tmp_path / "parts", **GIVEN, watch=press)
    assert (first.stopped, first.steps) == ("interrupted", 4)
    with pytest.raises(TrainingError, match=r"cannot be resumed: temperature was 0.05 and is now 0.1"):
        train_ascent([cells], tmp_path / "parts", **GIVEN, temperature=0.1, resume=True)
    assert train_ascent([cells], tmp_path / "parts", **GIVEN, resume=True).stopped == "finished"
    whole, parts = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_a_single_frame_is_enough(cells, tmp_path):
    found = cells.detections
    rows = np.flatnonzero(found.frame == 0)
    alone = Detections(found.frame[rows], found.label[rows], found.position[rows], np.array([0]), found.scale)
    done = train_ascent([replace(cells, detections=alone)], tmp_path, **GIVEN)
    assert (done.stopped, done.best_step) == ("finished", -1)
    assert load_ascent(tmp_path)[3]["held_out_loss"] is None


@pytest.mark.parametrize("change", [{"negatives": "both_views"}, {"max_detections": 4}, {"zoom": 1.1}])
def test_choices_change_what_is_learnt(cells, tmp_path, change):
    for name, given in (("plain", {}), ("changed", change)):
        train_ascent([cells], tmp_path / name, **GIVEN, **given)
    assert not torch.equal(weights(tmp_path / "plain")["visual.weight"], weights(tmp_path / "changed")["visual.weight"])
    assert load_ascent(tmp_path / "changed")[1] == change.get("zoom", 1.0)


def test_dino_weights_are_where_it_begins(cells, tmp_path):
    weak = replace(SHORT, steps=1, learning_rate=1e-9)
    names = {"patch_embed.": "patch_embed.proj.", "norm.": "norm.", "pos_embed": "pos_embed", "cls_token": "cls_token"}
    layers = {
        "attention_norm": "norm1", "qkv": "attn.qkv", "out": "attn.proj", "mlp_norm": "norm2", "mlp.0": "mlp.fc1",
        "mlp.2": "mlp.fc2",
    }  # fmt: skip
    names |= {f"blocks.0.{ours}.": f"blocks.0.{theirs}." for ours, theirs in layers.items()}
    train_ascent([cells], tmp_path / "source", **{**GIVEN, "settings": replace(weak, seed=9)})
    stored = {}
    for name, value in weights(tmp_path / "source").items():
        if name.startswith("encoder."):
            short = name.removeprefix("encoder.")
            known = next(own for own in names if short.startswith(own))
            stored[short.replace(known, names[known], 1)] = value
    torch.save(stored, tmp_path / "dino.pth")
    train_ascent([cells], tmp_path / "taught", **{**GIVEN, "settings": weak}, dino=tmp_path / "dino.pth")
    source, taught = weights(tmp_path / "source"), weights(tmp_path / "taught")
    torch.testing.assert_close(taught["encoder.blocks.0.qkv.weight"], source["encoder.blocks.0.qkv.weight"])
    assert not torch.equal(taught["visual.weight"], source["visual.weight"])
    assert len(load_ascent(tmp_path / "taught")[3]["dino"]) == 16


# ---- embeddings


def test_vectors_have_length_one_and_the_order_of_the_detections(cells, trained, tmp_path):
    found = cells.detections
    table = embed_ascent(trained[0], cells, device="cpu")
    assert table.key.tolist() == np.column_stack([found.frame, found.label]).tolist()
    assert table.vector.shape == (72, 16)
    np.testing.assert_allclose(np.linalg.norm(table.vector, axis=1), 1.0, atol=1e-5)
    table.save(tmp_path / "embeddings.npz")
    about = NodeEmbeddings.load(tmp_path / "embeddings.npz").provenance
    assert about["embedding"] == {"zoom": 1.0}
    assert about["movie"]["digest"] == cells.digest
    assert table.method == "ascent"


def test_the_batch_size_changes_nothing(cells, trained):
    one, other = (embed_ascent(trained[0], cells, device="cpu", batch_size=size) for size in (2, 64))
    np.testing.assert_allclose(one.vector, other.vector, atol=1e-5)


def test_frames_are_read_one_at_a_time_and_only_those_with_detections(cells, trained):
    rows = np.flatnonzero(cells.detections.frame != 3)
    images = MemoryMovie(cells.images.pixels, "images")
    table = embed_ascent(trained[0], part(cells, rows, images=images, masks=None), device="cpu")
    assert images.reads == [0, 1, 2, 4, 5, 6, 7]
    np.testing.assert_allclose(table.vector, embed_ascent(trained[0], cells, device="cpu").vector[rows], atol=1e-5)


def test_the_others_of_the_frame_are_seen(cells, trained):
    rows = np.flatnonzero(cells.detections.label != 9)
    few = embed_ascent(trained[0], part(cells, rows), device="cpu")
    assert not np.allclose(few.vector, embed_ascent(trained[0], cells, device="cpu").vector[rows], atol=1e-3)


def test_a_lonely_detection_has_a_vector(cells, trained):
    table = embed_ascent(trained[0], part(cells, np.array([5])), device="cpu")
    np.testing.assert_allclose(np.linalg.norm(table.vector, axis=1), 1.0, atol=1e-5)


def test_stacks_learn_and_are_embedded(tmp_path):
    rng = np.random.default_rng(0)
    where = rng.uniform([1, 10, 10], [4, 50, 50], (7, 3))
    stack = points(where, *rng.random((3, 6, 64, 64)), scale=(2.0, 1.0, 1.0))
    train_ascent([stack], tmp_path, **{**GIVEN, "augmentation": replace(GENTLE, jitter_planes=0.5)})
    assert load_ascent(tmp_path)[2] == 3
    assert embed_ascent(tmp_path, stack, device="cpu").vector.shape == (21, 16)
    with pytest.raises(ModelError) as error:
        embed_ascent(tmp_path, marked_cells(n_frames=1)[0])
    assert str(error.value) == (
        f"the ASCENT model in {tmp_path} is for 3-D movies, but movie 0 is 2-D: train one on such a movie"
    )
    with pytest.raises(ConfigError, match=r"^ASCENT learns from 2-D movies or from 3-D ones, found both"):
        train_ascent([stack, marked_cells(n_frames=1)[0]], tmp_path / "both", **GIVEN)


# ---- what is refused


def test_nan_in_the_images_names_the_frame(cells, trained, tmp_path):
    pixels = {frame: image.astype("float32") for frame, image in cells.images.pixels.items()}
    pixels[4][5, 6] = np.nan
    broken = replace(cells, images=MemoryMovie(pixels, "images"))
    for attempt in (
        lambda: embed_ascent(trained[0], broken),
        lambda: train_ascent([broken], tmp_path, **{**GIVEN, "settings": SETTINGS}),
    ):
        with pytest.raises(MovieError, match="1 are NaN or infinite in frame t = 4 of images"):
            attempt()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"temperature": 0.0}, "temperature must be positive, found 0"),
        ({"negatives": "all"}, "negatives must be one of other_view, both_views, found 'all'"),
    ],
)
def test_arguments_are_checked(cells, tmp_path, given, message):
    with pytest.raises(ConfigError) as error:
        train_ascent([cells], tmp_path, **GIVEN, **given)
    assert str(error.value) == message


def test_no_movie(tmp_path):
    with pytest.raises(ConfigError) as error:
        train_ascent([], tmp_path, **GIVEN)
    assert str(error.value) == "ASCENT needs at least one movie to learn from, found none"


def test_a_batch_of_nothing(cells, trained):
    with pytest.raises(ConfigError, match=r"^batch_size must be positive, found 0$"):
        embed_ascent(trained[0], cells, batch_size=0)


@pytest.mark.parametrize("change", [{"frames": {}}, {"ascent": {"width": 16}}, {"frames": {"zoom": "wide"}}])
def test_a_damaged_description_is_refused(trained, tmp_path, change):
    copy_model(trained[0], tmp_path, change)
    with pytest.raises(ModelError):
        load_ascent(tmp_path)
