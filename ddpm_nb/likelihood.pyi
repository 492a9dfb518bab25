# written by tools/export.py from likelihood.py; do not edit
"""The variational bound that the simple loss stands in for, in bits per dimension."""

from typing import NamedTuple

from torch import Tensor

from .schedules import DDPMSchedules as DDPMSchedules

__all__ = [
    "normal_kl",
    "discretized_gaussian_log_likelihood",
    "step_log_variance",
    "Posterior",
    "bits_per_pixel",
    "variational_bound",
    "prior_term",
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
    """Log variance of one reverse step, fixed or learned (Nichol & Dhariwal eq. 15)

    Raises `DDPMError` for an unknown variance.

    Args:
        s: whose step
        xt: `(B,C,H,W)`, for its shape
        t: int64 `(B,)` in [0,T)
        variance: 'fixed_small' or 'fixed_large'
        raw: the network's 2f-1 for each pixel, like `xt`; then `variance` does not
            count

    Returns:
        broadcastable to `xt`
    """
    ...

class Posterior(NamedTuple):
    """A Gaussian step of the reverse process"""

    mean: Tensor
    log_variance: Tensor

def bits_per_pixel(nats: Tensor) -> Tensor:
    """The mean over pixels and channels, in bits

    Args:
        nats: `(B,C,H,W)`

    Returns:
        `(B,)`
    """
    ...

def variational_bound(
    schedules: DDPMSchedules,
    out: Tensor,
    x0: Tensor,
    xt: Tensor,
    t: Tensor,
    parameterization: str = "eps",
    train_mean: bool = True,
) -> Tensor:
    """An estimate of the whole bound: T times its term at `t` (without L_T, which has no
    weights)

    Args:
        schedules: how noise is mixed in
        out: the network's output at `xt`
        x0: clean images, on the 256 levels
        xt: noisy images
        t: int64 `(B,)`, drawn evenly
        parameterization: what `out` means
        train_mean: whether its gradient reaches the mean, too, or the variance alone

    Returns:
        `(B,)`, bits per dimension
    """
    ...

def prior_term(schedules: DDPMSchedules, x0: Tensor) -> Tensor:
    """L_T: what is left of the images at the noisy end (DDPM eq. 5)

    Args:
        schedules: whose last step is compared with pure noise
        x0: clean images `(B,C,H,W)`

    Returns:
        `(B,)`, bits per dimension
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
    """The variational bound on minus log2 likelihood, per pixel and channel (DDPM eq. 5)

    Raises `DDPMError` where it isn't known what the model predicts, and for a wrong
    `variance`.

    Args:
        model: callable `(x, t)` or `(x, t, y)`; a module is put into eval mode
            meanwhile
        schedules: the schedule it was trained with
        x0: clean images `(B,C,H,W)`, on the 256 levels
        y: labels, int64 `(B,)`
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
    batch_size: int = 16,
    progress: bool = False,
    parameterization: str | None = None,
) -> dict:
    """Bits per dimension of many images, in bounded memory; raises `DDPMError` as
    `bits_per_dim`

    Args:
        model: callable `(x, t)` or `(x, t, y)`
        schedules: as in training
        images: clean images `(N,C,H,W)`, on the 256 levels
        y: labels, int64 `(N,)`
        seed: of the noise
        batch_size: images at a time; each part has a seed of its own
        progress: show bars
        parameterization: what the model predicts; default: its attribute

    Returns:
        value, standard_error, L_T, L_0, n, seed
    """
    ...
