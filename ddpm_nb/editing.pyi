# written by tools/export.py from editing.py; do not edit
"""SDEdit, inpainting, interpolation and inversion: the same steps, starting from an image."""

from torch import Tensor

from .sampler import SamplingBatch as SamplingBatch
from .schedules import Prediction as Prediction

__all__ = ["MAX_SIGNAL_RATIO", "repaint_step", "slerp", "invert_ddim_step"]

def repaint_step(
    x: Tensor,
    pred: Prediction,
    t: int,
    t_prev: int,
    batch: SamplingBatch,
    image: Tensor,
    known: Tensor,
    resample: int = 5,
) -> Tensor:
    """One step of RePaint with its repetitions (Lugmayr et al. 2022, algorithm 1)

    Args:
        x: the state at level `t`, `(B,C,H,W)`
        pred: made from it
        t: in [0,T)
        t_prev: the next level, -1 for the clean end
        batch: for noise, more predictions and the levels' numbers
        image: all images of the run
        known: True where their pixels are known
        resample: how often the step is made

    Returns:
        the state at `t_prev`
    """
    ...

def slerp(a: Tensor, b: Tensor, w: float) -> Tensor:
    """Spherical interpolation, image by image; straight where the two are parallel

    Raises `DDPMError` for different shapes.

    Args:
        a: noise `(B,…)`
        b: noise, same shape
        w: 0 gives `a`, 1 gives `b`

    Returns:
        like `a`
    """
    ...

MAX_SIGNAL_RATIO: int

def invert_ddim_step(
    x_prev: Tensor, pred: Prediction, t_prev: int, t: int, a: list, s: list, parameterization: str
) -> Tensor:
    """DDIM's step (eta 0) solved for the state it came from, in the form that converges there

    Args:
        x_prev: the state at level `t_prev`
        pred: made from a guess of the state at level `t`
        t_prev: the level that DDIM comes to, -1 for the clean end
        t: the level that it comes from
        a: sqrt(abar) of each level
        s: sqrt(1-abar) of each level
        parameterization: what the model predicts

    Returns:
        the next guess of the state at `t`
    """
    ...
