"""The parental softmax against a loop over its formula, and against the trackastra package."""

import pytest
import torch
from loss_cases import MODES, batch, poisoned, slow_softmax, spoiled_gradient

from embeddings.losses.parental_softmax import normalise_block, parental_log_softmax, parental_softmax


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("cut", [False, True])
def test_is_its_formula(mode, cut):
    logits, frame, padding = batch()
    allowed = logits.abs() < 4 if cut else None
    wanted = slow_softmax(logits, frame, padding, mode, allowed)
    found = parental_softmax(poisoned(logits, padding), frame, padding, allowed=allowed, mode=mode)
    torch.testing.assert_close(found, wanted, rtol=1e-12, atol=0)
    log_phi, log_other = parental_log_softmax(poisoned(logits, padding), frame, padding, allowed=allowed, mode=mode)
    counts = wanted > 0
    assert 20 < counts.sum() < 40
    torch.testing.assert_close(log_phi[counts], wanted[counts].log(), rtol=1e-9, atol=1e-12)
    unsure = wanted < 1 - 1e-6
    torch.testing.assert_close(log_other[counts & unsure], (1 - wanted[counts & unsure]).log(), rtol=1e-8, atol=1e-9)
    assert (log_phi[~counts] == 0).all()
    assert (log_other[~counts] == 0).all()


@pytest.mark.parametrize("mode", MODES)
def test_gradients(mode):
    logits, frame, padding = batch()
    assert torch.autograd.gradcheck(
        lambda x: parental_softmax(x, frame, padding, mode=mode), logits.requires_grad_(), fast_mode=True
    )
    assert torch.autograd.gradcheck(
        lambda x: parental_log_softmax(x, frame, padding, mode=mode), logits, fast_mode=True
    )


@pytest.mark.parametrize("mode", MODES)
def test_padding_leaves_no_trace(mode):
    logits, frame, padding = batch()
    phi, gradient = spoiled_gradient(lambda x: parental_softmax(x, frame, padding, mode=mode), logits, padding)
    assert phi.isfinite().all()
    assert gradient.isfinite().all()
    assert (phi[2] == 0).all()
    clean = parental_softmax(logits[1:2, :5, :5], frame[1:2, :5], mode=mode)
    torch.testing.assert_close(phi[1:2, :5, :5], clean)


@pytest.mark.parametrize("mode", MODES)
def test_nothing_allowed_is_zero_and_keeps_its_gradient_finite(mode):
    logits, frame, padding = batch()
    nothing = torch.zeros_like(logits, dtype=torch.bool)
    leaf = logits.clone().requires_grad_()
    phi = parental_softmax(leaf, frame, padding, allowed=nothing, mode=mode)
    logs = parental_log_softmax(leaf, frame, padding, allowed=nothing, mode=mode)
    (phi.sum() + logs[0].sum() + logs[1].sum()).backward()
    assert (phi == 0).all()
    assert (leaf.grad == 0).all()


@pytest.mark.parametrize("size", [30.0, 1e4])
@pytest.mark.parametrize("mode", MODES)
def test_large_logits_stay_finite_and_wrong_certainty_can_be_corrected(mode, size):
    logits = torch.tensor([[[0.0, 0, size], [0, 0, -size], [0, 0, 0]]], requires_grad=True)
    frame = torch.tensor([[0, 0, 1]])
    phi = parental_softmax(logits, frame, mode=mode)
    assert phi[0, :2, 2].tolist() == pytest.approx([1, 0], abs=1e-5)
    log_phi, log_other = parental_log_softmax(logits, frame, mode=mode)
    assert log_phi.isfinite().all()
    assert log_other.isfinite().all()
    if mode in ("quiet_softmax", "none") and size == 30:  # Phi is 1 in float32; its complement is still known
        assert phi[0, 0, 2] == 1
        assert log_other[0, 0, 2].item() == pytest.approx(-size, rel=1e-5)
        log_other[0, 0, 2].backward()
        assert float(logits.grad[0, 0, 2]) == pytest.approx(-1, rel=1e-5)


def test_one_block_is_the_same():
    logits, frame, _ = batch()
    frame = torch.tensor([[0, 0, 0, 1, 1, 1, 1, 1]] * 3)
    for mode in MODES:
        block = normalise_block(logits[:, :3, 3:], mode=mode)
        torch.testing.assert_close(block, parental_softmax(logits, frame, mode=mode)[:, :3, 3:])
    allowed = logits[:, :3, 3:] > 0
    assert (normalise_block(logits[:, :3, 3:], allowed)[~allowed] == 0).all()


def test_no_tokens():
    empty = torch.zeros(2, 0, 0)
    assert parental_softmax(empty, torch.zeros(2, 0, dtype=torch.int64)).shape == (2, 0, 0)
    assert normalise_block(torch.zeros(0, 4)).shape == (0, 4)


def test_half_precision_is_raised():
    logits, frame, padding = batch()
    found = parental_softmax(logits.to(torch.bfloat16), frame, padding)
    assert found.dtype == torch.float32


@pytest.mark.parametrize("mode", ["quiet_softmax", "softmax", "linear"])
def test_agrees_with_the_trackastra_package(mode):
    utils = pytest.importorskip("trackastra.utils.utils", reason="the package trackastra is not installed")
    logits = 5 * torch.randn(40, 40, generator=torch.Generator().manual_seed(0))
    frame = torch.arange(40) // 9
    far = torch.rand(40, 40, generator=torch.Generator().manual_seed(1)) < 0.1
    theirs = utils.blockwise_causal_norm(logits, frame, mode=mode, mask_invalid=far)
    ours = parental_softmax(logits[None], frame[None], allowed=~far[None], mode=mode)[0]
    later = frame[:, None] < frame[None, :]
    torch.testing.assert_close(ours[later], theirs[later], rtol=1e-5, atol=1e-5)
