"""The auto-encoder: its shapes, its loss, its folder, and that it learns what cells look like."""

import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need the extra learn")

from autoencoder_cases import SETTINGS, SMALL, movie, nearer_than_others  # noqa: E402
from memory_movie import MemoryMovie  # noqa: E402

from embeddings.methods.autoencoder import (  # noqa: E402
    embed_autoencoder,
    load_autoencoder,
    patch_embeddings,
    train_autoencoder,
)
from embeddings.nets.autoencoder import reconstruction_error, seeded_autoencoder  # noqa: E402
from embeddings.nets.autoencoder_config import AutoencoderConfig  # noqa: E402
from embeddings.nets.errors import ModelError  # noqa: E402
from embeddings.patches import PatchReader, PatchSettings  # noqa: E402
from embeddings.table import NodeEmbeddings  # noqa: E402
from tracker.errors import ConfigError, MovieError  # noqa: E402

VOLUMES = replace(SMALL, patch_px=(4, 16, 16), channels=4)
CPU = torch.device("cpu")


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def cells():
    return movie()


@pytest.fixture(scope="module")
def trained(cells, tmp_path_factory):
    found, images, _, _ = cells
    folder = tmp_path_factory.mktemp("autoencoder")
    return folder, train_autoencoder(found, images, folder, config=SMALL, settings=SETTINGS, batch_size=16)


def all_patches(found, images) -> np.ndarray:
    return np.concatenate([patches for _, patches in PatchReader(found, images, PatchSettings(SMALL.patch_px))])


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
    found, images, _, _ = cells
    patches = all_patches(found, images)
    mean = ((patches - patches.mean(axis=0)) ** 2).sum() / len(patches)
    network, _, _ = load_autoencoder(trained[0])
    with torch.no_grad():
        assert reconstruction_error(network, torch.from_numpy(patches).unsqueeze(1)).item() < 0.6 * mean


def test_true_links_are_nearer_than_wrong_ones_more_often_than_untrained(cells, trained):
    found, images, _, links = cells
    reader = PatchReader(found, images, PatchSettings(SMALL.patch_px))
    before = nearer_than_others(
        patch_embeddings(seeded_autoencoder(SMALL, SETTINGS.seed), reader, CPU), found.frame, links
    )
    after = nearer_than_others(embed_autoencoder(trained[0], found, images).vector, found.frame, links)
    assert after > before + 0.02
    assert after > 0.8


def test_the_table_has_a_row_per_detection(cells, trained, tmp_path):
    found, images, _, _ = cells
    table = embed_autoencoder(trained[0], found, images, device="cpu", batch_size=7)
    assert table.key.tolist() == np.column_stack([found.frame, found.label]).tolist()
    assert table.vector.shape == (len(found), 64)
    assert table.method == "autoencoder"
    network, _, _ = load_autoencoder(trained[0])
    with torch.no_grad():
        expected = network.encode(torch.from_numpy(all_patches(found, images)).unsqueeze(1)).numpy()
    np.testing.assert_allclose(table.vector, expected, atol=1e-4)
    table.save(tmp_path / "embeddings.npz")
    loaded = NodeEmbeddings.load(tmp_path / "embeddings.npz")
    assert loaded.provenance["model"]["steps"] == SETTINGS.steps


def test_frames_are_embedded_one_at_a_time(cells, trained):
    found, images, _, _ = cells
    images = MemoryMovie(images.pixels, "images")
    embed_autoencoder(trained[0], found, images)
    assert images.reads == found.frames.tolist()


def test_the_folder_says_where_the_model_comes_from(trained):
    folder, done = trained
    about = json.loads((folder / "model.json").read_text())
    assert (about["network"], about["config"]["patches"]) == (
        "autoencoder",
        {"patch_px": [16, 16], "intensity": "frame", "masked": False},
    )
    kept = about["provenance"]
    assert (kept["stopped"], kept["steps"], kept["images"], kept["best_step"]) == (
        "finished",
        SETTINGS.steps,
        "images",
        done.best_step,
    )
    assert (folder / "training.csv").is_file()


def test_an_interrupted_training_goes_on(cells, tmp_path):
    found, images, masks, _ = cells
    short = replace(SETTINGS, steps=6, validate_steps=3, report_steps=2)
    given = {"config": SMALL, "masks": masks, "masked": True, "settings": short, "frames_held": 2}

    def press(shown):
        if shown.step == 4:
            raise KeyboardInterrupt

    train_autoencoder(found, images, tmp_path / "whole", **given)
    first = train_autoencoder(found, images, tmp_path / "parts", **given, watch=press)
    assert (first.stopped, first.steps) == ("interrupted", 4)
    second = train_autoencoder(found, images, tmp_path / "parts", **given, resume=True)
    assert second.stopped == "finished"
    whole, parts = (load_autoencoder(tmp_path / name)[0].state_dict() for name in ("whole", "parts"))
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    assert embed_autoencoder(tmp_path / "parts", found, images, masks=masks).vector.shape == (len(found), 64)


def test_nan_in_the_images_names_the_frame(cells, trained):
    found, images, _, _ = cells
    pixels = {frame: image.astype("float32") for frame, image in images.pixels.items()}
    pixels[4][5, 6] = np.nan
    with pytest.raises(MovieError, match="1 are NaN or infinite in frame t = 4 of images"):
        embed_autoencoder(trained[0], found, MemoryMovie(pixels, "images"))


def test_a_model_for_other_axes_is_refused(cells, trained):
    found, images, _, _ = cells
    volumes = MemoryMovie({frame: image[None] for frame, image in images.pixels.items()}, "stack.tif")
    with pytest.raises(ModelError) as error:
        embed_autoencoder(trained[0], found, volumes)
    assert str(error.value) == (
        f"the auto-encoder in {trained[0]} is for 2-D images, but stack.tif is 3-D: train one on such a movie"
    )


@pytest.mark.parametrize("change", [{"patches": {}}, {"autoencoder": {"latent": 64}}])
def test_a_damaged_description_is_refused(trained, tmp_path, change):
    for path in trained[0].iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    about = json.loads((tmp_path / "model.json").read_text())
    about["config"].update(change)
    (tmp_path / "model.json").write_text(json.dumps(about))
    with pytest.raises(ModelError):
        load_autoencoder(tmp_path)


def test_no_batch(cells, tmp_path):
    found, images, _, _ = cells
    with pytest.raises(ConfigError) as error:
        train_autoencoder(found, images, tmp_path, config=SMALL, settings=SETTINGS, batch_size=0)
    assert str(error.value) == "batch_size, frames_held and memory_mb must be positive, found 0, 16 and 256"
