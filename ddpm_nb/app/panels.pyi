# written by tools/export.py from panels.py; do not edit
"""What every panel of the playground needs: image, sentence, controls, a thread for long
work.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from torch import Tensor

__all__ = [
    "log",
    "MAX_SEED",
    "LABELS",
    "grid_png",
    "figure_png",
    "Stopped",
    "Panel",
    "pretrained",
    "digits",
    "eta_of",
    "label_of",
]
log: Any

def _optional(name: str):
    """An optional package, imported; raises `DDPMError` with the command that installs it

    Args:
        name: 'ipywidgets' or 'anywidget'

    Returns:
        the module
    """
    ...

def grid_png(x: Tensor, scale: int = 3, ncols: int | None = None) -> bytes:
    """A grid of images as a PNG file in memory

    Args:
        x: images `(B,C,H,W)`, float in [-1,1] or uint8
        scale: each pixel becomes a square of this size
        ncols: images per row; default: a square

    Returns:
        a PNG file
    """
    ...

def figure_png(draw, ncols: int = 1, size: tuple = (9.0, 2.6), dpi: int = 100) -> bytes:
    """A matplotlib figure as a PNG file in memory, drawn by `draw`

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
    """Controls, an image and a sentence: what all panels of the playground share

    Args:
        name: a short word, the panel's class in the page: `pg-name`
        rows: rows of controls, each a list of widgets
        live: those of them that redraw the image at once
        alt: what the image shows, in words
    """

    alt: str
    png: bytes
    text: str
    error: Any
    traceback: Any
    thread: Any
    stop_requested: threading.Event
    start_buttons: list
    image: Any
    status: Any
    progress_bar: Any
    widget: Any
    def __init__(self, name: str, rows=(), live=(), alt: str = "") -> None: ...
    def say(self, text: str, error: bool = False) -> None:
        """Write the sentence under the image

        Args:
            text: one or two sentences, plain text
            error: whether it is one that the reader has to put right
        """
        ...
    def show(self, png: bytes, text: str | None = None) -> None:
        """Show an image and its sentence

        Args:
            png: the new image, a PNG file
            text: the sentence under it; None leaves it as it is
        """
        ...
    def draw(self):
        """Show what the controls ask for; a panel with live controls has its own"""
        ...
    def refresh(self) -> None:
        """Draw again, with the controls as they are set now"""
        ...
    def _repr_mimebundle_(self, **kwargs): ...
    @contextmanager
    def guard(self) -> Iterator[Any]:
        """Turn an exception in the block into a sentence under the image; keep and log its
        traceback
        """
        ...
    def _keep(self, error: Exception, level: int) -> None:
        """Keep an exception and its traceback, and log them

        Args:
            error: the one that is being handled
            level: of `logging`
        """
        ...
    def progress(self, fraction: float, text: str | None = None) -> None:
        """Move the progress bar; raises `Stopped` after a press on Stop

        Args:
            fraction: of the work that is done, in [0,1]
            text: the sentence to show
        """
        ...
    def _work(self, work) -> None:
        """Do long work in this thread, with a progress bar, start buttons disabled

        Args:
            work: called with `progress`
        """
        ...
    def background(self, work, wait: bool = False) -> None:
        """Start `work` in a thread with a progress bar; refused while other work is going on

        Args:
            work: called with `progress(fraction, text=None)`, fraction in [0,1]
            wait: return only when it is done
        """
        ...

@cache
def _load(name: str) -> tuple:
    """A packaged model with a sampler, read once

    Args:
        name: of packaged weights

    Returns:
        `(model, sampler)`
    """
    ...

def pretrained(label: int | None = None) -> tuple:
    """The packaged MNIST model for this label, with a sampler; read once

    Args:
        label: a class, or None for the model without labels

    Returns:
        `(model, sampler)`
    """
    ...

@cache
def digits() -> Tensor:
    """The first hundred test digits

    Returns:
        float `(100,1,32,32)`, in [-1,1]
    """
    ...

def eta_of(method: str, eta: float) -> float | None:
    """The slider's eta where the method has one

    Args:
        method: one of `METHODS`
        eta: the slider's value

    Returns:
        the same for those of `METHODS_WITH_ETA`, else None
    """
    ...

MAX_SEED: Any
LABELS: list

def label_of(value: int) -> int | None:
    """The class chosen in a list of `LABELS`

    Args:
        value: the value of a list of `LABELS`

    Returns:
        a class, or None for any
    """
    ...
