# written by tools/export.py from editing.py; do not edit
"""Inversion, interpolation, inpainting and SDEdit: the same steps, starting from an image."""

from torch import Tensor

__all__ = ["slerp"]

def slerp(a: Tensor, b: Tensor, w: float) -> Tensor:
    """Spherical interpolation, image by image; straight where the two are parallel; raises
    `DDPMError` for different shapes

    Args:
        a: noise `(B,…)`
        b: noise, same shape
        w: 0 gives `a`, 1 gives `b`

    Returns:
        like `a`
    """
    ...
