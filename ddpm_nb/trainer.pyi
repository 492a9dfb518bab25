# written by tools/export.py from trainer.py; do not edit
"""A ten-line loop, and the callbacks that make it safe to leave alone for a week."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

__all__ = [
    "LR_SCHEDULES",
    "lr_at",
    "EMA",
    "cpu_has_bf16",
    "amp_policy",
    "Callback",
    "out_of_patience",
]
LR_SCHEDULES: tuple

def lr_at(step: int, total: int, scheduler: dict) -> float:
    """The learning rate's factor, a pure function of the step, so that a resumed run cannot be
    out of step

    Args:
        step: optimizer steps already taken
        total: optimizer steps of the whole run
        scheduler: the `training.scheduler` section

    Returns:
        factor in [0,1] for the base learning rate
    """
    ...

class EMA:
    """A running average of a model's weights: smoother than any single step of them, and what
    samples should come from

    Args:
        model: whose weights to follow
        decay: in [0,1): how much of the average stays at each step
        warmup: start with a smaller decay, (1+n)/(10+n), so that the first samples are
            not of the random start
    """

    decay: float
    warmup: bool
    n: Any
    shadow: dict
    def __init__(self, model: nn.Module, decay: float = 0.9999, warmup: bool = True) -> None: ...
    @property
    def current(self):
        """The decay of the next update"""
        ...
    def update(self, model: nn.Module) -> None:
        """Move the average a little towards the model; whatever is not a float (a counter) is
        copied

        Args:
            model: after its optimizer step
        """
        ...
    @contextmanager
    def applied(self, model: nn.Module) -> Iterator[Any]:
        """Use the averaged weights for a while

        Args:
            model: gets the averaged weights inside the block, and its own back after it
        """
        ...
    def state_dict(self) -> dict:
        """What has to be saved of it

        Returns:
            'shadow': weights on the CPU; 'n': updates; 'decay', 'warmup'
        """
        ...
    def load_state_dict(self, sd: dict) -> None:
        """Go on with an average that was saved

        Args:
            sd: from `state_dict`; its decay is not taken over, so that a resumed run may
                choose another
        """
        ...

def cpu_has_bf16() -> bool:
    """Whether this CPU has matrix units for bfloat16 (AMX); all other ways were measured to be
    slower than float32
    """
    ...

def amp_policy(amp, device: torch.device):
    """The precision of the forward pass: bf16 where it is native, else fp16 with loss scaling
    on GPUs, else float32

    Args:
        amp: 'auto', 'bf16', 'fp16', or False for float32
        device: where the training runs

    Returns:
        `(dtype or None, whether a GradScaler is needed)`
    """
    ...

class Callback:
    """Something that happens beside the loop; methods are named after the moment they are
    called at
    """
    def before_train(self, tr) -> None:
        """Before the first step of this process; a resumed run has `tr.step` > 0

        Args:
            tr: the trainer
        """
        ...
    def after_step(self, tr) -> None:
        """After each optimizer step, skipped ones too

        Args:
            tr: the trainer
        """
        ...
    def after_epoch(self, tr) -> None:
        """After each pass over the data

        Args:
            tr: the trainer
        """
        ...
    def after_train(self, tr) -> None:
        """At the end, however it came: done, stopped, or broken

        Args:
            tr: the trainer
        """
        ...

def out_of_patience(losses: list, patience: int, min_delta: float = 0.0) -> bool:
    """Whether the last `patience` validations brought nothing better

    Args:
        losses: of all validations so far
        patience: how many without a better one are too many; None: never
        min_delta: by how much a loss must be lower to count as better
    """
    ...
