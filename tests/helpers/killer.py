"""Trains one network, killed again and again at another moment; started by test_faults.py.

`python -m helpers.killer OUT KILLS SEED ARG …`: ARG are what `ddpm-nb train` gets. One process
imports everything and forks a child for each life, so a life costs a fraction of a second. A child
counts the calls that its Python makes, C functions too, and sends itself SIGKILL at one of them,
drawn from SEED: any moment of a step, of the log, of a save. Every third life is killed inside a
save, and every ninth after a part of the bytes of one was written. Nothing here looks at a clock.
"""

import contextlib
import functools
import json
import os
import random
import signal
import sys
from pathlib import Path

import torch

import ddpm_nb.app.config
import ddpm_nb.cli
import ddpm_nb.engine.datasets
import ddpm_nb.sampler
from ddpm_nb.engine.checkpoint import load_checkpoint
from ddpm_nb.engine.run import DDPMTrainer


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def count_calls(at, found):
    "From now on, count calls; die at number `at`, if there is one"

    def seen(frame, event, arg):
        if event in ("call", "c_call"):
            found[0] += 1
            if found[0] == at:
                die()

    sys.setprofile(seen)


def arm(moment, at):
    "Arrange for this process to die"
    train, save = DDPMTrainer.train, torch.save
    if moment == "any":

        def f(self):
            count_calls(at, [0])
            return train(self)

        DDPMTrainer.train = f
    lives = [at[0] if isinstance(at, tuple) else 0]

    def in_a_save(sd, path, **kw):
        lives[0] -= 1
        if lives[0] > 0:
            return save(sd, path, **kw)
        if moment == "in a save":
            count_calls(at[1], [0])
            return save(sd, path, **kw)
        save(sd, path, **kw)
        whole = Path(path).read_bytes()
        with open(path, "wb") as f:
            f.write(whole[: int(len(whole) * at[1])])
            f.flush()
        die()

    if moment in ("in a save", "half written"):
        torch.save = in_a_save


def life(args, moment=None, at=None, report=None):
    "Train in a child process; its exit status, negative if killed"
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    code = 1
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        if report:  # count what a whole run takes
            found, train = [0], DDPMTrainer.train

            def f(self):
                count_calls(None, found)
                out = train(self)
                sys.setprofile(None)
                return out

            DDPMTrainer.train = f
        elif moment:
            arm(moment, at)
        code = ddpm_nb.cli.main(["train", *args])
        if report:
            Path(report).write_text(str(found[0]))
    finally:
        os._exit(code)


def main():
    torch.set_num_threads(1)
    ddpm_nb.engine.datasets.load_mnist = functools.cache(ddpm_nb.engine.datasets.load_mnist)
    # read once, and not in every life
    for split in ("train", "test"):
        ddpm_nb.engine.datasets.load_mnist(split, 8)
    out, kills, rng, args = (
        Path(sys.argv[1]),
        int(sys.argv[2]),
        random.Random(int(sys.argv[3])),
        sys.argv[4:],
    )
    steps = int(args[args.index("--training.max_steps") + 1])
    warm = list(args)
    # whatever is imported late, is imported now, and not in every life
    warm[args.index("--training.max_steps") + 1] = "2"
    with contextlib.redirect_stdout(sys.stderr):
        assert ddpm_nb.cli.main(["train", *warm, "--output_dir", str(out / "warm")]) == 0
    assert life([*args, "--output_dir", str(out / "whole")], report=out / "calls") == 0
    per_step = int((out / "calls").read_text()) // steps
    lives, latest = [], out / "cut" / "ckpts" / "latest.pt"
    for n in range(kills):
        moment = "half written" if n % 9 == 8 else "in a save" if n % 3 == 2 else "any"
        # (which save, where in it): saves come by twos and threes; a save makes some hundred calls
        where = rng.random() if moment == "half written" else rng.randint(1, 250)
        at = rng.randint(1, 6 * per_step) if moment == "any" else (rng.randint(1, 3), where)
        had = load_checkpoint(latest)["step"] if latest.exists() else None
        code = life(
            [
                *args,
                "--output_dir",
                str(out / "cut"),
                *(["--resume", "latest"] if had is not None else []),
            ],
            moment,
            at,
        )
        # raises if it does not load
        now = load_checkpoint(latest)["step"] if latest.exists() else None
        lives.append(dict(moment=moment, at=at, code=code, before=had, after=now))
    last = life([*args, "--output_dir", str(out / "cut"), "--resume", "latest"])
    print(json.dumps(dict(lives=lives, last=last)))


if __name__ == "__main__":
    main()
