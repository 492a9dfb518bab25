# written by tools/export.py from data.py; do not edit
"""Digits that ship in the package, as floats in [-1, 1], in an order that is a function of
the seed.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

__all__ = [
    "read_idx",
    "ImageData",
    "on_black",
    "fit_image",
    "load_mnist",
    "stratified_subset",
    "pick_images",
    "epoch_order",
    "batch_order",
    "random_flip",
]

def read_idx(path) -> np.ndarray:
    """The array in an idx.gz file; raises `DDPMError` if it does not hold what its header
    promises

    Args:
        path: a gzip-compressed idx file (LeCun's format), a path or an importlib
            resource

    Returns:
        uint8, shaped as the file's header says
    """
    ...

class ImageData:
    """A data set held in memory as uint8, with batches as floats in [-1, 1]

    Args:
        images: uint8 `(N,C,H,W)`
        labels: int64 `(N,)` in [0, num_classes); None: no labels
        name: its name in logs and reports
        flip: whether a mirrored image is still an image of the same kind
        num_classes: default: the largest label plus one
        classes: the names of the classes, where they have names
    """

    augment: float = 0.0
    images: Any
    labels: Any
    name: str
    flip: bool
    num_classes: int | None
    classes: list | None
    def __init__(
        self,
        images: Tensor,
        labels: Tensor | None = None,
        name: str = "images",
        flip: bool = False,
        num_classes: int | None = None,
        classes: list | None = None,
    ) -> None: ...
    def __len__(self):
        """How many images"""
        ...
    @property
    def image_shape(self) -> tuple[int, int, int]:
        """`(C,H,W)`"""
        ...
    def batch(self, idx: Tensor) -> tuple[Tensor, Tensor | None]:
        """The images and labels at `idx`, never flipped

        Args:
            idx: int64 `(B,)`

        Returns:
            float `(B,C,H,W)` in [-1,1], and int64 `(B,)` or None
        """
        ...
    def batches(self, order: Iterable, num_workers: int = 0) -> Iterator[tuple]:
        """Iterate over batches in the given order

        Args:
            order: of index tensors, one per batch
            num_workers: not needed here: nothing is read from disk

        Returns:
            `(images, labels)` for each
        """
        ...
    def to(self, device: str | torch.device) -> ImageData:
        """Move the images to `device`, where batches are then made

        Args:
            device: a torch device

        Returns:
            itself
        """
        ...

def on_black(img: Tensor, image_size: int | Sequence) -> Tensor:
    """An image in the middle of black

    Args:
        img: `(…,H,W)`, no larger than wanted
        image_size: wanted: a square's side, or height and width

    Returns:
        `(…,height,width)`
    """
    ...

def fit_image(img: Tensor, image_size: int | Sequence) -> Tensor:
    """An image of that size: on black if a little too small, else resized and centre-cropped

    Args:
        img: uint8 `(C,H,W)` or `(N,C,H,W)`
        image_size: wanted: a square's side, or height and width

    Returns:
        uint8, `(…,C,height,width)`
    """
    ...

def load_mnist(split: str = "train", image_size: int | Sequence = 32) -> ImageData:
    """MNIST from the package itself, no download; raises `DDPMError` for an unknown split

    Args:
        split: 'train' (60,000) or 'test' (10,000)
        image_size: a square's side, or height and width: the smaller one counts; from
            28 to 41 digits are padded with black, at other sizes resized
    """
    ...

def _class_shares(counts: Tensor, room: Tensor, n: int, tie: Tensor) -> Tensor:
    """How many to take of each class: its share, rounded, and one at least where there is room

    Args:
        counts: images of each class, int64 `(K,)`
        room: how many of each may be taken
        n: how many to take, at most `room.sum()`
        tie: random numbers in [0,1), `(K,)`

    Returns:
        int64 `(K,)`, of sum `n`
    """
    ...

def stratified_subset(
    labels: Tensor | int, n: int, generator: torch.Generator, leave: int = 0
) -> Tensor:
    """A random choice of images with each class as often as in the whole

    Args:
        labels: int64 `(N,)`; without labels, the number of images
        n: how many to choose; at most all
        generator: decides which, on the CPU
        leave: of each class, leave so many behind if that can be

    Returns:
        int64 `(n,)`: indices, classes mixed
    """
    ...

def pick_images(data, n: int) -> Tensor:
    """The images to take where fewer than all are wanted: the same at every call, of all
    classes

    Args:
        data: a data set with `labels`
        n: how many; at most all

    Returns:
        int64 `(n,)`: indices, classes mixed
    """
    ...

def epoch_order(n: int, batch_size: int, seed: int, epoch: int, start: int = 0) -> list[Tensor]:
    """The shuffled batches of an epoch, a function of seed and epoch; raises `DDPMError` if
    too few

    Args:
        n: images in the data set
        batch_size: images per step
        seed: the run's seed
        epoch: counted from 0; each has its own shuffle
        start: skip this many batches: where a resumed run goes on

    Returns:
        int64 `(batch_size,)` each; an incomplete last batch is dropped
    """
    ...

def batch_order(data, batch_size: int, seed: int, epoch: int, start: int = 0) -> list[Tensor]:
    """The batches of an epoch of a data set: shuffled, or in the order that it has itself

    Args:
        data: a data set; a stream has an `epoch_order` of its own
        batch_size: images per step
        seed: the run's seed
        epoch: counted from 0
        start: skip this many batches

    Returns:
        int64 `(batch_size,)` each
    """
    ...

def random_flip(
    x: Tensor, generator: torch.Generator, n: int | None = None, part: Tensor | None = None
) -> Tensor:
    """Images mirrored left to right, each with probability one half

    Args:
        x: images `(B,C,H,W)`
        generator: decides which, on the CPU
        n: draw for so many images, of which `x` are only some; default: for `x`
        part: which of the `n` images `x` are, int64 `(B,)`; default: all

    Returns:
        like `x`
    """
    ...
