# written by tools/export.py from likelihood.py; do not edit
"""The variational bound that the simple loss stands in for, in bits per dimension."""

from typing import NamedTuple

from torch import Tensor

from .schedules import DDPMSchedules as DDPMSchedules

__all__ = [
    "normal_kl",
    "discretized_gaussian_log_likelihood",
    "step_log_variance",
    "PMeanVariance",
    "bits_per_dim",
    "mean_bits_per_dim",
]

def normal_kl(mean1: Tensor, logvar1, mean2: Tensor, logvar2) -> Tensor:
    """KL divergence of two Gaussians with diagonal covariance

    Args:
        mean1: of the first Gaussian, any shape
        logvar1: its log variance, broadcastable
        mean2: of the second
        logvar2: its log variance

    Returns:
        in nats, elementwise, ≥ 0
    """
    ...

def discretized_gaussian_log_likelihood(x: Tensor, mean: Tensor, logvar) -> Tensor:
    """Log mass of a Gaussian within half a grey level of each pixel (DDPM eq. 13)

    Args:
        x: pixels in [-1,1], on the 256 levels
        mean: of the Gaussian, same shape
        logvar: its log variance, broadcastable

    Returns:
        log probability of each pixel's level, in nats, ≤ 0
    """
    ...

def step_log_variance(
    s: DDPMSchedules,
    xt: Tensor,
    t: Tensor,
    variance: str = "fixed_small",
    raw: Tensor | None = None,
) -> Tensor:
    """Log variance of one backward step, fixed or learned (Nichol & Dhariwal eq. 15)

    Args:
        s: whose step
        xt: `(B,C,H,W)`, for its shape
        t: int64 `(B,)` in [0,T)
        variance: 'fixed_small' or 'fixed_large'
        raw: the network's say, 2f-1 per pixel; then `variance` does not count

    Returns:
        broadcastable to `xt`
    """
    ...

class PMeanVariance(NamedTuple):
    """The backward step as the network sees it"""

    mean: Tensor
    log_variance: Tensor
    x0: Tensor
    eps: Tensor

def _bound(model, s: DDPMSchedules, x0: Tensor, y, gens: list, variance: str, bar, par: str):
    """L_T `(B,)` and the other terms `(T,B)` for one batch

    Args:
        model: see `bits_per_dim`
        s: likewise
        x0: one batch of images
        y: their labels, or None
        gens: a generator for each image
        variance: see `step_log_variance`
        bar: told after each step
        par: what the model predicts

    Returns:
        `(L_T (B,), other terms (T,B))`
    """
    ...

def bits_per_dim(
    model,
    schedules: DDPMSchedules,
    x0: Tensor,
    y: Tensor | None = None,
    seed: int = 0,
    variance: str = "fixed_small",
    progress: bool = False,
    batch_size: int = 64,
    parameterization: str | None = None,
) -> dict:
    """The variational bound on minus log2 likelihood, per pixel and channel (DDPM eq. 5;
    Nichol & Dhariwal sec. 3)

    Args:
        model: callable `(x, t)` or `(x, t, y)`; a module is put into eval mode
            meanwhile
        schedules: the schedule it was trained with
        x0: clean images `(B,C,H,W)`, on the 256 levels
        y: labels
        seed: of the noise, 0 or more
        variance: where the model does not learn it
        progress: show a bar
        batch_size: images at a time; does not change the result
        parameterization: what the model predicts; default: its attribute

    Returns:
        'total' `(B,)`, 'L_T' `(B,)`, 'terms' `(T,B)` with L_0 first
    """
    ...

def mean_bits_per_dim(
    model,
    schedules: DDPMSchedules,
    images: Tensor,
    y: Tensor | None = None,
    seed: int = 0,
    part: int = 16,
    progress: bool = False,
    parameterization: str | None = None,
) -> dict:
    """Bits per dimension of many images, in bounded memory

    Args:
        model: callable `(x, t)` or `(x, t, y)`
        schedules: as in training
        images: clean images `(N,C,H,W)`, on the 256 levels
        y: labels
        seed: of the noise
        part: images at a time
        progress: show bars
        parameterization: what the model predicts; default: its attribute

    Returns:
        value, standard_error, L_T, L_0, n, seed
    """
    ...
