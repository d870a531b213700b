"""A masked auto-encoder small enough for tests, and fields of view to show it."""

import numpy as np
from numpy.typing import NDArray

from embeddings.nets.mae_config import MaeConfig
from embeddings.training.settings import TrainingSettings

SMALL = MaeConfig(
    image_px=24,
    patch_px=3,
    central_tokens=4,
    width=16,
    depth=2,
    heads=2,
    decoder_width=16,
    decoder_depth=1,
    decoder_heads=2,
)
SETTINGS = TrainingSettings(
    steps=60, learning_rate=5e-3, weight_decay=1e-5, warmup_steps=5, device="cpu", validate_steps=20
)


def noise(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).random(shape, dtype=np.float32)
