"""Where in a pair of frames the arrow of time shows: Grad-CAM (Selvaraju et al., ICCV 2017), or the votes of pixels."""

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from embeddings.nets.tap import TapNetwork
from embeddings.training.device import memory_watched

Decision = Literal["difference", "forward"]
Evidence = Literal["frame", "change", "votes"]

_PIXELS = 2**18  # of the head at a time
_ADVICE = 'Use the CPU (device = "cpu"), or cut the movie into smaller frames'


def arrow_evidence(
    network: TapNetwork,
    first: NDArray[np.float32],
    second: NDArray[np.float32],
    device: torch.device,
    *,
    evidence: Evidence = "frame",
    decision: Decision = "difference",
) -> NDArray[np.float32]:
    """How much the arrow of time shows at each pixel of either frame: (2, y, x), not negative.

        frame   |s_t|          of `arrow_attribution`, as published
        change  |s_0 + s_1|    the same for both frames
        votes   |v|            of `pixel_votes`, the same for both frames

    Arguments and errors: as there.
    """
    if evidence == "votes":
        shown = np.abs(pixel_votes(network, first, second, device, decision=decision))
        return np.broadcast_to(shown, (2, *shown.shape))
    signed = arrow_attribution(network, first, second, device, decision=decision)
    return np.abs(signed if evidence == "frame" else np.broadcast_to(signed.sum(axis=0), signed.shape))


def pixel_votes(
    network: TapNetwork,
    first: NDArray[np.float32],
    second: NDArray[np.float32],
    device: torch.device,
    *,
    decision: Decision = "difference",
) -> NDArray[np.float32]:
    """What each pixel says about the decision d: v (y, x), of either sign, positive where time seems to go forwards.

    The head sees each pixel of both frames on its own, and the logits are linear in the mean over all pixels, so d is
    exactly the mean of v: nothing is approximated, where Grad-CAM has one slope for all pixels.
    Arguments and errors: as in `arrow_attribution`.
    """
    _, height, width = first.shape
    rows = max(_PIXELS // width, 1)
    votes = np.empty((height, width), np.float32)
    with torch.inference_mode(), memory_watched(device, "asking the pixels of a pair of frames", _ADVICE):
        for top in range(0, height, rows):
            strip = np.stack([first[:, top : top + rows], second[:, top : top + rows]])[None]
            logits = network.vote(network.votes(torch.from_numpy(strip).to(device)))[0, :, 0]
            decided = logits[0] - logits[1] if decision == "difference" else logits[0]
            votes[top : top + rows] = decided.float().cpu().numpy()
    return votes


def arrow_attribution(
    network: TapNetwork,
    first: NDArray[np.float32],
    second: NDArray[np.float32],
    device: torch.device,
    *,
    decision: Decision = "difference",
) -> NDArray[np.float32]:
    """How much each pixel of either frame adds to the decision d: s (2, y, x), of either sign, in units of the logits.

        s_t  = sum_c a_tc z_tc        a_tc = sum over pixels of dd / dz_tc
        d    = x_0 - x_1 ("difference"), x_0 ("forward", as published), of the logits x at the two frames

    Grad-CAM as published is |s_t|: what in one frame looks as if it were the earlier, or the later one. |s_0 + s_1| is
    what has changed between the two: where both frames look alike the differences cancel.

    What the logits have in common does not count in the training and is arbitrary, so the difference is the decision.
    The logits are means over the frame: its size does not matter to the attribution.
    first, second: z (C, y, x) of the earlier and the later frame.   network: on `device`, in evaluation mode.
    Raises TrainingError when memory runs out.
    """
    _, height, width = first.shape
    rows = max(_PIXELS // width, 1)
    slope = np.zeros((2, len(first)), np.float64)
    weight = torch.tensor([[1.0, -1.0 if decision == "difference" else 0.0]], device=device)
    with torch.enable_grad(), memory_watched(device, "attributing the decision of a pair of frames", _ADVICE):
        for top in range(0, height, rows):
            strip = np.stack([first[:, top : top + rows], second[:, top : top + rows]])[None]
            features = torch.from_numpy(strip).to(device).requires_grad_()
            # The logits are linear in this mean, so each strip has a gradient of its own.
            mean = network.votes(features).sum(dim=(-2, -1)) / (height * width)
            decided = (network.count_votes(mean) * weight).sum()
            (gradient,) = torch.autograd.grad(decided, features)
            slope += gradient[0].sum(dim=(-2, -1)).double().cpu().numpy()
    weights = slope.astype(np.float32)
    return np.stack([np.tensordot(a, z, axes=1) for a, z in zip(weights, (first, second), strict=True)])
