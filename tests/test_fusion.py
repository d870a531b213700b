"""Embeddings added to the features of the tracking transformer: the formula, inference with it, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need the extra learn")

from inference_cases import all_links, moderate, slow_scores  # noqa: E402
from network_cases import small_config, small_network, window  # noqa: E402
from window_cases import field  # noqa: E402

from embeddings.aligned import aligned  # noqa: E402
from embeddings.inference import ScoreSettings, link_scores  # noqa: E402
from embeddings.nets.errors import ModelError  # noqa: E402
from embeddings.nets.fusion import Fusion  # noqa: E402
from embeddings.nets.saved_transformer import load_model, save_model  # noqa: E402
from embeddings.nets.tracking_transformer import TrackingTransformer  # noqa: E402
from embeddings.nets.transformer_config import TransformerConfig  # noqa: E402
from embeddings.table import NodeEmbeddings  # noqa: E402
from embeddings.window_sampler import WindowSampler  # noqa: E402
from embeddings.windows import WindowSettings  # noqa: E402
from tracker.detections import Detections  # noqa: E402
from tracker.errors import InputError  # noqa: E402


def embeddings(count: int, channels: int = 5) -> torch.Tensor:
    """Of two windows."""
    return torch.randn(2, count, channels, generator=torch.Generator().manual_seed(7)) * 3 + 2


def seeded(**changes) -> TrackingTransformer:
    """As `torch.manual_seed(0)` makes it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return TrackingTransformer(small_config(**changes)).eval()


def looking(movie, channels: int = 5):
    """A movie of tokens with embeddings."""
    vector = np.random.default_rng(3).normal(size=(len(movie), channels))
    return replace(movie, embeddings=(4 * vector).astype(np.float32))


# ---- the formula


def test_no_channels_change_nothing():
    """Neither the weights that a seed gives, nor what is stored, nor the logits."""
    without, fused = seeded(), seeded(embedding_channels=5)
    assert without.fusion is None
    assert "embedding_channels" not in without.config.as_mapping()
    assert fused.config.as_mapping() == {**without.config.as_mapping(), "embedding_channels": 5}
    more = {"fusion.project.weight", "fusion.project.bias", "fusion.mean", "fusion.std"}
    assert set(fused.state_dict()) == set(without.state_dict()) | more
    for name, value in without.state_dict().items():
        assert torch.equal(fused.state_dict()[name], value)
    fused.fusion.silence()
    coordinates, features = window(without.config, 12)
    with torch.no_grad():
        assert torch.equal(fused(coordinates, features, embeddings=embeddings(12)), without(coordinates, features))


def test_the_projected_embedding_is_added_to_the_features():
    fused = small_network(embedding_channels=5)
    fused.fusion.mean.copy_(torch.arange(5.0))
    fused.fusion.std.copy_(torch.tensor([1.0, 2, 4, 0.5, 1]))
    without = TrackingTransformer(small_config()).eval()
    without.load_state_dict({name: value for name, value in fused.state_dict().items() if "fusion" not in name})
    (coordinates, features), looks = window(fused.config, 12), embeddings(12)
    weight, bias = fused.fusion.project.weight, fused.fusion.project.bias
    shift = torch.einsum("fc,bnc->bnf", weight, (looks - fused.fusion.mean) / fused.fusion.std) + bias
    assert shift.abs().max() > 0.3
    with torch.no_grad():
        found = fused(coordinates, features, embeddings=looks)
        torch.testing.assert_close(found, without(coordinates, features + shift), rtol=0, atol=1e-5)
        assert (found - without(coordinates, features)).abs().max() > 0.05


def test_the_gradient_reaches_the_projection():
    for silent in (False, True):
        fused = seeded(embedding_channels=5)
        if silent:
            fused.fusion.silence()
        coordinates, features = window(fused.config, 12)
        fused.train()(coordinates, features, embeddings=embeddings(12)).square().mean().backward()
        assert (fused.fusion.project.weight.grad.abs() > 0).all()
        assert (fused.fusion.project.bias.grad.abs() > 0).all()


def test_channels_are_standardised_and_constant_ones_left_alone():
    fusion, rng = Fusion(3, 7), np.random.default_rng(0)
    vector = np.column_stack([rng.normal(50, 4, 1000), rng.normal(-1e-3, 1e-5, 1000), np.full(1000, 1234.567)])
    fusion.standardise(vector.astype(np.float32))
    scaled = (torch.from_numpy(vector.astype(np.float32)) - fusion.mean) / fusion.std
    torch.testing.assert_close(scaled.mean(dim=0), torch.zeros(3), rtol=0, atol=1e-3)
    torch.testing.assert_close(scaled.std(dim=0), torch.tensor([1.0, 1.0, 0.0]), rtol=0, atol=1e-3)


def test_half_precision_leaves_the_sum_whole():
    fusion = Fusion(5, 3)
    features, looks = torch.full((1, 4, 3), 300.0), torch.randn(1, 4, 5, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        wanted = fusion(features, looks)
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(fusion(features, looks), wanted)


# ---- inference


@pytest.mark.parametrize("variants", [1, 8])
def test_scores_are_those_of_the_definition(variants):
    """In batches of windows; all variants see the embeddings as they are."""
    movie = looking(moderate(field(n_frames=7, per_frame=10, shape=(300, 200))))
    network, links = small_network(features=7, embedding_channels=5), all_links(movie, (1, 2))
    settings = ScoreSettings(variants=variants)
    found = link_scores(network, movie, links, settings)
    wanted = slow_scores(network, movie, links, network.config.window_frames, variants=variants)
    assert wanted.std() > 0.02
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5)
    other = replace(movie, embeddings=movie.embeddings[::-1].copy())
    assert np.abs(link_scores(network, other, links, settings) - found).max() > 0.003


def test_a_wide_field_goes_tile_by_tile_all_the_same(monkeypatch):
    movie = looking(moderate(field(n_frames=6, per_frame=260, shape=(1500, 1200))))
    network, links = small_network(features=7, embedding_channels=5, cutoff_px=60), all_links(movie, (1, 2))
    tiled = link_scores(network, movie, links)
    monkeypatch.setattr("embeddings.nets.tiled_geometry.LEAST_TOKENS", 10**9)
    dense = link_scores(network, movie, links)
    assert tiled.max() > 0.1
    np.testing.assert_allclose(tiled, dense, rtol=0, atol=2e-5)


def test_a_network_goes_through_a_folder(tmp_path):
    network = small_network(embedding_channels=5)
    network.fusion.standardise(embeddings(40)[0].numpy())
    save_model(network, tmp_path, {})
    loaded, _ = load_model(tmp_path)
    assert loaded.config == network.config
    (coordinates, features), looks = window(network.config, 12), embeddings(12)
    with torch.no_grad():
        assert torch.equal(
            loaded(coordinates, features, embeddings=looks), network(coordinates, features, embeddings=looks)
        )


# ---- what is refused


@pytest.mark.parametrize(
    ("channels", "given", "message"),
    [
        (
            5, None, "the network was made for embeddings of 5 channels, found none: give those that it was trained "
            "with, or train a network for these",
        ),
        (
            0, (2, 12, 4), "the network was made for embeddings of no channels, found 4: give those that it was "
            "trained with, or train a network for these",
        ),
        (5, (2, 11, 5), "embeddings must be (2, 12, 5), found (2, 11, 5)"),
    ],
)  # fmt: skip
def test_embeddings_of_another_shape(channels, given, message):
    network = small_network(embedding_channels=channels)
    coordinates, features = window(network.config, 12)
    with pytest.raises(ModelError) as error:
        network(coordinates, features, embeddings=None if given is None else torch.zeros(given))
    assert str(error.value) == message


def test_movies_that_the_network_was_not_made_for():
    movie = moderate(field(n_frames=6, per_frame=5))
    links = np.array([[0, 5]])
    with pytest.raises(ModelError) as error:
        link_scores(small_network(features=7, embedding_channels=5), movie, links)
    assert str(error.value) == (
        "the network was made for embeddings of 5 channels, the movie has none: give those of the method it was "
        "trained with"
    )
    with pytest.raises(ModelError) as error:
        link_scores(small_network(features=7), looking(movie), links)
    assert str(error.value) == (
        "the network was made for embeddings of no channels, the movie has 5: give those of the method it was trained "
        "with"
    )


def test_sizes_that_make_no_network():
    with pytest.raises(ModelError) as error:
        TransformerConfig(features=0, embedding_channels=5)
    assert str(error.value) == (
        "a tracking transformer adds embeddings to the shape features of detections, and this one has none: learn from "
        "masks (data.segmentation) instead of points, or without embeddings"
    )
    with pytest.raises(ModelError) as error:
        TransformerConfig(embedding_channels=-1)
    assert str(error.value) == "embedding_channels of a tracking transformer must be a whole number >= 0, found -1"


def test_movies_with_embeddings_and_without_are_not_learnt_together():
    movie = field()
    for others, text in ((movie, "none in cells"), (looking(movie, 4), "4 in cells")):
        with pytest.raises(InputError) as error:
            WindowSampler([looking(movie), others], WindowSettings(4))
        assert str(error.value) == (
            "movies that are learnt together need embeddings of one length, or all none; found "
            f"{text}, 5 in cells; embed them by the same model"
        )


def test_vectors_are_brought_into_the_order_of_the_detections():
    found = Detections(
        frame=np.array([0, 0, 2]), label=np.array([4, 7, 4]), position=np.zeros((3, 2)), frames=np.arange(3),
        scale=np.ones(2), image_shape=(9, 9),
    )  # fmt: skip
    table = NodeEmbeddings(
        np.array([[2, 4], [9, 9], [0, 7], [0, 4]]), np.array([[1.0], [2], [3], [4]], np.float32), "codes"
    )
    assert aligned(found, table, "it").tolist() == [[4.0], [3.0], [1.0]]
    bad = replace(table, vector=np.array([[np.nan], [2], [3], [4]], np.float32))
    for wrong in (bad, NodeEmbeddings(table.key[1:], table.vector[1:])):
        with pytest.raises(InputError) as error:
            aligned(found, wrong, "it")
        assert str(error.value) == (
            "every detection of it needs a finite vector; none for frame:label 2:4. Embed this movie again"
        )
