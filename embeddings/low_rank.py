"""Low-rank adapters (LoRA; Hu et al., ICLR 2022) for tracking transformers, through the optional package peft."""

import copy
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import torch

from embeddings.nets.errors import ModelError
from embeddings.nets.tracking_transformer import TrackingTransformer
from embeddings.without_torchvision import without_broken_torchvision
from tracker.errors import MissingExtraError, PintrackError

_ADAPTED = r"(encoder|decoder)\.\d+\.attn\.(q_pro|k_pro|v_pro|proj)"


def require_peft() -> None:
    """Raise MissingExtraError without peft, PintrackError where it is there but broken: ask before any work is done."""
    with _quiet_peft():
        pass


def with_low_rank(
    network: TrackingTransformer, *, rank: int = 32, alpha: float = 32.0, dropout: float = 0.1, seed: int = 0
) -> TrackingTransformer:
    """A copy that learns little: of its weights only adapters of all attention projections are left to train.

        W' = W + alpha / rank * B A,   A: (rank, channels) random, B: (channels, rank) zero

    so that it begins with the logits of `network`, which stays as it is. Dropout acts on the input of A, in training
    only. The seed decides A; the caller's random state is left alone. Defaults are those of Attrackt (Lalit and Funke,
    ICCV Workshops 2025).

    Raises as `require_peft`; ModelError for a network without attention or with adapters already, and for a number
    out of range.
    """
    if not (rank >= 1 and alpha > 0 and 0 <= dropout < 1):
        raise ModelError(
            f"low-rank adapters need a rank of at least 1, an alpha above 0 and a dropout in [0, 1), found {rank}, "
            f"{alpha:g} and {dropout:g}"
        )
    if not len(network.encoder) + len(network.decoder):
        raise ModelError("the network has no attention layers that low-rank adapters could change")
    adapted = copy.deepcopy(network)
    with _quiet_peft(), torch.random.fork_rng(devices=[]):
        from peft import LoraConfig, inject_adapter_in_model
        from peft.tuners.tuners_utils import BaseTunerLayer

        if any(isinstance(module, BaseTunerLayer) for module in adapted.modules()):
            raise ModelError("the network carries low-rank adapters already: merge them into its weights first")
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would also change that of every GPU
        adapted.requires_grad_(False)
        options: dict[str, Any] = {"r": rank, "lora_alpha": alpha, "lora_dropout": dropout}  # peft wants a whole alpha
        inject_adapter_in_model(LoraConfig(target_modules=_ADAPTED, **options), adapted)
    return adapted


def merged(network: TrackingTransformer) -> TrackingTransformer:
    """A copy in which W + alpha / rank * B A are plain weights: an ordinary network, as `save_model` takes it.

    All its parameters can be trained. `network` stays as it is. Raises as `require_peft`.
    """
    plain = copy.deepcopy(network)
    with _quiet_peft():
        from peft.tuners.tuners_utils import BaseTunerLayer

        adapters = [(name, module) for name, module in plain.named_modules() if isinstance(module, BaseTunerLayer)]
        for name, adapter in adapters:
            adapter.merge()
            parent, _, own_name = name.rpartition(".")
            setattr(plain.get_submodule(parent), own_name, adapter.get_base_layer())
    if adapters:
        del plain.peft_config
    return plain.requires_grad_(True)


@contextmanager
def _quiet_peft() -> Iterator[None]:
    """Import peft, and keep its warnings to ourselves: they are about language models."""
    if find_spec("peft") is None:
        raise MissingExtraError("peft", "finetune", "Fine-tuning with low-rank adapters")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        without_broken_torchvision()
        try:
            import peft  # noqa: F401
        except (ImportError, OSError, RuntimeError) as error:
            cause: BaseException = error
            while cause.__cause__ is not None:
                cause = cause.__cause__
            raise PintrackError(
                f"the package peft is installed but cannot be imported: {cause}. Install releases of peft, "
                "transformers and torch that go together"
            ) from error
        yield
