"""What the trainer costs over the bare step: slices of a bare loop and of the trainer, in turn; prints ratios, asserts nothing.

Both do the same work on the same data: draw a batch, noise, ask the network, backward, clip, AdamW step, average. The trainer adds its
random streams, the checks for bad steps, the log and the bar. Checkpoints and validation are left out: they are work of their own, as often
as one asks for it. Processor time is printed beside wall time, because on a busy machine only the former says something."""

import argparse
import tempfile
import time

import numpy as np
import torch

from ddpm_nb.app.config import load_config
from ddpm_nb.app.recipes import build
from ddpm_nb.engine.datasets import load_data
from ddpm_nb.engine.optim import make_optimizer
from ddpm_nb.trainer import EMA, Callback


def clock():
    return np.array([time.perf_counter(), time.process_time()])


class Slices(Callback):
    "Measures the trainer's own slices, and runs one of the bare loop between two of them"

    def __init__(self, n, bare):
        self.n, self.bare, self.ours, self.theirs = n, bare, [], []

    def before_train(self, tr):
        self.t = clock()

    def after_step(self, tr):
        if tr.step % self.n:
            return
        now = clock()
        self.ours.append(now - self.t)
        self.bare(self.n)
        self.t = clock()
        self.theirs.append(self.t - now)


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--config", default="mnist_tiny")
    p.add_argument("--slices", type=int, default=20)
    p.add_argument("--steps", type=int, default=5)
    a = p.parse_args()
    c = load_config(a.config)
    t, data = c["training"], load_data(**{**c["dataset"], "limit": 4096})

    def recipe(**kw):
        return build(c, train_data=data, device="cpu", progress=False, **kw)

    plain = recipe()
    model, loss = plain.model, plain.loss
    opt, ema = (
        make_optimizer(model.parameters(), t["learning_rate"], t["optimizer"]),
        EMA(model, t["ema"]["decay"]),
    )
    g = torch.Generator().manual_seed(0)

    def bare(n):
        for _ in range(n):
            x, y = data.batch(torch.randint(0, len(data), (t["batch_size"],), generator=g))
            x = x.contiguous(memory_format=torch.channels_last)
            opt.zero_grad()
            l = loss(model, x).loss
            l.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), t["grad_clip"])
            opt.step()
            ema.update(model)
            l.item()

    bare(a.steps)
    slices = Slices(a.steps, bare)
    with tempfile.TemporaryDirectory() as d:
        recipe(
            output_dir=d,
            callbacks=[slices],
            training=dict(
                max_steps=a.slices * a.steps + a.steps, checkpoint=dict(every_steps=0), amp=False
            ),
        ).trainer.train()
    pairs = list(zip(slices.ours, slices.theirs))[1:]  # the first is a warm-up
    print(
        f"{a.config}, batch {t['batch_size']}, {torch.get_num_threads()} threads, {len(pairs)} slices of {a.steps} steps; ms a step"
    )
    for k, name in enumerate(("wall time", "processor time")):
        ours, theirs = (np.array([x[k] for x in side]) / a.steps * 1e3 for side in zip(*pairs))
        print(
            f"{name:16}bare {np.median(theirs):8.2f}  trainer {np.median(ours):8.2f}  "
            f"overhead {(np.median(ours / theirs) - 1) * 100:6.2f} % (median of pairs), "
            f"{(ours.min() / theirs.min() - 1) * 100:.2f} % (fastest slices)"
        )


if __name__ == "__main__":
    main()
