"""Fine-tuning: a few answers raise the scores of true links and lower those of false ones."""

import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need the extra learn")

from learning_movies import (  # noqa: E402
    BRIEF,
    attrackt_model,
    candidates,
    fast_cells,
    learning_movie,
    looks,
    scores_of,
    true_links,
)

from embeddings.anchored_sampler import AnchoredSampler  # noqa: E402
from embeddings.augment import augment_level  # noqa: E402
from embeddings.known_pairs import KnownLinks, known_links_of_pins, known_pairs  # noqa: E402
from embeddings.methods.attrackt import load_reconstruction  # noqa: E402
from embeddings.methods.finetune import FinetuneSettings, Unsupervised, train_finetune  # noqa: E402
from embeddings.methods.load import load_tracking_model  # noqa: E402
from embeddings.nets.model_folder import read_model_folder  # noqa: E402
from embeddings.nets.saved_transformer import load_model  # noqa: E402
from embeddings.window_sampler import SamplerSettings  # noqa: E402
from embeddings.windows import WindowSettings  # noqa: E402
from tracker.errors import ConfigError, InputError  # noqa: E402
from tracker.pin_checks import resolve_pins  # noqa: E402
from tracker.pins import PinRow, pin_table  # noqa: E402

TUNE = replace(
    BRIEF,
    augmentation=replace(augment_level(1), shift_px=20.0),
    training=replace(BRIEF.training, steps=40, learning_rate=5e-3, warmup_steps=0, report_steps=10),
)
SHORT = replace(TUNE, training=replace(TUNE.training, steps=4, report_steps=2))
LOW = FinetuneSettings(rank=4, alpha=4.0, dropout=0.0)
NOTHING = np.zeros(0, np.int64)
NONE = KnownLinks(NOTHING, NOTHING.reshape(0, 2), NOTHING.reshape(0, 2), NOTHING.reshape(0, 2))


@pytest.fixture(scope="module")
def cells():
    return learning_movie(fast_cells())


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """A model to begin with, and its folder."""
    folder = attrackt_model(tmp_path_factory)
    return load_tracking_model(folder, "start"), folder


def answers(cells, rows) -> KnownLinks:
    """A person has said truly what the children of these detections are."""
    found, parent = cells.detections, fast_cells().parent
    families = [[row, *np.flatnonzero(parent == row).tolist()] for row in rows]
    keys = [tuple((int(found.frame[row]), int(found.label[row])) for row in family) for family in families]
    pins = pin_table([PinRow("children", key, True) for key in keys])
    return known_links_of_pins(resolve_pins(pins, found))


@pytest.fixture(scope="module")
def worst(cells, start):
    """The detections whose true links out lose most clearly against a false one."""
    graph, score = candidates(cells), scores_of(start[0].network, cells)
    true = true_links(fast_cells(), graph)
    best_false = np.zeros(len(cells.detections))
    np.maximum.at(best_false, graph.links[~true, 0], score[~true])
    parent = graph.links[true, 0]
    order = np.argsort(score[true] - best_false[parent], kind="stable")
    return np.unique(parent[order[:15]]).astype(np.int64)


def tuned(cells, start, known, folder, *, believed=NONE, recipe=TUNE, settings=LOW, **options):
    return train_finetune(
        [cells], [known], [believed], folder, start=start[0], recipe=replace(recipe, network=start[0].network.config),
        settings=settings, **options,
    )  # fmt: skip


def weights(folder):
    return load_model(folder)[0].state_dict()


def same(one, other) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


# ---- what it is for


def test_answers_raise_true_links_and_lower_false_ones(cells, start, worst, tmp_path):
    long = replace(TUNE, training=replace(TUNE.training, steps=250, learning_rate=5e-3))
    tuned(cells, start, answers(cells, worst), tmp_path, recipe=long, settings=replace(LOW, rank=8, alpha=8.0))
    after = load_tracking_model(tmp_path, "tuned")
    assert (after.method, after.logit_clamp) == ("finetune", 20.0)
    graph = candidates(cells)
    true, asked = true_links(fast_cells(), graph), np.isin(graph.links[:, 0], worst)
    old, new = scores_of(start[0].network, cells), scores_of(after.network, cells)
    assert old[asked & true].mean() < 0.3
    assert new[asked & true].mean() > 0.6
    share = [score[asked & true].sum() / score[asked].sum() for score in (old, new)]
    assert share[1] > share[0] + 0.25
    # What was not asked has not been forgotten.
    assert new[~asked & true].mean() > old[~asked & true].mean()
    assert new[~asked & ~true].mean() < old[~asked & ~true].mean()


def test_links_known_to_be_none_are_lowered(cells, start, tmp_path):
    graph, made = candidates(cells), fast_cells()
    score = scores_of(start[0].network, cells)
    false = np.flatnonzero(~true_links(made, graph))
    wrong = np.sort(false[np.argsort(-score[false], kind="stable")[:10]])
    refused = np.unique(graph.links[wrong].astype(np.int64), axis=0)
    tuned(cells, start, replace(NONE, refused=refused), tmp_path)
    new = scores_of(load_tracking_model(tmp_path, "tuned").network, cells)
    assert (new[wrong] < score[wrong]).mean() > 0.8
    assert new[wrong].mean() < 0.7 * score[wrong].mean()


def test_only_low_rank_changes_of_the_attention(cells, start, worst, tmp_path):
    before = {name: value.clone() for name, value in start[0].network.state_dict().items()}
    tuned(cells, start, answers(cells, worst), tmp_path, recipe=SHORT)
    changed = []
    for name, value in weights(tmp_path).items():
        difference = value - before[name]
        if difference.any():
            changed.append(name)
            assert torch.linalg.matrix_rank(difference, atol=1e-6) <= 4
    attention = [f"{part}.0.attn.{one}.weight" for part in ("encoder", "decoder")
                 for one in ("q_pro", "k_pro", "v_pro", "proj")]  # fmt: skip
    assert sorted(changed) == sorted(attention)
    assert same(start[0].network.state_dict(), before)  # the model that was given is as it was


def test_pseudo_labels_and_losses_without_labels_are_learnt_with(cells, start, worst, tmp_path_factory, tmp_path):
    known, folder = answers(cells, worst), start[1]
    believed = answers(cells, np.setdiff1d(np.arange(30), worst))

    def unsupervised():
        return Unsupervised(load_reconstruction(folder), [looks(tmp_path_factory)])

    runs = {
        "answers": {},
        "believed": {"believed": believed},
        "unsupervised": {"unsupervised": unsupervised()},
        "both": {"believed": believed, "unsupervised": unsupervised()},
    }
    for name, options in runs.items():
        tuned(cells, start, known, tmp_path / name, recipe=SHORT, **options)
    found = [weights(tmp_path / name) for name in runs]
    assert not any(same(one, other) for place, one in enumerate(found) for other in found[:place])
    about = json.loads((tmp_path / "both" / "model.json").read_text())["provenance"]
    assert about["start"] == {"digest": start[0].digest, "method": "attrackt"}
    assert (about["annotated_detections"], about["believed_detections"]) == (len(worst), len(believed.anchors))
    assert about["unsupervised"] is True
    # m_E and m_D go on learning, and are there for the next round.
    kept, new = load_reconstruction(folder).state_dict(), load_reconstruction(tmp_path / "both").state_dict()
    assert not same(kept, new)
    assert not (tmp_path / "answers" / "reconstruction").exists()


def test_a_tuned_model_is_tuned_again(cells, start, worst, tmp_path):
    tuned(cells, start, answers(cells, worst), tmp_path / "one", recipe=SHORT)
    again = load_tracking_model(tmp_path / "one", "one"), tmp_path / "one"
    tuned(cells, again, answers(cells, worst[:3]), tmp_path / "two", recipe=SHORT)
    stored = read_model_folder(tmp_path / "two", "tracking_transformer")
    assert stored.provenance["start"] == {"digest": again[0].digest, "method": "finetune"}
    assert set(stored.weights) == set(start[0].network.state_dict())


def test_an_interrupted_training_goes_on_bit_for_bit(cells, start, worst, tmp_path):
    def press(shown):
        if shown.step == 2:
            raise KeyboardInterrupt

    known, dropping = answers(cells, worst), replace(LOW, dropout=0.3)
    tuned(cells, start, known, tmp_path / "whole", recipe=SHORT, settings=dropping)
    first = tuned(cells, start, known, tmp_path / "parts", recipe=SHORT, settings=dropping, watch=press)
    assert (first.stopped, first.steps) == ("interrupted", 2)
    assert len(weights(tmp_path / "parts")) == len(start[0].network.state_dict())
    tuned(cells, start, known, tmp_path / "parts", recipe=SHORT, settings=dropping, resume=True)
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "parts"))


def test_nothing_annotated(cells, start, tmp_path):
    believed = answers(cells, [0, 1])
    with pytest.raises(ConfigError) as error:
        tuned(cells, start, NONE, tmp_path, believed=believed)
    assert str(error.value) == (
        "fine-tuning needs annotations: no certain answer about links, divisions or children in the pins. Answer some "
        "of what `track suggest` asks"
    )
    assert not list(tmp_path.iterdir())


# ---- windows around what is annotated


def sampler(cells, anchors, *, crop_px=None, max_tokens=None, n_frames=4, **settings):
    windows = WindowSettings(n_frames, crop_px, max_tokens)
    return AnchoredSampler([cells.tokens], [np.array(anchors)], windows, SamplerSettings(batch_size=4, **settings))


@pytest.mark.parametrize("limits", [{}, {"crop_px": 40}, {"max_tokens": 12}, {"crop_px": 60, "max_tokens": 5}])
def test_every_window_holds_its_anchor(cells, limits):
    """Also those at the beginning and end of the movie, in crops, and where only a few detections may stay."""
    step = cells.detections.step
    anchors = [0, 7, int(np.flatnonzero(step == 5)[2]), len(step) - 1]
    drawn = sampler(cells, anchors, **limits)
    seen = dict.fromkeys(anchors, 0)
    for index in range(25):
        for window in drawn.batch(index):
            held = [row for row in anchors if row in window.rows]
            assert held
            if limits.get("max_tokens"):
                assert len(window) <= limits["max_tokens"]
            for row in held:
                seen[row] += 1
    assert min(seen.values()) > 10


def test_the_children_of_an_anchor_can_show(cells):
    """In every window, not by chance: its frame is never the last, but in the last frame of the movie."""
    starts = {}
    for step in (0, 1, 5, 10, 11):
        drawn = sampler(cells, [int(cells.detections.starts[step])])
        starts[step] = {window.start for index in range(12) for window in drawn.batch(index)}
    assert starts == {0: {0}, 1: {0, 1}, 5: {3, 4, 5}, 10: {8}, 11: {8}}
    short = sampler(cells, [int(cells.detections.starts[3])], n_frames=12)
    assert {window.start for window in short.batch(0)} == {0}
    pair = sampler(cells, [int(cells.detections.starts[3])], n_frames=2)
    assert {window.start for index in range(5) for window in pair.batch(index)} == {3}


def test_something_is_known_of_most_windows(cells, worst):
    known = answers(cells, worst)
    drawn = sampler(cells, known.anchors, crop_px=80)
    told = []
    for index in range(10):
        for window in drawn.batch(index):
            mask, target = known_pairs(known, window.rows, cells.tokens.step_of(window.rows))
            told.append((mask.any(), target.any()))
    assert np.mean(told, axis=0).min() > 0.8


def test_windows_are_those_of_the_seed_and_need_no_truth(cells):
    """Whatever the settings favour: an anchor is all that counts."""
    one = [sampler(cells, [3, 50]).batch(3), sampler(cells, [3, 50], favour="divisions").batch(3)]
    for mine, other in zip(*one, strict=True):
        np.testing.assert_array_equal(mine.rows, other.rows)


def test_anchors_of_several_movies(cells):
    other = learning_movie(fast_cells(3))
    drawn = AnchoredSampler([cells.tokens, other.tokens], [NOTHING, np.array([9])], WindowSettings(4, None, None))
    assert {window.movie for window in drawn.batch(0)} == {1}
    with pytest.raises(InputError) as error:
        AnchoredSampler([cells.tokens, other.tokens], [NOTHING, NOTHING], WindowSettings(4, None, None))
    assert str(error.value) == "there is no detection to draw windows around; annotate some"
