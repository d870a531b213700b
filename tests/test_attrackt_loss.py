"""The loss of Attrackt, and the vectors of detections that it looks at."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need the extra learn")

from learning_movies import BRIEF, fast_cells, learning_movie, looks  # noqa: E402

from embeddings.losses import ReconstructionLoss, parental_softmax, transitive_loss  # noqa: E402
from embeddings.methods.attrackt import (  # noqa: E402
    AttracktBatch,
    AttracktModel,
    AttracktSettings,
    aligned_vectors,
    attrackt_loss,
    new_model,
    with_collapse_note,
    with_embedding,
)
from embeddings.methods.tracking import WholeWindows, new_network, window_batches  # noqa: E402
from embeddings.table import NodeEmbeddings  # noqa: E402
from embeddings.train import TrainingResult  # noqa: E402

HIDDEN = AttracktSettings(hidden=16)


class Certain(torch.nn.Module):
    """A network that gives every pair the same logit."""

    def __init__(self, logit):
        super().__init__()
        self.logit = logit

    def forward(self, coordinates, tokens, padding, embeddings):
        return torch.full((*padding.shape, padding.shape[1]), self.logit)


@pytest.fixture(scope="module")
def cells():
    return learning_movie(fast_cells())


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return looks(tmp_path_factory)


def test_the_loss_is_the_sum_of_its_parts(cells, table):
    recipe = BRIEF.fitted([cells])
    vectors = aligned_vectors([cells], [table], standardise=False)
    batch = with_embedding(window_batches(recipe, [cells], target=False)[0], vectors)
    model = new_model(new_network(recipe.network, 0), 16, recipe, AttracktSettings(transitive_weight=0.7, hidden=16))
    windows = batch.windows
    with torch.no_grad():
        logits = model.network(windows.coordinates, windows.tokens, windows.padding)
        phi = parental_softmax(logits, windows.frame, windows.padding)
        carried = model.reconstruction(phi, batch.embedding, windows.frame, windows.padding)
        agreed = transitive_loss(phi, windows.frame, windows.padding)
        assert carried > 0
        assert agreed > 0
        torch.testing.assert_close(attrackt_loss(model, batch), carried + 0.7 * agreed)
        model.transitive_weight = 0.0
        torch.testing.assert_close(attrackt_loss(model, batch), carried)


def test_logits_are_held_in_a_range(cells, table):
    """So that no score is quite 0 or 1, at the beginning or ever."""
    batch = window_batches(BRIEF.fitted([cells]), [cells], target=False)[0]

    model = AttracktModel(Certain(-1e4), 16, 3, HIDDEN)
    phi = model.scores(batch)
    assert phi.max() > 0
    torch.testing.assert_close(float(phi.max()), np.exp(-20.0), rtol=1e-4, atol=0.0)


def test_a_network_that_links_nothing_is_told_of(cells):
    batch = next(iter(WholeWindows(BRIEF, [cells], target=False)))
    done = TrainingResult("finished", 6, 0.5, -1, float("nan"), 1.0, "cpu", ("seen",))
    (seen, note) = with_collapse_note(done, AttracktModel(Certain(-20.0), 16, 3, HIDDEN), batch).notes
    assert seen == "seen"
    assert note.startswith("the network links next to nothing (the parents of a detection get ")
    assert note.endswith("Train with another training.seed, a lower learning_rate or more warmup_steps")
    (_, equal) = with_collapse_note(done, AttracktModel(Certain(20.0), 16, 3, HIDDEN), batch).notes
    assert equal.startswith("the network gives nearly the same score to all parents of a detection: ")

    class Telling(torch.nn.Module):
        def forward(self, coordinates, tokens, padding, embeddings):
            return 5 - torch.cdist(coordinates[..., 1:], coordinates[..., 1:])

    assert with_collapse_note(done, AttracktModel(Telling(), 16, 3, HIDDEN), batch) is done


def test_every_gap_of_a_window_is_reconstructed(cells):
    model = new_model(torch.nn.Identity(), 16, BRIEF, HIDDEN)
    assert isinstance(model.reconstruction, ReconstructionLoss)
    assert model.reconstruction.max_gap_frames == BRIEF.windows.n_frames - 1


def test_vectors_go_with_their_detections(cells, table):
    other = learning_movie(fast_cells(3))
    order = np.random.default_rng(0).permutation(len(table.key))
    shuffled = NodeEmbeddings(table.key[order], table.vector[order])
    found = other.detections
    own = NodeEmbeddings(np.column_stack([found.frame, found.label]), np.ones((len(found), 16), np.float32))
    vectors = aligned_vectors([cells, other], [shuffled, own], standardise=False)
    np.testing.assert_array_equal(vectors[0].numpy(), table.vector)
    windows = window_batches(BRIEF.fitted([cells, other]), [cells, other], target=False)
    drawn = [windows[number] for number in range(BRIEF.training.steps)]
    assert {int(number) for batch in drawn for number in batch.movie} == {0, 1}
    for batch in drawn:
        got = with_embedding(batch, vectors)
        assert isinstance(got, AttracktBatch)
        assert not got.embedding[batch.padding].any()
        for place, number in enumerate(batch.movie.tolist()):
            rows = batch.rows[place][~batch.padding[place]]
            assert torch.equal(got.embedding[place][~batch.padding[place]], vectors[number][rows])


def test_standardised_over_all_movies_together(cells):
    half = len(cells.detections) // 2
    key = np.column_stack([cells.detections.frame, cells.detections.label])
    vector = np.zeros((len(key), 3), np.float32)
    vector[:, 0] = np.arange(len(key))
    vector[:half, 1] = 5.0
    bright = NodeEmbeddings(key, vector + np.array([1000, 0, 7], np.float32))
    vectors = aligned_vectors([cells, cells], [NodeEmbeddings(key, vector), bright], standardise=True)
    every = torch.cat(vectors)
    torch.testing.assert_close(every[:, :2].mean(0), torch.zeros(2), atol=1e-5, rtol=0)
    torch.testing.assert_close(every.std(0, correction=0), torch.ones(3), atol=1e-5, rtol=0)
    assert vectors[0][:, 0].mean() < -0.5
    flat = NodeEmbeddings(key, np.full_like(vector, 3.0))
    assert not aligned_vectors([cells], [flat], standardise=True)[0].any()  # a channel without spread
