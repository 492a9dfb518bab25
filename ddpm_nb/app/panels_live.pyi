# written by tools/export.py from panels_live.py; do not edit
"""The panels of the site, in Jupyter: the same JavaScript, with the kernel computing."""

import threading
from functools import cache
from pathlib import Path
from typing import Any

import torch

__all__ = ["SCRIPTS", "PANELS", "TASKS", "bundle", "example_digits", "Server", "live_panel"]
SCRIPTS: Path
PANELS: tuple

@cache
def bundle(name: str) -> str:
    """A module's source with those that it imports inside

    Args:
        name: of a file in `assets/js`, without its ending

    Returns:
        JavaScript without relative imports
    """
    ...

@cache
def example_digits() -> torch.Tensor:
    """The first test digit of each class

    Returns:
        uint8 `(10,32,32)`
    """
    ...

def _labels(model, options: dict, n: int) -> torch.Tensor:
    """A label for each image; the null label where none is given"""
    ...

def _images(options: dict, name: str, n: int) -> torch.Tensor:
    """`n` times the image in the panel's wishes, `(n,1,32,32)`"""
    ...

def _sample(model, sampler, options: dict, callback) -> None: ...
def _edit(model, sampler, options: dict, callback) -> None: ...
def _inpaint(model, sampler, options: dict, callback) -> None: ...
def _denoise(model, sampler, options: dict, callback) -> None: ...

TASKS: dict

class Server:
    """Answers a panel's messages by computing, as worker.js does in a page

    Args:
        send: called with a message and a list of buffers
    """

    send: Any
    stop_requested: threading.Event
    thread: Any
    def __init__(self, send) -> None: ...
    def receive(self, message: dict) -> None:
        """Do what a panel asks for, in a thread

        Args:
            message: `kind`: 'run' with `task` and `options`, or 'stop'
        """
        ...
    def on_step(self, step) -> None:
        """Send a step to the panel; raises `Stopped` after a press on Stop

        Args:
            step: a `SamplerStep`
        """
        ...
    def compute(self, task: str, options: dict) -> None:
        """Compute, and send steps and the end; whatever goes wrong is a sentence in the panel

        Args:
            task: one of `TASKS`
            options: the panel's wishes
        """
        ...

@cache
def _widget_class(name: str):
    """The widget's class, made once, since `anywidget` is optional"""
    ...

def live_panel(name: str = "digits"):
    """A panel of the site as a widget, computed by this kernel; raises `DDPMError` for other
    names

    Args:
        name: 'digits', 'denoise', 'edit', 'schedule' or 'flow'

    Returns:
        an anywidget
    """
    ...
