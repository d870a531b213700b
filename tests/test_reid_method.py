"""Re-identification: its batches, its folder, and that it learns to tell cells apart."""

import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need the extra learn")

from autoencoder_cases import SETTINGS, SMALL, copy_model, movie, nearer_than_others, part  # noqa: E402
from memory_movie import MemoryMovie  # noqa: E402

from embeddings.learning_movie import LearningMovie  # noqa: E402
from embeddings.methods.autoencoder import load_autoencoder  # noqa: E402
from embeddings.methods.patch_models import patch_embeddings  # noqa: E402
from embeddings.methods.reid import embed_reid, load_reid, train_reid  # noqa: E402
from embeddings.nets.autoencoder import seeded_autoencoder  # noqa: E402
from embeddings.nets.errors import ModelError  # noqa: E402
from embeddings.nets.patch_encoder import seeded_patch_encoder  # noqa: E402
from embeddings.patches import PatchReader, PatchReservoir, PatchSettings  # noqa: E402
from embeddings.training.errors import TrainingError  # noqa: E402
from tracker.detections import Detections  # noqa: E402
from tracker.errors import ConfigError  # noqa: E402

CPU = torch.device("cpu")
LEARN = replace(SETTINGS, steps=60)
SHORT = replace(SETTINGS, steps=6, validate_steps=3, report_steps=2)


@pytest.fixture(scope="module")
def cells():
    return movie()


@pytest.fixture(scope="module")
def trained(cells, tmp_path_factory):
    folder = tmp_path_factory.mktemp("reid")
    return folder, train_reid([cells[0]], folder, config=SMALL, settings=LEARN, batch_size=28)


def weights(folder):
    return load_reid(folder)[0].state_dict()


def same(one, other) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


def test_the_encoder_is_that_of_the_autoencoder():
    network, whole = seeded_patch_encoder(SMALL, 3), seeded_autoencoder(SMALL, 3)
    patches = torch.rand(4, 1, 16, 16)
    with torch.no_grad():
        latent = whole.encode(patches)
        torch.testing.assert_close(network.encode(patches), latent / latent.norm(dim=1, keepdim=True))
        assert torch.equal(network(patches), network.encode(patches))


def test_a_cell_is_nearer_to_itself_in_the_next_frame_than_untrained(cells, trained):
    one, links = cells
    frame = one.detections.frame
    reader = PatchReader(one.detections, one.images, PatchSettings(SMALL.patch_px))
    untrained = patch_embeddings(seeded_patch_encoder(SMALL, LEARN.seed), reader, CPU)
    before = nearer_than_others(untrained, frame, links)
    after = nearer_than_others(embed_reid(trained[0], one).vector, frame, links)
    assert after > before + 0.04
    assert after > 0.8


def test_embeddings_are_of_length_one_and_say_where_they_come_from(cells, trained):
    one, _ = cells
    table = embed_reid(trained[0], one, device="cpu", batch_size=9)
    assert table.method == "reid"
    assert table.key.tolist() == np.column_stack([one.detections.frame, one.detections.label]).tolist()
    np.testing.assert_allclose(np.linalg.norm(table.vector, axis=1), 1, atol=1e-5)
    kept = json.loads((trained[0] / "model.json").read_text())
    assert kept["network"] == "reid"
    assert kept["config"]["patches"]["patch_px"] == [16, 16]
    assert kept["provenance"]["loss"] == {"temperature": 0.1}
    assert kept["provenance"]["augmentation"]["scale"] == [0.9, 1.1]
    assert kept["provenance"]["movies"][0]["digest"] == one.digest == table.provenance["movie"]["digest"]
    assert trained[1].best_step > 0
    with pytest.raises(ModelError, match="holds a network of the kind reid, wanted autoencoder"):
        load_autoencoder(trained[0])


def test_an_interrupted_training_on_two_movies_goes_on(cells, tmp_path):
    movies = [cells[0], movie(2)[0]]
    given = {"config": SMALL, "masked": True, "settings": SHORT, "frames_held": 2, "batch_size": 12}

    def press(shown):
        if shown.step == 4:
            raise KeyboardInterrupt

    train_reid(movies, tmp_path / "whole", **given)
    first = train_reid(movies, tmp_path / "parts", **given, watch=press)
    assert (first.stopped, first.steps) == ("interrupted", 4)
    with pytest.raises(TrainingError, match=r"cannot be resumed: temperature was 0\.1 and is now 0\.5"):
        train_reid(movies, tmp_path / "parts", **given, temperature=0.5, resume=True)
    assert train_reid(movies, tmp_path / "parts", **given, resume=True).stopped == "finished"
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "parts"))
    for one in movies:
        assert len(embed_reid(tmp_path / "parts", one).vector) == len(one.detections)


def test_weights_depend_on_seed_and_temperature(cells, tmp_path):
    given = {"config": SMALL, "settings": replace(SHORT, steps=2), "batch_size": 8}
    runs = {
        "one": {},
        "same": {},
        "seed": {"settings": replace(SHORT, steps=2, seed=5)},
        "temperature": {"temperature": 1.0},
    }
    for name, changes in runs.items():
        train_reid([cells[0]], tmp_path / name, **{**given, **changes})
    one, again, seed, temperature = (weights(tmp_path / name) for name in runs)
    assert same(one, again)
    assert not same(one, seed)
    assert not same(one, temperature)


def test_volumes(tmp_path):
    rng = np.random.default_rng(0)
    pixels = {t: rng.integers(0, 255, (6, 40, 40)).astype(np.uint8) for t in range(3)}
    place = np.array([[2.0, 10, 12], [3, 25, 20], [3, 30, 30]])
    found = Detections(
        np.repeat(np.arange(3), 3), np.tile([1, 2, 3], 3), np.tile(place, (3, 1)), np.arange(3), np.ones(3)
    )
    volumes = LearningMovie(found, MemoryMovie(pixels, "volumes"), name="volumes")
    config = replace(SMALL, patch_px=(4, 16, 16), channels=4)
    train_reid([volumes], tmp_path, config=config, settings=replace(SHORT, steps=2), batch_size=6)
    vector = embed_reid(tmp_path, volumes).vector
    assert vector.shape == (9, 64)
    np.testing.assert_allclose(np.linalg.norm(vector, axis=1), 1, atol=1e-5)


# ---- patches by frame


def frames_of_sizes(*sizes: int) -> PatchReservoir:
    """Frame t shows t + 1 everywhere and has sizes[t] detections."""
    frame = np.repeat(np.arange(len(sizes)), sizes)
    found = Detections(frame, np.arange(len(frame)), np.full((len(frame), 2), 5.0), np.arange(len(sizes)), np.ones(2))
    images = MemoryMovie({t: np.full((10, 10), t + 1, np.uint8) for t in range(len(sizes))})
    reader = PatchReader(found, images, PatchSettings((4, 4), "dtype"))
    return PatchReservoir(reader, np.arange(len(frame)), 8, 0)


def test_a_group_is_of_one_frame_and_padded():
    reservoir = frames_of_sizes(2, 0, 6)
    drawn = []
    for step in range(200):
        patches, padding = reservoir.grouped(step, 3, 4)
        assert patches.shape == (3, 4, 4, 4)
        assert not patches[padding].any()
        for group, hidden in zip(np.rint(patches[..., 0, 0] * 255).astype(int), padding, strict=True):
            (frame,) = set(group[~hidden].tolist())
            assert (~hidden).sum() == {1: 2, 3: 4}[frame]
            assert not hidden[: (~hidden).sum()].any()
            drawn.append(frame)
    assert 0.2 < np.mean(np.array(drawn) == 1) < 0.3  # 2 of 8 detections
    again, _ = frames_of_sizes(2, 0, 6).grouped(199, 3, 4)
    np.testing.assert_array_equal(again, patches)


def test_no_detection_is_twice_in_a_group():
    pixels = np.arange(100, dtype=np.uint8).reshape(10, 10)
    place = np.stack(np.divmod(np.arange(22, 28), 10), axis=1).astype(float)
    found = Detections(np.zeros(6, int), np.arange(6), place, np.arange(1), np.ones(2))
    reader = PatchReader(found, MemoryMovie({0: pixels}), PatchSettings((4, 4), "dtype"))
    reservoir = PatchReservoir(reader, np.arange(6), 6, 0)
    orders = set()
    for step in range(20):
        patches, _ = reservoir.grouped(step, 1, 6)
        shown = np.rint(patches[0, :, 2, 2] * 255).astype(int).tolist()
        assert sorted(shown) == list(range(22, 28))
        orders.add(tuple(shown))
    assert len(orders) > 10


# ---- what is refused


def test_frames_with_one_detection_teach_nothing(cells, tmp_path):
    found = cells[0].detections
    lonely = part(cells[0], found.starts[:-1], name="lonely.tif")
    with pytest.raises(ConfigError) as error:
        train_reid([cells[0], lonely], tmp_path, config=SMALL, settings=SHORT)
    assert str(error.value) == (
        "the re-identification network needs frames with at least 2 detections, but lonely.tif has none; leave it "
        "out, or look at its masks or points"
    )


def test_lonely_detections_are_left_out_but_embedded(cells, tmp_path):
    found = cells[0].detections
    rows = np.unique(np.append(found.starts[:-1], found.starts[2] + np.arange(3)))
    images = MemoryMovie(cells[0].images.pixels, "images")
    few = part(cells[0], rows, images=images)
    train_reid([few], tmp_path, config=SMALL, settings=SHORT)
    assert images.reads == [2]
    assert len(embed_reid(tmp_path, few).vector) == 8


def test_a_movie_without_images_is_refused(cells, trained, tmp_path):
    blind = replace(cells[0], images=None)
    for attempt in (
        lambda: train_reid([blind], tmp_path, config=SMALL, settings=SHORT),
        lambda: embed_reid(trained[0], blind),
    ):
        with pytest.raises(ConfigError) as error:
            attempt()
        assert str(error.value) == "the re-identification network needs data.images: give the images of movie 1"


def test_patches_of_other_axes_are_refused_in_their_own_size(cells, tmp_path):
    with pytest.raises(ConfigError) as error:
        train_reid([cells[0]], tmp_path, config=replace(SMALL, patch_px=(4, 16, 16)), settings=SHORT)
    assert str(error.value) == ("patch_px = [4, 16, 16] has 3 axes, but the images images have 2 and the detections 2")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"movies": []}, "the re-identification network needs at least one movie to learn from, found none"),
        ({"temperature": 0.0}, "temperature must be positive, found 0"),
        ({"batch_size": 1}, "batch_size must be at least 2, a detection and another one, found 1"),
        ({"frames_held": 0}, "batch_size, frames_held and memory_mb must be positive, found 64, 0 and 256"),
    ],
)
def test_settings_are_checked(cells, tmp_path, changes, message):
    given = {"movies": [cells[0]], "config": SMALL, "settings": SHORT, **changes}
    with pytest.raises(ConfigError) as error:
        train_reid(folder=tmp_path, **given)
    assert str(error.value) == message


@pytest.mark.parametrize("change", [{"patches": {}}, {"reid": {"latent": 64}}])
def test_a_damaged_description_is_refused(trained, tmp_path, change):
    copy_model(trained[0], tmp_path, change)
    with pytest.raises(ModelError):
        load_reid(tmp_path)
