"""Batches: what stands where, what is padding, and that workers change nothing."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from network_cases import small_network
from torch.utils.data import DataLoader
from window_cases import family, field, movie_of

from embeddings.augment import Augmentation, AugmentSettings
from embeddings.batches import Batch, TrainingBatches, collate
from embeddings.losses import association_loss
from embeddings.targets import association_target
from embeddings.window_sampler import SamplerSettings, WindowSampler
from embeddings.windows import TokenMovie, Window, WindowSettings
from tracker.errors import InputError


def window(start: int, rows: list[int], movie: int = 0) -> Window:
    return Window(movie, start, np.array([1.0, 2]), np.array([257.0, 258]), np.array(rows, np.int64))


def looking(movie: TokenMovie) -> TokenMovie:
    """The movie with embeddings of three channels, no two alike."""
    return replace(movie, embeddings=np.arange(3 * len(movie), dtype=np.float32).reshape(-1, 3) + 1)


def test_what_stands_where():
    movie = looking(family())
    batch = collate([window(8, [16, 17, 19, 20, 21, 22]), window(0, [1, 3])], [movie], target=True)
    assert len(batch) == 2
    assert batch.rows.tolist() == [[16, 17, 19, 20, 21, 22], [1, 3, -1, -1, -1, -1]]
    assert batch.padding.tolist() == [[False] * 6, [False] * 2 + [True] * 4]
    assert batch.frame.tolist() == [[0, 0, 1, 2, 2, 2], [0, 1, 0, 0, 0, 0]]
    places = [[100, 100], [500, 300], [500, 300], [100, 100], [490, 300], [510, 300]]
    assert batch.coordinates[0].tolist() == [[t, *p] for t, p in zip([0, 0, 1, 2, 2, 2], places, strict=True)]
    assert batch.coordinates[1].tolist() == [[0, 500, 300], [1, 500, 300]] + [[0, 0, 0]] * 4
    np.testing.assert_array_equal(batch.tokens[0], movie.tokens[[16, 17, 19, 20, 21, 22]])
    np.testing.assert_array_equal(batch.tokens[1, 2:], 0)
    np.testing.assert_array_equal(batch.embeddings[0], movie.embeddings[[16, 17, 19, 20, 21, 22]])
    np.testing.assert_array_equal(batch.embeddings[1], [*movie.embeddings[[1, 3]], *[[0, 0, 0]] * 4])
    assert (batch.movie.tolist(), batch.start.tolist()) == ([0, 0], [8, 0])
    assert (batch.low_px.tolist(), batch.high_px.tolist()) == ([[1, 2]] * 2, [[257, 258]] * 2)
    wanted = association_target(movie.tracklet[batch.rows[0]], movie.parent_tracklet)
    assert wanted[2].tolist() == [False, True, True, False, True, True]
    np.testing.assert_array_equal(batch.target[0], wanted)
    assert batch.target[1].nonzero().tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    kinds = {name: value.dtype for name, value in vars(batch).items()}
    assert [kinds[name] for name in ("tokens", "embeddings", "coordinates", "low_px", "high_px")] == [torch.float32] * 5
    assert [kinds[name] for name in ("frame", "rows", "movie", "start")] == [torch.int64] * 4
    assert kinds["padding"] == kinds["target"] == torch.bool


def test_without_tokens_or_target_and_with_an_empty_window():
    bare = movie_of([[(1.0, 2.0, 3.0)]] * 3, (10, 20, 30), tokens=np.zeros((3, 0), np.float32))
    batch = collate([window(0, []), window(1, [1, 2])], [bare])
    assert batch.tokens.shape == (2, 2, 0)
    assert batch.coordinates.shape == (2, 2, 4)
    assert batch.padding.tolist() == [[True, True], [False, False]]
    assert batch.target is None
    assert batch.embeddings is None


def test_augmentation_is_that_of_each_window():
    movie = looking(family())
    same = Augmentation(np.eye(2), np.zeros(2), np.zeros((3, 2)), np.zeros((2, 2)))
    drift = np.array([[0.0, 0], [0, 5], [0, 10]])
    turned = Augmentation(np.diag([-1.0, 1]), np.array([400.0, 300]), drift, np.zeros((2, 2)), 2.0, 1.0)
    windows = [window(0, [1, 3]), window(0, [1, 3])]
    batch = collate(windows, [movie], augmentations=[same, turned])
    assert batch.coordinates[0].tolist() == [[0, 500, 300], [1, 500, 300]]
    assert batch.coordinates[1].tolist() == [[0, 300, 300], [1, 300, 305]]
    assert (batch.tokens[1, :, 1] == 2 * batch.tokens[0, :, 1] + 1).all()
    assert torch.equal(batch.embeddings[0], batch.embeddings[1])


def test_on_another_device():
    batch = collate([window(0, [1, 3])], [looking(family())], target=True).to("meta")
    assert isinstance(batch, Batch)
    assert {value.device.type for value in vars(batch).values()} == {"meta"}
    assert collate([window(0, [1, 3])], [family()]).to("meta").target is None


@pytest.mark.parametrize("windows", [[], [window(0, []), window(1, [])]])
def test_refuses_nothing(windows):
    with pytest.raises(InputError) as error:
        collate(windows, [family()])
    assert str(error.value) == "a batch needs windows with detections, found none: leave empty windows out"


def test_refuses_a_target_without_truth():
    with pytest.raises(InputError) as error:
        collate([window(0, [0, 70])], [field()], target=True)
    assert str(error.value) == "learning from truth needs a truth, and cells has none; give it, or learn without"


def batches(seed: int = 3, n_batches: int = 6) -> TrainingBatches:
    sampler = WindowSampler([looking(family())], WindowSettings(4, 256, 5, "random"), SamplerSettings(2, 2), seed=seed)
    return TrainingBatches(sampler, n_batches, augment_settings=AugmentSettings(drift=0.5), target=True)


def equal(one: Batch, other: Batch) -> bool:
    return all(torch.equal(value, vars(other)[name]) for name, value in vars(one).items())


def test_workers_change_nothing():
    found = list(batches())
    assert len(found) == len(batches()) == 6
    parallel = list(DataLoader(batches(), batch_size=None, num_workers=2))
    assert all(equal(*pair) for pair in zip(found, parallel, strict=True))
    late = list(DataLoader(batches(), batch_size=None, sampler=range(4, 6)))
    assert all(equal(*pair) for pair in zip(found[4:], late, strict=True))
    assert not equal(found[0], batches(seed=4)[0])
    assert not equal(found[0], found[1])


def test_network_and_loss_take_a_batch_as_it_is():
    batch = batches()[0]
    network = small_network(features=7, embedding_channels=3)
    logits = network(batch.coordinates, batch.tokens, batch.padding, batch.embeddings)
    assert logits.shape == batch.target.shape
    loss = association_loss(logits, batch.target, batch.frame, batch.padding)
    assert 0 < loss.item() < torch.inf


def test_it_turns_about_the_middle_of_the_crop():
    settings = AugmentSettings(flip=1.0, affine=0.0, jitter=0.0, intensity=0.0, shift_px=0.0)
    movie = field(shape=(9, 200, 300))
    sampler = WindowSampler([movie], WindowSettings(2, 100))
    batch, plain = TrainingBatches(sampler, 1, augment_settings=settings)[0], TrainingBatches(sampler, 1)[0]
    middle = (batch.low_px + batch.high_px)[:, None] - plain.coordinates[..., 2:]
    real = ~batch.padding
    torch.testing.assert_close(batch.coordinates[..., 2:][real], middle[real])
    assert torch.equal(batch.coordinates[..., :2], plain.coordinates[..., :2])


def test_one_window_is_augmented_anew_in_every_batch():
    sampler = WindowSampler([field(n_frames=2)], WindowSettings(2, None), SamplerSettings(2))
    one, other = (TrainingBatches(sampler, 2, augment_settings=AugmentSettings())[index] for index in (0, 1))
    assert torch.equal(one.rows, other.rows)
    shifts = torch.cat([one.coordinates, other.coordinates])[:, 0, 1]
    assert len(shifts.unique()) == 4


def test_no_batch_beyond_the_last():
    with pytest.raises(IndexError, match="batch 6 of 6"):
        batches()[6]
