"""Checkpoints of SAM with a tiny, random image encoder, and that encoder again, token by token."""

import math

import torch
from torch.nn.functional import gelu, layer_norm, linear

HEADS, WINDOW, GLOBAL = 2, 3, (1,)


def official_weights(image_px=32, patch_px=4, width=8, depth=2, mlp=12, channels=6, *, seed=0):
    """Weights named as by the segment_anything package: all blocks but the second attend within windows of 3 tokens."""
    rng = torch.Generator().manual_seed(seed)
    grid = image_px // patch_px

    def random(*shape, about=0.0):
        return about + 0.4 * torch.randn(*shape, generator=rng)

    weights = {
        "pos_embed": random(1, grid, grid, width),
        "patch_embed.proj.weight": random(width, 3, patch_px, patch_px),
        "patch_embed.proj.bias": random(width),
        "neck.0.weight": random(channels, width, 1, 1),
        "neck.1.weight": random(channels, about=1.0),
        "neck.1.bias": random(channels),
        "neck.2.weight": random(channels, channels, 3, 3),
        "neck.3.weight": random(channels, about=1.0),
        "neck.3.bias": random(channels),
    }
    for block in range(depth):
        side = grid if block in GLOBAL else WINDOW
        own = {
            "norm1.weight": random(width, about=1.0),
            "norm1.bias": random(width),
            "attn.rel_pos_h": random(2 * side - 1, width // HEADS),
            "attn.rel_pos_w": random(2 * side - 1, width // HEADS),
            "attn.qkv.weight": random(3 * width, width),
            "attn.qkv.bias": random(3 * width),
            "attn.proj.weight": random(width, width),
            "attn.proj.bias": random(width),
            "norm2.weight": random(width, about=1.0),
            "norm2.bias": random(width),
            "mlp.lin1.weight": random(mlp, width),
            "mlp.lin1.bias": random(mlp),
            "mlp.lin2.weight": random(width, mlp),
            "mlp.lin2.bias": random(width),
        }
        weights |= {f"blocks.{block}.{name}": value for name, value in own.items()}
    return {f"image_encoder.{name}": value for name, value in weights.items()}


def checkpoint(path, **sizes):
    """A file as the official ones: the image encoder, and weights of other parts."""
    torch.save({**official_weights(**sizes), "mask_decoder.iou_token.weight": torch.zeros(1, 4)}, path)
    return path


def slow_encoder(weights, image):
    """(3, S, S) -> (channels, grid, grid): the formulas, one token, one head at a time."""
    weights = {name.removeprefix("image_encoder."): value for name, value in weights.items()}
    patch = weights["patch_embed.proj.weight"]
    side, grid = patch.shape[-1], image.shape[-1] // patch.shape[-1]
    tokens = torch.zeros(grid, grid, len(patch))
    for y in range(grid):
        for x in range(grid):
            part = image[:, y * side : (y + 1) * side, x * side : (x + 1) * side]
            tokens[y, x] = (patch * part).sum(dim=(1, 2, 3)) + weights["patch_embed.proj.bias"]
    tokens = tokens + weights["pos_embed"][0]
    depth = sum(name.endswith("rel_pos_h") for name in weights)
    for number in range(depth):
        own = {
            name.removeprefix(f"blocks.{number}."): value
            for name, value in weights.items()
            if name.startswith(f"blocks.{number}.")
        }
        tokens = tokens + _attended(own, _normed(tokens, own["norm1.weight"], own["norm1.bias"]), number)
        hidden = _normed(tokens, own["norm2.weight"], own["norm2.bias"])
        hidden = gelu(linear(hidden, own["mlp.lin1.weight"], own["mlp.lin1.bias"]))
        tokens = tokens + linear(hidden, own["mlp.lin2.weight"], own["mlp.lin2.bias"])
    tokens = _normed(
        linear(tokens, weights["neck.0.weight"][:, :, 0, 0]), weights["neck.1.weight"], weights["neck.1.bias"]
    )
    kernel, mixed = weights["neck.2.weight"], torch.zeros(grid, grid, len(weights["neck.2.weight"]))
    for y in range(grid):
        for x in range(grid):
            for dy in (-1, 0, 1):
                for dx in (-1, 0, 1):
                    if 0 <= y + dy < grid and 0 <= x + dx < grid:
                        mixed[y, x] += kernel[:, :, dy + 1, dx + 1] @ tokens[y + dy, x + dx]
    return _normed(mixed, weights["neck.3.weight"], weights["neck.3.bias"]).permute(2, 0, 1)


def _normed(tokens, weight, bias):
    return layer_norm(tokens, tokens.shape[-1:], weight, bias, eps=1e-6)


def _attended(own, tokens, number):
    """Each token attends to those of its window; windows reach beyond the image, where tokens are 0."""
    grid, width = tokens.shape[0], tokens.shape[-1]
    side = grid if number in GLOBAL else WINDOW
    channels = width // HEADS
    around = torch.zeros(math.ceil(grid / side) * side, math.ceil(grid / side) * side, width)
    around[:grid, :grid] = tokens
    qkv = linear(around, own["attn.qkv.weight"], own["attn.qkv.bias"])
    query, key, value = (qkv[..., part * width : (part + 1) * width] for part in range(3))
    mixed = torch.zeros(grid, grid, width)
    for y in range(grid):
        for x in range(grid):
            others = [(v, u) for v in range(len(around)) for u in range(len(around))]
            others = [(v, u) for v, u in others if v // side == y // side and u // side == x // side]
            for head in range(HEADS):
                own_part = slice(head * channels, (head + 1) * channels)
                q = query[y, x, own_part]
                logit = torch.stack(
                    [
                        q @ key[v, u, own_part] / math.sqrt(channels)
                        + q @ own["attn.rel_pos_h"][y - v + side - 1]
                        + q @ own["attn.rel_pos_w"][x - u + side - 1]
                        for v, u in others
                    ]
                )
                values = torch.stack([value[v, u, own_part] for v, u in others])
                mixed[y, x, own_part] = logit.softmax(dim=0) @ values
    return linear(mixed, own["attn.proj.weight"], own["attn.proj.bias"])
