# written by tools/export.py from run.py; do not edit
"""`DDPMTrainer`: a training run that can be left alone for a week."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..engine.distributed import DistributedContext as DistributedContext
from ..schedules import DDPMSchedules as DDPMSchedules

__all__ = ["DDPMTrainer"]

class DDPMTrainer:
    """Trains a noise predictor: a short loop; what surrounds it are callbacks

    Args:
        model: e.g. a `UNetSmall`
        schedules: the noise schedule to train for
        data: training images: `ImageData`, `FolderData`
        val_data: held-out images; without them there is no validation loss and no
            `best.pt`
        loss: a `DDPMLoss`; default: mean squared error on what the model predicts
        config: the config's `training` section, see `TRAINING_DEFAULTS`
        output_dir: gets ckpts/, logs/ and grids/
        seed: decides batches, noise, timesteps and dropout
        device: see `pick_device`
        full_config: the whole config, kept in checkpoints and logs
        sample_fn: `f(model, n) -> images`, for the sample grids while training
        callbacks: more callbacks, after the standard ones
        progress: show a progress bar
    """

    cfg: Any
    seed: int
    context: DistributedContext
    device: Any
    model: Any
    schedules: Any
    data: Any
    val_data: Any
    loss: Any
    sample_fn: Any
    output_dir: Path
    full_config: Any
    steps_per_epoch: Any
    total_steps: Any
    conditional: bool
    lr: Any
    opt: Any
    amp_dtype: Any
    scaler: torch.amp.GradScaler
    forward: Any
    ema: Any
    extra_emas: dict
    step: Any
    bad_steps: Any
    seconds: Any
    loss_avg: Any
    stop: Any
    finished: Any
    is_best: bool
    whole: bool
    saved_at: Any
    history: Any
    pending: Any
    callbacks: list
    last_loss: Any
    grad_norm: Any
    t0: Any
    def __init__(
        self,
        model: nn.Module,
        schedules: DDPMSchedules,
        data,
        val_data=None,
        loss=None,
        config: dict | None = None,
        output_dir="outputs",
        seed: int = 0,
        device="auto",
        full_config: dict | None = None,
        sample_fn=None,
        callbacks=None,
        progress: bool = True,
    ) -> None: ...
    @property
    def epoch(self):
        """How many passes over the data are complete"""
        ...
    def call(self, moment: str) -> None:
        """Run one method of every callback, in order

        Args:
            moment: the callback method to run
        """
        ...
    def check_fit(self) -> None:
        """Raise `DDPMError` unless model, data and settings fit together"""
        ...
    def init_state(self, standard: list, more: list) -> None:
        """Everything that changes while training, as it is before the first step

        Args:
            standard: callbacks that every run has
            more: the caller's own, on the first process only
        """
        ...
    def generator(self, *keys: int) -> torch.Generator:
        """A random stream on the training device that depends on the seed and `keys` alone

        Args:
            keys: which stream
        """
        ...
    def draw(self, x: Tensor, y: Tensor | None = None):
        """All random numbers of a step, as a function of (seed, step): mirrored images, labels
        partly hidden, timesteps, noise

        Args:
            x: this process's clean images `(b,C,H,W)`
            y: their labels, int64 `(b,)`

        Returns:
            `(x, y, t, noise)`, each `(b,…)`
        """
        ...
    def forward_backward(self, x: Tensor, y: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        """Add up the gradient of the whole batch, part by part; processes exchange theirs with the
        last part

        Args:
            x: clean images of this process `(b,C,H,W)`
            y: labels `(b,)` or None
            t: timesteps `(b,)`
            noise: like `x`

        Returns:
            the loss of this process's part, weighted by its share of the batch
        """
        ...
    def reject_reason(self) -> str:
        """Why the step under way must not change the weights; the same in all processes

        Returns:
            '' if nothing
        """
        ...
    def skip_step(self, why: str) -> None:
        """Count a step that was skipped; raises `DDPMError` after too many in a row

        Args:
            why: from `reject_reason`
        """
        ...
    def train_step(self, x: Tensor, y: Tensor | None = None) -> None:
        """One optimizer step; every random number in it is a function of (seed, step)

        Args:
            x: clean images `(B,C,H,W)`, in [-1,1]; with several processes, this one's part
            y: labels, int64 `(B,)`
        """
        ...
    def sync_stop_flags(self) -> None:
        """Let all processes leave after the same step: what one was told, all are told"""
        ...
    def loop(self) -> None:
        """Steps until the last one, or until somebody wants to stop"""
        ...
    def resume_hint(self) -> str:
        """What is saved, and how to use it

        Returns:
            part of a sentence
        """
        ...
    def train(self) -> dict:
        """Train until `total_steps`, from where `resume` or an interrupted call left off; errors
        say how to go on; signals save first

        Returns:
            the history: steps, validation losses, resumes, skipped steps
        """
        ...
    def state_dict(self) -> dict:
        """Everything that a resumed run needs; random streams are functions of seed and step, so
        they need no entry
        """
        ...
    def save(self, path, ema_only: bool = False) -> None:
        """Write a checkpoint atomically; raises `DDPMError` if the disk refuses, and what was
        there before stays

        Args:
            path: the file to write, whole or not at all
            ema_only: only the averaged weights: smaller, for sampling
        """
        ...
    def require_same_run(self, ck: dict, path) -> None:
        """Raise `DDPMError` unless a checkpoint is of this very run

        Args:
            ck: a checkpoint
            path: its name, for messages
        """
        ...
    def resume(self, path):
        """Go on exactly where a checkpoint was written; raises `DDPMError` if it belongs to
        another model, data set or seed

        Args:
            path: a checkpoint with optimizer state: `latest.pt`, `best.pt` or `step_….pt`
        """
        ...
    def val_loss(self, n: int = 512) -> float:
        """Loss on held-out images with fixed noise and evenly spread timesteps, so that it can be
        compared between steps

        Args:
            n: how many of the validation images, from the first on
        """
        ...
