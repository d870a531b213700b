"""NT-Xent against a loop over its formula: both forms, padding, order, gradients."""

import math

import pytest

torch = pytest.importorskip("torch", reason="losses need the extra learn")

from embeddings.losses import nt_xent  # noqa: E402

FORMS = ["other_view", "both_views"]
PADDING = torch.tensor([[False] * 5, [False, True, False, False, True], [True, True, False, True, True], [True] * 5])


def views(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(4, 5, 3, generator=generator, dtype=torch.float64) for _ in range(2))


def slow(first, second, padding, temperature, negatives):
    total, count = 0.0, 0
    for u, v, hidden in zip(first, second, padding, strict=True):
        there = [i for i in range(len(u)) if not hidden[i]]
        if len(there) < 2:
            continue
        for own, other in ((u, v), (v, u)):
            for i in there:

                def similarity(a, b):
                    return math.exp(float(torch.dot(a, b) / (a.norm() * b.norm())) / temperature)

                below = sum(similarity(own[i], other[k]) for k in there)
                if negatives == "both_views":
                    below += sum(similarity(own[i], own[k]) for k in there if k != i)
                total -= math.log(similarity(own[i], other[i]) / below)
                count += 1
    return total / count


@pytest.mark.parametrize("negatives", FORMS)
@pytest.mark.parametrize("temperature", [0.05, 1.0])
def test_it_is_its_formula(negatives, temperature):
    first, second = views()
    found = nt_xent(first, second, PADDING, temperature=temperature, negatives=negatives)
    assert found.item() == pytest.approx(slow(first, second, PADDING, temperature, negatives), rel=1e-9)
    everybody = nt_xent(first, second, temperature=temperature, negatives=negatives)
    assert everybody.item() == pytest.approx(
        slow(first, second, torch.zeros(4, 5, dtype=torch.bool), temperature, negatives), rel=1e-9
    )


@pytest.mark.parametrize("negatives", FORMS)
def test_gradients(negatives):
    first, second = (view.requires_grad_() for view in views())
    assert torch.autograd.gradcheck(
        lambda u, v: nt_xent(u, v, PADDING, temperature=0.5, negatives=negatives), (first, second)
    )


@pytest.mark.parametrize("negatives", FORMS)
def test_padding_is_never_looked_at(negatives):
    first, second = views()
    spoiled = [view.masked_fill(PADDING.unsqueeze(-1), torch.nan).requires_grad_() for view in (first, second)]
    found = nt_xent(*spoiled, PADDING, negatives=negatives)
    assert found.item() == pytest.approx(nt_xent(first, second, PADDING, negatives=negatives).item(), rel=1e-12)
    found.backward()
    for view in spoiled:
        assert (view.grad[PADDING] == 0).all()
        assert view.grad.isfinite().all()


@pytest.mark.parametrize("negatives", FORMS)
def test_the_order_of_frames_and_detections_is_nothing(negatives):
    first, second = views()
    before = nt_xent(first, second, PADDING, negatives=negatives)
    frames, places = torch.tensor([2, 0, 3, 1]), torch.tensor([4, 1, 0, 3, 2])
    after = nt_xent(
        first[frames][:, places], second[frames][:, places], PADDING[frames][:, places], negatives=negatives
    )
    torch.testing.assert_close(after, before)
    torch.testing.assert_close(nt_xent(second, first, PADDING, negatives=negatives), before)


@pytest.mark.parametrize("negatives", FORMS)
def test_only_the_order_within_a_view_matters_not_other_frames(negatives):
    first, second = views()
    alone = [nt_xent(first[[k]], second[[k]], PADDING[[k]], negatives=negatives).item() for k in (0, 1)]
    both = nt_xent(first[:2], second[:2], PADDING[:2], negatives=negatives).item()
    assert both == pytest.approx((5 * alone[0] + 3 * alone[1]) / 8, rel=1e-9)
    swapped = second.clone()
    swapped[0, [0, 1]] = second[0, [1, 0]]
    assert nt_xent(first[:1], swapped[:1], negatives=negatives).item() != pytest.approx(alone[0])


@pytest.mark.parametrize("negatives", FORMS)
def test_who_is_alone_teaches_nothing(negatives):
    first, second = (view.requires_grad_() for view in views())
    found = nt_xent(first, second, torch.tensor([[False] + [True] * 4] * 4), negatives=negatives)
    assert found.item() == 0
    found.backward()
    assert (first.grad == 0).all()
