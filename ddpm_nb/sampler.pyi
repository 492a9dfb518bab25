# written by tools/export.py from sampler.py; do not edit
"""From noise to image: the reverse process of the paper, and DDIM, which needs fewer
steps.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .schedules import DDPMSchedules as DDPMSchedules
from .schedules import Prediction as Prediction

__all__ = [
    "METHODS",
    "METHODS_WITH_ETA",
    "clip_x0",
    "DDPMSampler",
    "SamplerStep",
    "SamplingBatch",
    "learned_log_variance",
    "ddpm_step",
    "ddim_sigma",
    "ddim_step",
]

def clip_x0(x0: Tensor, clip: str | None = "clip", percentile: float = 0.995) -> Tensor:
    """Predicted images, clipped or scaled to [-1,1]; raises `DDPMError` for an unknown way

    Args:
        x0: predicted clean images `(B,C,H,W)`
        clip: 'clip' to [-1,1], 'dynamic' thresholding, or None
        percentile: for 'dynamic', in (0,1]

    Returns:
        like `x0`
    """
    ...

class DDPMSampler:
    """Samples from a model by its schedule; every method takes the arguments of
    `sampling_loop`

    Args:
        schedules: as in training
    """

    schedules: DDPMSchedules
    T: Any
    a: list
    s: list
    def __init__(self, schedules: DDPMSchedules) -> None: ...
    def steps(
        self, num_steps: int, spacing: str | list = "trailing", reserve_final_step: bool = False
    ) -> list:
        """`timesteps` of this schedule

        Args:
            num_steps: 1 … T
            spacing: see `timesteps`
            reserve_final_step: see `timesteps`

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
    ) -> Prediction:
        """The model's prediction at `(xt, t)`, guided and clipped; `DDPMError` where eps says
        nothing

        Args:
            model: callable `(x, t)` or `(x, t, y)`
            xt: noisy images `(B,C,H,W)`
            t: in [0,T)
            y: labels `(B,)`
            guidance_scale: w; 1 is none
            guidance_rescale: in [0,1]: how far to undo the gain in contrast
            clip: see `clip_x0`
            parameterization: what the model predicts; default: its attribute
        """
        ...
    def sampling_loop(
        self,
        step_fn: Callable,
        model,
        shape: tuple,
        ts: list,
        y: Tensor | None = None,
        guidance_scale: float = 1.0,
        guidance_rescale: float = 0.0,
        clip: str | None = "clip",
        x_T: Tensor | None = None,
        generator: int | torch.Generator | None = None,
        batch_size: int | None = None,
        start: int = 0,
        callback: Callable | None = None,
        progress: bool = False,
        device: str | torch.device | None = None,
        dtype: torch.dtype | None = None,
        parameterization: str | None = None,
    ) -> Tensor:
        """The loop that all samplers share; raises `DDPMError` for arguments that do not fit

        Args:
            step_fn: `(x, pred, t, t_prev, batch) -> x`: one move from level `t` to
                `t_prev`, -1 for the clean end; `batch` is a `SamplingBatch`
            model: callable `(x, t)` or `(x, t, y)`
            shape: `(B,C,H,W)`
            ts: the steps, from `timesteps`
            y: labels int64 `(B,)`, for models with classes
            guidance_scale: see `classifier_free_guidance`
            guidance_rescale: see `classifier_free_guidance`
            clip: see `clip_x0`
            x_T: start here instead of from noise
            generator: an int seed, or a `torch.Generator` that a seed is drawn from;
                default: the global one
            batch_size: images at a time; does not change the result
            start: index of the first image, where a larger set is made in parts
            callback: called with a `SamplerStep` after each
            progress: show a bar
            device: of a callable without parameters
            dtype: of the state; default: that of `x_T`, else float32
            parameterization: what the model predicts; default: its attribute

        Returns:
            `(B,C,H,W)`
        """
        ...
    def ddpm_sample(
        self,
        model,
        shape: tuple,
        num_steps: int | None = None,
        variance: str | None = None,
        spacing: str | list = "trailing",
        *,
        y: Tensor | None = None,
        guidance_scale: float = 1.0,
        guidance_rescale: float = 0.0,
        clip: str | None = "clip",
        x_T: Tensor | None = None,
        generator: int | torch.Generator | None = None,
        batch_size: int | None = None,
        start: int = 0,
        callback: Callable | None = None,
        progress: bool = False,
        device: str | torch.device | None = None,
        dtype: torch.dtype | None = None,
        parameterization: str | None = None,
    ) -> Tensor:
        """Ancestral samples (DDPM algorithm 2); raises `DDPMError` for arguments that do not fit

        Args:
            model: callable `(x, t)` or `(x, t, y)`
            shape: `(B,C,H,W)`
            num_steps: 1 … T; default: all
            variance: 'fixed_small', 'fixed_large' or 'learned'; default: learned if the
                model does, else small
            spacing: see `timesteps`

        Returns:
            `(B,C,H,W)`
        """
        ...
    def ddim_sample(
        self,
        model,
        shape: tuple,
        num_steps: int = 50,
        eta: float = 0.0,
        spacing: str | list = "trailing",
        *,
        y: Tensor | None = None,
        guidance_scale: float = 1.0,
        guidance_rescale: float = 0.0,
        clip: str | None = "clip",
        x_T: Tensor | None = None,
        generator: int | torch.Generator | None = None,
        batch_size: int | None = None,
        start: int = 0,
        callback: Callable | None = None,
        progress: bool = False,
        device: str | torch.device | None = None,
        dtype: torch.dtype | None = None,
        parameterization: str | None = None,
    ) -> Tensor:
        """DDIM samples (Song et al. 2021, eq. 12, 16); raises `DDPMError` for an eta that can't be

        Args:
            model: callable `(x, t)` or `(x, t, y)`
            shape: `(B,C,H,W)`
            num_steps: 1 … T
            eta: 0: deterministic, 1: as much fresh noise as DDPM
            spacing: see `timesteps`

        Returns:
            `(B,C,H,W)`
        """
        ...
    def sample(
        self,
        model,
        shape: tuple,
        method: str = "ddim",
        num_steps: int | None = None,
        eta: float | None = None,
        variance: str | None = None,
        spacing: str | list | None = None,
        *,
        y: Tensor | None = None,
        guidance_scale: float = 1.0,
        guidance_rescale: float = 0.0,
        clip: str | None = "clip",
        x_T: Tensor | None = None,
        generator: int | torch.Generator | None = None,
        batch_size: int | None = None,
        start: int = 0,
        callback: Callable | None = None,
        progress: bool = False,
        device: str | torch.device | None = None,
        dtype: torch.dtype | None = None,
        parameterization: str | None = None,
    ) -> Tensor:
        """Samples by the method of that name

        Raises `DDPMError` for an unknown method, and for an argument that it has no use for.

        Args:
            model: callable `(x, t)` or `(x, t, y)`
            shape: `(B,C,H,W)`
            method: one of `METHODS`
            num_steps: 1 … T; default: the method's own
            eta: for those of `METHODS_WITH_ETA`
            variance: for 'ddpm' alone
            spacing: see `timesteps`; default: the method's own

        Returns:
            `(B,C,H,W)`
        """
        ...
    def trajectory(
        self,
        model,
        shape: tuple,
        method: str = "ddim",
        every: int = 1,
        callback: Callable | None = None,
        *,
        num_steps: int | None = None,
        eta: float | None = None,
        variance: str | None = None,
        spacing: str | list | None = None,
        y: Tensor | None = None,
        guidance_scale: float = 1.0,
        guidance_rescale: float = 0.0,
        clip: str | None = "clip",
        x_T: Tensor | None = None,
        generator: int | torch.Generator | None = None,
        start: int = 0,
        progress: bool = False,
        device: str | torch.device | None = None,
        dtype: torch.dtype | None = None,
        parameterization: str | None = None,
    ) -> tuple:
        """Samples, with the states and predictions on the way to them; raises `DDPMError` for
        batches

        Args:
            model: callable `(x, t)` or `(x, t, y)`
            shape: `(B,C,H,W)`
            method: see `METHODS`
            every: keep the first step, then every so many, and always the last
            callback: called with a `SamplerStep` after each

        Returns:
            `(x, xts, x0s, ts)`: samples; states before the kept steps, and the end
                `(K+1,B,C,H,W)`; predictions `(K,B,C,H,W)`; their levels
        """
        ...
    def edit(
        self,
        model,
        image: Tensor,
        strength: float = 0.5,
        num_steps: int = 50,
        generator: int | torch.Generator | None = None,
        spacing: str | list = "trailing",
        *,
        y: Tensor | None = None,
        guidance_scale: float = 1.0,
        guidance_rescale: float = 0.0,
        clip: str | None = "clip",
        batch_size: int | None = None,
        start: int = 0,
        callback: Callable | None = None,
        progress: bool = False,
        device: str | torch.device | None = None,
        dtype: torch.dtype | None = None,
        parameterization: str | None = None,
    ) -> Tensor:
        """Images noised part of the way and denoised again by DDIM

        This is SDEdit (Meng et al. 2022, algorithm 1). Raises `DDPMError` for a strength that
        is no
        share, and for arguments that do not fit.

        Args:
            model: callable `(x, t)` or `(x, t, y)`
            image: `(B,C,H,W)`, in [-1,1]: a sketch, or an image to vary
            strength: in [0,1]: the share of the steps that is run
            num_steps: steps of a full run
            generator: an int seed, or a `torch.Generator` that a seed is drawn from;
                default: the global one
            spacing: see `timesteps`

        Returns:
            like `image`
        """
        ...
    def inpaint(
        self,
        model,
        image: Tensor,
        mask: Tensor,
        num_steps: int = 50,
        resample: int = 5,
        spacing: str | list = "trailing",
        *,
        y: Tensor | None = None,
        guidance_scale: float = 1.0,
        guidance_rescale: float = 0.0,
        clip: str | None = "clip",
        x_T: Tensor | None = None,
        generator: int | torch.Generator | None = None,
        batch_size: int | None = None,
        start: int = 0,
        callback: Callable | None = None,
        progress: bool = False,
        device: str | torch.device | None = None,
        dtype: torch.dtype | None = None,
        parameterization: str | None = None,
    ) -> Tensor:
        """Images with their holes filled by RePaint; raises `DDPMError` for a mask that does not
        fit

        Args:
            model: callable `(x, t)` or `(x, t, y)`
            image: `(B,C,H,W)`, in [-1,1]; what lies under the hole does not matter
            mask: 1 where pixels are known, 0 in the hole; `(B,C,H,W)`, or broadcastable to
                it
            num_steps: 1 … T
            resample: how often each step is made; 1 is no repetition
            spacing: see `timesteps`

        Returns:
            like `image`; known pixels are exactly the image's
        """
        ...
    def interpolate(
        self,
        model,
        z1: Tensor,
        z2: Tensor,
        n: int = 8,
        method: str = "ddim",
        *,
        num_steps: int | None = None,
        spacing: str | list | None = None,
        y: Tensor | None = None,
        guidance_scale: float = 1.0,
        guidance_rescale: float = 0.0,
        clip: str | None = "clip",
        generator: int | torch.Generator | None = None,
        batch_size: int | None = None,
        start: int = 0,
        callback: Callable | None = None,
        progress: bool = False,
        device: str | torch.device | None = None,
        dtype: torch.dtype | None = None,
        parameterization: str | None = None,
    ) -> Tensor:
        """Images between two noises; raises `DDPMError` for a stochastic method

        Args:
            model: callable `(x, t)` or `(x, t, y)`
            z1: noise `(1,C,H,W)`, drawn, or from `ddim_invert`
            z2: noise, same shape
            n: images, both ends included
            method: a deterministic one: 'ddim', 'dpmpp_2m' or 'heun'

        Returns:
            `(n,C,H,W)`
        """
        ...
    def ddim_invert(
        self,
        model,
        x0: Tensor,
        num_steps: int = 50,
        y: Tensor | None = None,
        guidance_scale: float = 1.0,
        spacing: str | list = "trailing",
        iters: int = 10,
        batch_size: int | None = None,
        callback: Callable | None = None,
        parameterization: str | None = None,
    ) -> Tensor:
        """The noise behind an image: DDIM (eta 0) run backwards

        Raises `DDPMError` where a step keeps nothing of the image, and for arguments that do
        not fit.

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
    def euler_sample(
        self,
        model,
        shape: tuple,
        num_steps: int = 50,
        spacing: str | list = "trailing",
        *,
        y: Tensor | None = None,
        guidance_scale: float = 1.0,
        guidance_rescale: float = 0.0,
        clip: str | None = "clip",
        x_T: Tensor | None = None,
        generator: int | torch.Generator | None = None,
        batch_size: int | None = None,
        start: int = 0,
        callback: Callable | None = None,
        progress: bool = False,
        device: str | torch.device | None = None,
        dtype: torch.dtype | None = None,
        parameterization: str | None = None,
    ) -> Tensor:
        """Samples by Euler's method along the flow from noise to images

        On every schedule: it is taken to the straight path and back, where the states are the
        same but
        for a factor. Equal to DDIM without fresh noise.

        Args:
            model: callable `(x, t)` or `(x, t, y)`
            shape: `(B,C,H,W)`
            num_steps: 1 … T
            spacing: see `timesteps`

        Returns:
            `(B,C,H,W)`
        """
        ...
    def dpmpp_2m_sample(
        self,
        model,
        shape: tuple,
        num_steps: int = 20,
        spacing: str | list = "karras",
        eta: float = 0.0,
        *,
        y: Tensor | None = None,
        guidance_scale: float = 1.0,
        guidance_rescale: float = 0.0,
        clip: str | None = "clip",
        x_T: Tensor | None = None,
        generator: int | torch.Generator | None = None,
        batch_size: int | None = None,
        start: int = 0,
        callback: Callable | None = None,
        progress: bool = False,
        device: str | torch.device | None = None,
        dtype: torch.dtype | None = None,
        parameterization: str | None = None,
    ) -> Tensor:
        """DPM-Solver++(2M) samples (Lu et al. 2022); raises `DDPMError` for a negative eta

        Args:
            model: callable `(x, t)` or `(x, t, y)`
            shape: `(B,C,H,W)`
            num_steps: 1 … T
            spacing: see `timesteps`
            eta: 0 or more: 0 is deterministic, 1 is SDE-DPM-Solver++(2M)

        Returns:
            `(B,C,H,W)`
        """
        ...
    def heun_sample(
        self,
        model,
        shape: tuple,
        num_steps: int = 20,
        spacing: str | list | None = None,
        *,
        y: Tensor | None = None,
        guidance_scale: float = 1.0,
        guidance_rescale: float = 0.0,
        clip: str | None = "clip",
        x_T: Tensor | None = None,
        generator: int | torch.Generator | None = None,
        batch_size: int | None = None,
        start: int = 0,
        callback: Callable | None = None,
        progress: bool = False,
        device: str | torch.device | None = None,
        dtype: torch.dtype | None = None,
        parameterization: str | None = None,
    ) -> Tensor:
        """Samples by Heun's method, along noise levels or, on the path of flow matching, along its
        time

        Raises `DDPMError` for a start without any signal, unless on that path.

        Args:
            model: callable `(x, t)` or `(x, t, y)`
            shape: `(B,C,H,W)`
            num_steps: 1 … T; the model is called twice in each but the last
            spacing: see `timesteps`; default: karras, and trailing on the path of flow
                matching

        Returns:
            `(B,C,H,W)`
        """
        ...

class SamplerStep(NamedTuple):
    """What a callback gets after each step"""

    i: int
    n: int
    t: int
    x: Tensor
    x0: Tensor
    start: int
    xt: Tensor | None = None

@dataclass
class SamplingBatch:
    """What a step function may use, for one batch of images on its way from noise"""

    a: list
    s: list
    denoise: Callable
    fresh_noise: Callable
    indices: slice
    last: tuple | None = None

def learned_log_variance(raw: Tensor, log_large, log_small) -> Tensor:
    """Log variance of a step, learned between two bounds (Nichol & Dhariwal eq. 15)

    Args:
        raw: the network's v' = 2f-1, in about [-1,1]
        log_large: log beta, a number or a tensor like `raw`
        log_small: log beta-tilde, likewise

    Returns:
        like `raw`
    """
    ...

def ddpm_step(
    x: Tensor,
    pred: Prediction,
    t: int,
    t_prev: int,
    batch: SamplingBatch,
    variance: str = "fixed_small",
) -> Tensor:
    """One step of ancestral sampling (DDPM algorithm 2, line 4); raises `DDPMError` without
    variance

    Args:
        x: the state at level `t`, `(B,C,H,W)`
        pred: made from it
        t: in [0,T)
        t_prev: the next level, -1 for the clean end
        batch: for noise and the levels' numbers
        variance: 'fixed_small', 'fixed_large' or 'learned'

    Returns:
        the state at `t_prev`
    """
    ...

def ddim_sigma(a: list, s: list, t: int, t_prev: int, eta: float) -> float:
    """Standard deviation of the fresh noise in a step (DDIM eq. 16)

    Args:
        a: sqrt(abar) of each level
        s: sqrt(1-abar) of each level
        t: from this level
        t_prev: to this, -1 for the clean end
        eta: 0: deterministic, 1: as much fresh noise as DDPM

    Returns:
        0 or more
    """
    ...

def ddim_step(
    x: Tensor, pred: Prediction, t: int, t_prev: int, batch: SamplingBatch, eta: float = 0.0
) -> Tensor:
    """One step of DDIM (Song et al. 2021, eq. 12)

    Args:
        x: the state at level `t`; not used, as the prediction holds all of it
        pred: made from it
        t: in [0,T)
        t_prev: the next level, -1 for the clean end
        batch: for noise and the levels' numbers
        eta: 0: deterministic, 1: as much fresh noise as DDPM

    Returns:
        the state at `t_prev`
    """
    ...

METHODS: tuple
METHODS_WITH_ETA: tuple
