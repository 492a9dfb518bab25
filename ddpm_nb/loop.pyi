# written by tools/export.py from loop.py; do not edit
"""Ten lines that train, and what makes them work better."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

__all__ = ["lr_at", "warmup_warning", "EMA", "cpu_has_bf16", "amp_policy"]

def lr_at(step: int, total: int, scheduler: dict) -> float:
    """Return the learning rate's factor at a step; raises `DDPMError` on an unknown name

    Args:
        step: optimizer steps already taken
        total: optimizer steps of the whole run
        scheduler: the `training.scheduler` section

    Returns:
        factor in [0,1] for the base learning rate
    """
    ...

def warmup_warning(total: int, scheduler: dict) -> str:
    """Return a sentence about a run that ends before its warm-up does

    Args:
        total: optimizer steps of the whole run
        scheduler: the `training.scheduler` section

    Returns:
        '' if the run gets past its warm-up
    """
    ...

class EMA:
    """An exponential moving average of a model's weights, which is what samples should come
    from

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
    def current(self) -> float:
        """The decay of the next update"""
        ...
    def update(self, model: nn.Module) -> None:
        """Move the average towards the model; whatever is not a float (a counter) is copied

        Args:
            model: after its optimizer step
        """
        ...
    @contextmanager
    def applied(self, model: nn.Module) -> Iterator[Any]:
        """Use the averaged weights inside the block

        Args:
            model: has the averaged weights inside the block, and its own again after it
        """
        ...
    def state_dict(self) -> dict:
        """Return what has to be saved of it

        Returns:
            'shadow': weights on the CPU; 'n': updates; 'decay', 'warmup'
        """
        ...
    def load_state_dict(self, state: dict) -> None:
        """Go on with an average that was saved

        Args:
            state: from `state_dict`; its decay is not taken over, so that a resumed run may
                choose another
        """
        ...

def cpu_has_bf16() -> bool:
    """Whether this CPU has matrix units for bfloat16 (AMX); without them bf16 is slower than
    float32
    """
    ...

def amp_policy(amp: str | bool | None, device: torch.device) -> tuple:
    """Return the precision of the forward pass; raises `DDPMError` for one that cannot work

    Args:
        amp: 'auto', 'bf16', 'fp16', or False for float32
        device: where the network runs

    Returns:
        `(dtype or None, whether a GradScaler is needed)`
    """
    ...
