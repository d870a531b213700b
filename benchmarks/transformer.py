"""Our tracking transformer against the trackastra package's: same weights, same batch, one thread, taken in turns.

Sizes of the public training script: d_model 256, 6 + 6 layers, 4 heads, rotary positions. Places are rounded to half
pixels, where both compute distances exactly, so that the logits can be compared.
Run by hand: `python benchmarks/transformer.py`; about two minutes. Needs trackastra (the extra demo).
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
import yaml
from trackastra.model.model import TrackingTransformer

from embeddings.nets.trackastra_checkpoint import load_trackastra

REPEATS = 7
SIZES = {"coord_dim": 2, "feat_dim": 7, "feat_embed_per_dim": 8, "d_model": 256, "num_encoder_layers": 6}
SIZES |= {"num_decoder_layers": 6, "nhead": 4, "window": 6, "dropout": 0.0}


def main() -> None:
    torch.set_num_threads(1)
    for positional in ("rope", "bias"):
        torch.manual_seed(0)
        theirs = TrackingTransformer(**SIZES, attn_positional_bias=positional)
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "config.yaml").write_text(yaml.safe_dump(theirs.config))
            torch.save(theirs.state_dict(), Path(folder) / "model.pt")
            ours = load_trackastra(Path(folder))
        # A whole HeLa window of 6 frames as in inference; 8 crops of 256 px as in training.
        compare(
            f"{positional}, inference, 1 window x 900", theirs, ours, windows=1, count=900, field_px=1100, learn=False
        )
        compare(
            f"{positional}, training, 8 windows x 120", theirs, ours, windows=8, count=120, field_px=256, learn=True
        )


def compare(
    name: str, theirs: torch.nn.Module, ours: torch.nn.Module, *, windows: int, count: int, field_px: int, learn: bool
) -> None:
    frame = torch.randint(0, 6, (windows, count, 1)).sort(dim=1).values
    coordinates = torch.cat((frame, torch.randint(0, 2 * field_px, (windows, count, 2)) / 2), dim=-1)
    features = torch.rand(windows, count, 7) * 20
    padding = torch.arange(count).expand(windows, count) >= count - 10 * torch.arange(windows).unsqueeze(1)
    steps: list[Callable[[], None]] = []
    for network in (theirs, ours):
        network.train(learn)
        steps.append(lambda network=network: step(network, coordinates, features, padding, learn))
    seconds: list[list[float]] = [[], []]
    for turn in range(REPEATS + 1):
        for times, one in zip(seconds, steps, strict=True):
            start = time.perf_counter()
            one()
            if turn:  # the first warms up
                times.append(time.perf_counter() - start)
    with torch.no_grad():
        real = ~(padding.unsqueeze(1) | padding.unsqueeze(2))
        wanted = theirs(coordinates, features, padding)[real]
        difference = (ours(coordinates, features, padding)[real] - wanted).abs().max()
    first, second = (sorted(times)[len(times) // 2] for times in seconds)
    print(
        f"{name}: trackastra {1000 * first:.0f} ms, ours {1000 * second:.0f} ms (median of {REPEATS}): "
        f"{first / second:.2f} times as fast; logits differ by at most {difference:.1e} of {wanted.abs().max():.1f}",
        flush=True,
    )


def step(
    network: torch.nn.Module, coordinates: torch.Tensor, features: torch.Tensor, padding: torch.Tensor, learn: bool
) -> None:
    if not learn:
        with torch.no_grad():
            network(coordinates, features, padding)
        return
    network.zero_grad()
    network(coordinates, features, padding).square().mean().backward()


if __name__ == "__main__":
    main()
