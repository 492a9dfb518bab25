# written by tools/export.py from schedules.py; do not edit
"""How a picture becomes noise, step by step, and every table that follows from it."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from .likelihood import Posterior as Posterior

__all__ = [
    "linear_betas",
    "betas_from_abar",
    "cosine_betas",
    "sigmoid_betas",
    "rescale_zero_terminal_snr",
    "check_betas",
    "derived_tables",
    "DDPMSchedules",
    "added_variance",
    "Prediction",
    "target_weights",
    "parameterization_of",
]

def linear_betas(T: int, beta_start: float = 0.0001, beta_end: float = 0.02) -> Tensor:
    """Evenly spaced betas (DDPM sec. 4), scaled by 1000/T so that any T ends in about the same
    noise

    Args:
        T: number of steps, 2 or more
        beta_start: first beta at T=1000
        beta_end: last beta at T=1000, not below the first

    Returns:
        float64 `(T,)`
    """
    ...

def betas_from_abar(abar, T: int, max_beta: float = 0.999) -> Tensor:
    """The betas whose running product of 1-beta follows `abar` (Nichol & Dhariwal eq. 17)

    Args:
        abar: a function of u in [0,1], falling from 1 towards 0
        T: number of steps
        max_beta: no step destroys more than this

    Returns:
        float64 `(T,)`
    """
    ...

def cosine_betas(T: int, s: float = 0.008) -> Tensor:
    """Betas of the cosine schedule (Nichol & Dhariwal eq. 17)

    Args:
        T: number of steps
        s: offset that keeps the first betas from vanishing, 0 or more

    Returns:
        float64 `(T,)`
    """
    ...

def sigmoid_betas(T: int, start: float = -3.0, end: float = 3.0, tau: float = 1.0) -> Tensor:
    """Betas of the sigmoid schedule (Jabri et al. 2023, fig. 8; Chen 2023, algorithm 1)

    Args:
        T: number of steps
        start: where on the sigmoid the schedule begins
        end: and where it ends, further right
        tau: temperature, above 0: larger is closer to linear in abar

    Returns:
        float64 `(T,)`
    """
    ...

def rescale_zero_terminal_snr(betas: Tensor) -> Tensor:
    """Betas with sqrt(abar) shifted and scaled to end in pure noise (Lin et al. 2023,
    algorithm 1)

    Args:
        betas: float64 `(T,)`

    Returns:
        float64 `(T,)`, the last one exactly 1
    """
    ...

def check_betas(betas, name: str = "schedules.betas") -> Tensor:
    """The betas as a tensor; raises `DDPMError` where one is no share of variance

    Args:
        betas: `(T,)`, T of 2 or more: numbers in (0,1); the last may be 1
        name: for the message

    Returns:
        float64 `(T,)` on the CPU
    """
    ...

def derived_tables(b: Tensor) -> dict:
    """Everything that follows from the betas (DDPM sec. 2; eq. 7 for the posterior)

    Args:
        b: betas, float64 `(T,)`, from `check_betas`

    Returns:
        name -> float64 `(T,)`
    """
    ...

class DDPMSchedules(nn.Module):
    """The noise schedule and every table derived from it; index t runs from 0 to T-1

    Args:
        schedule: 'linear', 'cosine', 'sigmoid', or 'flow' (see `flow_tables`)
        timesteps: T, 2 or more
        beta_start: linear: first beta at T=1000
        beta_end: linear: last beta at T=1000
        cosine_s: cosine: offset s
        sigmoid_start: sigmoid: where it begins
        sigmoid_end: sigmoid: where it ends
        sigmoid_tau: sigmoid: temperature
        zero_terminal_snr: rescale so that the last step is pure noise; needs
            parameterization v, x0 or flow
        betas: use these `(T,)` instead; of the other arguments only `dtype` counts then
        dtype: of the stored tables; they are computed in float64 either way
    """

    config: dict
    variance_preserving: Any
    T: Any
    exact_abar: Any
    exact_scales: tuple
    ends_in_noise: bool
    def __getattr__(self, name: str) -> Tensor: ...
    def __init__(
        self,
        schedule: str = "linear",
        timesteps: int = 1000,
        beta_start: float = 0.0001,
        beta_end: float = 0.02,
        cosine_s: float = 0.008,
        sigmoid_start: float = -3.0,
        sigmoid_end: float = 3.0,
        sigmoid_tau: float = 1.0,
        zero_terminal_snr: bool = False,
        betas: Tensor | list | None = None,
        dtype: torch.dtype = ...,
    ) -> None: ...
    def _named(self):
        """The betas that the config's words stand for"""
        ...
    def _own(self, betas):
        """The caller's betas, checked, and written into the config

        Args:
            betas: what the caller gave
        """
        ...
    def __len__(self):
        """The number of steps"""
        ...
    def extra_repr(self):
        """What `print` shows"""
        ...
    def at(self, name: str, t: Tensor, x: Tensor) -> Tensor:
        """The table's values at `t`, ready to broadcast over `x`

        Raises `DDPMError` where the three are on different devices.

        Args:
            name: a table, such as 'alphas_cumprod'
            t: int64 `(B,)` in [0,T)
            x: what the values will be multiplied with, `(B,…)`

        Returns:
            `(B,1,…,1)`, as many axes as `x`
        """
        ...
    def q_sample(self, x0: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        """Noisy images `xt`: `x0` noised to step `t` in one jump (DDPM eq. 4)

        Args:
            x0: clean images `(B,C,H,W)`, in [-1,1]
            t: step index, int64 `(B,)` in [0,T); the paper's t is this + 1
            noise: standard normal, shaped like `x0`

        Returns:
            `xt`, shaped like `x0`
        """
        ...
    def q_posterior(self, x0: Tensor, xt: Tensor, t: Tensor) -> tuple:
        """Posterior of the reverse step when the clean image is known (DDPM eq. 6, 7)

        Args:
            x0: clean images, or the prediction of them
            xt: noisy images at step `t`
            t: int64 `(B,)`

        Returns:
            `(mean, variance, clipped log variance)` of q(x_{t-1} | x_t, x_0)
        """
        ...
    def target(self, x0: Tensor, eps: Tensor, t: Tensor, parameterization: str = "eps") -> Tensor:
        """The regression target, noise, clean image, v or flow

        v is sqrt(abar) eps - sqrt(1-abar) x0 (Salimans & Ho 2022, app. D), flow is eps - x0
        (Lipman et
        al. 2023, eq. 23). Raises `DDPMError` for another parameterization.

        Args:
            x0: clean images `(B,C,H,W)`
            eps: the noise that was mixed in
            t: int64 `(B,)`
            parameterization: 'eps', 'x0', 'v' or 'flow'

        Returns:
            what the network should predict
        """
        ...
    def predict(
        self, out: Tensor, xt: Tensor, t: Tensor, parameterization: str = "eps"
    ) -> Prediction:
        """The same prediction in every form; raises `DDPMError` for an output of the wrong shape

        Args:
            out: the network's output, `(B,C,H,W)`, or `(B,2C,H,W)` with a learned variance
            xt: noisy images that it was given, `(B,C,H,W)`
            t: int64 `(B,)` in [0,T)
            parameterization: what `out` means: 'eps', 'x0', 'v' or 'flow'
        """
        ...
    def p_mean_variance(
        self,
        out: Tensor,
        xt: Tensor,
        t: Tensor,
        parameterization: str = "eps",
        variance: str = "fixed_small",
        clip: bool = False,
    ) -> Posterior:
        """Mean and log variance of one reverse step (DDPM eq. 7 with the predicted x0)

        Args:
            out: the network's output, `(B,C,H,W)`, or `(B,2C,H,W)` with a learned variance
            xt: the noisy images it was given, `(B,C,H,W)`
            t: int64 `(B,)` in [0,T)
            parameterization: what `out` means
            variance: see `step_log_variance`; does not count where the network predicts it
            clip: keep the predicted image in [-1,1]
        """
        ...
    def vlb_term(
        self,
        out: Tensor,
        x0: Tensor,
        xt: Tensor,
        t: Tensor,
        parameterization: str = "eps",
        variance: str = "fixed_small",
        clip: bool = False,
    ) -> Tensor:
        """One term of the variational bound: L_{t-1}, or L_0 at index 0 (DDPM eq. 5)

        Args:
            out: the network's output at `xt`
            x0: clean images, on the 256 levels
            xt: noisy images
            t: int64 `(B,)`
            parameterization: what `out` means
            variance: where it is not learned
            clip: keep the predicted image in [-1,1]

        Returns:
            `(B,)`, bits per dimension
        """
        ...

def added_variance(a: list, s: list, t: int, t_prev: int) -> float:
    """Variance of the noise that is added from one level to a noisier one (Kingma et al. 2021)

    Args:
        a: what multiplies the clean image at each level; index -1 is the clean end
        s: what multiplies the noise
        t: a level
        t_prev: a cleaner one

    Returns:
        0 or more; beta where it is the step before and variance is preserved
    """
    ...

class Prediction(NamedTuple):
    """One prediction as noise, clean image and v, each shaped like the image"""

    eps: Tensor
    x0: Tensor
    v: Tensor
    raw_variance: Tensor | None = None
    @property
    def flow(self) -> Tensor:
        """From the clean image to the noise, the velocity of flow matching"""
        ...

def target_weights(parameterization: str, a, s) -> tuple:
    """Weights of noise and clean image in what a network is trained to predict: p eps + q x0

    Args:
        parameterization: 'eps', 'x0', 'v' or 'flow'
        a: what multiplies the clean image at step t, a number or a tensor
        s: what multiplies the noise

    Returns:
        `(p, q)`, numbers or like `a`
    """
    ...

def _split_output(out: Tensor, xt: Tensor) -> tuple:
    """The two halves of the output of a model that learns its variance

    Args:
        out: `(B,2C,…)`
        xt: `(B,C,…)`

    Returns:
        the prediction, and what was learned about the variance, each like `xt`
    """
    ...

def parameterization_of(model, given: str | None = None) -> str:
    """What a model predicts; raises `DDPMError` where neither the caller nor the model says it

    Args:
        model: a module or any callable, perhaps wrapped (`DataParallel`,
            `torch.compile`, `partial`)
        given: what the caller says it predicts; wins

    Returns:
        'eps', 'x0', 'v' or 'flow'
    """
    ...
