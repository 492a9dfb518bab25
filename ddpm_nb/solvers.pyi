# written by tools/export.py from solvers.py; do not edit
"""DPM-Solver++ and Heun: the same reverse process in ten to twenty network calls."""

from torch import Tensor

from .sampler import SamplingBatch as SamplingBatch
from .schedules import Prediction as Prediction

__all__ = ["karras_timesteps", "half_log_snr", "dpmpp_2m_step", "heun_step"]

def karras_timesteps(
    sigmas: list, num_steps: int, rho: float = 4.0, sigma_max: float = 40.0, sigma_min: float = 0.03
) -> list:
    """Steps spaced by noise level (Karras et al. 2022, eq. 5), at the schedule's nearest steps

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

def half_log_snr(a: list, s: list, t: int) -> float:
    """Half the log signal-to-noise ratio, the lambda of DPM-Solver

    Args:
        a: sqrt(abar) of each level
        s: sqrt(1-abar) of each level
        t: a level in [0,T)

    Returns:
        -inf for pure noise
    """
    ...

def dpmpp_2m_step(
    x: Tensor, pred: Prediction, t: int, t_prev: int, batch: SamplingBatch, eta: float = 0.0
) -> Tensor:
    """One step of DPM-Solver++(2M) (Lu et al. 2022, algorithm 2), deterministic or stochastic

    Args:
        x: the state at level `t`, `(B,C,H,W)`
        pred: made from it
        t: in [0,T)
        t_prev: the next level, -1 for the clean end
        batch: for noise, the levels' numbers and the step before
        eta: 0 is deterministic, 1 is SDE-DPM-Solver++(2M)

    Returns:
        the state at `t_prev`
    """
    ...

def heun_step(x: Tensor, pred: Prediction, t: int, t_prev: int, batch: SamplingBatch) -> Tensor:
    """One step of Heun's method on the probability-flow ODE (Karras et al. 2022, algorithm 1)

    Args:
        x: the state at level `t`, `(B,C,H,W)`
        pred: made from it
        t: in [0,T)
        t_prev: the next level, -1 for the clean end
        batch: for the levels' numbers and a second prediction

    Returns:
        the state at `t_prev`
    """
    ...
