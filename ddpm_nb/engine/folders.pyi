# written by tools/export.py from folders.py; do not edit
"""Any folder of images, read while training."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

__all__ = [
    "EXTENSIONS",
    "EOF_MARKERS",
    "check_range",
    "read_image",
    "why_unreadable",
    "check_image",
    "find_images",
    "Files",
    "FolderData",
]
EXTENSIONS: set

def check_range(im) -> None:
    """Raise `ValueError` for pixels of which nobody knows what is white

    Args:
        im: an opened image file
    """
    ...

def read_image(path, image_size: int, channels: int = 3) -> Tensor:
    """One image file, whatever its size and mode

    Args:
        path: an image file
        image_size: wanted height and width
        channels: 1 for grey, 3 for RGB

    Returns:
        uint8 `(channels,image_size,image_size)`
    """
    ...

EOF_MARKERS: dict

def why_unreadable(f) -> str:
    """What goes wrong when an image is read

    Args:
        f: called without arguments; reads an image

    Returns:
        one line, or '' if it went well
    """
    ...

def check_image(path) -> str:
    """Look at a file's header and its end; decode it only where these leave a doubt

    Args:
        path: an image file

    Returns:
        what is wrong with it, or ''
    """
    ...

def find_images(root) -> tuple:
    """The image files under a folder, each looked at once; broken ones are printed with their
    name, and counted

    Args:
        root: a folder

    Returns:
        `(readable paths, [(broken path, why)])`
    """
    ...

class Files(torch.utils.data.Dataset):
    """Reads one file at a time; lives in the workers

    Args:
        files: paths
        image_size: wanted height and width
        channels: 1 or 3
    """

    max_consecutive_failures: int
    files: Any
    image_size: int
    channels: int
    def __init__(self, files, image_size: int, channels: int) -> None: ...
    def __len__(self):
        """How many files"""
        ...
    def __getitem__(self, i: int):
        """The image `i`, or the next one that can be read

        Args:
            i: which file

        Returns:
            `(image or None, index of the file that it is from, [(index, why) of files that
                could not be read])`
        """
        ...

class FolderData:
    """Images read from a folder as they are needed, by worker processes; same face as
    `ImageData`

    Args:
        root: a folder; classes are its sub-folders, if all images lie in some
        image_size: wanted height and width: the short side is resized, the centre
            cropped
        channels: 1 for grey, 3 for RGB
        flip: whether a mirrored picture is still a picture of the same kind
        keep: indices of the files to use (a split); default: all
        files: the folder's files, if they were looked up before
    """

    root: Path
    classes: Any
    all_files: Any
    files: list
    labels: Any
    num_classes: Any
    flip: bool
    name: Any
    image_size: int
    channels: int
    unreadable: dict
    ds: Files
    device: Any
    def __init__(
        self,
        root,
        image_size: int = 64,
        channels: int = 3,
        flip: bool = True,
        keep=None,
        files=None,
    ) -> None: ...
    def __len__(self):
        """How many images"""
        ...
    @property
    def image_shape(self):
        """`(C,H,W)`"""
        ...
    def collate(self, images, idx, bad):
        """Say which files could not be read, each once, and make a batch of the rest; raises
        `DDPMError` if there is none

        Args:
            images: of a batch, uint8; None where nothing could be read
            idx: which files they are from
            bad: `[(index, why)]` of the files that could not be read

        Returns:
            `(x, y)`: float `(B,C,H,W)` in [-1,1], and int64 `(B,)` or None
        """
        ...
    def batch(self, idx: Tensor):
        """The images at `idx`, never flipped

        Args:
            idx: int64 `(B,)`

        Returns:
            `(x, y)`: float `(B,C,H,W)` in [-1,1], and int64 `(B,)` or None
        """
        ...
    def batches(self, order, num_workers: int = 2) -> Iterator[Any]:
        """Batches in the order asked for, read ahead by workers

        Args:
            order: a list of index tensors, one per batch
            num_workers: processes that read ahead; 0 reads here

        Returns:
            yields `(x, y)` for each
        """
        ...
    def to(self, device):
        """Batches are moved to `device` as they come

        Args:
            device: a torch device

        Returns:
            itself
        """
        ...
