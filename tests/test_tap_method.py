"""Time arrow prediction as a method: it learns, goes on, embeds, finds what changes, and says what is wrong."""

import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need the extra learn")

from memory_movie import MemoryMovie  # noqa: E402
from tap_cases import GENTLE, PAIRS, SETTINGS, SHORT, SMALL, growing, points  # noqa: E402

from embeddings.inference.arrow_features import dense_features  # noqa: E402
from embeddings.methods.tap import division_scores, embed_tap, evidence_maps, load_tap, train_tap  # noqa: E402
from embeddings.methods.tap_accuracy import arrow_accuracy  # noqa: E402
from embeddings.table import NodeEmbeddings  # noqa: E402
from embeddings.training.errors import TrainingError  # noqa: E402
from tracker.detections import Detections  # noqa: E402

CPU = torch.device("cpu")
GIVEN = {"config": SMALL, "pairs": PAIRS, "augmentation": GENTLE}


@pytest.fixture(scope="module")
def learnt_from():
    return growing(1, 24, still=True)


@pytest.fixture(scope="module")
def unseen():
    return growing(2, 12, still=True)


@pytest.fixture(scope="module")
def trained(learnt_from, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tap") / "model"
    return folder, train_tap([learnt_from], folder, **GIVEN, settings=SETTINGS, batch_size=24)


def higher(one, other) -> float:
    """Of all pairs of a value of the one and of the other: the share where the one is higher."""
    return float((np.subtract.outer(one, other) > 0).mean())


# ---- what it learns


def test_it_tells_the_earlier_frame(unseen, trained):
    share, count = arrow_accuracy(trained[0], unseen)
    assert count == 11 * 16
    assert share > 0.65  # half of the discs stand still: 0.75 is the most there is
    moving, still = (only(unseen, parity) for parity in (0, 1))
    assert arrow_accuracy(trained[0], moving)[0] > 0.85
    assert 0.25 < arrow_accuracy(trained[0], still)[0] < 0.75


def only(movie, parity):
    """The points of the moving (0) or the still (1) discs."""
    bare = points(movie)
    found = bare.detections
    own = found.label % 2 == parity
    return replace(
        bare, detections=Detections(found.frame[own], found.label[own], found.position[own], found.frames, found.scale)
    )


def test_what_changes_scores_higher_than_what_stands_still(unseen, trained):
    moving = unseen.detections.label % 2 == 0
    for movie in (unseen, points(unseen)):
        score = division_scores(trained[0], movie, evidence="change", radius_px=6.0)
        assert score.shape == (len(unseen.detections),)
        assert score.dtype == np.float32
        assert higher(score[moving], score[~moving]) > 0.8


def test_on_the_background_nobody_can_tell(unseen, trained):
    bright = {frame: np.pad(image, [(0, 0), (0, 60)], mode="wrap") for frame, image in unseen.images.pixels.items()}
    for image in bright.values():
        image[:, 80:] = np.random.default_rng(int(image[0, 0])).normal(20.0, 3.0, (80, 60)).clip(0)
    wider = {frame: np.pad(mask, [(0, 0), (0, 60)]) for frame, mask in unseen.masks.pixels.items()}
    movie = replace(unseen, images=MemoryMovie(bright, "images"), masks=MemoryMovie(wider, "masks"))
    for one in (movie, points(movie)):
        share, count = arrow_accuracy(trained[0], one, place="background")
        assert count > 60
        assert 0.3 < share < 0.7
    share, count = arrow_accuracy(trained[0], movie, frames=[3, 4, 5])
    assert count == 2 * 16
    assert np.isnan(arrow_accuracy(trained[0], movie, frames=[3])[0])


# ---- embeddings and scores


@pytest.mark.parametrize("masks", [True, False])
def test_embeddings_are_means_over_each_detection(unseen, trained, masks):
    movie = unseen if masks else points(unseen)
    table = embed_tap(trained[0], movie, device="cpu", radius_px=3.0, tile_px=64, batch_size=2)
    found = movie.detections
    assert table.key.tolist() == np.column_stack([found.frame, found.label]).tolist()
    assert table.vector.shape == (len(found), SMALL.features)
    network, _, _ = load_tap(trained[0])
    row = 37
    image = unseen.images.read(int(found.frame[row])).astype(np.float32)
    low, high = np.percentile(image, [1, 99.8])
    dense = dense_features(network, np.clip((image - low) / (high - low), 0, 2).astype(np.float32), CPU)
    if masks:
        own = unseen.masks.read(int(found.frame[row])) == found.label[row]
    else:
        y, x = np.floor(found.position[row] + 0.5)
        own = (np.arange(80)[:, None] - y) ** 2 + (np.arange(80) - x) ** 2 <= 9
    np.testing.assert_allclose(table.vector[row], dense[:, own].mean(axis=1), atol=1e-4)


def test_the_table_says_where_it_comes_from(unseen, trained, tmp_path):
    embed_tap(trained[0], unseen).save(tmp_path / "embeddings.npz")
    loaded = NodeEmbeddings.load(tmp_path / "embeddings.npz")
    assert loaded.method == "tap"
    assert loaded.provenance["movie"] == {"name": "movie 2", "digest": unseen.digest, "images": "images"}
    kept = loaded.provenance["model"]
    assert (kept["stopped"], kept["steps"], kept["best_step"]) == ("finished", SETTINGS.steps, trained[1].best_step)
    assert kept["movies"][0]["held_out_frames"] == [0, 1]
    about = json.loads((trained[0] / "model.json").read_text())
    assert about["config"]["pairs"] == {
        "crop_px": 16, "gaps_frames": [1], "near_detections": 1.0, "near_changes": 0.0, "zoom": 1.0,
    }  # fmt: skip


def test_frames_are_read_once_each(unseen, trained):
    images = MemoryMovie(unseen.images.pixels, "images")
    movie = replace(unseen, images=images)
    embed_tap(trained[0], movie)
    assert images.reads == list(range(12))
    division_scores(trained[0], movie)
    assert images.reads == 2 * list(range(12))


def test_scores_pool_the_attribution(unseen, trained):
    folder, found = trained[0], unseen.detections
    row, last = 37, len(found) - 1
    for evidence in ("frame", "change", "votes"):
        maps = {before: shown for before, _, shown in evidence_maps(folder, unseen, evidence=evidence)}
        for number, pair, slot in ((row, int(found.frame[row]), 0), (last, 10, 1)):
            own = unseen.masks.read(int(found.frame[number])) == found.label[number]
            for pool, of in (("mean", np.mean), ("max", np.max)):
                score = division_scores(folder, unseen, pool=pool, evidence=evidence)
                assert score[number] == pytest.approx(of(maps[pair][slot][own]), rel=1e-4)
    first, second, both = (division_scores(folder, unseen, role=role) for role in ("first", "second", "both"))
    np.testing.assert_allclose(both, (first + second) / 2, rtol=1e-6)
    inner = (found.frame > 0) & (found.frame < 11)
    assert not np.isclose(first[inner], second[inner]).all()
    np.testing.assert_array_equal(first[~inner], second[~inner])


def test_reduced_frames_are_asked_about_at_the_detections_of_the_movie(unseen, tmp_path):
    """A model of frames at half the size: its maps are coarse, each pixel of a mask reads the one that holds it."""
    train_tap([unseen], tmp_path, **{**GIVEN, "pairs": replace(PAIRS, zoom=0.5)}, settings=SHORT)
    assert load_tap(tmp_path)[1].zoom == 0.5
    maps = [shown for _, _, shown in evidence_maps(tmp_path, unseen, evidence="votes")]
    assert maps[0].shape == (2, 40, 40)
    row = 37
    frame = int(unseen.detections.frame[row])
    own = unseen.masks.read(frame) == unseen.detections.label[row]
    wanted = np.repeat(np.repeat(maps[frame][0], 2, axis=0), 2, axis=1)[own].mean()
    score = division_scores(tmp_path, unseen, evidence="votes", tile_px=64)
    assert score[row] == pytest.approx(wanted, rel=1e-4)
    assert embed_tap(tmp_path, unseen).vector.shape == (len(score), SMALL.features)
    assert arrow_accuracy(tmp_path, unseen)[1] == 11 * 16
    assert arrow_accuracy(tmp_path, unseen, place="background")[1] >= 0


def test_larger_gaps(unseen, tmp_path):
    train_tap([unseen], tmp_path, **{**GIVEN, "pairs": replace(PAIRS, gaps_frames=(3, 2))}, settings=SHORT)
    steps = [(before, after) for before, after, _ in evidence_maps(tmp_path, unseen)]
    assert steps == [(t, t + 2) for t in (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)]
    assert np.isfinite(division_scores(tmp_path, unseen)).all()


@pytest.mark.parametrize(("role", "frames"), [("first", [5, 5, 4]), ("second", [4, 5, 5]), ("both", [5, 7, 5])])
def test_a_part_of_a_movie_costs_that_part_and_is_scored_as_among_all(unseen, tmp_path, monkeypatch, role, frames):
    train_tap([unseen], tmp_path, **{**GIVEN, "pairs": replace(PAIRS, gaps_frames=(2,))}, settings=SHORT)
    whole, found = division_scores(tmp_path, unseen, role=role), unseen.detections
    looked = []

    def counted(network, image, device, **options):
        looked.append(image)
        return dense_features(network, image, device, **options)

    monkeypatch.setattr("embeddings.methods.tap.dense_features", counted)
    for (first, stop), expected in zip([(0, 3), (4, 7), (9, 12)], frames, strict=True):
        looked.clear()
        own = np.flatnonzero((found.frame >= first) & (found.frame < stop))
        part = replace(unseen, detections=found.part(own))
        np.testing.assert_allclose(division_scores(tmp_path, part, role=role), whole[own], rtol=1e-6)
        assert len(looked) == expected


# ---- training again


def test_an_interrupted_training_goes_on(unseen, learnt_from, tmp_path):
    given = {**GIVEN, "settings": SHORT, "batch_size": 4, "frames_held": 4}
    movies = [unseen, learnt_from]

    def press(shown):
        if shown.step == 4:
            raise KeyboardInterrupt

    train_tap(movies, tmp_path / "whole", **given)
    first = train_tap(movies, tmp_path / "parts", **given, watch=press)
    assert (first.stopped, first.steps) == ("interrupted", 4)
    with pytest.raises(TrainingError, match=r"cannot be resumed: movie 2 was '\w{16}' and is now None"):
        train_tap(movies[:1], tmp_path / "parts", **given, resume=True)
    with pytest.raises(TrainingError, match=r"cannot be resumed: temperature was 0.2 and is now 0.5"):
        train_tap(movies, tmp_path / "parts", **given, temperature=0.5, resume=True)
    assert train_tap(movies, tmp_path / "parts", **given, resume=True).stopped == "finished"
    train_tap(movies, tmp_path / "other", **{**given, "settings": replace(SHORT, seed=1)})
    whole, parts, other = (load_tap(tmp_path / name)[0].state_dict() for name in ("whole", "parts", "other"))
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    assert not torch.equal(whole["unet.last.weight"], other["unet.last.weight"])


@pytest.mark.parametrize("decorrelation", ["image", "pair"])
def test_the_paper_and_the_code(unseen, tmp_path, decorrelation):
    given = {**GIVEN, "config": replace(SMALL, aggregate="sum")}
    done = train_tap([points(unseen)], tmp_path, **given, settings=SHORT, decorrelation=decorrelation, batch_size=4)
    assert np.isfinite(done.loss)
    assert load_tap(tmp_path)[0].config.aggregate == "sum"
