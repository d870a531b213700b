"""A small regression to train on: a network with dropout, and batches that depend on the step alone."""

from dataclasses import replace

import torch
from torch import nn

from embeddings.training.settings import TrainingSettings

SETTINGS = TrainingSettings(
    steps=40, learning_rate=0.02, warmup_steps=5, device="cpu", validate_steps=10, report_steps=5, checkpoint_minutes=0
)


def settings(**changes) -> TrainingSettings:
    return replace(SETTINGS, **changes)


def network(dropout: float = 0.1) -> nn.Module:
    generator = torch.Generator().manual_seed(1)
    model = nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Dropout(dropout), nn.Linear(16, 1))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    return model


def batch(step: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(step)
    x = torch.randn(32, 3, generator=generator)
    return x, x[:, :1] - 2 * x[:, 1:2]


def squared_error(model: nn.Module, pair: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    return (model(pair[0]) - pair[1]).square().mean()


def weights(model: nn.Module) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


class FailingLoss:
    """The squared error, but the call of this number (from 0) in training goes wrong."""

    def __init__(self, call: int, error: BaseException | None = None) -> None:
        self.left, self.error = call, error

    def __call__(self, model: nn.Module, pair: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        value = squared_error(model, pair)
        if not model.training:
            return value
        self.left -= 1
        if self.left == -1:
            if self.error is not None:
                raise self.error
            return value * float("nan")
        return value
