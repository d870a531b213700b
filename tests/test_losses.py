"""Every loss against a slow loop over its formula, its gradient, and padding that must leave no trace."""

import math

import numpy as np
import pytest
import torch
from loss_cases import MODES, batch, poisoned, sigmoid, slow_softmax, spoiled_gradient
from torch.nn import functional

from embeddings.losses.association import association_loss
from embeddings.losses.frames import group_by_frame
from embeddings.losses.parental_softmax import parental_softmax
from embeddings.losses.reconstruction import ReconstructionLoss, ResidualMLP
from embeddings.losses.reid import reid_loss
from embeddings.losses.transitive import transitive_loss


def family():
    """Target of the batch: 0 stays one cell (0 -> 1 -> 3), 2 divides into 4 and 7 gone further; 5 has nobody."""
    target = torch.zeros(3, 8, 8, dtype=torch.bool)
    for i, j in [(0, 1), (1, 3), (0, 3), (2, 5), (2, 7), (4, 6)]:
        target[0, i, j] = target[0, j, i] = True
    target[1, 0, 2] = target[1, 2, 3] = target[1, 2, 4] = target[1, 0, 3] = target[1, 0, 4] = True
    target[1, 7, 7] = True  # padding
    return target


def embeddings_of(seed=1, channels=4):
    return torch.randn(3, 8, channels, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# ---- frames


def test_groups_and_back():
    logits, frame, padding = batch()
    groups = group_by_frame(frame, padding)
    assert groups.token.shape == (3, 5, 3)
    assert groups.present[0].sum(dim=1).tolist() == [2, 2, 3, 0, 1]
    assert groups.token[0, 2].tolist() == [3, 5, 7]
    assert not groups.present[2].any()
    back = groups.ungroup(groups.rows(logits))
    torch.testing.assert_close(back, logits.masked_fill(padding.unsqueeze(-1), 0), rtol=0, atol=0)


# ---- association


def slow_association(logits, target, frame, padding, mode, gap, upweight, logit_weight=0.01):
    phi = slow_softmax(logits, frame, padding, mode)
    losses, shares = [], []
    for b in range(len(logits)):
        inside = [k for k in range(logits.shape[1]) if not padding[b, k]]
        total, count = 0.0, 0
        for i in inside:
            for j in inside:
                if not 0 < frame[b, j] - frame[b, i] <= gap:
                    continue
                a = float(target[b, i, j])
                row = sum(float(target[b, i, k]) for k in inside if frame[b, k] == frame[b, j])
                column = sum(float(target[b, k, j]) for k in inside if frame[b, k] == frame[b, i])
                s = a * (row + column)
                weight = 1 if a == 0 else 2 if s == 2 else 1 + upweight
                bare = -math.log(sigmoid(float(logits[b, i, j]) * (1 if a else -1)))
                p = float(phi[b, i, j])
                soft = -math.log(p if a else 1 - p)
                total += weight * (bare if mode == "none" else soft + logit_weight * bare)
                count += 1
        losses.append(total / max(count, 1))
        shares.append(count**0.2)
    return sum(c * loss for c, loss in zip(shares, losses, strict=True)) / sum(shares)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("gap", "upweight"), [(2, 2.0), (1, 20.0), (4, 0.0)])
def test_association_is_its_formula(mode, gap, upweight):
    logits, frame, padding = batch()
    if mode == "softmax":  # one single candidate is certain: its complement is log(0)
        gap = 1
        frame = frame.clone()
        frame[0, 6] = 3
        logits, frame, padding = logits[:1], frame[:1], padding[:1]
    target = family()[: len(logits)]
    wanted = slow_association(logits, target, frame, padding, mode, gap, upweight)
    found = association_loss(
        poisoned(logits, padding), target, frame, padding, mode=mode, max_gap_frames=gap, division_upweight=upweight
    )
    assert found.item() == pytest.approx(wanted, rel=1e-9)


def test_division_links_are_weighted_up():
    frame = torch.tensor([[0, 0, 1, 1, 1]])
    target = torch.zeros(1, 5, 5)
    target[0, 0, 2] = target[0, 1, 3] = target[0, 1, 4] = 1
    logits = torch.zeros(1, 5, 5, dtype=torch.float64, requires_grad=True)
    association_loss(logits, target, frame, mode="none", division_upweight=9).backward()
    pull = -logits.grad[0] * 6 * 2  # six pairs; sigma(0) - 1 = -1/2
    assert pull[:2, 2:].round(decimals=9).tolist() == [[2, -1, -1], [-1, 10, 10]]


def test_association_gradient_and_padding():
    logits, frame, padding = batch()
    target = family()
    assert torch.autograd.gradcheck(lambda x: association_loss(x, target, frame, padding), logits.requires_grad_())
    value, gradient = spoiled_gradient(lambda x: association_loss(x, target, frame, padding), logits.detach(), padding)
    assert value.item() == association_loss(logits, target, frame, padding).item()
    assert gradient.isfinite().all()
    assert gradient[0].abs().sum() > 0
    assert (gradient[2] == 0).all()


def test_association_of_nothing_is_zero():
    logits, frame, padding = batch()
    everything = torch.ones_like(padding)
    leaf = logits.requires_grad_()
    loss = association_loss(leaf, family(), frame, everything)
    loss.backward()
    assert float(loss.detach()) == 0
    assert (leaf.grad == 0).all()
    assert float(association_loss(torch.zeros(1, 0, 0), torch.zeros(1, 0, 0), torch.zeros(1, 0).long())) == 0


# ---- reconstruction


def test_residual_mlp_is_its_formula():
    torch.manual_seed(0)
    module = ResidualMLP(4).double()
    v = embeddings_of()
    centred = v - v.mean(-1, keepdim=True)
    normed = centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt() * module.norm.weight + module.norm.bias
    hidden = functional.gelu(normed @ module.expand.weight.T + module.expand.bias)
    assert hidden.shape[-1] == 8
    torch.testing.assert_close(module(v), v + hidden @ module.contract.weight.T + module.contract.bias)


@pytest.mark.parametrize("max_gap", [1, 2, 5])
def test_reconstruction_is_its_formula(max_gap):
    torch.manual_seed(0)
    logits, frame, padding = batch()
    e = embeddings_of()
    module = ReconstructionLoss(4, max_gap).double()
    phi = parental_softmax(logits, frame, padding)
    wanted = 0.0
    for dt in range(1, max_gap + 1):
        errors = []
        for b in range(3):
            for j in range(8):
                earlier = [i for i in range(8) if not padding[b, i] and frame[b, i] == frame[b, j] - dt]
                if padding[b, j] or not earlier:
                    continue
                carried = sum(phi[b, i, j] * module.encode(e[b, i]) for i in earlier)
                errors.append((module.decode(carried) - e[b, j]).square().mean().item())
        wanted += sum(errors) / len(errors) if errors else 0.0
    found = module(phi, poisoned(e, padding), frame, padding)
    assert found.item() == pytest.approx(wanted, rel=1e-9)


def test_reconstruction_gradient_and_padding():
    torch.manual_seed(0)
    logits, frame, padding = batch()
    e = embeddings_of()
    module = ReconstructionLoss(4, 3, hidden=3).double()

    def loss(x):
        return module(parental_softmax(x, frame, padding), e, frame, padding)

    assert torch.autograd.gradcheck(loss, logits.clone().requires_grad_())
    value, gradient = spoiled_gradient(loss, logits, padding)
    assert value > 0
    assert gradient.isfinite().all()
    assert all(parameter.grad.abs().sum() > 0 for parameter in module.parameters())


def test_reconstruction_tells_the_right_association_from_the_wrong_one():
    frame = torch.tensor([[0, 0, 1, 1]])
    e = torch.tensor([[[1.0, 0], [0, 1], [1, 0], [0, 1]]])
    right, wrong = torch.zeros(1, 4, 4), torch.zeros(1, 4, 4)
    right[0, 0, 2] = right[0, 1, 3] = wrong[0, 0, 3] = wrong[0, 1, 2] = 1
    module = ReconstructionLoss(2, 1)
    for mlp in (module.encode, module.decode):
        torch.nn.init.zeros_(mlp.contract.weight)
        torch.nn.init.zeros_(mlp.contract.bias)
    assert float(module(right, e, frame).detach()) == 0
    assert float(module(wrong, e, frame).detach()) == 1


def test_reconstruction_of_nothing_is_zero():
    _, frame, padding = batch()
    module = ReconstructionLoss(4).double()
    loss = module(torch.zeros(3, 8, 8).double(), embeddings_of(), frame, padding)  # no weight anywhere
    loss.backward()
    assert float(loss.detach()) == 0
    assert all(parameter.grad.isfinite().all() for parameter in module.parameters())


# ---- transitive


@pytest.mark.parametrize("shift", [0, 11])
def test_transitive_is_its_formula(shift):
    logits, frame, padding = batch(shift=shift)
    phi = parental_softmax(logits, frame, padding)
    wanted = []
    for b in range(3):
        at = {}
        for k in range(8):
            if not padding[b, k]:
                at.setdefault(int(frame[b, k]), []).append(k)
        terms = [
            float(np.mean([
                float(phi[b, i, j] - sum(phi[b, i, k] * phi[b, k, j] for k in at[s + 1])) ** 2
                for i in at[s] for j in at[s + 2]
            ]))
            for s in at if s + 1 in at and s + 2 in at
        ]  # fmt: skip
        wanted.append(sum(terms) / len(terms) if terms else 0.0)
    assert wanted[0] > 0 < wanted[1]
    found = transitive_loss(poisoned(phi, padding), frame, padding)
    assert found.item() == pytest.approx(sum(wanted), rel=1e-9)
    mean = transitive_loss(phi, frame, padding, batch="mean")
    assert mean.item() == pytest.approx(sum(wanted) / 3, rel=1e-9)


def test_transitive_gradient_and_padding():
    logits, frame, padding = batch()
    assert torch.autograd.gradcheck(lambda x: transitive_loss(x, frame, padding), logits.clone().requires_grad_())
    value, gradient = spoiled_gradient(lambda x: transitive_loss(x, frame, padding), logits, padding)
    assert value > 0
    assert gradient.isfinite().all()


def test_transitive_is_zero_for_what_composes_and_for_two_frames():
    frame = torch.tensor([[0, 0, 1, 1, 2, 2]])
    chain = torch.zeros(1, 6, 6)
    for i, j in [(0, 3), (1, 2), (3, 4), (2, 5), (0, 4), (1, 5)]:
        chain[0, i, j] = 1
    assert float(transitive_loss(chain, frame)) == 0
    chain[0, 0, 4] = 0
    assert float(transitive_loss(chain, frame)) == 0.25
    leaf = torch.rand(1, 4, 4, requires_grad=True)
    transitive_loss(leaf, frame[:, :4]).backward()
    assert (leaf.grad == 0).all()


# ---- re-identification


@pytest.mark.parametrize("by_frame", [False, True])
def test_reid_is_its_formula(by_frame):
    _, frame, padding = batch()
    u, v = embeddings_of(1), embeddings_of(2)

    def cosine(a, b):
        return float((a * b).sum() / (a.norm() * b.norm())) / 0.3

    terms = []
    for b in range(3):
        for i in range(8):
            rivals = [
                k for k in range(8)
                if not (padding[b, i] or padding[b, k]) and (not by_frame or frame[b, i] == frame[b, k])
            ]  # fmt: skip
            if len(rivals) < 2:
                continue
            there = -math.log(
                math.exp(cosine(u[b, i], v[b, i])) / sum(math.exp(cosine(u[b, i], v[b, k])) for k in rivals)
            )
            back = -math.log(
                math.exp(cosine(v[b, i], u[b, i])) / sum(math.exp(cosine(v[b, i], u[b, k])) for k in rivals)
            )
            terms.append((there + back) / 2)
    assert len(terms) == (11 if by_frame else 13)
    found = reid_loss(poisoned(u, padding), poisoned(v, padding), frame if by_frame else None, padding, temperature=0.3)
    assert found.item() == pytest.approx(sum(terms) / len(terms), rel=1e-9)


def test_reid_gradient_and_padding():
    _, frame, padding = batch()
    u, v = embeddings_of(1), embeddings_of(2)
    assert torch.autograd.gradcheck(
        lambda a, b: reid_loss(a, b, frame, padding), (u.clone().requires_grad_(), v.clone().requires_grad_())
    )
    value, gradient = spoiled_gradient(lambda a: reid_loss(a, v, frame, padding), u, padding)
    assert value > 0
    assert gradient.isfinite().all()
    alone = u[:, :1].clone().requires_grad_()
    loss = reid_loss(alone, v[:, :1])
    loss.backward()
    assert float(loss.detach()) == 0
    assert (alone.grad == 0).all()
