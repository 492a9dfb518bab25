# written by tools/export.py from panels.py; do not edit
"""What every panel of the playground needs."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor

__all__ = [
    "LABELS",
    "picture",
    "figure",
    "Stopped",
    "Panel",
    "pretrained",
    "digits",
    "eta_of",
    "label_of",
]

def _optional(name: str):
    """An optional package, or a plain error

    Args:
        name: 'ipywidgets' or 'anywidget'
    """
    ...

def picture(x: Tensor, scale: int = 3, ncols: int | None = None) -> bytes:
    """A grid of images as a PNG file in memory

    Args:
        x: images `(B,C,H,W)`, float in [-1,1] or uint8
        scale: each pixel becomes a square of this size
        ncols: images per row; default: a square

    Returns:
        a PNG file
    """
    ...

def figure(draw, ncols: int = 1, size=(9.0, 2.6), dpi: int = 80) -> bytes:
    """What `draw` draws, as a PNG file in memory

    Args:
        draw: called with the Axes
        ncols: how many Axes, side by side
        size: of the whole figure, in inches
        dpi: pixels per inch

    Returns:
        a PNG file
    """
    ...

class Stopped(Exception):
    """The stop button was pressed"""

class Panel:
    """Controls, a picture and a sentence; what all parts of the playground share

    Args:
        name: a short word, the panel's class in the page: `pg-name`
        rows: rows of controls, each a list of widgets
        live: those of them that redraw the picture at once
        alt: what the picture shows, in words
    """

    image: Any
    says: Any
    alt: str
    png: bytes
    bar: w.FloatProgress
    widget: w.VBox
    text: str
    error: Any
    thread: Any
    halt: threading.Event
    starters: list
    def __init__(self, name: str, rows=(), live=(), alt: str = "") -> None: ...
    def say(self, text: str, error: bool = False) -> None:
        """Write the sentence under the picture

        Args:
            text: one or two sentences, plain text
            error: whether it is one that the reader has to put right
        """
        ...
    def show(self, png: bytes, text: str | None = None) -> None:
        """Show a picture and its sentence

        Args:
            png: the new picture
            text: and what to say about it
        """
        ...
    def refresh(self) -> None:
        """Draw again, with the controls as they stand"""
        ...
    def _repr_mimebundle_(self, **kwargs): ...
    @contextmanager
    def guard(self) -> Iterator[Any]:
        """Turn what goes wrong in the block into a sentence under the picture"""
        ...
    def background(self, work, wait: bool = False):
        """Run `work` in a thread, with progress, its start buttons greyed out; only one at a time

        Args:
            work: called with `tick(share, text=None)`, share in [0,1]
            wait: return only when it is done
        """
        ...

_cache: dict

def _once(key, make):
    """`make()`, remembered under `key`

    Args:
        key: what it is called
        make: called the first time
    """
    ...

def pretrained(label=None):
    """The packaged model for this request, with a sampler; read once

    Args:
        label: a class, or None for the model without labels

    Returns:
        `(model, sampler)`
    """
    ...

def digits() -> Tensor:
    """The first hundred test digits

    Returns:
        float `(100,1,32,32)`, in [-1,1]
    """
    ...

def eta_of(method: str, eta: float):
    """The slider's eta where it means something

    Args:
        method: one of `METHODS`
        eta: what the slider says

    Returns:
        a float for those of `METHODS_WITH_ETA`, else None
    """
    ...

LABELS: list

def label_of(value: int):
    """The label that was asked for

    Args:
        value: what the list says

    Returns:
        a class, or None
    """
    ...
