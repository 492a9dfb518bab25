# written by tools/export.py from run.py; do not edit
"""`DDPMTrainer`: a training run that can be left alone for a week."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..engine.augment import AugmentedTrainer as AugmentedTrainer
from ..engine.distributed import DistributedContext as DistributedContext
from ..schedules import DDPMSchedules as DDPMSchedules
from ..trainer import Trainer as Trainer

__all__ = ["DDPMTrainer"]

class DDPMTrainer(AugmentedTrainer):
    """`Trainer` with checkpoints, an exact resume, signals, curves and several processes

    Args:
        model: e.g. a `UNetSmall`
        schedules: the noise schedule to train for
        data: training images: from `load_data`, or what `as_data` makes one of
        val_data: held-out images; without them there is no validation loss and no
            `best.pt`
        loss: a `DDPMLoss`; default: mean squared error on what the model predicts
        config: the config's `training` section, see `TrainingConfig`
        output_dir: gets ckpts/, logs/ and grids/
        seed: decides batches, noise, timesteps and dropout
        device: see `pick_device`
        full_config: the whole config, kept in checkpoints and logs
        sample_fn: `f(model, n) -> images`, for the sample grids while training
        callbacks: more callbacks, after the standard ones
        progress: show a progress bar
        overwrite: start anew where another run already is, and remove its files
    """

    rewarmup: Any
    keeps_time: bool
    context: DistributedContext
    total_steps: Any
    output_dir: Path
    full_config: Any
    sample_fn: Any
    overwrite: bool
    owns_folder: bool
    history: Any
    loss_buffer: Any
    is_best: bool
    saved_at: Any
    _description: Any
    latest_mark: Any
    callbacks: list
    stop: Any
    finished: Any
    step: Any
    seconds: Any
    bad_steps: Any
    loss_avg: Any
    step_complete: bool
    def __init__(
        self,
        model: nn.Module,
        schedules: DDPMSchedules,
        data,
        val_data=None,
        loss=None,
        config: dict | None = None,
        output_dir: str | Path = "outputs",
        seed: int = 0,
        device: str | torch.device = "auto",
        full_config: dict | None = None,
        sample_fn=None,
        callbacks: list | None = None,
        progress: bool = True,
        overwrite: bool = False,
    ) -> None: ...
    @property
    def rank(self) -> int:
        """Which of the processes this is"""
        ...
    @property
    def world_size(self) -> int:
        """How many processes train together"""
        ...
    def make_optimizer(self) -> torch.optim.Optimizer:
        """Return the optimizer of the config; raises `DDPMError` on an unknown name"""
        ...
    def wrap(self, model: nn.Module) -> nn.Module:
        """Return the network that shares gradients with other processes, compiled if the config
        says so
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
        """Return the context in which a part runs backward; gradients are exchanged with the last
        one

        Args:
            last: whether it is the last part of a batch
        """
        ...
    def update_ema(self) -> None:
        """Move all averages towards the model, in the process that saves them"""
        ...
    def sync_stop_flags(self) -> None:
        """Let all processes leave after the same step: what one was told, all are told"""
        ...
    def should_stop(self) -> bool:
        """Whether the run is over, or somebody wants it to stop, here or in another process"""
        ...
    def reject_reason(self) -> str:
        """Return why the step under way must not change the weights; the same in all processes

        Returns:
            '' if the step may be taken
        """
        ...
    def claim_folder(self) -> None:
        """Raise `DDPMError` where another run's checkpoints are; with `overwrite`, remove them
        instead
        """
        ...
    def folder_lock(self):
        """Return the context in which only this run writes into its folder; the main process locks
        it
        """
        ...
    def resume_hint(self) -> str:
        """Return what is saved, and how to use it

        Returns:
            part of a sentence
        """
        ...
    def train(self) -> dict:
        """Train until `total_steps`, from where `resume` or an interrupted call left off

        Returns:
            the history: steps, validation losses, resumes, skipped steps
        """
        ...
    def description(self) -> dict:
        """Return what a resumed run is compared by; the images are looked at once"""
        ...
    def state_dict(self) -> dict:
        """Return what a resumed run needs; random numbers are functions of seed and step: no entry"""
        ...
    def save(self, path: str | Path, ema_only: bool = False) -> None:
        """Write a checkpoint atomically; raises `DDPMError` if the disk refuses, and the old file
        stays

        Args:
            path: the file to write, whole or not at all
            ema_only: only the averaged weights: smaller, for sampling
        """
        ...
    def current_lr(self) -> float:
        """Return the learning rate of the step that is due"""
        ...
    def load_optimizer_state(self, state: dict) -> None:
        """Restore the optimizer's memory, in the weights' memory format; its settings are the
        config's

        Args:
            state: of the optimizer
        """
        ...
    def load_state_dict(self, state: dict) -> None:
        """Go on exactly where a state was taken

        Args:
            state: from `state_dict`, of this very run: see `require_same_run`
        """
        ...
    def resume(self, path: str | Path, allow_other_data: bool = False) -> Trainer:
        """Go on exactly where a checkpoint was written; raises `DDPMError` if it is of another run

        Args:
            path: a checkpoint with optimizer state: `latest.pt`, `best.pt` or `step_….pt`
            allow_other_data: go on with other images than it was trained with

        Returns:
            itself
        """
        ...
