"""The auto-encoder: its shapes, its loss, its folder, and that it learns what cells look like."""

import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need the extra learn")

from autoencoder_cases import SETTINGS, SMALL, copy_model, movie, nearer_than_others, part  # noqa: E402
from memory_movie import MemoryMovie  # noqa: E402

from embeddings.methods.autoencoder import embed_autoencoder, load_autoencoder, train_autoencoder  # noqa: E402
from embeddings.methods.patch_models import patch_embeddings  # noqa: E402
from embeddings.nets.autoencoder import reconstruction_error, seeded_autoencoder  # noqa: E402
from embeddings.nets.autoencoder_config import AutoencoderConfig  # noqa: E402
from embeddings.nets.errors import ModelError  # noqa: E402
from embeddings.patches import PatchReader, PatchSettings  # noqa: E402
from embeddings.table import NodeEmbeddings  # noqa: E402
from embeddings.training.errors import TrainingError  # noqa: E402
from tracker.errors import ConfigError, MovieError  # noqa: E402

VOLUMES = replace(SMALL, patch_px=(4, 16, 16), channels=4)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def cells():
    return movie()


@pytest.fixture(scope="module")
def trained(cells, tmp_path_factory):
    folder = tmp_path_factory.mktemp("autoencoder")
    return folder, train_autoencoder([cells[0]], folder, config=SMALL, settings=SETTINGS, batch_size=16)


def patches_of(one) -> PatchReader:
    return PatchReader(one.detections, one.images, PatchSettings(SMALL.patch_px))


def all_patches(one) -> np.ndarray:
    return np.concatenate([patches for _, patches in patches_of(one)])


@pytest.mark.parametrize("config", [SMALL, VOLUMES, replace(SMALL, latent=32)], ids=["2-D", "3-D", "short"])
def test_shapes(config):
    network = seeded_autoencoder(config, 0)
    patches = torch.rand(3, 1, *config.patch_px)
    embedding = network.encode(patches)
    assert embedding.shape == (3, config.latent)
    assert network.decode(embedding).shape == patches.shape
    assert torch.equal(network(patches), network.decode(embedding))
    reconstruction_error(network, patches).backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_the_published_sizes():
    config = AutoencoderConfig()
    assert config.sizes_px == [(64, 64), (32, 32), (16, 16), (8, 8), (4, 4)]
    network = seeded_autoencoder(config, 0)
    assert network.latent_channels == 4
    kinds = [type(layer).__name__ for layer in network.encoder]
    residual, attention = ["_Residual"] * 2, ["_Residual", "_Attention"] * 2
    assert kinds == [
        "Conv2d",
        *residual,
        "_Halve",
        *residual,
        "_Halve",
        *attention,
        "_Halve",
        *residual,
        "_Halve",
        *residual,
        "_Residual",
        "_Attention",
        "_Residual",
        "GroupNorm",
        "SiLU",
        "Conv2d",
    ]
    assert [type(layer).__name__ for layer in network.decoder].count("_Residual") == 2 + 5 * 3


def test_few_planes_are_halved_last():
    config = AutoencoderConfig(patch_px=(8, 64, 64))
    assert config.sizes_px == [(8, 64, 64), (8, 32, 32), (8, 16, 16), (8, 8, 8), (4, 4, 4)]
    assert seeded_autoencoder(VOLUMES, 0).latent_channels == 1


def test_the_loss_is_its_formula():
    network = seeded_autoencoder(SMALL, 0)
    patches = torch.rand(3, 1, 16, 16)
    with torch.no_grad():
        decoded = network(patches)
        slow = sum(((decoded[one] - patches[one]) ** 2).sum().item() for one in range(3)) / 3
        assert reconstruction_error(network, patches).item() == pytest.approx(slow, rel=1e-5)


def test_weights_depend_on_the_seed_alone():
    before = torch.get_rng_state()
    one, same, other = (seeded_autoencoder(SMALL, seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["encoder.0.weight"], other["encoder.0.weight"])
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"patch_px": (64,)},
            "patch_px must be two or three sizes out of [4, 8, 16, 32, 64], the largest 64; found (64,)",
        ),
        (
            {"patch_px": (48, 64)},
            "patch_px must be two or three sizes out of [4, 8, 16, 32, 64], the largest 64; found (48, 64)",
        ),
        (
            {"patch_px": (32, 32)},
            "patch_px must be two or three sizes out of [4, 8, 16, 32, 64], the largest 64; found (32, 32)",
        ),
        ({"groups": 12}, "groups must divide the channels of every level, [32, 32, 64, 64, 128]; found 12"),
        ({"latent": 40}, "latent must be a positive multiple of 16; found 40"),
        ({"patch_px": (64, 64, 64), "latent": 32}, "latent must be a positive multiple of 64; found 32"),
    ],
)
def test_sizes_are_checked(changes, message):
    with pytest.raises(ModelError) as error:
        AutoencoderConfig(**changes)
    assert str(error.value) == f"auto-encoder: {message}"


def test_it_reconstructs_better_than_the_mean_patch(cells, trained):
    patches = all_patches(cells[0])
    mean = ((patches - patches.mean(axis=0)) ** 2).sum() / len(patches)
    network, _, _ = load_autoencoder(trained[0])
    with torch.no_grad():
        assert reconstruction_error(network, torch.from_numpy(patches).unsqueeze(1)).item() < 0.75 * mean


def test_true_links_are_nearer_than_wrong_ones_more_often_than_untrained(cells, trained):
    one, links = cells
    frame = one.detections.frame
    untrained = patch_embeddings(seeded_autoencoder(SMALL, SETTINGS.seed), patches_of(one), CPU)
    before = nearer_than_others(untrained, frame, links)
    after = nearer_than_others(embed_autoencoder(trained[0], one).vector, frame, links)
    assert after > before + 0.02
    assert after > 0.8


def test_the_table_has_a_row_per_detection(cells, trained, tmp_path):
    one, _ = cells
    found = one.detections
    table = embed_autoencoder(trained[0], one, device="cpu", batch_size=7)
    assert table.key.tolist() == np.column_stack([found.frame, found.label]).tolist()
    assert table.vector.shape == (len(found), 64)
    assert table.method == "autoencoder"
    network, _, _ = load_autoencoder(trained[0])
    with torch.no_grad():
        expected = network.encode(torch.from_numpy(all_patches(one)).unsqueeze(1)).numpy()
    np.testing.assert_allclose(table.vector, expected, atol=1e-4)
    table.save(tmp_path / "embeddings.npz")
    loaded = NodeEmbeddings.load(tmp_path / "embeddings.npz")
    assert loaded.provenance["model"]["steps"] == SETTINGS.steps
    assert loaded.provenance["movie"] == {"name": "movie 1", "digest": one.digest, "images": "images"}


def test_frames_are_embedded_one_at_a_time(cells, trained):
    images = MemoryMovie(cells[0].images.pixels, "images")
    embed_autoencoder(trained[0], replace(cells[0], images=images))
    assert images.reads == cells[0].detections.frames.tolist()


def test_the_folder_says_where_the_model_comes_from(cells, trained):
    folder, done = trained
    about = json.loads((folder / "model.json").read_text())
    assert (about["network"], about["config"]["patches"]) == (
        "autoencoder",
        {"patch_px": [16, 16], "intensity": "frame", "masked": False},
    )
    kept = about["provenance"]
    assert (kept["stopped"], kept["steps"], kept["best_step"]) == ("finished", SETTINGS.steps, done.best_step)
    assert kept["movies"] == [
        {"name": "movie 1", "digest": cells[0].digest, "images": "images", "detections": len(cells[0].detections)}
    ]
    assert (folder / "training.csv").is_file()


# ---- several movies


def test_two_movies_are_learnt_together(cells, tmp_path):
    movies = [cells[0], movie(2)[0]]
    short = replace(SETTINGS, steps=8, validate_steps=4)
    done = train_autoencoder(movies, tmp_path / "one", config=SMALL, settings=short)
    train_autoencoder(movies, tmp_path / "two", config=SMALL, settings=short)
    assert done.best_step in (4, 8)
    one, two = (load_autoencoder(tmp_path / name)[0].state_dict() for name in ("one", "two"))
    assert all(torch.equal(one[name], two[name]) for name in one)
    _, _, provenance = load_autoencoder(tmp_path / "one")
    assert [(about["name"], about["digest"]) for about in provenance["movies"]] == [
        ("movie 1", movies[0].digest),
        ("movie 2", movies[1].digest),
    ]
    assert movies[0].digest != movies[1].digest
    for one in movies:
        assert len(embed_autoencoder(tmp_path / "one", one).vector) == len(one.detections)


def test_points_need_no_shape(cells, tmp_path):
    points = part(cells[0], np.arange(len(cells[0].detections)), masks=None)
    train_autoencoder([points], tmp_path, config=SMALL, settings=replace(SETTINGS, steps=2))
    assert embed_autoencoder(tmp_path, points).provenance["movie"]["digest"] == points.digest
    assert points.digest != cells[0].digest


def test_an_interrupted_training_goes_on(cells, tmp_path):
    movies = [cells[0], movie(2)[0]]
    short = replace(SETTINGS, steps=6, validate_steps=3, report_steps=2)
    given = {"config": SMALL, "masked": True, "settings": short, "frames_held": 2}

    def press(shown):
        if shown.step == 4:
            raise KeyboardInterrupt

    train_autoencoder(movies, tmp_path / "whole", **given)
    first = train_autoencoder(movies, tmp_path / "parts", **given, watch=press)
    assert (first.stopped, first.steps) == ("interrupted", 4)
    with pytest.raises(TrainingError, match=r"cannot be resumed: movie 2 was '\w{16}' and is now None"):
        train_autoencoder(movies[:1], tmp_path / "parts", **given, resume=True)
    second = train_autoencoder(movies, tmp_path / "parts", **given, resume=True)
    assert second.stopped == "finished"
    whole, parts = (load_autoencoder(tmp_path / name)[0].state_dict() for name in ("whole", "parts"))
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    assert embed_autoencoder(tmp_path / "parts", movies[1]).vector.shape == (len(movies[1].detections), 64)


# ---- what is refused


def test_nan_in_the_images_names_the_frame(cells, trained):
    pixels = {frame: image.astype("float32") for frame, image in cells[0].images.pixels.items()}
    pixels[4][5, 6] = np.nan
    with pytest.raises(MovieError, match="1 are NaN or infinite in frame t = 4 of images"):
        embed_autoencoder(trained[0], replace(cells[0], images=MemoryMovie(pixels, "images")))


def test_a_model_for_other_axes_is_refused(cells, trained):
    volumes = MemoryMovie({frame: image[None] for frame, image in cells[0].images.pixels.items()}, "stack.tif")
    with pytest.raises(ModelError) as error:
        embed_autoencoder(trained[0], replace(cells[0], images=volumes))
    assert str(error.value) == (
        f"the auto-encoder in {trained[0]} is for 2-D images, but stack.tif is 3-D: train one on such a movie"
    )


@pytest.mark.parametrize("change", [{"patches": {}}, {"autoencoder": {"latent": 64}}])
def test_a_damaged_description_is_refused(trained, tmp_path, change):
    copy_model(trained[0], tmp_path, change)
    with pytest.raises(ModelError):
        load_autoencoder(tmp_path)


def test_a_movie_without_images_is_refused(cells, trained, tmp_path):
    blind = replace(cells[0], images=None)
    message = "the auto-encoder needs data.images: give the images of movie 1"
    for attempt in (
        lambda: train_autoencoder([blind], tmp_path, config=SMALL, settings=SETTINGS),
        lambda: embed_autoencoder(trained[0], blind),
    ):
        with pytest.raises(ConfigError) as error:
            attempt()
        assert str(error.value) == message


def test_no_movie(tmp_path):
    with pytest.raises(ConfigError) as error:
        train_autoencoder([], tmp_path, config=SMALL, settings=SETTINGS)
    assert str(error.value) == "the auto-encoder needs at least one movie to learn from, found none"


def test_no_batch(cells, tmp_path):
    with pytest.raises(ConfigError) as error:
        train_autoencoder([cells[0]], tmp_path, config=SMALL, settings=SETTINGS, batch_size=0)
    assert str(error.value) == "batch_size, frames_held and memory_mb must be positive, found 0, 16 and 256"
    with pytest.raises(ConfigError, match=r"^batch_size must be positive, found 0$"):
        patch_embeddings(seeded_autoencoder(SMALL, 0), patches_of(cells[0]), CPU, 0)
