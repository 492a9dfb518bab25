# written by tools/export.py from data.py; do not edit
"""Digits that ship in the package, as floats in [-1, 1], in an order that is a function of the seed."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

__all__ = ["read_idx", "ImageData", "fit_image", "load_mnist", "epoch_order", "random_flip"]

def read_idx(path) -> np.ndarray:
    """Read an idx.gz file without unpacking it to disk; raises `DDPMError` if it does not hold
    what its header promises

    Args:
        path: a gzip-compressed idx file (LeCun's format), a path or an importlib
            resource

    Returns:
        uint8, shaped as the file's header says
    """
    ...

class ImageData:
    """A data set held in memory as uint8, handed out as float batches in [-1, 1]

    Args:
        images: uint8 `(N,C,H,W)`
        labels: int64 `(N,)` in [0, num_classes), or None
        name: what to call it in logs and reports
        flip: whether a mirrored picture is still a picture of the same kind
        num_classes: default: the largest label plus one
    """

    images: Any
    labels: Any
    name: str
    flip: bool
    num_classes: Any
    def __init__(
        self,
        images: Tensor,
        labels: Tensor | None = None,
        name: str = "images",
        flip: bool = False,
        num_classes: int | None = None,
    ) -> None: ...
    def __len__(self):
        """How many images"""
        ...
    @property
    def image_shape(self):
        """`(C,H,W)`"""
        ...
    def batch(self, idx: Tensor):
        """The images at `idx`, never flipped

        Args:
            idx: int64 `(B,)`

        Returns:
            `(x, y)`: float `(B,C,H,W)` in [-1,1], and int64 `(B,)` or None
        """
        ...
    def batches(self, order, num_workers: int = 0) -> Iterator[Any]:
        """Batches in the order asked for

        Args:
            order: a list of index tensors, one per batch
            num_workers: not needed here: nothing is read from disk

        Returns:
            yields `(x, y)` for each
        """
        ...
    def to(self, device):
        """Move the images to `device`, where batches are then made

        Args:
            device: a torch device

        Returns:
            itself
        """
        ...

def fit_image(img: Tensor, image_size: int) -> Tensor:
    """Pad with black what is a little smaller (28 → 32), else resize the short side and crop
    the centre; never stretch

    Args:
        img: uint8 `(C,H,W)` or `(N,C,H,W)`
        image_size: wanted height and width

    Returns:
        uint8, `(…,C,image_size,image_size)`
    """
    ...

def load_mnist(split: str = "train", image_size: int = 32) -> ImageData:
    """MNIST from the package itself: nothing is downloaded, nothing is written

    Args:
        split: 'train' (60,000) or 'test' (10,000)
        image_size: height and width; from 28 to 41 digits are padded with black, at
            other sizes resized
    """
    ...

def epoch_order(n: int, batch_size: int, seed: int, epoch: int, start: int = 0):
    """The batches of one epoch, as a function of seed and epoch alone, so that a resumed run
    sees the same

    Args:
        n: images in the data set
        batch_size: images per step
        seed: the run's seed
        epoch: counted from 0; each has its own shuffle
        start: skip this many batches: where a resumed run goes on

    Returns:
        list of int64 `(batch_size,)` tensors; an incomplete last batch is dropped
    """
    ...

def random_flip(
    x: Tensor, generator: torch.Generator, n: int | None = None, part: Tensor | None = None
) -> Tensor:
    """Mirror each image left to right with probability one half

    Args:
        x: images `(B,C,H,W)`
        generator: decides which, on the CPU
        n: draw for so many images, of which `x` are only some; default: for `x`
        part: which of the `n` images `x` are, int64 `(B,)`; default: all

    Returns:
        like `x`
    """
    ...
