# written by tools/export.py from loader.py; do not edit
"""Images that are read when they are needed, by worker processes that read ahead."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

__all__ = ["LazyImages", "ReadBatch", "BatchReader", "require_main_script", "LazyData"]

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

class ReadBatch(NamedTuple):
    """What became of a batch: images, or an error"""

    images: Tensor | None
    idx: list
    bad: list
    error: str = ""

class BatchReader(torch.utils.data.Dataset):
    """One batch at a time; lives in the workers

    Args:
        ds: what reads the images
    """

    ds: LazyImages
    def __init__(self, ds: LazyImages) -> None: ...
    def __len__(self):
        """How many images"""
        ...
    def __getitem__(self, indices: list) -> ReadBatch:
        """The images at `indices` in one tensor, in shared memory where this is a worker

        Args:
            indices: of a batch
        """
        ...
    def stack(self, items: list[tuple], shared: bool) -> ReadBatch:
        """A batch of what was read one by one

        Args:
            items: from `LazyImages`
            shared: whether the images go into shared memory
        """
        ...

def require_main_script() -> None:
    """Leave a worker that runs the script of its parent once more, with one line on standard
    error
    """
    ...

class LazyData:
    """Images that are read as they are needed, with the same interface as `ImageData`

    Args:
        ds: what reads them
        labels: int64 `(N,)`; None: no labels
    """

    augment: float = 0.0
    cache_bytes: Any
    num_workers: int
    timeout: int
    ds: LazyImages
    labels: Tensor | None
    unreadable: dict
    device: Any
    _kept: Any
    _loader: Any
    def __init__(self, ds: LazyImages, labels: Tensor | None = None) -> None: ...
    def __len__(self):
        """How many images"""
        ...
    def __getstate__(self):
        """The set without its worker processes"""
        ...
    def name_of(self, i: int) -> str | Path:
        """The name of an image, for messages

        Args:
            i: which image
        """
        ...
    @property
    def kept(self) -> tuple | None:
        """The images that were read, which of the set each is, and -1 where none was read yet

        Returns:
            images `(N,C,H,W)` and indices `(N,)`; None: too large a set
        """
        ...
    def _report(self, i: int, why: str) -> None:
        """Print the name of an image that can no longer be read, once"""
        ...
    def _checked(self, read: ReadBatch) -> ReadBatch:
        """The batch, its unreadable images reported; raises `DDPMError` where there are no images"""
        ...
    def collate(self, images: Tensor, idx: Tensor) -> tuple[Tensor, Tensor | None]:
        """A batch of images as floats, and their labels

        Args:
            images: of a batch, uint8 `(B,C,H,W)`
            idx: which images they are, int64 `(B,)`

        Returns:
            float `(B,C,H,W)` in [-1,1], and int64 `(B,)` or None
        """
        ...
    def batch(self, idx: Tensor) -> tuple[Tensor, Tensor | None]:
        """The images and labels at `idx`, never flipped; read in this process

        Args:
            idx: int64 `(B,)`

        Returns:
            float `(B,C,H,W)` in [-1,1], and int64 `(B,)` or None
        """
        ...
    def _workers(self, num_workers: int) -> tuple:
        """A loader whose workers stay, and the order that it reads in"""
        ...
    def close(self) -> None:
        """End the workers; they are started again where they are needed"""
        ...
    def _read(self, order: list, num_workers: int) -> Iterator[ReadBatch]:
        """Read batches in the given order, ahead where that is worth the processes"""
        ...
    def batches(self, order: Iterable, num_workers: int | None = None) -> Iterator[tuple]:
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

_LOOK_AFTER: int

class _Order:
    """The batches of a pass, renewed for each"""

    batches: list
    def __init__(self) -> None: ...
    def __iter__(self): ...
    def __len__(self): ...

class _StartWorker:
    """What a worker does first"""

    words: Any
    def __init__(self, words) -> None: ...
    def __call__(self, worker: int) -> None: ...
    def leave(self, e: Exception, batch) -> None: ...

def _as_it_is(batch): ...
def _start_word():
    """Where workers leave their last words"""
    ...

def _patient(loader, timeout: float) -> Iterator[ReadBatch]:
    """The batches of a loader, whose workers are looked after while nothing comes"""
    ...

def _exits(loader) -> str:
    """How the workers of a loader ended, those that did not end well"""
    ...
