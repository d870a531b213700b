"""The fine-tuning loss against a slow loop over its formula, its gradient, and what must leave no trace."""

import math

import pytest
import torch
from loss_cases import batch, poisoned, sigmoid, slow_softmax, spoiled_gradient

from embeddings.losses.finetuning import finetuning_loss


def annotations():
    """Known pairs and links of the batch: 0 -> 1 and 2 -> 4 are links, all else of these rows and columns is none."""
    known, target = torch.zeros(2, 3, 8, 8, dtype=torch.bool)
    for i, j in [(0, 1), (0, 4), (2, 1), (2, 4), (1, 3), (1, 5), (0, 3), (0, 6)]:
        known[0, i, j] = known[0, j, i] = True
    for i, j in [(0, 1), (2, 4), (0, 3), (1, 7)]:  # the last is not known, so it is not looked at
        target[0, i, j] = target[0, j, i] = True
    known[1, 0, 2] = known[1, 2, 0] = target[1, 0, 2] = target[1, 2, 0] = True
    known[1, 1, 6] = target[1, 1, 6] = known[2, 0, 1] = True  # padding
    return known, target


def slow_loss(logits, target, known, frame, padding, mode="quiet_softmax", gap=2, logit_weight=0.01):
    phi = slow_softmax(logits, frame, padding, mode)
    pairs = [
        [
            (i, j)
            for i in range(8)
            for j in range(8)
            if known[b, i, j] and not padding[b, i] and not padding[b, j] and 0 < frame[b, j] - frame[b, i] <= gap
        ]
        for b in range(len(logits))
    ]
    positives = sum(bool(target[b, i, j]) for b, own in enumerate(pairs) for i, j in own)
    negatives = sum(map(len, pairs)) - positives
    upweight = negatives / positives if positives and negatives else 1
    losses = []
    for b, own in enumerate(pairs):
        if not own:
            continue
        total = weights = 0.0
        for i, j in own:
            a, p = bool(target[b, i, j]), float(phi[b, i, j])
            bare = -math.log(sigmoid(float(logits[b, i, j]) * (1 if a else -1)))
            soft = -math.log(p if a else 1 - p)
            weight = upweight if a else 1
            total += weight * (bare if mode == "none" else soft + logit_weight * bare)
            weights += weight
        losses.append(total / weights)
    return sum(losses) / len(losses)


@pytest.mark.parametrize("mode", ["quiet_softmax", "linear", "none"])
@pytest.mark.parametrize("gap", [1, 2, 4])
def test_it_is_its_formula(mode, gap):
    logits, frame, padding = batch()
    known, target = annotations()
    wanted = slow_loss(logits, target, known, frame, padding, mode, gap)
    found = finetuning_loss(poisoned(logits, padding), target, known, frame, padding, mode=mode, max_gap_frames=gap)
    assert found.item() == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize("kept", [True, False], ids=["links alone", "no link at all"])
def test_where_one_class_is_missing_all_weigh_alike(kept):
    logits, frame, padding = batch()
    known, target = annotations()
    known &= target == kept
    wanted = slow_loss(logits, target, known, frame, padding)
    assert finetuning_loss(logits, target, known, frame, padding).item() == pytest.approx(wanted, rel=1e-9)


def test_links_pull_as_hard_as_all_others_push():
    frame = torch.tensor([[0, 0, 0, 1, 1]])
    target, known = torch.zeros(2, 1, 5, 5, dtype=torch.bool)
    known[0, :3, 3] = target[0, 0, 3] = True
    logits = torch.zeros(1, 5, 5, dtype=torch.float64, requires_grad=True)
    finetuning_loss(logits, target, known, frame, mode="none").backward()
    pull = -logits.grad[0] * 4 * 2  # weights 2 + 1 + 1; sigma(0) - 1 = -1/2
    assert pull[:3, 3:].round(decimals=9).tolist() == [[2, 0], [-1, 0], [-1, 0]]


def test_what_is_not_known_counts_in_the_competition_alone():
    logits, frame, padding = batch()
    known, target = annotations()
    value = finetuning_loss(logits, target, known, frame, padding)
    assert finetuning_loss(logits, target | ~known, known, frame, padding) == value
    same_frame = logits.clone()
    same_frame[0, 2, 5] += 1  # (2, 5) is not known; no known pair has child 5 and a parent of frame 0
    assert finetuning_loss(same_frame, target, known, frame, padding) == value
    rival = logits.clone()
    rival[0, 4, 3] += 1  # 4 competes with 1, which is known not to be the parent of 3
    assert finetuning_loss(rival, target, known, frame, padding) < value


def test_gradient_and_padding():
    logits, frame, padding = batch()
    known, target = annotations()

    def loss(x):
        return finetuning_loss(x, target, known, frame, padding)

    assert torch.autograd.gradcheck(loss, logits.clone().requires_grad_())
    value, gradient = spoiled_gradient(loss, logits, padding)
    assert value.item() == loss(logits).item()
    assert gradient.isfinite().all()
    assert gradient[0].abs().sum() > 0
    assert (gradient[2] == 0).all()


def test_extreme_logits_keep_a_gradient():
    frame = torch.tensor([[0, 0, 1]])
    target, known = torch.zeros(2, 1, 3, 3, dtype=torch.bool)
    known[0, :2, 2] = target[0, 0, 2] = True
    logits = torch.zeros(1, 3, 3)
    logits[0, 0, 2], logits[0, 1, 2] = -60.0, 60.0
    leaf = logits.requires_grad_()
    finetuning_loss(leaf, target, known, frame).backward()
    torch.testing.assert_close(leaf.grad[0, :2, 2], torch.tensor([-0.505, 1.005]))


def test_half_precision_is_raised():
    logits, frame, padding = batch()
    known, target = annotations()
    low = logits.to(torch.bfloat16)
    found = finetuning_loss(low, target, known, frame, padding)
    assert found.dtype == torch.float32
    assert found.item() == finetuning_loss(low.float(), target, known, frame, padding).item()


def test_nothing_known_is_zero():
    logits, frame, padding = batch()
    known, target = annotations()
    for mask, fill in ((torch.zeros_like(known), padding), (known, torch.ones_like(padding))):
        leaf = logits.clone().requires_grad_()
        loss = finetuning_loss(leaf, target, mask, frame, fill)
        loss.backward()
        assert float(loss.detach()) == 0
        assert (leaf.grad == 0).all()
    none = torch.zeros(1, 0, 0)
    assert float(finetuning_loss(none, none.bool(), none.bool(), torch.zeros(1, 0).long())) == 0
