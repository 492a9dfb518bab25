"""What happens to a run that lasts: kills, signals, full disks, damaged files, bad batches.

And dead workers; all of it really done, and without a clock.
"""

import json
import math
import os
import pickle
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from ddpm_nb.cli import main
from ddpm_nb.core import DDPMError
from ddpm_nb.data import ImageData
from ddpm_nb.engine.checkpoint import load_checkpoint, load_model
from ddpm_nb.engine.files import atomic_write
from ddpm_nb.engine.folders import FolderData
from ddpm_nb.errors import DDPMWarning
from ddpm_nb.settings import LR_SCHEDULES
from ddpm_nb.trainer import Callback
from helpers.commands import ENV, SMALL, cli, one_line, script
from helpers.tiny import StopAt, assert_same_run, image_folder, pixels, tiny_trainer

# ---- kills


@pytest.mark.slow
def test_thirty_sigkills(tmp_path):
    """Thirty kills at random moments, a third of them inside a save.

    Every checkpoint loads, and the end is as if nothing had been.
    """
    args = [
        *SMALL,
        *(
            "--model.image_size 8 --dataset.image_size 8 --model.num_classes 10 "
            "--model.dropout 0.1 --training.accumulate 2 --training.ema.extra_decays [0.9] "
            "--training.max_steps 120 --training.scheduler.warmup_steps 10 --training.log_every 2 "
            "--training.checkpoint.every_steps 3 --training.checkpoint.keep 2 "
            "--training.validation.every_steps 10 --training.sampling.every_steps 40 "
            "--training.sampling.num_samples 4 --training.sampling.num_steps 2"
        ).split(),
    ]
    r = subprocess.run(
        [sys.executable, "-m", "helpers.killer", tmp_path, "30", "7", *args],
        env=ENV,
        capture_output=True,
        text=True,
    )
    assert r.returncode == 0, r.stderr[-3000:]
    got = json.loads(r.stdout.splitlines()[-1])
    lives = got["lives"]
    assert [l["code"] for l in lives] == [-9] * 30
    assert got["last"] == 0
    assert all((l["after"] or 0) >= (l["before"] or 0) for l in lives)  # nothing saved is lost
    assert {l["moment"] for l in lives} == {"any", "in a save", "half written"}
    assert len({l["after"] for l in lives}) > 8
    whole, cut = (load_checkpoint(tmp_path / d / "ckpts" / "latest.pt") for d in ("whole", "cut"))
    assert_same_run(whole, cut)
    # and no half files are left
    assert len(cut["history"]["resumes"]) > 8
    assert not list((tmp_path / "cut" / "ckpts").glob(".*"))
    for f in ("step_000040.png", "step_000080.png", "step_000120.png"):
        assert (tmp_path / "whole" / "grids" / f).read_bytes() == (
            tmp_path / "cut" / "grids" / f
        ).read_bytes()
    for w in ("ema", "ema:0.9", "raw"):
        pngs = []
        for d in ("whole", "cut"):
            assert (
                main(
                    [
                        "sample.grid",
                        "--output_dir",
                        str(tmp_path / d),
                        "--checkpoint",
                        "latest",
                        "--sampling.weights",
                        w,
                        "--num_samples",
                        "4",
                        "--num_steps",
                        "3",
                    ]
                )
                == 0
            )
            pngs.append((tmp_path / d / "grids" / "samples.png").read_bytes())
        assert pngs[0] == pngs[1]


@pytest.mark.parametrize(
    "sched, opt",
    [
        ("cosine", "muon"),
        # the quick tests try one
        *(
            pytest.param(*names, marks=pytest.mark.slow)
            for names in [
                *((s, "adamw") for s in LR_SCHEDULES),
                ("cosine", "adam"),
                ("linear", "sgd"),
            ]
        ),
    ],
)
def test_every_scheduler_and_optimizer_resumes_exactly(tmp_path, sched, opt):
    kw = dict(
        optimizer=dict(name=opt, weight_decay=0.01),
        scheduler=dict(name=sched, warmup_steps=3, step_size=4, gamma=0.5, milestones=[4, 9]),
        ema=dict(decay=0.99, extra_decays=[0.5, 0.9]),
    )
    tiny_trainer(tmp_path / "a", **kw).train()
    t = tiny_trainer(tmp_path / "b", **kw)
    t.callbacks.append(StopAt(7))
    with pytest.raises(KeyboardInterrupt):
        t.train()
    tiny_trainer(tmp_path / "b", **kw).resume(tmp_path / "b" / "ckpts" / "latest.pt").train()
    assert_same_run(*(load_checkpoint(tmp_path / d / "ckpts" / "latest.pt") for d in "ab"))


@pytest.mark.slow
def test_a_folder_resumes_in_the_middle_of_an_epoch(tmp_path):
    (tmp_path / "im").mkdir()
    [
        Image.fromarray(p[0].numpy()).save(tmp_path / "im" / f"{i:02}.png")
        for i, p in enumerate(pixels(40))
    ]

    def make(d):
        return tiny_trainer(tmp_path / d, FolderData(tmp_path / "im", 8, 1), num_workers=1)

    make("a").train()
    t = make("b")
    t.callbacks.append(StopAt(7))
    with pytest.raises(KeyboardInterrupt):
        t.train()
    make("b").resume(tmp_path / "b" / "ckpts" / "latest.pt").train()
    assert_same_run(*(load_checkpoint(tmp_path / d / "ckpts" / "latest.pt") for d in "ab"))


# ---- signals

SIGNAL_AT = """
import os, signal, sys
import ddpm_nb.engine.callbacks as T
from ddpm_nb.cli import main
f = T.MetricsLog.after_step
def g(self, trainer):
    f(self, trainer)
    if trainer.step == 5: [os.kill(os.getpid(), int(s)) for s in sys.argv[1].split(',')]
T.MetricsLog.after_step = g
sys.exit(main(['train', *sys.argv[2:]]))
"""


@pytest.mark.parametrize(
    "signals, code, says",
    [("15", 143, "SIGTERM"), ("15,15,15", 143, "SIGTERM"), ("2", 130, "Ctrl-C")],
)
@pytest.mark.slow
def test_signals_save_and_leave(tmp_path, signals, code, says):
    """In the middle of the fifth step's callbacks, so that it is certain which step is saved.

    Several SIGTERMs are as good as one.
    """
    args = [*SMALL, "--output_dir", tmp_path, "--training.max_steps", 200]
    r = script(SIGNAL_AT, signals, *args)
    assert r.returncode == code, r.stderr
    assert load_checkpoint(tmp_path / "ckpts" / "latest.pt")["step"] == 5
    assert f"{says} after step 5 of 200" in r.stderr
    assert "of step 5: go on with --resume latest" in r.stderr
    assert "Traceback" not in r.stderr


@pytest.mark.slow
def test_a_second_ctrl_c_leaves_at_once_and_harms_nothing(tmp_path):
    args = [
        *SMALL,
        "--output_dir",
        str(tmp_path),
        "--training.max_steps",
        "200",
        "--training.checkpoint.every_steps",
        "4",
    ]
    r = script(SIGNAL_AT, "2,2", *args)
    assert r.returncode == 130
    assert "Traceback" not in r.stderr
    assert load_checkpoint(tmp_path / "ckpts" / "latest.pt")["step"] in (4, 5)


@pytest.mark.slow
def test_train_again_after_an_interrupt_goes_on(tmp_path):
    "In a notebook: interrupt the cell, run it again"
    whole = tiny_trainer(tmp_path / "a")
    whole.train()
    t = tiny_trainer(tmp_path / "b")
    t.callbacks.append(StopAt(5))
    with pytest.raises(KeyboardInterrupt):
        t.train()
    assert t.step == 5
    t.train()
    assert t.step == 12
    assert_same_run(*(load_checkpoint(tmp_path / d / "ckpts" / "latest.pt") for d in "ab"))
    t.step_complete = False  # an interrupt within a step
    with pytest.raises(
        DDPMError, match="broken off half-way.*of step 12: go on with --resume latest"
    ):
        t.train()


@pytest.mark.parametrize("optimizer", ["adamw", "muon", "sgd"])
@pytest.mark.slow
def test_a_resume_may_change_the_memory_format(tmp_path, optimizer):
    "The numbers are the same, so the optimizer's memory must follow the weights"
    kw = dict(
        optimizer=dict(name=optimizer),
        learning_rate=1e-2,
        net=dict(base_channels=16),
        checkpoint=dict(every_steps=6, keep=5),
    )
    tiny_trainer(tmp_path / "a", channels_last=True, **kw).train()
    half_way = tmp_path / "a" / "ckpts" / "step_00000006.pt"
    ends = {}
    for then in (True, False):
        t = tiny_trainer(tmp_path / str(then), channels_last=then, **kw).resume(half_way)
        t.train()
        ends[then] = t.model.state_dict()
    for k, v in ends[True].items():
        torch.testing.assert_close(ends[False][k], v, atol=2e-4, rtol=1e-3)


# ---- disks


def assert_one_line_error(r, *says):
    "A command ended with exit code 2 and one sentence, which says all of these"
    assert r.returncode == 2, r.stderr
    assert len(one_line(r)) == 1, r.stderr
    assert "Traceback" not in r.stderr, r.stderr
    for words in says:
        assert words in r.stderr, r.stderr


DISK = [
    *SMALL,
    "--training.max_steps",
    "12",
    "--training.validation.every_steps",
    "0",
    "--training.checkpoint.keep",
    "0",
]


@pytest.mark.slow
def test_a_full_disk_loses_nothing(tmp_path):
    """A real, small file system that fills up after the first save.

    Then it grows, and the run goes on to the same end.
    """
    disk = tmp_path / "disk"
    disk.mkdir()

    def run(out, *a):
        return cli("train", *DISK, "--output_dir", out, *a)

    assert run(tmp_path / "whole", "--training.checkpoint.every_steps", "4").returncode == 0
    size = sum(f.stat().st_size for f in (tmp_path / "whole" / "ckpts").iterdir())  # latest and ema
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={int(1.3 * size)}", "tmpfs", disk],
        capture_output=True,
    ).returncode:
        pytest.skip("mounting a file system is not permitted here")
    try:
        r = run(disk / "run", "--training.checkpoint.every_steps", "4")
        assert_one_line_error(r)
        assert "No space left" in r.stderr or "write failed" in r.stderr, r.stderr
        assert "nothing that was saved before is lost" in r.stderr
        assert "of step 4: go on with --resume latest" in r.stderr
        assert load_checkpoint(disk / "run" / "ckpts" / "latest.pt")["step"] == 4
        assert not list((disk / "run" / "ckpts").glob(".*"))
        assert load_checkpoint(disk / "run" / "ckpts" / "ema.pt")["step"] == 4
        assert (
            subprocess.run(
                ["mount", "-o", f"remount,size={4 * size}", disk], capture_output=True
            ).returncode
            == 0
        )
        assert run(disk / "run", "--resume", "latest").returncode == 0
        assert_same_run(
            load_checkpoint(tmp_path / "whole" / "ckpts" / "latest.pt"),
            load_checkpoint(disk / "run" / "ckpts" / "latest.pt"),
        )
    finally:
        subprocess.run(["umount", disk], capture_output=True)


@pytest.mark.slow
def test_a_file_that_may_not_grow(tmp_path):
    """The same without root: the system refuses to write beyond a limit.

    Nothing was saved yet, and the message says so.
    """

    resource = pytest.importorskip("resource", reason="needs POSIX limits")

    def limit():
        return resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))

    every = ["--training.checkpoint.every_steps", "4"]
    r = cli("train", *DISK, "--output_dir", tmp_path, *every, before=limit)
    assert_one_line_error(r, "could not write", "nothing had been saved yet")
    assert not list((tmp_path / "ckpts").iterdir())


def test_ctrl_c_on_a_full_disk_tells_of_the_disk(tmp_path, monkeypatch):
    t = tiny_trainer(tmp_path, checkpoint=dict(every_steps=1000))
    t.callbacks.append(StopAt(7))

    def full(*a):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ddpm_nb.engine.run.append_checksum", full)
    with pytest.raises(DDPMError, match="No space left on device.*nothing had been saved yet"):
        t.train()


@pytest.mark.slow
def test_sampling_on_a_full_disk_says_so(tmp_path):
    "Not only training: each command writes whole files or one sentence"

    resource = pytest.importorskip("resource", reason="needs POSIX limits")

    def limit():
        return resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))

    args = "sample.grid --pretrained mnist --method ddim --num_steps 1".split()
    r = cli(*args, "--output_dir", tmp_path, before=limit)
    assert_one_line_error(r, "could not write")
    assert not list((tmp_path / "grids").iterdir())


def test_a_dead_worker_is_not_a_full_disk(tmp_path):
    "PyTorch raises its report in whatever the main program does, here in the middle of writing"
    p = tmp_path / "log.json"
    p.write_text("old")
    with pytest.raises(DDPMError, match="a process that reads images died"), atomic_write(p) as f:
        f.write_text("half")
        raise RuntimeError("DataLoader worker (pid 7) exited unexpectedly with exit code 1.")
    assert p.read_text() == "old"
    assert [q.name for q in tmp_path.iterdir()] == ["log.json"]
    with pytest.raises(DDPMError, match="output: could not write"), atomic_write(p):
        raise RuntimeError("PytorchStreamWriter failed writing file")


@pytest.mark.slow
def test_a_full_disk_costs_the_log_and_not_the_run(tmp_path, monkeypatch):
    t = tiny_trainer(tmp_path)

    def full(self, *a, **k):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.warns(DDPMWarning, match="training_metrics.json: No space left on device"):
        t.train()
    assert len(load_checkpoint(tmp_path / "ckpts" / "latest.pt")["history"]["steps"]) == 6


# ---- damaged, foreign and malicious checkpoints


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    d = tmp_path_factory.mktemp("run")
    tiny_trainer(d, checkpoint=dict(every_steps=4, keep=3)).train()
    return d


@pytest.mark.slow
def test_a_damaged_latest_names_the_whole_ones(tmp_path, run):
    shutil.copytree(run, tmp_path / "r", symlinks=True)
    ck = tmp_path / "r" / "ckpts"
    b = bytearray((ck / "latest.pt").read_bytes())
    b[b.index(load_checkpoint(ck / "latest.pt")["model"]["conv_in.weight"].numpy().tobytes())] ^= 1
    (ck / "latest.pt").write_bytes(b)
    # on a real disk, the newest one is the same file
    os.utime(ck / "step_00000008.pt", (2e9, 2e9))
    (ck / "step_00000012.pt").write_bytes(b)
    with pytest.raises(DDPMError, match="does not match its checksum") as e:
        tiny_trainer(tmp_path / "r").resume(ck / "latest.pt")
    assert f"newest first: {ck}/step_00000008.pt" in str(e.value)
    assert "step_00000012" not in str(e.value)
    assert "--resume" in str(e.value)
    assert tiny_trainer(tmp_path / "r").resume(ck / "step_00000008.pt").train()["resumes"] == [8]
    assert load_checkpoint(ck / "latest.pt")["step"] == 12


@pytest.mark.slow
def test_every_flipped_bit_is_refused_or_harmless(tmp_path, run):
    "PyTorch alone loads most of them in silence, with other numbers"
    good, want = (run / "ckpts" / "ema.pt").read_bytes(), load_checkpoint(run / "ckpts" / "ema.pt")
    rng, refused = random.Random(0), 0
    # the archive's index, where a flip has most ways to do harm
    tail = range(len(good) - 2500, len(good))
    for at in [*rng.sample(range(len(good)), 500), *rng.sample(tail, 500)]:
        b = bytearray(good)
        b[at] ^= 1 << rng.randrange(8)
        (tmp_path / "b.pt").write_bytes(b)
        try:
            got = load_checkpoint(tmp_path / "b.pt")
        except DDPMError:
            refused += 1
            continue
        assert all(torch.equal(v, got["model"][k]) for k, v in want["model"].items())
        assert {**got, "model": 0} == {**want, "model": 0}
    # all but those in the heading of the checksum itself, or in the field that gives its length
    assert refused > 900


def test_truncated_anywhere(tmp_path, run):
    good = (run / "ckpts" / "latest.pt").read_bytes()
    for n in (0, 1, 4, 100, len(good) // 2, len(good) - 100, len(good) - 81):
        (tmp_path / "c.pt").write_bytes(good[:n])
        with pytest.raises(DDPMError, match="damaged"):
            load_checkpoint(tmp_path / "c.pt")


def test_checkpoints_that_would_run_code(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path}/owned",)

    torch.save(dict(format="ddpm_nb", version=1, model=Evil()), tmp_path / "zip.pt")
    torch.save(dict(model=Evil()), tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    (tmp_path / "raw.pt").write_bytes(pickle.dumps(Evil()))
    for n in ("zip", "old", "raw"):
        with pytest.raises(DDPMError, match="refused"):
            tiny_trainer(tmp_path / "t").resume(tmp_path / f"{n}.pt")
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize(
    "change",
    [
        dict(ema=3),
        dict(optimizer={}),
        dict(optimizer={"state": {}, "param_groups": []}),
        dict(model={}),
        dict(ema=dict(shadow={}, n=0)),
        dict(history=None),
        dict(history=dict(steps=[], val=[3], resumes=[], skipped=[])),
        dict(pending="x"),
        dict(loss_avg="x"),
        dict(data_offset="x"),
        dict(seconds=None),
        dict(total_steps="x"),
        dict(run=dict(config=None)),
        dict(model={"conv_in.weight": torch.zeros(1)}),
    ],
)
def test_checkpoints_that_lie_are_refused_when_resuming(tmp_path, run, change):
    torch.save(
        torch.load(run / "ckpts" / "latest.pt", weights_only=True) | change, tmp_path / "l.pt"
    )
    with pytest.raises(DDPMError, match="does not fit"):
        tiny_trainer(tmp_path / "t").resume(tmp_path / "l.pt")


@pytest.mark.parametrize(
    "change, says",
    [
        (dict(step="4"), "damaged"),
        (dict(step=-1), "damaged"),
        (dict(step=math.nan), "damaged"),
        (dict(model_config=None), "damaged"),
        (dict(config=[1]), "damaged"),
        (dict(model_config={"new_option": 1}), "another version of ddpm_nb"),
        (dict(schedules_config={"new_option": 1}), "another version of ddpm_nb"),
        (dict(version=2), "format version 2"),
    ],
)
def test_checkpoints_of_later_versions_and_odd_ones_are_refused_when_loading(
    tmp_path, run, change, says
):
    ck = torch.load(run / "ckpts" / "latest.pt", weights_only=True)
    for key, value in change.items():
        ck[key] = ck[key] | value if isinstance(value, dict) else value
    torch.save(ck, tmp_path / "l.pt")
    with pytest.raises(DDPMError, match=says):
        load_model(tmp_path / "l.pt")


@pytest.mark.slow
def test_checkpoints_of_before_still_load(tmp_path, run):
    "Written before there were extra averages and a running loss"
    ck = torch.load(run / "ckpts" / "step_00000004.pt", weights_only=True)
    for k in ("extra_ema", "loss_avg", "optimizer_name"):
        ck.pop(k)
    torch.save(ck, tmp_path / "o.pt")
    t = tiny_trainer(tmp_path / "t").resume(tmp_path / "o.pt")
    t.train()
    assert t.step == 12


# ---- bad batches


class Spoiled(ImageData):
    "One image is not a number"

    def batch(self, idx):
        x, y = super().batch(idx)
        x[idx == 13] = math.nan
        return x, y


@pytest.mark.slow
def test_a_nan_batch_is_skipped_and_the_run_stays_exact(tmp_path):
    data = Spoiled(pixels(), torch.arange(64) % 4)
    t = tiny_trainer(tmp_path / "a", data, max_steps=24)
    h = t.train()
    # once an epoch of eight steps
    assert len(h["skipped"]) == 3
    assert all(v.isfinite().all() for v in t.model.state_dict().values())
    assert all(math.isfinite(s["loss"]) for s in h["steps"])
    stop = h["skipped"][1]
    t = tiny_trainer(tmp_path / "b", data, max_steps=24)
    t.callbacks.append(StopAt(stop))  # told to stop right after a bad step, which changed nothing
    with pytest.raises(KeyboardInterrupt):
        t.train()
    ck = load_checkpoint(tmp_path / "b" / "ckpts" / "latest.pt")
    assert (ck["bad_steps"], ck["step"]) == (1, stop)
    tiny_trainer(tmp_path / "b", data, max_steps=24).resume(
        tmp_path / "b" / "ckpts" / "latest.pt"
    ).train()
    assert_same_run(*(load_checkpoint(tmp_path / d / "ckpts" / "latest.pt") for d in "ab"))


@pytest.mark.slow
def test_a_run_whose_last_step_is_skipped_is_saved(tmp_path):
    data = Spoiled(pixels(), torch.arange(64) % 4)
    last = tiny_trainer(tmp_path / "a", data, max_steps=24).train()["skipped"][-1]
    t = tiny_trainer(tmp_path / "b", data, max_steps=last, checkpoint=dict(every_steps=1000))
    t.train()
    ck = load_checkpoint(tmp_path / "b" / "ckpts" / "latest.pt")
    assert t.history["skipped"][-1] == ck["step"] == last
    assert ck["bad_steps"] == 1
    assert all(torch.equal(v, ck["model"][k]) for k, v in t.model.state_dict().items())


def test_only_nan_stops_and_names_the_last_good_checkpoint(tmp_path):
    class Later(ImageData):
        calls = 0

        def batch(self, idx):
            x, y = super().batch(idx)
            Later.calls += 1
            return (x * math.nan if Later.calls > 6 else x), y

    with pytest.raises(DDPMError) as e:
        tiny_trainer(tmp_path, Later(pixels()), max_steps=100, max_bad_steps=5).train()
    assert "5 steps in a row, up to step 11" in str(e.value)
    assert f"{tmp_path / 'ckpts' / 'latest.pt'}, of step 4" in str(e.value)
    ck = load_checkpoint(tmp_path / "ckpts" / "latest.pt")
    assert ck["step"] == 4
    assert all(v.isfinite().all() for v in ck["model"].values())


@pytest.mark.slow
def test_an_exploding_loss_stops_the_run(tmp_path, capsys):
    "Finite, but a thousand times what it was: without the check, it would be saved to the end"
    a = (
        "--training.max_steps 80 --training.validation.every_steps 0 "
        "--training.sampling.every_steps 0 --training.checkpoint.every_steps 1 "
        "--training.optimizer.name sgd --training.grad_clip null "
        "--training.scheduler.warmup_steps 30 --training.max_bad_steps 5 "
        "--training.learning_rate 1e6"
    ).split()
    assert main(["train", *SMALL, "--output_dir", str(tmp_path), *a]) == 2
    err = capsys.readouterr().err.splitlines()[-1]
    ck = load_checkpoint(tmp_path / "ckpts" / "latest.pt")
    assert "5 steps in a row" in err
    assert f"of step {ck['step']}" in err
    assert "training.learning_rate" in err
    assert ck["bad_steps"] == 0
    assert all(v.isfinite().all() for v in ck["model"].values())
    assert 0 < ck["step"] < 80


# ---- readers


@pytest.mark.parametrize("how", ["exit", "kill"])
def test_a_data_worker_that_dies(tmp_path, how, capfd):
    "Really: it reads a certain image, and is gone"

    images: Any = type(FolderData(image_folder(tmp_path / "im"), 8, 1).ds)

    class Trap(images):
        def __getitem__(self, i):
            if self.files[i].name == "17.png":
                os._exit(1) if how == "exit" else os.kill(os.getpid(), signal.SIGKILL)
            return super().__getitem__(i)

    def make(trap):
        data = FolderData(tmp_path / "im", 8, 1)
        if trap:
            data.ds.__class__ = Trap
        return tiny_trainer(
            tmp_path / "t", data, max_steps=30, num_workers=2, checkpoint=dict(every_steps=1000)
        )

    t = make(True)
    with pytest.raises(DDPMError, match="a process that reads images died") as e:
        t.train()
    # PyTorch reports it wherever the program is, within a step, too
    assert (t.saved_at is not None) == bool(t.step and t.step_complete)
    if t.saved_at is not None:  # steps before it are saved, and it says so
        assert load_checkpoint(tmp_path / "t" / "ckpts" / "latest.pt")["step"] == t.step
        assert f"of step {t.step}: go on" in str(e.value)
        make(False).resume(tmp_path / "t" / "ckpts" / "latest.pt").train()
    else:
        assert "nothing had been saved yet" in str(e.value)


DEAD_WORKER = """
import os, sys, torch
import ddpm_nb.engine.folders as D
from ddpm_nb.cli import main
f = D.Files.__getitem__
def g(self, i):
    if torch.utils.data.get_worker_info(): os._exit(1)
    return f(self, i)
D.Files.__getitem__ = g
sys.exit(main(['train', *sys.argv[1:]]))
"""
OWN = [
    "--dataset.name",
    "folder",
    "--dataset.image_size",
    "32",
    "--model.in_channels",
    "1",
    "--dataset.channels",
    "1",
    "--training.sampling.every_steps",
    "0",
]


def test_a_dead_worker_on_the_command_line_is_one_line_and_code_2(tmp_path):
    im = image_folder(tmp_path / "im")
    small = [a for a in SMALL if a not in ("--dataset.limit", "64")]
    flags = ["--training.max_steps", 20, "--training.num_workers", 1]
    where = ["--dataset.root", im, "--output_dir", tmp_path / "o"]
    r = script(DEAD_WORKER, *small, *OWN, *where, *flags)
    assert_one_line_error(r, "training.num_workers")


@pytest.mark.slow
def test_an_image_that_breaks_after_the_start(tmp_path, capsys):
    "A run loses a picture, not itself; the log names it once, however often it is met"
    im = image_folder(tmp_path / "im")
    data = FolderData(im, 8, 1)
    (im / "11.png").write_bytes(b"rubbish")
    (im / "12.png").unlink()
    t = tiny_trainer(tmp_path / "t", data, max_steps=18)
    t.train()
    out = capsys.readouterr().out
    assert t.step == 18
    assert sorted(Path(p).name for p in data.unreadable) == ["11.png", "12.png"]
    assert out.count("11.png can no longer be read") == 1
    assert "(2 so far)" in out


def test_a_disk_that_goes_away_stops_the_run_and_says_so(tmp_path):
    im = image_folder(tmp_path / "im")
    t = tiny_trainer(tmp_path / "t", FolderData(im, 8, 1), max_steps=18)

    class Unmount(Callback):
        def after_step(self, trainer):
            if trainer.step == 3:
                shutil.rmtree(im)

    t.callbacks.append(Unmount())
    with pytest.raises(DDPMError, match="is the disk still there") as e:
        t.train()
    assert f"of step {t.step}: go on" in str(e.value)
    assert load_checkpoint(tmp_path / "t" / "ckpts" / "latest.pt")["step"] == t.step


# ---- housekeeping


@pytest.mark.slow
def test_overwrite_forgets_the_old_run(tmp_path):
    a = [
        "train",
        *SMALL,
        "--output_dir",
        str(tmp_path),
        "--training.sampling.every_steps",
        "0",
        "--training.validation.every_steps",
        "2",
        "--training.checkpoint.every_steps",
        "2",
    ]
    assert main([*a, "--training.max_steps", "6"]) == 0
    assert (tmp_path / "ckpts" / "step_00000006.pt").exists()
    assert (tmp_path / "ckpts" / "best.pt").exists()
    assert (
        main(
            [
                *a,
                "--training.max_steps",
                "2",
                "--training.validation.every_steps",
                "0",
                "--overwrite",
            ]
        )
        == 0
    )
    assert sorted(p.name for p in (tmp_path / "ckpts").iterdir()) == [
        "ema.pt",
        "latest.pt",
        "step_00000002.pt",
    ]


@pytest.mark.slow
def test_saving_by_minutes(tmp_path, monkeypatch):
    "With a clock that the test turns"
    now = [0.0]
    monkeypatch.setattr("ddpm_nb.engine.callbacks.time.monotonic", lambda: now[0])
    saved = []
    t = tiny_trainer(tmp_path, checkpoint=dict(every_steps=0, every_minutes=1))
    save = t.save

    def spy(path, ema_only=False):
        if path.name == "latest.pt":
            saved.append(t.step)
        save(path, ema_only)

    t.save = spy
    t.callbacks.insert(
        0,
        type(
            "Tick", (Callback,), dict(after_step=lambda s, tr: now.__setitem__(0, now[0] + 25.0))
        )(),
    )
    t.train()
    assert saved == [3, 6, 9, 12]  # every 75 seconds


def test_out_of_memory_is_one_sentence(tmp_path, monkeypatch):
    t = tiny_trainer(tmp_path)
    t.callbacks.append(StopAt(99))
    f = t.loss

    def boom(*a, **k):
        if t.step == 5:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        return f(*a, **k)

    t.loss = boom
    with pytest.raises(DDPMError, match="training.accumulate") as e:
        t.train()
    assert "of step 5" in str(e.value)
    assert load_checkpoint(tmp_path / "ckpts" / "latest.pt")["step"] == 5


def test_an_error_inside_the_optimizer_is_not_saved(tmp_path):
    "Half of the weights have moved: the checkpoint before it stays"
    t = tiny_trainer(tmp_path)
    step = t.opt.step

    def half(*a, **k):
        if t.step == 6:
            t.model.conv_in.weight.data.zero_()
            raise RuntimeError("half way")
        return step(*a, **k)

    t.opt.step = half
    with pytest.raises(RuntimeError, match="half way"):
        t.train()
    ck = load_checkpoint(tmp_path / "ckpts" / "latest.pt")
    assert ck["step"] == 4
    assert ck["model"]["conv_in.weight"].abs().sum() > 0
