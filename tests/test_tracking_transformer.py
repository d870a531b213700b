"""The tracking transformer: the public network's logits, its formulas, what must not matter."""

import math

import pytest

torch = pytest.importorskip("torch", reason="networks need the extra learn")

from network_cases import padded, public_config, small_config, small_network, unsettle, window, write_release  # noqa: E402

from embeddings.nets.errors import ModelError  # noqa: E402
from embeddings.nets.pair_geometry import pair_geometry  # noqa: E402
from embeddings.nets.relative_bias import RelativeBias  # noqa: E402
from embeddings.nets.rotary_encoding import RotaryEncoding, rotary_channels, rotate  # noqa: E402
from embeddings.nets.trackastra_checkpoint import load_trackastra  # noqa: E402

VARIANTS = [
    {
        "dimensions": dimensions,
        "positional": positional,
        "distance_term": term,
        "features": count,
        "feature_channels": c,
    }
    for dimensions in (2, 3)
    for positional in ("rope", "bias", "none")
    for term in ("v0", "v1")
    for count, c in ((0, 1), (7, 8), (5, 1))
]


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: "-".join(map(str, v.values())))
def test_equal_logits_as_the_public_network(tmp_path, variant):
    public = pytest.importorskip("trackastra.model.model", reason="the referee is the package trackastra")
    config = small_config(**variant)
    theirs = public.TrackingTransformer(**public_config(config)).eval()
    unsettle(theirs)
    write_release(tmp_path, theirs)
    ours = load_trackastra(tmp_path)
    assert ours.config == config
    coordinates, features = window(config, 40)
    with torch.no_grad():
        for padding in (None, padded(40, 31)):
            real = torch.ones(2, 40, 40, dtype=torch.bool)
            if padding is not None:
                real = ~(padding.unsqueeze(1) | padding.unsqueeze(2))
            wanted = theirs(coordinates, features, padding)[real]
            assert wanted.std() > 0.1
            torch.testing.assert_close(ours(coordinates, features, padding)[real], wanted, rtol=0, atol=1e-5)


@pytest.mark.parametrize("positional", ["rope", "bias", "none"])
def test_equal_gradients_as_the_public_network(tmp_path, positional):
    public = pytest.importorskip("trackastra.model.model", reason="the referee is the package trackastra")
    config = small_config(positional=positional, dropout=0.0)
    theirs = public.TrackingTransformer(**public_config(config))
    unsettle(theirs)
    write_release(tmp_path, theirs)
    theirs, ours = theirs.double(), load_trackastra(tmp_path).train().double()
    coordinates, features = window(config, 30)
    weight = torch.randn(2, 30, 30, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    for network in (theirs, ours):
        (network(coordinates.double(), features.double()) * weight).sum().backward()
    wanted = {name: parameter.grad for name, parameter in theirs.named_parameters()}
    assert len(wanted) > 50
    for name, parameter in ours.named_parameters():
        torch.testing.assert_close(parameter.grad, wanted.pop(name), rtol=1e-9, atol=1e-9)
    assert not wanted


@pytest.mark.parametrize("positional", ["rope", "bias", "none"])
def test_padding_does_not_matter(positional):
    network = small_network(positional=positional)
    coordinates, features = window(network.config, 20)
    padding = padded(20, 14)
    with torch.no_grad():
        logits = network(coordinates, features, padding)
        coordinates[1, 14:], features[1, 14:] = -500.0, 1e4
        other = network(coordinates, features, padding)
        alone = network(coordinates[1:, :14], features[1:, :14])[0]
    torch.testing.assert_close(other[1, :14, :14], logits[1, :14, :14], rtol=0, atol=0)
    torch.testing.assert_close(alone, logits[1, :14, :14], rtol=0, atol=1e-5)


def test_a_window_of_padding_alone_stays_finite():
    network = small_network()
    coordinates, features = window(network.config, 6)
    logits = network(coordinates, features, padded(6, 0))
    logits[0].sum().backward()
    assert logits.isfinite().all()
    assert all(parameter.grad.isfinite().all() for parameter in network.parameters() if parameter.grad is not None)


@pytest.mark.parametrize("positional", ["rope", "bias", "none"])
def test_detections_beyond_the_cutoff_do_not_matter(positional):
    network = small_network(positional=positional, cutoff_px=60)
    coordinates, features = window(network.config, 20)
    coordinates[:, :, 1:] = coordinates[:, :, 1:] / 5
    coordinates[:, 10:, 1] += 500.0
    with torch.no_grad():
        logits = network(coordinates, features)
        features[:, 10:] += 3.0
        coordinates[:, 10:, 2] += 7.0
        other = network(coordinates, features)
    torch.testing.assert_close(other[:, :10, :10], logits[:, :10, :10], rtol=0, atol=0)
    assert (other[:, 10:, 10:] - logits[:, 10:, 10:]).abs().max() > 0.01


def test_the_order_of_detections_does_not_matter():
    network = small_network()
    coordinates, features = window(network.config, 20)
    order = torch.randperm(20, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        logits = network(coordinates, features)
        other = network(coordinates[:, order], features[:, order])
    torch.testing.assert_close(other, logits[:, order][:, :, order], rtol=0, atol=1e-5)


def test_logits_are_products_of_what_embed_returns():
    network = small_network()
    coordinates, features = window(network.config, 12)
    with torch.no_grad():
        parent, child = network.embed(coordinates, features)
        logits = network(coordinates, features)
    assert parent.shape == child.shape == (2, 12, 16)
    assert logits[1, 3, 7] == pytest.approx(float(parent[1, 3] @ child[1, 7]), abs=1e-5)
    assert (logits - logits.mT).abs().max() > 0.1


def test_dropout_acts_in_training_only():
    network = small_network(dropout=0.5)
    coordinates, features = window(network.config, 12)
    with torch.no_grad():
        assert torch.equal(network(coordinates, features), network(coordinates, features))
        network.train()
        assert not torch.equal(network(coordinates, features), network(coordinates, features))


def test_mixed_precision_stays_close():
    network = small_network()
    coordinates, features = window(network.config, 12)
    with torch.no_grad():
        exact = network(coordinates, features, padded(12, 9))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            mixed = network(coordinates, features, padded(12, 9)).float()
    assert (mixed - exact)[0].abs().max() < 0.1 * exact[0].abs().max()


@pytest.mark.parametrize("term", ["v0", "v1"])
def test_pair_logits_by_the_formula(term):
    coordinates = torch.tensor([[[3.0, 0.0, 0.0], [4.0, 3.0, 4.0], [5.0, 0.0, 60.0], [5.0, 2000.25, 1000.5]]])
    padding = torch.tensor([[False, False, False, True]])
    geometry = pair_geometry(coordinates, padding, cutoff_px=60.0, distance_term=term)
    assert geometry.logit.shape == (1, 1, 4, 4)
    for i in range(3):
        for j in range(3):
            t, y, x = (coordinates[0, i] - coordinates[0, j]).tolist()
            wanted = math.exp(-math.hypot(t, y, x) / 10) if term == "v0" else math.exp(-5 * math.hypot(y, x) / 60)
            assert float(geometry.logit[0, 0, i, j]) == pytest.approx(wanted, abs=1e-6)
            assert float(geometry.delay_frames[0, i, j]) == coordinates[0, j, 0] - coordinates[0, i, 0]
    assert torch.equal(geometry.logit[0, 0, 3], torch.full((4,), -1000.0))
    assert torch.equal(geometry.logit[0, 0, :, 3], torch.full((4,), -1000.0))
    nearer = pair_geometry(coordinates, None, cutoff_px=59.9, distance_term=term)
    assert float(nearer.logit[0, 0, 0, 2]) == -1000.0


def test_distances_are_exact_far_from_the_origin():
    place = torch.rand(1, 200, 2, generator=torch.Generator().manual_seed(0)) * 10 + 4000
    coordinates = torch.cat((torch.zeros(1, 200, 1), place), dim=-1)
    exact = torch.cdist(place.double(), place.double())
    found = pair_geometry(coordinates, None, cutoff_px=256.0, distance_term="v0").distance_px
    assert (found - exact).abs().max() < 1e-5


def test_rows_of_the_relative_bias():
    table = RelativeBias(heads=2, cutoff_px=100.0, window_frames=2, bins=4)
    ends = [101 ** (k / 3) for k in range(4)]
    distance = torch.tensor([[[0.0, 1.0, 4.0, 99.0, 500.0]]])
    delay = torch.tensor([[[-2.0, -1.0, 0.0, 2.0, 9.0]]])
    wanted = [[0, 0], [1, 0], [2, 1], [4, 3], [4, 3]]
    for (late, near), value in zip(wanted, distance[0, 0].tolist(), strict=True):
        assert near == min(sum(end < value - 1e-4 for end in ends), 3), late
    rows = table.rows(distance, delay)
    assert rows.tolist() == [[[late * 4 + near for late, near in wanted]]]
    assert torch.equal(table(rows)[0, :, 0, 2], table.bias[9])


def test_rotation_sees_differences_of_place_only():
    torch.manual_seed(0)
    channels = rotary_channels(16, 2)
    assert (channels, rotary_channels(64, 2), rotary_channels(64, 3)) == ((8, 4, 4), (24, 20, 20), (16, 16, 16, 16))
    rotary = RotaryEncoding((4, 100, 100), channels)
    coordinates, _ = window(small_config(), 5)
    q, k = torch.randn(2, 2, 5, 16), torch.randn(2, 2, 5, 16)
    products = []
    for shift in (0.0, 17.0):
        cosine, sine = rotary.angles(coordinates + shift)
        products.append(rotate(q, cosine, sine) @ rotate(k, cosine, sine).mT)
    torch.testing.assert_close(products[1], products[0], rtol=0, atol=1e-3)
    assert (products[0] - q @ k.mT).abs().max() > 1


def test_rotation_of_one_pair_by_hand():
    rotary = RotaryEncoding((4,), (2,))  # one frequency, 1: a quarter turn per unit
    cosine, sine = rotary.angles(torch.tensor([[[1.0]]]))
    assert rotate(torch.tensor([[[[3.0, 5.0]]]]), cosine, sine)[0, 0, 0].tolist() == pytest.approx(
        [-5.0, 3.0], abs=1e-6
    )


@pytest.mark.parametrize(
    ("coordinates", "features", "padding", "message"),
    [
        ((1, 5, 4), (1, 5, 3), None, "the network is for 2-D movies: coordinates must be (B, N, 3), found (1, 5, 4)"),
        (
            (1, 5, 3),
            (1, 5, 7),
            None,
            "the network was made for 3 features per detection, found 7: compute the features it was trained with, or "
            "train a network for these",
        ),
        (
            (1, 5, 3),
            None,
            None,
            "the network was made for 3 features per detection, found 0: compute the features it was trained with, or "
            "train a network for these",
        ),
        ((1, 5, 3), (1, 4, 3), None, "features must be (1, 5, 3), found (1, 4, 3)"),
        ((1, 5, 3), (1, 5, 3), (1, 4), "padding must be (1, 5) of bool, found (1, 4) of torch.bool"),
        ((1, 0, 3), (1, 0, 3), None, "the window holds no detections: leave empty windows out"),
    ],
)
def test_input_that_does_not_fit(coordinates, features, padding, message):
    network = small_network()
    with pytest.raises(ModelError) as error:
        network(
            torch.zeros(coordinates),
            None if features is None else torch.zeros(features),
            None if padding is None else torch.zeros(padding, dtype=torch.bool),
        )
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dimensions": 4}, "dimensions of a tracking transformer must be 2 or 3, found 4"),
        ({"heads": 0}, "heads of a tracking transformer must be a whole number >= 1, found 0"),
        ({"d_model": "big"}, "d_model of a tracking transformer must be a whole number >= 2, found 'big'"),
        (
            {"d_model": 18},
            "d_model of a tracking transformer must be a multiple of twice the heads, found d_model 18 with 2 heads",
        ),
        ({"dropout": 1.0}, "dropout of a tracking transformer must be in [0, 1), found 1.0"),
        ({"cutoff_px": float("nan")}, "cutoff_px of a tracking transformer must be a number > 0, found nan"),
        (
            {"feature_channels": 3},
            "position_channels and feature_channels of a tracking transformer must be even (sines and cosines in "
            "pairs), found 8 and 3",
        ),
        (
            {"positional": "learnt"},
            "positional of a tracking transformer must be one of rope, bias, none, found 'learnt'",
        ),
    ],
)
def test_sizes_that_make_no_network(changes, message):
    with pytest.raises(ModelError) as error:
        small_config(**changes)
    assert str(error.value) == message
