# written by tools/export.py from sampler.py; do not edit
"""From noise to picture: the slow way of the paper, the fast ways found since, and what
else the same steps can do.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from .schedules import DDPMSchedules as DDPMSchedules

__all__ = [
    "SPACINGS",
    "LATER_METHODS",
    "METHODS",
    "METHODS_WITH_ETA",
    "karras_steps",
    "timesteps",
    "clip_x0",
    "classifier_free_guidance",
    "DDPMSampler",
    "Denoised",
    "PerImageNoise",
    "as_seed",
    "SamplerStep",
]
SPACINGS: tuple

def karras_steps(
    sigmas, num_steps: int, rho: float = 4.0, sigma_max: float = 40.0, sigma_min: float = 0.03
) -> list:
    """Steps spaced by noise level (Karras et al. 2022, eq. 5, at the schedule's nearest steps)

    Args:
        sigmas: noise level of each step, rising, `(T,)`; the last may be infinite
        num_steps: 1 … T
        rho: how much shorter the strides get towards the clean end, above 0
        sigma_max: no step noisier than this
        sigma_min: nor, while there are others, cleaner

    Returns:
        of ints in [0,T), falling
    """
    ...

def timesteps(T: int, num_steps: int, spacing="trailing", extra: bool = False, sigmas=None) -> list:
    """The steps at which the network is asked (Lin et al. 2023, table 2); raises `DDPMError`
    for a number or spacing that is not there

    Args:
        T: steps of the schedule
        num_steps: steps to take, 1 … T
        spacing: 'leading', 'trailing', 'linspace' or 'karras'; or the steps themselves,
            a falling list of `num_steps` ints
        extra: as DPM-Solver counts: leave room for one more step at the clean end; not
            with 'karras'
        sigmas: noise level of each step, `(T,)`, for 'karras'

    Returns:
        of ints in [0,T), falling
    """
    ...

def clip_x0(x0: Tensor, clip: str = "clip", percentile: float = 0.995) -> Tensor:
    """Predicted pictures, brought back to where pictures live; raises `DDPMError` for an
    unknown way

    Args:
        x0: predicted clean images `(B,C,H,W)`
        clip: 'clip' to [-1,1], 'dynamic' thresholding, or None
        percentile: for 'dynamic', in (0,1]

    Returns:
        like `x0`
    """
    ...

def classifier_free_guidance(
    cond: Tensor, free: Tensor, scale: float = 1.0, rescale: float = 0.0
) -> Tensor:
    """Classifier-free guidance, each image rescaled by itself (Ho & Salimans 2022, eq. 6; Lin
    et al. 2023, eq. 15, 16)

    Args:
        cond: the answer with the label, `(B,C,H,W)`
        free: the answer without
        scale: w: 0 ignores the label, 1 is no guidance
        rescale: phi, in [0,1]: how far to go back to the spread of `cond`

    Returns:
        like `cond`
    """
    ...

LATER_METHODS: dict

class DDPMSampler:
    """Samples from a model by the schedule it was trained with; every method takes the same
    arguments

    Args:
        schedules: as in training
    """

    schedules: DDPMSchedules
    T: Any
    a: list
    s: list
    def __init__(self, schedules: DDPMSchedules) -> None: ...
    def steps(self, num_steps: int, spacing="trailing", extra: bool = False) -> list:
        """`timesteps` of this schedule

        Args:
            num_steps: 1 … T
            spacing: see `timesteps`
            extra: likewise

        Returns:
            of ints in [0,T), falling
        """
        ...
    def denoise(
        self,
        model,
        xt: Tensor,
        t: int,
        y: Tensor | None = None,
        guidance_scale: float = 1.0,
        guidance_rescale: float = 0.0,
        clip: str | None = None,
        parameterization: str | None = None,
    ) -> Denoised:
        """The model's answer at `(xt, t)`, guided and clipped, in one form; raises `DDPMError`
        where eps means nothing

        Args:
            model: callable `(x, t)` or `(x, t, y)`
            xt: noisy images `(B,C,H,W)`
            t: in [0,T)
            y: labels `(B,)`
            guidance_scale: w; 1 is none
            guidance_rescale: in [0,1]: how far to undo the gain in contrast
            clip: see `clip_x0`
            parameterization: what it predicts; default: the model's attribute
        """
        ...
    def _ask(
        self, model, xt: Tensor, tt: Tensor, y: Tensor, scale: float, rescale: float
    ) -> Tensor:
        """The model's output; with guidance, with and without the label in one batch

        Args:
            model: see `denoise`
            xt: noisy images
            tt: the step, once for each
            y: labels or None
            scale: guidance
            rescale: likewise

        Returns:
            as the model said it
        """
        ...
    def run(
        self,
        rule,
        model,
        shape,
        ts: list,
        y: Tensor | None = None,
        guidance_scale: float = 1.0,
        guidance_rescale: float = 0.0,
        clip: str = "clip",
        x_T: Tensor | None = None,
        generator=0,
        batch_size: int | None = None,
        start: int = 0,
        callback=None,
        progress: bool = False,
        device=None,
        dtype=None,
        parameterization: str | None = None,
    ) -> Tensor:
        """The loop that all samplers share; raises `DDPMError` for arguments that do not fit

        Args:
            rule: `rule(x, d, t, nxt, noise, state) -> x`: one move; `nxt` is -1 for the
                clean end
            model: callable `(x, t)` or `(x, t, y)`
            shape: `(B,C,H,W)`
            ts: the steps, from `timesteps`
            y: labels int64 `(B,)`, for models with classes
            guidance_scale: see `classifier_free_guidance`
            guidance_rescale: see `classifier_free_guidance`
            clip: see `clip_x0`
            x_T: start here instead of from noise
            generator: an int seed, or a `torch.Generator` that a seed is drawn from
            batch_size: images at a time; does not change the result
            start: index of the first image, where a larger set is made in parts
            callback: called with a `SamplerStep` after each
            progress: show a bar
            device: of a callable without parameters; a module has its own
            dtype: of the state; default: that of `x_T`, else float32
            parameterization: what the model predicts; default: its attribute

        Returns:
            `(B,C,H,W)`
        """
        ...
    def ddpm_sample(
        self,
        model,
        shape,
        num_steps: int | None = None,
        variance: str | None = None,
        spacing="trailing",
        **kwargs,
    ) -> Tensor:
        """Ancestral samples (DDPM algorithm 2; learned variance: Nichol & Dhariwal eq. 15); raises
        `DDPMError` as `run`

        Args:
            model: callable `(x, t)` or `(x, t, y)`
            shape: `(B,C,H,W)`
            num_steps: 1 … T; default: all
            variance: 'fixed_small', 'fixed_large' or 'learned'; default: learned if the
                model does, else small
            spacing: see `timesteps`
            kwargs: see `run`

        Returns:
            `(B,C,H,W)`
        """
        ...
    def ddim_sample(
        self, model, shape, num_steps: int = 50, eta: float = 0.0, spacing="trailing", **kwargs
    ) -> Tensor:
        """DDIM samples (Song et al. 2021, eq. 12, 16); raises `DDPMError` for a negative eta, and
        as `run`

        Args:
            model: callable `(x, t)` or `(x, t, y)`
            shape: `(B,C,H,W)`
            num_steps: 1 … T
            eta: 0: deterministic, 1: as much fresh noise as DDPM
            spacing: see `timesteps`
            kwargs: see `run`

        Returns:
            `(B,C,H,W)`
        """
        ...
    def sample(
        self,
        model,
        shape,
        method: str = "ddim",
        num_steps: int | None = None,
        eta: float | None = None,
        variance: str | None = None,
        **kwargs,
    ) -> Tensor:
        """Samples by the method of that name; raises `DDPMError` for an unknown one, and for what
        it has no use for

        Args:
            model: callable `(x, t)` or `(x, t, y)`
            shape: `(B,C,H,W)`
            method: one of `METHODS`
            num_steps: 1 … T; default: the method's own
            eta: for those of `METHODS_WITH_ETA`
            variance: for 'ddpm' alone
            kwargs: see `run`

        Returns:
            `(B,C,H,W)`
        """
        ...
    def trajectory(self, model, shape, method: str = "ddim", every: int = 1, **kwargs):
        """Samples, and what was on the way to them; raises `DDPMError` for batches, and as `run`

        Args:
            model: callable `(x, t)` or `(x, t, y)`
            shape: `(B,C,H,W)`
            method: see `METHODS`
            every: keep the first step, then every so many, and always the last
            kwargs: see the method

        Returns:
            `(x, xts, x0s, ts)`: samples; states seen, and the end `(K+1,B,C,H,W)`;
                predictions `(K,B,C,H,W)`; their steps
        """
        ...
    def ddim_invert(
        self,
        model,
        x0: Tensor,
        num_steps: int = 50,
        y: Tensor | None = None,
        guidance_scale: float = 1.0,
        spacing="trailing",
        iters: int = 10,
        batch_size: int | None = None,
        callback=None,
        parameterization: str | None = None,
    ) -> Tensor:
        """The noise behind a picture: DDIM (eta 0) run backwards; raises `DDPMError` where a step
        keeps nothing of the picture

        Args:
            model: callable `(x, t)` or `(x, t, y)`
            x0: clean images `(B,C,H,W)`, in [-1,1]
            num_steps: as in the `ddim_sample` that shall return `x0`
            y: labels, likewise
            guidance_scale: likewise; the iteration converges only for small ones
            spacing: likewise
            iters: rounds of the fixed-point iteration per step; 1 is plain DDIM inversion
            batch_size: images at a time; does not change the result
            callback: called with a `SamplerStep` after each
            parameterization: what the model predicts; default: its attribute

        Returns:
            the noise `x_T` that `ddim_sample(…, x_T=…, clip=None)` turns into `x0`
        """
        ...
    def _back(self, x: Tensor, d: Denoised, prev: int, t: int, par: str) -> Tensor:
        """DDIM's step from `t` to `prev` turned round, in the form that converges at that level

        Args:
            x: the state at `prev`
            d: what the model says at the guess of the state at `t`
            prev: the level that DDIM comes to, -1 for the clean end
            t: the level that it comes from
            par: what the model predicts

        Returns:
            the next guess of the state at `t`
        """
        ...
    def interpolate(
        self, model, z1: Tensor, z2: Tensor, n: int = 8, method: str = "ddim", **kwargs
    ) -> Tensor:
        """Pictures on the way from one noise to another; raises `DDPMError` for a method that
        throws dice

        Args:
            model: callable `(x, t)` or `(x, t, y)`
            z1: noise `(1,C,H,W)`, drawn, or from `ddim_invert`
            z2: noise, same shape
            n: pictures, both ends included
            method: a deterministic one: 'ddim', 'dpmpp_2m' or 'heun'
            kwargs: see the method

        Returns:
            `(n,C,H,W)`
        """
        ...
    def inpaint(
        self,
        model,
        image: Tensor,
        mask: Tensor,
        num_steps: int = 50,
        resample: int = 5,
        spacing="trailing",
        **kwargs,
    ) -> Tensor:
        """An image with its hole filled (RePaint, Lugmayr et al. 2022, algorithm 1); raises
        `DDPMError` for a mask that does not fit

        Args:
            model: callable `(x, t)` or `(x, t, y)`
            image: `(B,C,H,W)`, in [-1,1]; what lies under the hole is not looked at
            mask: 1 where pixels are known, 0 in the hole; `(B,C,H,W)`, or broadcastable to
                it
            num_steps: 1 … T
            resample: how often each step is made; 1 is no repetition
            spacing: see `timesteps`
            kwargs: see `run`: generator, y, guidance_scale, clip, batch_size, callback,
                progress …

        Returns:
            like `image`; known pixels are exactly the image's
        """
        ...
    def _ancestral(self, d: Denoised, t: int, nxt: int, noise) -> Tensor:
        """DDIM's move with eta 1, which is DDPM's, from `t` to `nxt`

        Args:
            d: what the model says at `t`
            t: from this level
            nxt: to this, -1 for the clean end
            noise: called for fresh noise

        Returns:
            the state at `nxt`
        """
        ...
    def edit(
        self,
        model,
        image: Tensor,
        strength: float = 0.5,
        num_steps: int = 50,
        generator=0,
        spacing="trailing",
        **kwargs,
    ) -> Tensor:
        """An image noised part of the way and denoised again by DDIM (SDEdit, Meng et al. 2022,
        algorithm 1); raises `DDPMError` as `run`

        Args:
            model: callable `(x, t)` or `(x, t, y)`
            image: `(B,C,H,W)`, in [-1,1]: a sketch, or a picture to vary
            strength: in [0,1]: the share of the steps that is run
            num_steps: steps of a full run
            generator: an int seed, or a `torch.Generator` that a seed is drawn from
            spacing: see `timesteps`
            kwargs: see `run`

        Returns:
            like `image`
        """
        ...
    def dpmpp_2m_sample(
        self, model, shape, num_steps: int = 20, spacing="karras", eta: float = 0.0, **kwargs
    ) -> Tensor:
        """DPM-Solver++(2M) samples (Lu et al. 2022, algorithm 2, and its form with dice); raises
        `DDPMError` for a negative eta, and as `run`

        Args:
            model: callable `(x, t)` or `(x, t, y)`
            shape: `(B,C,H,W)`
            num_steps: 1 … T
            spacing: see `timesteps`
            eta: 0 or more: 0 is deterministic, 1 is SDE-DPM-Solver++(2M)
            kwargs: see `run`

        Returns:
            `(B,C,H,W)`
        """
        ...
    def heun_sample(self, model, shape, num_steps: int = 20, spacing="karras", **kwargs) -> Tensor:
        """Samples by Heun's method on the probability-flow ODE (Karras et al. 2022, algorithm 1
        without churn); raises `DDPMError` as `run`

        Args:
            model: callable `(x, t)` or `(x, t, y)`
            shape: `(B,C,H,W)`
            num_steps: 1 … T; the model is called twice in each but the last
            spacing: see `timesteps`
            kwargs: see `run`

        Returns:
            `(B,C,H,W)`
        """
        ...

class Denoised(NamedTuple):
    """What the network thinks of `xt`"""

    eps: Tensor
    x0: Tensor
    raw_variance: Tensor | None = None

def _first_parameter(model):
    """Whose device and precision the model has

    Args:
        model: a module, or any callable

    Returns:
        a tensor, or None for a callable without parameters
    """
    ...

class PerImageNoise:
    """Normal noise for a batch, each image from its own stream, so that batches can be split

    Args:
        seed: of the whole run
        start: index of the first image
        n: images in this batch
        device: where the noise goes; it is drawn on the CPU, so it is the same
            everywhere
    """

    gens: list
    device: Any
    def __init__(self, seed: int, start: int, n: int, device="cpu") -> None: ...
    def __call__(self, shape, dtype=...) -> Tensor:
        """The next noise

        Args:
            shape: of one image
            dtype: of what is returned

        Returns:
            `(n,*shape)`
        """
        ...

def as_seed(generator=0) -> int:
    """A seed; raises `DDPMError` for a negative number

    Args:
        generator: an int of 0 or more, None, or a `torch.Generator` that a seed is
            drawn from

    Returns:
        0 or more
    """
    ...

def _device(model, device=None) -> torch.device:
    """The model's device; for a callable without parameters the one asked for

    Args:
        model: a module, or any callable
        device: what the caller asked for

    Returns:
        where sampling happens
    """
    ...

def _same_device(name: str, x, dev: torch.device) -> None:
    """Raise `DDPMError` for a tensor that is elsewhere

    Args:
        name: the argument's, for the message
        x: a tensor or None
        dev: where the model is
    """
    ...

def _picture(name: str, x, dev: torch.device) -> None:
    """Raise `DDPMError` for a picture or a noise of whole numbers, or that is elsewhere

    Args:
        name: the argument's, for the message
        x: a tensor or None
        dev: where the model is
    """
    ...

def _check(model, shape, y, w: float, rescale: float, x_T, batch_size, dev: torch.device) -> None:
    """Raise `DDPMError` for what does not fit together, before the model is asked

    Args:
        model: see `run`, as all of these
        shape: of what will be made
        y: labels or None
        w: guidance scale
        rescale: guidance rescale
        x_T: a start or None
        batch_size: images at a time, or None
        dev: where the model is
    """
    ...

class SamplerStep(NamedTuple):
    """What a callback sees after each step"""

    i: int
    n: int
    t: int
    x: Tensor
    x0: Tensor
    start: int

def _std(variance, beta, small, raw):
    """Standard deviation of one ancestral step

    Args:
        variance: 'fixed_small', 'fixed_large' or 'learned'
        beta: 1 - abar_t/abar_s
        small: variance of the posterior of a known picture
        raw: v' in about [-1,1], for 'learned'

    Returns:
        a number, or a tensor like `raw`
    """
    ...

METHODS: tuple
METHODS_WITH_ETA: tuple
