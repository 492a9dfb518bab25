# written by tools/export.py from flow.py; do not edit
"""The straight path from noise to image, the velocity along it, and what it has to do with
$v$.
"""

from torch import Tensor

from .sampler import SamplingBatch as SamplingBatch
from .schedules import Prediction as Prediction

__all__ = ["flow_tables", "flow_time", "along_flow", "euler_step", "flow_heun_step"]

def flow_tables(T: int) -> dict:
    """Every table of the straight path, where (1-u) x0 + u eps is the image at time u

    The betas and `alphas_cumprod` are those of the variance-preserving process with the
    same
    signal-to-noise ratio; scales, forward variance and posterior are the path's own.

    Args:
        T: number of steps; step t of them is at the time (t + 1) / T

    Returns:
        name -> float64 `(T,)`, as `derived_tables`
    """
    ...

def flow_time(batch: SamplingBatch, t: int) -> tuple:
    """Time of the straight path with the same signal-to-noise ratio, and the state's size over
    its

    Args:
        batch: for the levels' numbers
        t: a level; -1 is the clean end

    Returns:
        `(u, scale)`
    """
    ...

def along_flow(x: Tensor, velocity: Tensor, t: int, t_prev: int, batch: SamplingBatch) -> Tensor:
    """The state moved along a straight line in the path's own time

    Args:
        x: the state at level `t`, `(B,C,H,W)`
        velocity: eps - x0, like `x`
        t: in [0,T)
        t_prev: the next level
        batch: for the levels' numbers

    Returns:
        the state at `t_prev`
    """
    ...

def euler_step(x: Tensor, pred: Prediction, t: int, t_prev: int, batch: SamplingBatch) -> Tensor:
    """One step of Euler's method along the flow, eps - x0 (Lipman et al. 2023, eq. 1)

    Args:
        x: the state at level `t`, `(B,C,H,W)`
        pred: made from it
        t: in [0,T)
        t_prev: the next level, -1 for the clean end
        batch: for the levels' numbers

    Returns:
        the state at `t_prev`
    """
    ...

def flow_heun_step(
    x: Tensor, pred: Prediction, t: int, t_prev: int, batch: SamplingBatch
) -> Tensor:
    """One step of Heun's method along the flow: Euler's, made again with the mean of both
    velocities

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
