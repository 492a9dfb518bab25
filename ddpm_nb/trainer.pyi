# written by tools/export.py from trainer.py; do not edit
"""The loop as a class, with callbacks around it and random numbers that need no saving."""

from typing import Any

import torch
from torch import Tensor, nn

from .loop import EMA as EMA
from .loop import amp_policy as amp_policy
from .loop import lr_at as lr_at
from .schedules import DDPMSchedules as DDPMSchedules

__all__ = ["Callback", "Trainer", "EMA", "amp_policy", "lr_at"]
_all_: list

class Callback:
    """Something that happens beside the loop; methods are named after the moment they are
    called at
    """
    def before_train(self, trainer) -> None:
        """Before the first step of this process; a resumed run has `trainer.step` > 0

        Args:
            trainer: a `Trainer`
        """
        ...
    def after_step(self, trainer) -> None:
        """After each optimizer step, skipped ones too

        Args:
            trainer: a `Trainer`
        """
        ...
    def after_epoch(self, trainer) -> None:
        """After each pass over the data

        Args:
            trainer: a `Trainer`
        """
        ...
    def after_train(self, trainer) -> None:
        """At the end, however it came: done, stopped, or by an error

        Args:
            trainer: a `Trainer`
        """
        ...

class Trainer:
    """Trains a network to predict noise: the loop, and callbacks around it

    Args:
        model: e.g. a `UNetSmall`
        schedules: the noise schedule to train for
        data: training images, e.g. `ImageData`
        val_data: held-out images, for `val_loss`
        loss: a `DDPMLoss`; default: mean squared error on what the model predicts
        config: the config's `training` section, see `TrainingConfig`
        seed: decides batches, noise, timesteps and dropout
        device: see `pick_device`
        callbacks: a list of `Callback`s
    """

    rank: int
    world_size: int
    data_offset: int
    keeps_time: bool
    augments: bool
    cfg: Any
    seed: int
    device: Any
    schedules: Any
    model: Any
    data: Any
    val_data: Any
    loss: Any
    callbacks: list
    steps_per_epoch: Any
    total_steps: Any
    step: int
    lr: Any
    opt: Any
    amp_dtype: Any
    scaler: torch.amp.GradScaler
    forward: Any
    ema: Any
    extra_emas: dict
    bad_steps: int
    loss_avg: Any
    history: dict
    seconds: Any
    stop: Any
    finished: bool
    step_complete: bool
    last_loss: Any
    grad_norm: Any
    started_at: Any
    def __init__(
        self,
        model: nn.Module,
        schedules: DDPMSchedules,
        data,
        val_data=None,
        loss=None,
        config: dict | None = None,
        seed: int = 0,
        device: str | torch.device = "auto",
        callbacks=None,
    ) -> None: ...
    @property
    def epoch(self) -> int:
        """How many passes over the data are complete"""
        ...
    @property
    def conditional(self) -> bool:
        """Whether the model takes labels"""
        ...
    def init_state(self) -> None:
        """Set all that changes while training to what it is before the first step"""
        ...
    def current_lr(self) -> float:
        """Return the learning rate of the step that is due"""
        ...
    def make_optimizer(self) -> torch.optim.Optimizer:
        """Return AdamW for the model's weights; raises `DDPMError` where another optimizer is
        asked for
        """
        ...
    def wrap(self, model: nn.Module) -> nn.Module:
        """Return what is called in the forward pass"""
        ...
    def network(self, part: slice):
        """Return what predicts for a part of a batch: the network, with what else it is told of
        these

        Args:
            part: which of this process's images
        """
        ...
    def shard(self, x):
        """Return this process's part of a batch

        Args:
            x: a tensor, one entry per image of the whole batch
        """
        ...
    def reduce(self, x: Tensor) -> Tensor:
        """Return the sum of a number over all processes"""
        ...
    def exchange_gradients(self, last: bool):
        """Return the context in which a part of a batch runs backward

        Args:
            last: whether it is the last part of a batch
        """
        ...
    def generator(self, *keys: int) -> torch.Generator:
        """Return a random stream on the training device that depends on the seed and `keys` alone

        Args:
            keys: which stream
        """
        ...
    def whole_batch_size(self, x: Tensor) -> int:
        """Return how many images a step has, of which `x` are this process's"""
        ...
    def sample_training_inputs(self, x: Tensor, y: Tensor | None = None) -> tuple:
        """Return mirrored images, partly hidden labels, timesteps and noise, a function of (seed,
        step)

        Args:
            x: clean images `(b,C,H,W)`, in [-1,1]
            y: their labels, int64 `(b,)`

        Returns:
            `(x, y, t, noise)`, each `(b,…)`; y is None for a model without labels
        """
        ...
    def autocast(self):
        """Return the context in which the forward pass runs in the precision of `amp_policy`"""
        ...
    def forward_backward(self, x: Tensor, y: Tensor | None, t: Tensor, noise: Tensor) -> Tensor:
        """Add up the gradient of the whole batch, part by part

        Args:
            x: clean images of this process `(b,C,H,W)`
            y: labels `(b,)`
            t: timesteps `(b,)`
            noise: like `x`

        Returns:
            the loss of this process's images, weighted by their share of the batch
        """
        ...
    def reject_reason(self) -> str:
        """Return why the step under way must not change the weights; the same in all processes

        Returns:
            '' if the step may be taken
        """
        ...
    def skip_step(self, reason: str) -> None:
        """Count a step that was skipped; raises `DDPMError` after too many in a row

        Args:
            reason: from `reject_reason`
        """
        ...
    def train_step(self, x: Tensor, y: Tensor | None = None) -> None:
        """Take one optimizer step; raises `DDPMError` if too many had to be skipped

        Args:
            x: clean images `(B,C,H,W)`, in [-1,1]; with several processes, this one's part
            y: labels, int64 `(B,)`
        """
        ...
    def update_ema(self) -> None:
        """Move all averages towards the model"""
        ...
    def call(self, moment: str) -> None:
        """Run one method of every callback, in order

        Args:
            moment: the callback method to run
        """
        ...
    def should_stop(self) -> bool:
        """Whether the run is over, or somebody wants it to stop"""
        ...
    def loop(self) -> None:
        """Take steps until the last one, or until somebody wants to stop"""
        ...
    def train(self) -> dict:
        """Train until `total_steps`, from where an interrupted call left off

        Returns:
            the history: which steps were skipped
        """
        ...
    def val_loss(self, n: int = 512) -> float:
        """Return the loss on held-out images with fixed noise and evenly spread timesteps

        Args:
            n: how many of the validation images, of all classes

        Returns:
            mean over the images
        """
        ...
