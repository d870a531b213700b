"""Training with embeddings: it learns of them what shapes and places do not tell, and a model remembers which."""

import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need the extra learn")

from fusion_cases import CHANNELS, discs, found_again, plain  # noqa: E402
from learning_movies import BRIEF, RECIPE  # noqa: E402

from embeddings.known_pairs import KnownLinks  # noqa: E402
from embeddings.methods.attrackt import AttracktSettings, train_attrackt  # noqa: E402
from embeddings.methods.finetune import FinetuneSettings, train_finetune  # noqa: E402
from embeddings.methods.load import load_tracking_model  # noqa: E402
from embeddings.methods.trackastra import train_trackastra  # noqa: E402
from embeddings.methods.tracking import WholeWindows, network_to_train, window_batches  # noqa: E402
from embeddings.nets.errors import ModelError  # noqa: E402
from embeddings.nets.saved_transformer import load_model  # noqa: E402
from embeddings.training.errors import TrainingError  # noqa: E402
from tracker.errors import InputError  # noqa: E402

LEARN = replace(RECIPE, training=replace(RECIPE.training, steps=200, warmup_steps=20))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The folder of a network that has learnt to tell the discs apart."""
    folder = tmp_path_factory.mktemp("fused")
    train_trackastra([discs(0)], folder, recipe=LEARN)
    return folder


def weights(folder):
    return load_model(folder)[0].state_dict()


def test_it_finds_cells_again_that_only_their_embeddings_tell_apart(model, tmp_path):
    """On a movie that it has not seen, after as many steps as leave the network without embeddings guessing."""
    train_trackastra([plain(discs(0))], tmp_path, recipe=LEARN)
    assert found_again(load_model(model)[0], discs(1)) > 0.7
    assert found_again(load_model(tmp_path)[0], plain(discs(1))) < 0.3


def test_the_unit_of_the_embeddings_does_not_matter(model, tmp_path):
    train_trackastra([discs(0, unit=1e-3)], tmp_path, recipe=LEARN)
    network = load_model(tmp_path)[0]
    assert found_again(network, discs(1, unit=1e-3)) > 0.7
    vectors = discs(0).fused.vector.astype(np.float64)
    np.testing.assert_allclose(weights(model)["fusion.mean"], vectors.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(weights(model)["fusion.std"], vectors.std(axis=0), rtol=1e-5)
    np.testing.assert_allclose(weights(tmp_path)["fusion.std"], 1e-3 * vectors.std(axis=0), rtol=1e-4)


def test_what_the_folder_says(model, tmp_path):
    stored = json.loads((model / "model.json").read_text())
    assert stored["config"]["embedding_channels"] == CHANNELS
    assert stored["provenance"]["fuse"] == {"method": "codes", "channels": CHANNELS, "made_with": None}
    movie = discs(0)
    known = replace(movie, fused=replace(movie.fused, provenance={"made_with": {"model": "0123"}}))
    train_trackastra([known], tmp_path / "known", recipe=BRIEF)
    train_trackastra([plain(movie)], tmp_path / "plain", recipe=BRIEF)
    about = json.loads((tmp_path / "known" / "model.json").read_text())["provenance"]
    assert about["fuse"]["made_with"] == {"model": "0123"}
    stored = json.loads((tmp_path / "plain" / "model.json").read_text())
    assert "embedding_channels" not in stored["config"]
    assert "fuse" not in stored["provenance"]


def test_every_batch_and_whole_window_carries_them():
    movies = [discs(0), discs(1)]
    recipe = replace(BRIEF, windows=replace(BRIEF.windows, max_tokens=25)).fitted(movies)
    assert recipe.network.embedding_channels == CHANNELS
    for batch in (window_batches(recipe, movies, target=True)[3], *WholeWindows(recipe, movies, target=False)):
        for place, number in enumerate(batch.movie.tolist()):
            rows = batch.rows[place][~batch.padding[place]].numpy()
            found = batch.embeddings[place][~batch.padding[place]].numpy()
            np.testing.assert_array_equal(found, movies[number].fused.vector[rows])


def test_a_training_goes_on_with_the_same_embeddings_only(tmp_path):
    def press(shown):
        if shown.step == 2:
            raise KeyboardInterrupt

    train_trackastra([discs(0)], tmp_path / "whole", recipe=BRIEF)
    train_trackastra([discs(0)], tmp_path / "parts", recipe=BRIEF, watch=press)
    other = replace(discs(0), fused=replace(discs(0).fused, vector=discs(0).fused.vector + 1))
    with pytest.raises(TrainingError, match="cannot be resumed: embeddings of movie 1 was '"):
        train_trackastra([other], tmp_path / "parts", recipe=BRIEF, resume=True)
    train_trackastra([discs(0)], tmp_path / "parts", recipe=BRIEF, resume=True)
    whole, parts = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert all(torch.equal(parts[name], value) for name, value in whole.items())


# ---- from a network that has learnt already


def test_a_network_without_embeddings_begins_as_it_is(tmp_path):
    train_trackastra([plain(discs(0))], tmp_path, recipe=BRIEF)
    start = load_tracking_model(tmp_path, "start").network
    network = network_to_train(BRIEF.fitted([discs(0)]), [discs(0)], start)
    assert (network.fusion.project.weight == 0).all()
    assert (network.fusion.std != 1).all()
    batch = window_batches(BRIEF.fitted([discs(0)]), [discs(0)], target=False)[0]
    given = batch.coordinates, batch.tokens, batch.padding
    with torch.no_grad():
        assert torch.equal(network.eval()(*given, batch.embeddings), start(*given))
    train_trackastra([discs(0)], tmp_path / "on", recipe=BRIEF, start=start)
    assert (weights(tmp_path / "on")["fusion.project.weight"] != 0).any()


def test_a_network_with_embeddings_keeps_how_they_were_standardised(model, tmp_path):
    start = load_tracking_model(model, "start").network
    train_trackastra([discs(3, unit=2.0)], tmp_path, recipe=BRIEF, start=start)
    before, after = start.state_dict(), weights(tmp_path)
    assert torch.equal(after["fusion.mean"], before["fusion.mean"])
    assert torch.equal(after["fusion.std"], before["fusion.std"])
    assert not torch.equal(after["fusion.project.weight"], before["fusion.project.weight"])
    for movie, found in ((plain(discs(0)), 0), (discs(0, channels=3), 3)):
        with pytest.raises(ModelError) as error:
            train_trackastra([movie], tmp_path / "other", recipe=BRIEF, start=start)
        assert str(error.value) == (
            f"the model to begin with does not fit the movies and settings: embedding_channels 8 instead of {found}"
        )


def test_attrackt_sees_them_too(tmp_path):
    movie = discs(0)
    train_attrackt([movie], [movie.fused], tmp_path, recipe=BRIEF, settings=AttracktSettings(hidden=8))
    learnt = load_tracking_model(tmp_path, "learnt")
    assert learnt.network.config.embedding_channels == CHANNELS
    assert learnt.provenance["fuse"] == {"method": "codes", "channels": CHANNELS, "made_with": None}


def test_fine_tuning_leaves_what_is_made_of_them(model, tmp_path):
    movie, start = discs(3), load_tracking_model(model, "start")
    rows = np.arange(10)
    children = np.column_stack([rows + 10, np.full(10, -1)])
    nobody = np.zeros((0, 2), np.int64)
    known = KnownLinks(rows, children, np.column_stack([rows, rows + 10]), nobody)
    none = KnownLinks(rows[:0], nobody, nobody, nobody)
    train_finetune(
        [movie], [known], [none], tmp_path, start=start, recipe=replace(BRIEF, network=start.network.config),
        settings=FinetuneSettings(rank=2, alpha=2.0),
    )  # fmt: skip
    assert json.loads((tmp_path / "model.json").read_text())["provenance"]["fuse"] == start.provenance["fuse"]
    before, after = start.network.state_dict(), weights(tmp_path)
    changed = {name for name, value in after.items() if not torch.equal(value, before[name])}
    assert changed
    assert not {name for name in changed if "fusion" in name}


def test_a_movie_without_vectors_among_others(tmp_path):
    with pytest.raises(InputError) as error:
        train_trackastra([discs(0), plain(discs(1))], tmp_path, recipe=BRIEF)
    assert str(error.value) == (
        "movies that are learnt together need embeddings of one length, or all none; found none in discs 1, 8 in discs "
        "0; embed them by the same model"
    )
