"""Small batches for the tests of the losses."""

import math

import torch

PAST = -7  # whatever stands in `frame` at padding is never looked at


def batch(seed=0, shift=0):
    """Three windows: unsorted frames with a hole, fewer tokens than the longest, nothing but padding."""
    generator = torch.Generator().manual_seed(seed)
    frame = torch.tensor([[0, 1, 0, 2, 1, 2, 4, 2], [3, 3, 4, 5, 5, 0, 0, 0], [0] * 8]) + shift
    padding = torch.tensor([[False] * 8, [False] * 5 + [True] * 3, [True] * 8])
    frame = frame.masked_fill(padding, PAST)
    logits = 3 * torch.randn(3, 8, 8, generator=generator, dtype=torch.float64)
    return logits, frame, padding


def poisoned(values, padding):
    """NaN wherever padding is: it must not be looked at."""
    rows = padding.unsqueeze(-1)
    if values.shape[1] == values.shape[2]:
        rows = rows | padding.unsqueeze(-2)
    return values.masked_fill(rows, torch.nan)


def spoiled_gradient(function, values, padding):
    """Value and gradient where the padding holds NaN."""
    leaf = poisoned(values, padding).requires_grad_()
    result = function(leaf)
    result.sum().backward()
    return result.detach(), leaf.grad


MODES = ["quiet_softmax", "softmax", "linear", "none"]


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def slow_softmax(logits, frame, padding, mode, allowed=None):
    """The parental softmax, a loop over its formula."""
    phi = torch.zeros_like(logits)
    batches, n, _ = logits.shape

    def counts(b, i, j):
        inside = not (padding[b, i] or padding[b, j]) and frame[b, i] < frame[b, j]
        return bool(inside and (allowed is None or allowed[b, i, j]))

    for b in range(batches):
        for i in range(n):
            for j in range(n):
                if not counts(b, i, j):
                    continue
                x = float(logits[b, i, j])
                rivals = [k for k in range(n) if frame[b, k] == frame[b, i] and counts(b, k, j)]
                values = [float(logits[b, k, j]) for k in rivals]
                phi[b, i, j] = {
                    "quiet_softmax": math.exp(x) / (1 + sum(map(math.exp, values))),
                    "softmax": math.exp(x) / sum(map(math.exp, values)),
                    "linear": sigmoid(x) / (1e-6 + sum(map(sigmoid, values))),
                    "none": sigmoid(x),
                }[mode]
    return phi
