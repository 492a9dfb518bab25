"""What the trainer costs over the bare step; prints ratios, asserts nothing.

Slices of a bare loop and of the trainer take turns. Both do the same work on the same data: take a
batch, mix in noise, predict, backward, clip, AdamW step, average. The trainer adds its random
streams, the checks for bad steps and the log. Checkpoints and validation are left out: they are
work of their own, as often as one asks for it. Processor time is printed beside wall time, because
on a busy machine only the former means something.
"""

import argparse
import tempfile
import time

import numpy as np
import records
import torch

from ddpm_nb.app.config import load_config
from ddpm_nb.app.recipes import build
from ddpm_nb.engine.datasets import load_data
from ddpm_nb.engine.optim import make_optimizer
from ddpm_nb.trainer import EMA, Callback


def clock():
    "Seconds of wall time and of processor time"
    return np.array([time.perf_counter(), time.process_time()])


class BareLoop:
    "The ten-line loop with clipping and averages, on the packaged recipe"

    def __init__(self, run, data):
        self.model, self.loss, self.data = run.model, run.loss, data
        self.settings = run.config["training"]
        rate = self.settings["learning_rate"]
        self.opt = make_optimizer(self.model.parameters(), rate, self.settings["optimizer"])
        self.ema = EMA(self.model, self.settings["ema"]["decay"])
        self.generator = torch.Generator().manual_seed(0)

    def step(self):
        n = self.settings["batch_size"]
        x, _ = self.data.batch(torch.randint(0, len(self.data), (n,), generator=self.generator))
        x = x.contiguous(memory_format=torch.channels_last)
        self.opt.zero_grad()
        loss = self.loss(self.model, x).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.settings["grad_clip"])
        self.opt.step()
        self.ema.update(self.model)
        loss.item()


class Slices(Callback):
    "Measures the trainer's own slices, and runs one of the bare loop between two of them"

    def __init__(self, steps, bare):
        self.steps, self.bare = steps, bare
        self.trainer_seconds, self.bare_seconds = [], []

    def before_train(self, trainer):
        self.start = clock()

    def after_step(self, trainer):
        if trainer.step % self.steps:
            return
        now = clock()
        self.trainer_seconds.append(now - self.start)
        for _ in range(self.steps):
            self.bare.step()
        self.start = clock()
        self.bare_seconds.append(self.start - now)


def measure(config, data, steps, slices):
    "Seconds of each slice after the first, of the trainer and of the bare loop"
    with tempfile.TemporaryDirectory() as d:
        common = dict(train_data=data, device="cpu", progress=False)
        bare = BareLoop(build(config, output_dir=f"{d}/bare", **common), data)
        for _ in range(steps):
            bare.step()
        callback = Slices(steps, bare)
        settings = dict(max_steps=(slices + 1) * steps, checkpoint=dict(every_steps=0), amp=False)
        run = build(
            config, output_dir=f"{d}/run", callbacks=[callback], training=settings, **common
        )
        run.trainer.train()
    return np.array(callback.trainer_seconds[1:]), np.array(callback.bare_seconds[1:])


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--config", default="mnist_tiny")
    p.add_argument("--slices", type=int, default=20)
    p.add_argument("--steps", type=int, default=5)
    p.add_argument("--json", help="also write what was measured to this file")
    a = p.parse_args()
    config = load_config(a.config)
    data = load_data(**{**config["dataset"], "limit": 4096})
    ours, bare = measure(config, data, a.steps, a.slices)
    print(
        f"{a.config}, batch {config['training']['batch_size']}, {torch.get_num_threads()} threads, "
        f"{len(ours)} slices of {a.steps} steps; ms a step"
    )
    rows = {}
    for k, name in enumerate(("wall time", "processor time")):
        trainer_ms, bare_ms = (seconds[:, k] / a.steps * 1e3 for seconds in (ours, bare))
        median = 100 * (np.median(trainer_ms / bare_ms) - 1)
        ratio = float(np.median(trainer_ms / bare_ms))
        rows[name] = dict(seconds=float(np.median(trainer_ms)) / 1e3, ratio=ratio)
        fastest = 100 * (trainer_ms.min() / bare_ms.min() - 1)
        print(
            f"{name:16}bare {np.median(bare_ms):8.2f}  trainer {np.median(trainer_ms):8.2f}  "
            f"overhead {median:6.2f} % (median of pairs), {fastest:.2f} % (fastest slices)"
        )
    if a.json:
        records.save(a.json, rows, "× the bare loop, seconds a step")


if __name__ == "__main__":
    main()
