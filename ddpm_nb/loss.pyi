# written by tools/export.py from loss.py; do not edit
"""How wrong is the network? And what does it learn where nobody can know the answer?"""

from typing import NamedTuple

import torch
from torch import Tensor

from .schedules import DDPMSchedules as DDPMSchedules

__all__ = ["loss_weights", "distance", "LossOutput", "DDPMLoss", "steps_and_noise", "drop_labels"]

def loss_weights(
    schedules: DDPMSchedules,
    weighting: str = "uniform",
    parameterization: str = "eps",
    snr_gamma: float = 5.0,
    p2_gamma: float = 1.0,
    p2_k: float = 1.0,
) -> Tensor:
    """Weight of each step's error (min-SNR: Hang et al. 2023; P2: Choi et al. 2022)

    Raises `DDPMError` for an unknown weighting and for numbers out of range.

    Args:
        schedules: whose signal-to-noise ratio counts
        weighting: 'uniform', 'min_snr' or 'p2'
        parameterization: what the error is measured on: 'eps', 'x0', 'v' or 'flow'
        snr_gamma: min_snr: the cap, above 0
        p2_gamma: p2: exponent, 0 or more
        p2_k: p2: offset, above 0

    Returns:
        `(T,)`
    """
    ...

def distance(pred: Tensor, target: Tensor, type: str = "l2", delta: float = 1.0) -> Tensor:
    """Mean squared, absolute or Huber error of each image; raises `DDPMError` for an unknown
    type

    Args:
        pred: what the network predicted, `(B,…)`
        target: what it should have predicted, same shape
        type: 'l2', 'l1' or 'huber'
        delta: where 'huber' turns from a square into a line, above 0

    Returns:
        `(B,)`, the mean over everything but the batch
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
        """Noise `x0`, predict, compare (DDPM algorithm 1)

        Raises `DDPMError` for tensors that do not fit together, and where it isn't known what
        the
        model predicts.

        Args:
            model: callable `(x, t)` or `(x, t, y)`
            x0: clean images `(B,C,H,W)`, in [-1,1]
            y: labels, handed on to the model
            t: int64 `(B,)`; default: drawn evenly
            noise: like `x0`; default: drawn
            generator: for what is drawn, on the device of `x0`; default: PyTorch's global
                one
            parameterization: what the model predicts; default: its attribute
        """
        ...
    def _per_image(
        self, out: Tensor, x0: Tensor, xt: Tensor, t: Tensor, noise: Tensor, kind: str
    ) -> Tensor:
        """The loss of each image

        Args:
            out: the network's output
            x0: clean images
            xt: the noisy images it was given
            t: at which steps
            noise: what was mixed in
            kind: what the network predicts

        Returns:
            `(B,)`
        """
        ...

def steps_and_noise(
    schedules: DDPMSchedules,
    kind: str,
    x0: Tensor,
    y: Tensor | None = None,
    t: Tensor | None = None,
    noise: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> tuple:
    """Steps and noise for a loss: those that are given, or drawn

    Raises `DDPMError` for tensors that do not fit together, and for eps where it says
    nothing.

    Args:
        schedules: whose steps
        kind: what the network predicts
        x0: clean images `(B,C,H,W)`
        y: labels `(B,)`, which must fit to them
        t: int64 `(B,)`; default: drawn evenly
        noise: like `x0`; default: drawn
        generator: for what is drawn; default: PyTorch's global one

    Returns:
        `(t, noise)`
    """
    ...

def drop_labels(
    y: Tensor, null_label: int, p: float = 0.1, generator: torch.Generator | None = None
) -> Tensor:
    """Labels of which some were replaced by the null label (Ho & Salimans 2022, algorithm 1)

    Raises `DDPMError` for a `p` that is no probability.

    Args:
        y: labels, int64 `(B,)`
        null_label: what stands for "no label"
        p: probability of dropping, in [0,1]
        generator: decides which, on the device of `y`; default: PyTorch's global one

    Returns:
        int64 `(B,)`
    """
    ...
