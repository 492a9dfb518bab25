# written by tools/export.py from loss.py; do not edit
"""How wrong is the network? Three targets, three distances, three weightings, and the
likelihood that they stand in for.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from .schedules import DDPMSchedules as DDPMSchedules

__all__ = ["distance", "loss_weights", "LossOutput", "DDPMLoss", "drop_labels"]

def distance(pred: Tensor, target: Tensor, type: str = "l2", delta: float = 1.0) -> Tensor:
    """How far apart, picture by picture

    Args:
        pred: what the network said, `(B,…)`
        target: what it should have said, same shape
        type: 'l2', 'l1' or 'huber'
        delta: where 'huber' turns from a square into a line, above 0

    Returns:
        `(B,)`, the mean over everything but the batch
    """
    ...

def loss_weights(
    schedules: DDPMSchedules,
    weighting: str = "uniform",
    parameterization: str = "eps",
    snr_gamma: float = 5.0,
    p2_gamma: float = 1.0,
    p2_k: float = 1.0,
) -> Tensor:
    """What each step's error is multiplied with (min-SNR: Hang et al. 2023; P2: Choi et al.
    2022)

    Args:
        schedules: whose signal-to-noise ratio counts
        weighting: 'uniform', 'min_snr' or 'p2'
        parameterization: what the error is measured on: 'eps', 'x0' or 'v'
        snr_gamma: min_snr: the cap, above 0
        p2_gamma: p2: exponent, 0 or more
        p2_k: p2: offset, above 0

    Returns:
        `(T,)`
    """
    ...

class LossOutput(NamedTuple):
    """What a loss returns"""

    loss: Tensor
    per_sample: Tensor
    t: Tensor

class DDPMLoss:
    """The training loss, for any model, target, distance and weighting

    Args:
        schedules: how noise is mixed in
        type: 'l2', 'l1', 'huber', or 'vlb' for the variational bound itself
        weighting: see `loss_weights`; the bound has weights of its own, so 'vlb' takes
            no other
        snr_gamma: see `loss_weights`
        p2_gamma: see `loss_weights`
        p2_k: see `loss_weights`
        huber_delta: see `distance`
        lambda_vlb: weight of the bound beside the simple loss, for models that learn
            their variance
    """

    schedules: DDPMSchedules
    type: str
    huber_delta: float
    lambda_vlb: float
    zero_terminal_snr: bool
    weights: dict
    def __init__(
        self,
        schedules: DDPMSchedules,
        type: str = "l2",
        weighting: str = "uniform",
        snr_gamma: float = 5.0,
        p2_gamma: float = 1.0,
        p2_k: float = 1.0,
        huber_delta: float = 1.0,
        lambda_vlb: float = 0.001,
    ) -> None: ...
    def __call__(
        self,
        model,
        x0: Tensor,
        y: Tensor | None = None,
        t: Tensor | None = None,
        noise: Tensor | None = None,
        generator: torch.Generator | None = None,
        parameterization: str | None = None,
    ) -> LossOutput:
        """Noise `x0`, ask the model, compare (DDPM algorithm 1); raises `DDPMError` for what does
        not fit together

        Args:
            model: callable `(x, t)` or `(x, t, y)`
            x0: clean images `(B,C,H,W)`, in [-1,1]
            y: labels, handed on to the model
            t: int64 `(B,)`; default: drawn evenly
            noise: like `x0`; default: drawn
            generator: for what is drawn, on the device of `x0`
            parameterization: what it predicts; default: its attribute
        """
        ...
    def _compare(
        self, out: Tensor, x0: Tensor, xt: Tensor, t: Tensor, noise: Tensor, par: str
    ) -> Tensor:
        """The loss of each picture

        Args:
            out: the network's output
            x0: clean images
            xt: what it was shown
            t: at which steps
            noise: what was mixed in
            par: what it was asked for

        Returns:
            `(B,)`
        """
        ...
    def _check(self, par: str, x0: Tensor, **tensors) -> None:
        """Raise `DDPMError` for what does not fit together

        Args:
            par: what the network was asked for
            x0: clean images
            tensors: what must fit to them: `y`, `t`, `noise`; or None
        """
        ...

def drop_labels(
    y: Tensor, null_label: int, p: float = 0.1, generator: torch.Generator | None = None
) -> Tensor:
    """Replace labels by the null label at random (Ho & Salimans 2022, algorithm 1)

    Args:
        y: labels, int64 `(B,)`
        null_label: what stands for "no label"
        p: probability of dropping, in [0,1]
        generator: decides which, on the device of `y`

    Returns:
        int64 `(B,)`
    """
    ...
