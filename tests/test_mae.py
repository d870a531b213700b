"""The masked auto-encoder: its positions, what it hides, its loss, each against slow loops."""

import math
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need the extra learn")

from mae_cases import SMALL, noise  # noqa: E402

from embeddings.nets.errors import ModelError  # noqa: E402
from embeddings.nets.mae import (  # noqa: E402
    draw_kept,
    masked_pixel_error,
    patchify,
    seeded_mae,
    sincos_positions,
)
from embeddings.nets.mae_config import MaeConfig  # noqa: E402

SIZE = SMALL.image_px


@pytest.fixture(scope="module")
def network():
    return seeded_mae(SMALL, 0).eval()


@pytest.fixture
def batch():
    kept = draw_kept(np.random.default_rng(3), 2, SMALL)
    return torch.from_numpy(noise(2, 1, SIZE, SIZE)), torch.from_numpy(kept)


def test_the_published_sizes():
    config = MaeConfig()
    assert (config.grid, config.tokens, config.kept_tokens) == (16, 256, 128)
    network = seeded_mae(config, 0)
    count = {name: sum(part.numel() for part in getattr(network, name).parameters()) for name in ("encoder", "decoder")}

    def block(width: int) -> int:  # qkv, out, two layers of the MLP, two norms
        return (
            3 * width * (width + 1)
            + width * (width + 1)
            + 2 * width * (width + 1)
            + width * (2 * width + 1)
            + 4 * width
        )

    assert count == {"encoder": 14 * block(192), "decoder": 7 * block(128)}
    assert (network.encoder[0].heads, network.decoder[0].heads) == (1, 8)


def test_shapes_and_gradients(network, batch):
    images, kept = batch
    network.zero_grad()
    assert network.encode(images).shape == (2, 64, 16)
    assert network(images, kept).shape == (2, 64, 9)
    masked_pixel_error(network, batch).backward()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in network.parameters())


def test_positions_are_their_formula():
    grid, channels = 3, 8
    found = sincos_positions(grid, channels)
    for row in range(grid):
        for column in range(grid):
            slow = [
                wave(place * 10_000 ** (-k / 2))
                for place in (row, column)
                for wave in (math.sin, math.cos)
                for k in (0, 1)
            ]
            np.testing.assert_allclose(found[row * grid + column].numpy(), slow, atol=1e-6)


def test_only_the_encoder_has_weak_positions(network):
    torch.testing.assert_close(network.patch_position, 0.08 * sincos_positions(8, 16))
    torch.testing.assert_close(network.decoder_position, sincos_positions(8, 16))


def test_patches_are_cut_row_by_row():
    image = noise(2, 1, 6, 6)
    found = patchify(torch.from_numpy(image), 3).numpy()
    slow = [[one[0, y : y + 3, x : x + 3].ravel() for y in (0, 3) for x in (0, 3)] for one in image]
    np.testing.assert_array_equal(found, slow)


def test_what_is_hidden_is_never_seen(network, batch):
    images, kept = batch
    hidden = torch.ones(2, 64, dtype=torch.bool).scatter(1, kept, False)
    row, column = divmod(int(torch.nonzero(hidden[0])[0]), 8)
    changed = images.clone()
    changed[0, 0, row * 3 : row * 3 + 3, column * 3 : column * 3 + 3] += 1
    with torch.no_grad():
        torch.testing.assert_close(network(changed, kept), network(images, kept), rtol=0, atol=0)
        assert not torch.allclose(network.encode(changed)[0], network.encode(images)[0], atol=1e-3)


def test_what_is_shown_counts_at_its_own_place(network, batch):
    """The order of the kept tokens does not matter, which ones does."""
    images, kept = batch
    with torch.no_grad():
        torch.testing.assert_close(network(images, kept.flip(1)), network(images, kept), rtol=0, atol=1e-5)
        for token in kept[0, :3].tolist():
            row, column = divmod(token, 8)
            changed = images.clone()
            changed[0, 0, row * 3 : row * 3 + 3, column * 3 : column * 3 + 3] += 1
            difference = (network(changed, kept) - network(images, kept)).abs().sum(dim=2)
            assert difference[0].argmax() == token
            assert difference[1].sum() == 0


def test_all_kept_and_encode_are_the_same_encoder(network, batch):
    images, _ = batch
    every = torch.arange(64).expand(2, -1)
    with torch.no_grad():
        shown = network._tokens(images).gather(1, every.unsqueeze(-1).expand(-1, -1, 16))
        torch.testing.assert_close(network._encode(shown)[:, 1:], network.encode(images))
        assert masked_pixel_error(network, (images, every)).item() == 0


def test_the_loss_is_over_masked_patches_only(network, batch):
    images, kept = batch
    with torch.no_grad():
        guess = network(images, kept).numpy()
        loss = masked_pixel_error(network, batch).item()
    errors = []
    for one in range(2):
        for token in set(range(64)) - set(kept[one].tolist()):
            row, column = divmod(token, 8)
            for y in range(3):
                for x in range(3):
                    pixel = images[one, 0, row * 3 + y, column * 3 + x].item()
                    errors.append((guess[one, token, y * 3 + x] - pixel) ** 2)
    assert len(errors) == 2 * 32 * 9
    assert loss == pytest.approx(sum(errors) / len(errors), rel=1e-5)


def test_it_learns_to_continue_waves():
    """What is hidden of a wave follows from what is shown; the best constant has the variance as its error."""
    config = replace(SMALL, image_px=12, width=32, decoder_width=32)
    network = seeded_mae(config, 0)
    optimiser = torch.optim.AdamW(network.parameters(), lr=5e-3)
    rng, place = np.random.default_rng(0), np.arange(12)
    errors, variances = [], []
    for step in range(200):
        angle, phase = rng.uniform(0, 2 * np.pi, (2, 16, 1, 1))
        along = 0.3 * (np.cos(angle) * place[:, None] + np.sin(angle) * place)
        images = torch.from_numpy(0.5 + 0.5 * np.sin(along + phase)).float().unsqueeze(1)
        for group in optimiser.param_groups:
            group["lr"] = 5e-3 * min(1, (step + 1) / 50)
        loss = masked_pixel_error(network, (images, torch.from_numpy(draw_kept(rng, 16, config))))
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        errors.append(loss.item())
        variances.append(images.var().item())
    assert np.mean(errors[-50:]) < 0.5 * np.mean(variances[-50:])


def test_kept_tokens_are_distinct_and_random():
    config = replace(SMALL, mask_share=0.25)
    kept = draw_kept(np.random.default_rng(0), 500, config)
    assert kept.shape == (500, 48)
    assert (np.diff(kept, axis=1) > 0).all()
    share = np.bincount(kept.ravel(), minlength=64) / 500
    assert share.min() > 0.65
    assert share.max() < 0.85


def test_weights_depend_on_the_seed_alone():
    before = torch.get_rng_state()
    one, same, other = (seeded_mae(SMALL, seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["embed.weight"], other["embed.weight"])
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"patch_px": 4}, "patch_px must be odd and positive; found 4"),
        ({"image_px": 82}, "image_px must be a multiple of patch_px = 5, at least twice it; found 82"),
        ({"image_px": 5}, "image_px must be a multiple of patch_px = 5, at least twice it; found 5"),
        (
            {"central_tokens": 3},
            "central_tokens must lie in the middle of 16 tokens: at least 1, as many left over on both sides; found 3",
        ),
        ({"width": 190}, "width must be a positive multiple of 4; found 190"),
        ({"heads": 5}, "heads must divide width = 192; found 5"),
        ({"position_weight": math.nan}, "position_weight must be at least 0 and finite; found nan"),
        ({"mask_share": 1.0}, "mask_share must hide some of 256 patches and leave some; found 1.0"),
        ({"mask_share": 0.001}, "mask_share must hide some of 256 patches and leave some; found 0.001"),
        ({"decoder_heads": 3}, "decoder_heads must divide decoder_width = 128; found 3"),
    ],
)
def test_sizes_are_checked(changes, message):
    with pytest.raises(ModelError) as error:
        MaeConfig(**changes)
    assert str(error.value) == f"masked auto-encoder: {message}"


def test_sizes_are_read_back():
    assert MaeConfig.from_mapping(SMALL.as_mapping(), "model.json") == SMALL
    with pytest.raises(ModelError, match=r"^model.json: wanted a masked auto-encoder with the keys .*, found width$"):
        MaeConfig.from_mapping({"width": 16}, "model.json")
    with pytest.raises(ModelError, match="wrong type"):
        MaeConfig.from_mapping({**SMALL.as_mapping(), "width": "16"}, "model.json")
