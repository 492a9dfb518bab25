"What each of several processes does, that test_distributed.py and test_hosts.py start"

import json
import math
import os
import signal
import sys
import time
from collections.abc import Container
from pathlib import Path

import torch

from ddpm_nb.cli import main
from ddpm_nb.core import DDPMError
from ddpm_nb.data import ImageData
from ddpm_nb.engine.distributed import distributed, main_process_first
from ddpm_nb.engine.run import DDPMTrainer
from ddpm_nb.schedules import DDPMSchedules
from ddpm_nb.trainer import Callback
from ddpm_nb.unet import UNetSmall
from helpers.tiny import NET, StopAt


def trainer(out, data=None, device="cpu", **kw):
    # other weights in each process: the first one's must win
    torch.manual_seed(int(os.environ.get("RANK", 0)))
    pixels = torch.randint(
        0, 256, (64, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    usual = dict(
        max_steps=8,
        batch_size=10,
        accumulate=2,
        amp=False,
        log_every=2,
        learning_rate=1e-3,
        ema=dict(decay=0.9, extra_decays=[0.5]),
        scheduler=dict(warmup_steps=2),
        checkpoint=dict(every_steps=3),
        validation=dict(every_steps=4, num_images=16),
        optimizer=dict(eps=1e-4),
    )
    data = data or ImageData(pixels, torch.arange(64) % 4, flip=True)
    return DDPMTrainer(
        UNetSmall(**NET, parameterization="v", num_classes=4),
        DDPMSchedules("cosine", 20),
        data,
        ImageData(pixels, torch.arange(64) % 4),
        output_dir=out,
        device=device,
        progress=False,
        config=usual | kw,
    )


class Spoiled(ImageData):
    "In one process only, and only for a while"

    n = 0
    when: Container[int] = ()

    def batches(self, order, **kw):
        for x, y in super().batches(order, **kw):
            self.n += 1
            bad = os.environ.get("RANK") == "1" and self.n in self.when
            yield (x * math.nan if bad else x), y


class SignalAt(Callback):
    "A signal to this process after a step"

    def __init__(self, n, number):
        self.n, self.number = n, number

    def after_step(self, trainer):
        if trainer.step == self.n and self.number:
            os.kill(os.getpid(), self.number)


def own_signals():
    "As in a process that starts from nothing: the launcher's handlers are not for its copies"
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def many(out):
    "One start of the processes, several checks; what each process saw is written down"
    own_signals()
    rank, seen = int(os.environ["RANK"]), {}
    with distributed("cpu") as dev:
        t = trainer(out / "two", device=dev)
        t.train()
        seen["two"] = t.step
        with main_process_first():
            seen["found"] = (out / "fetched").exists()
            if rank == 0:
                time.sleep(0.5)
                (out / "fetched").write_text("")

        t = trainer(out / "one-two", device=dev).resume(out / "one" / "ckpts" / "step_00000003.pt")
        t.train()
        seen["resumed"] = (t.step, t.history["resumes"])

        data = Spoiled(torch.zeros(64, 1, 8, 8, dtype=torch.uint8), torch.arange(64) % 4)
        data.when = (3,)
        t = trainer(out / "nan", data, dev)
        t.train()
        seen["nan"] = (
            t.step,
            t.history["skipped"],
            all(v.isfinite().all().item() for v in t.model.state_dict().values()),
        )
        data.n, data.when = 0, range(4, 99)
        t = trainer(out / "nans", data, dev, max_bad_steps=3)
        try:
            t.train()
        except DDPMError as e:
            seen["nans"] = (t.step, "3 steps in a row" in str(e))

        # only one is told
        t = trainer(out / "stop", device=dev)
        t.callbacks.append(StopAt(5 if rank == 1 else 99))
        try:
            t.train()
        except KeyboardInterrupt:
            seen["stop"] = t.step
        for name, number in (("term", signal.SIGTERM), ("hup", signal.SIGHUP)):
            signal.signal(number, signal.SIG_DFL)  # SIGHUP is ignored under nohup
            t = trainer(out / name, device=dev)
            t.callbacks.append(SignalAt(4, number if rank == 1 else None))
            try:
                t.train()
            except SystemExit as e:
                seen[name] = (t.step, e.code)
        t = trainer(
            out / "early",
            device=dev,
            early_stop=dict(patience=1, min_delta=9.0),
            validation=dict(every_steps=1, num_images=8),
        )
        t.train()
        seen["early"] = t.step
        weights = torch.cat([p.flatten() for p in t.model.parameters()])
        other = weights.clone()
        torch.distributed.broadcast(other, 0)
        seen["same"] = torch.equal(weights, other)
    (out / f"{rank}.json").write_text(json.dumps(seen))


def waits(gates, args):
    """Train from the command line, and say after each step of the network that it is made.

    Then wait as long as there is a file that says so: what happens, happens between two steps.
    """
    f, rank = DDPMTrainer.train_step, os.environ["RANK"]

    def g(self, x, y=None):
        f(self, x, y)
        (gates / f"{self.step}-{rank}").touch()
        while (gates / f"wait-{self.step}").exists():
            time.sleep(0.05)

    DDPMTrainer.train_step = g
    return main(["train", *args])


def dies(args):
    "Train from the command line; the second process is killed at its fourth step, the first time"
    own_signals()
    if os.environ["RANK"] == "1" and os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":
        f = DDPMTrainer.train_step

        def g(self, x, y=None):
            f(self, x, y)
            if self.step == 4:
                os.kill(os.getpid(), signal.SIGKILL)

        DDPMTrainer.train_step = g
    assert main(["train", *args]) == 0


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.exit(waits(Path(sys.argv[1]), sys.argv[2:]))
