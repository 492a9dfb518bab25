# written by tools/export.py from folders.py; do not edit
"""Any folder of images, read while training."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

__all__ = [
    "EXTENSIONS",
    "EOF_MARKERS",
    "UNREADABLE",
    "check_range",
    "read_image",
    "why_unreadable",
    "check_image",
    "find_images",
    "Files",
    "FolderData",
]
EXTENSIONS: set

def check_range(im: Image.Image) -> None:
    """Raise `ValueError` for pixels of 32 bits, whose white is not known

    Args:
        im: an opened image file
    """
    ...

def read_image(path: str | Path, image_size: int, channels: int = 3) -> Tensor:
    """The pixels of an image file of any size and mode; raises one of `UNREADABLE`

    Args:
        path: an image file
        image_size: wanted height and width
        channels: 1 for grey, 3 for RGB

    Returns:
        uint8 `(channels,image_size,image_size)`
    """
    ...

EOF_MARKERS: dict
UNREADABLE: tuple

def why_unreadable(read: Callable) -> str:
    """What goes wrong when an image is read

    Args:
        read: called without arguments; reads an image

    Returns:
        one line, or '' if it went well
    """
    ...

def check_image(path: str | Path) -> str:
    """Check a file's header and its end; decode it only where these leave a doubt

    Args:
        path: an image file

    Returns:
        what is wrong with it, or ''
    """
    ...

def find_images(root: str | Path) -> tuple[list, list]:
    """The image files under a folder, broken ones printed and left out; raises `DDPMError` if
    none

    Args:
        root: a folder

    Returns:
        readable paths; and `(path, why)` of the others
    """
    ...

class Files(torch.utils.data.Dataset):
    """One image file at a time; lives in the workers

    Args:
        files: paths
        image_size: wanted height and width
        channels: 1 or 3
    """

    max_consecutive_failures: int
    files: list
    image_size: int
    channels: int
    def __init__(self, files: list, image_size: int, channels: int) -> None: ...
    def __len__(self):
        """How many files"""
        ...
    def __getitem__(self, i: int) -> tuple:
        """The image `i`, or the next one that can be read

        Args:
            i: which file

        Returns:
            image or None, index of its file, `[(index, why)]` of files that can't be read
        """
        ...

class FolderData:
    """Images read from a folder as they are needed, with the same interface as `ImageData`

    Args:
        root: a folder; classes are its sub-folders, if all images lie in some
        image_size: wanted height and width: the short side is resized, the centre
            cropped
        channels: 1 for grey, 3 for RGB
        flip: whether a mirrored image is still an image of the same kind
        keep: indices of the files to use (a split); default: all
        files: the folder's files, from an earlier `find_images`
    """

    root: Path
    name: Any
    image_size: int
    channels: int
    flip: bool
    all_files: Any
    files: list
    classes: Any
    num_classes: Any
    labels: Any
    unreadable: dict
    ds: Files
    device: Any
    def __init__(
        self,
        root: str | Path,
        image_size: int = 64,
        channels: int = 3,
        flip: bool = True,
        keep: Iterable | None = None,
        files: list | None = None,
    ) -> None: ...
    def _top(self, path: Path) -> str: ...
    def _class_names(self) -> list | None:
        """The sub-folders that hold images, of the whole folder, also in a split"""
        ...
    def __len__(self):
        """How many images"""
        ...
    @property
    def image_shape(self) -> tuple[int, int, int]:
        """`(C,H,W)`"""
        ...
    def _report(self, path: Path, why: str) -> None:
        """Print the name of a file that can no longer be read, once"""
        ...
    def collate(self, images: list, idx: list, bad: list) -> tuple[Tensor, Tensor | None]:
        """A batch of images and labels, unreadable files reported; raises `DDPMError` after a
        dozen

        Args:
            images: of a batch, uint8; None where nothing could be read
            idx: which files they are from
            bad: `(index, why)` of the files that could not be read

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
    def to(self, device: str | torch.device) -> FolderData:
        """Batches are moved to `device` as they are made

        Args:
            device: a torch device

        Returns:
            itself
        """
        ...

def _gather(items: list[tuple]) -> tuple[list, list, list]:
    """Items of `Files` as three lists: images, indices, and what could not be read"""
    ...

def _ignore_sigint(worker: int) -> None: ...
