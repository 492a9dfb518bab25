# written by tools/export.py from loader.py; do not edit
"""Images that are read when they are needed, by worker processes that read ahead."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

__all__ = ["LazyImages", "LazyData"]

class LazyImages(torch.utils.data.Dataset):
    """One image at a time; lives in the workers. A subclass says how to `read` one"""

    max_consecutive_failures: int
    errors: tuple
    def read(self, i: int) -> Tensor:
        """The image `i`; raises one of `errors`

        Args:
            i: which image

        Returns:
            uint8 `(C,H,W)`
        """
        ...
    def why(self, i: int, e: Exception) -> str:
        """What is wrong with an image

        Args:
            i: which image
            e: what `read` raised for it

        Returns:
            one line
        """
        ...
    def __getitem__(self, i: int) -> tuple:
        """The image `i`, or the next one that can be read

        Args:
            i: which image

        Returns:
            image or None, its index, `[(index, why)]` of those that can't be read
        """
        ...

class LazyData:
    """Images that are read as they are needed, with the same interface as `ImageData`

    Args:
        ds: what reads them
        labels: int64 `(N,)`; None: no labels
    """

    ds: LazyImages
    labels: Tensor | None
    unreadable: dict
    device: Any
    def __init__(self, ds: LazyImages, labels: Tensor | None = None) -> None: ...
    def __len__(self):
        """How many images"""
        ...
    def name_of(self, i: int) -> str | Path:
        """The name of an image, for messages

        Args:
            i: which image
        """
        ...
    def _report(self, i: int, why: str) -> None:
        """Print the name of an image that can no longer be read, once"""
        ...
    def collate(self, images: list, idx: list, bad: list) -> tuple[Tensor, Tensor | None]:
        """A batch of images and labels, unreadable ones reported; raises `DDPMError` after a dozen

        Args:
            images: of a batch, uint8; None where nothing could be read
            idx: which images they are
            bad: `(index, why)` of those that could not be read

        Returns:
            float `(B,C,H,W)` in [-1,1], and int64 `(B,)` or None
        """
        ...
    def batch(self, idx: Tensor) -> tuple[Tensor, Tensor | None]:
        """The images and labels at `idx`, never flipped

        Args:
            idx: int64 `(B,)`

        Returns:
            float `(B,C,H,W)` in [-1,1], and int64 `(B,)` or None
        """
        ...
    def batches(self, order: Iterable, num_workers: int = 2) -> Iterator[tuple]:
        """Iterate over batches in the given order, read ahead; raises `LostProcess` if a reader
        dies

        Args:
            order: of index tensors, one per batch
            num_workers: processes that read ahead; 0: read in this one

        Returns:
            `(images, labels)` for each
        """
        ...
    def to(self, device: str | torch.device) -> LazyData:
        """Batches are moved to `device` as they are made

        Args:
            device: a torch device

        Returns:
            itself
        """
        ...

def _gather(items: list[tuple]) -> tuple[list, list, list]:
    """Items of `LazyImages` as three lists: images, indices, and what could not be read"""
    ...

def _ignore_sigint(worker: int) -> None: ...
