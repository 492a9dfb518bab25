"Runs as people start them: two at once, without a terminal, on disks and streams that refuse"

import errno
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading

import pytest
import torch

from ddpm_nb.app.arguments import Request
from ddpm_nb.app.results import EvaluationResults, load_results
from ddpm_nb.bars import Lines
from ddpm_nb.cli import main, stopped_message
from ddpm_nb.core import DDPMError
from ddpm_nb.data import ImageData
from ddpm_nb.engine.callbacks import StopOnSignal
from ddpm_nb.engine.checkpoint import load_checkpoint
from ddpm_nb.engine.evaluate import evaluate
from ddpm_nb.engine.features import train_feature_net
from ddpm_nb.engine.locks import lock_folder
from ddpm_nb.engine.trackers import trackers
from ddpm_nb.errors import DDPMWarning
from ddpm_nb.likelihood import bits_per_dim
from ddpm_nb.loss import DDPMLoss
from ddpm_nb.schedules import DDPMSchedules
from helpers.commands import ENV, cli, one_line, script, train_args
from helpers.tiny import StopAt, pixels, tiny_data, tiny_model, tiny_trainer

# ---- one run, one folder


def test_a_second_run_is_refused_while_the_first_goes_on(tmp_path):
    "Both ended well, and what was left was of one of them"
    for command in ("train", "demo"):
        args = [command, *train_args(tmp_path / "run", "--training.max_steps", 2)[1:]]
        with lock_folder(tmp_path / "run", "ddpm-nb train"):
            r = cli(*args)
        assert r.returncode == 2
        (line,) = one_line(r)
        assert f"in use by ddpm-nb train, process {os.getpid()} on " in line
        assert "--output_dir" in line
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_two_trainers_of_one_process_do_not_share_a_folder(tmp_path):
    a, b = tiny_trainer(tmp_path), tiny_trainer(tmp_path)
    says = []

    class Second(StopAt):
        def after_step(self, trainer):
            if trainer.step == 3:
                for start in (b.train, lambda: in_thread(b.train, says)):
                    try:
                        start()
                    except DDPMError as e:
                        says.append(str(e))

    a.callbacks.append(Second(3))
    a.train()
    assert len(says) == 2
    assert all("in this very process" in s for s in says)
    with pytest.raises(DDPMError, match="a run is already in"):
        b.train()
    assert load_checkpoint(tmp_path / "ckpts" / "latest.pt")["step"] == 12


def in_thread(f, says):
    def run():
        try:
            f()
        except DDPMError as e:
            says.append(str(e))

    t = threading.Thread(target=run)
    t.start()
    t.join()


@pytest.mark.slow
def test_a_trainer_that_goes_on_looks_whether_its_folder_is_still_its_own(tmp_path):
    a = tiny_trainer(tmp_path)
    a.callbacks.append(StopAt(5))
    with pytest.raises(KeyboardInterrupt):
        a.train()
    b = tiny_trainer(tmp_path, max_steps=3)
    b.overwrite = True
    b.train()
    with pytest.raises(DDPMError, match="another run has written into"):
        a.train()
    assert load_checkpoint(tmp_path / "ckpts" / "latest.pt")["step"] == 3


# ---- disks


@pytest.mark.slow
def test_a_log_or_an_image_that_cannot_be_written_ends_no_run(tmp_path, monkeypatch):
    "As on Windows, where somebody reads the file; only a checkpoint is worth an end"
    real = os.replace

    def replace(src, dst):
        if str(dst).endswith((".json", ".png")):
            raise PermissionError(errno.EACCES, "used by another process")
        real(src, dst)

    monkeypatch.setattr(os, "replace", replace)
    monkeypatch.setattr("ddpm_nb.engine.files.time.sleep", lambda seconds: None)
    t = tiny_trainer(tmp_path, sampling=dict(every_steps=6, num_samples=1))
    t.sample_fn = lambda model, n: t.data.batch([0][:n] and t.data.labels[:n])[0]
    with pytest.warns(DDPMWarning, match="used by another process.*close what has it open"):
        t.train()
    ck = load_checkpoint(tmp_path / "ckpts" / "latest.pt")
    assert ck["step"] == 12
    assert len(ck["history"]["steps"]) == 6


# ---- signals and streams

IGNORED = """
import os, signal, sys
import ddpm_nb.engine.callbacks as T
from ddpm_nb.cli import main
ignored, sent = (int(s) for s in sys.argv[1].split(','))
if ignored: signal.signal(ignored, signal.SIG_IGN)
f = T.MetricsLog.after_step
def g(self, trainer):
    f(self, trainer)
    if trainer.step == 5: os.kill(os.getpid(), sent)
T.MetricsLog.after_step = g
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="needs POSIX signals")
@pytest.mark.parametrize(
    "ignored, sent, code, step",
    [(2, 2, 0, 6), (15, 15, 0, 6), (1, 1, 0, 6), (0, 1, 129, 5)],
)
@pytest.mark.slow
def test_what_is_ignored_stays_ignored_and_a_closed_terminal_saves(
    tmp_path, ignored, sent, code, step
):
    args = train_args(tmp_path, "--training.max_steps", 6)
    r = script(IGNORED, f"{ignored},{sent}", *args)
    assert r.returncode == code, r.stderr
    assert load_checkpoint(tmp_path / "ckpts" / "latest.pt")["step"] == step
    if code:
        assert "SIGHUP after step 5 of 6; the last good checkpoint is" in r.stderr


def test_signals_of_the_caller_are_not_touched():
    before = signal.getsignal(signal.SIGINT)
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        listening = StopOnSignal()
        listening.before_train(None)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        listening.after_train(None)
    finally:
        signal.signal(signal.SIGINT, before)


def shell(command, *args):
    "Run `ddpm-nb` by the shell, with its streams as `command` says"
    words = [sys.executable, "-m", "ddpm_nb.cli", *map(str, args)]
    line = f"{command.format(shlex.join(words))}"
    return subprocess.run(["bash", "-c", line], env=ENV, capture_output=True, text=True)


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
@pytest.mark.parametrize(
    "streams",
    ["{} <&- >&- 2>&-", "{} >/dev/full 2>/dev/full", "PYTHONIOENCODING=ascii {} 2>&1 | head -c 1"],
)
@pytest.mark.slow
def test_streams_that_refuse_end_no_run(tmp_path, streams):
    args = train_args(tmp_path / "run", "--training.max_steps", 3)
    r = shell(f"set -o pipefail; {streams}", *args)
    assert r.returncode == 0, r
    assert load_checkpoint(tmp_path / "run" / "ckpts" / "latest.pt")["step"] == 3


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_what_only_prints_tells_of_a_stream_that_refuses():
    r = shell("{} >/dev/full", "--help")
    assert r.returncode == 2
    assert "No space left on device" in r.stderr
    r = shell("PYTHONIOENCODING=ascii {}", "train", "--help")
    assert r.returncode == 0, r.stderr
    assert "several processes: torchrun ... -m" in " ".join(r.stdout.split())


@pytest.mark.slow
def test_a_log_gets_lines(tmp_path):
    r = cli(*train_args(tmp_path, "--training.max_steps", 6, "--training.log_every", 2))
    assert r.returncode == 0
    assert "\r" not in r.stderr
    lines = [s for s in r.stderr.splitlines() if s.startswith("train: ")]
    assert lines[0].startswith("train: step 2 of 6, loss ")
    assert lines[-1].startswith("train: step 6 of 6")
    assert len(lines) < 4


def test_whatever_takes_long_writes_lines_into_a_log(run, capsys, monkeypatch):
    "Samplers, measures, features: no bar is drawn again and again where nobody watches"
    few = ["--num_steps", "2", "--num_samples", "2"]
    monkeypatch.setattr(Lines, "seconds", 0.0)  # each would be half a minute
    assert main(["sample.grid", "--output_dir", str(run), *few]) == 0
    net = train_feature_net(tiny_data(16), tiny_data(16), epochs=1, batch_size=8)
    model, data = tiny_model(), tiny_data(16)
    schedules = DDPMSchedules("cosine", 5)
    evaluate(model, schedules, data, "ddim", 2, 8, metrics=["fid_proxy"], net=net, progress=True)
    bits_per_dim(model, schedules, data.batch(torch.arange(2))[0], progress=True)
    err = capsys.readouterr().err
    assert "\r" not in err
    for line in (
        "sample: 1 of 2, ",
        "sample: 2 of 2, ",
        "feature net: 2 of 2, ",
        "ddim-2: 8 of 8 images, ",
        "bits/dim: 5 of 5, ",
    ):
        assert f"\n{line}" in f"\n{err}", err


def test_stopped_before_the_first_checkpoint_there_is_nothing_to_go_on_from(tmp_path):
    request = Request("train", {}, {"output.dir": str(tmp_path)})
    assert stopped_message(request) == "stopped"
    (tmp_path / "ckpts").mkdir()
    (tmp_path / "ckpts" / "latest.pt").touch()
    assert f"--resume latest --output_dir {tmp_path}" in stopped_message(request)


# ---- going on


def interrupted(out, **kw):
    t = tiny_trainer(out, **kw)
    t.callbacks.append(StopAt(6))
    with pytest.raises(KeyboardInterrupt):
        t.train()
    return out / "ckpts" / "latest.pt"


@pytest.mark.slow
def test_a_run_does_not_go_on_with_other_images_or_another_loss(tmp_path):
    path = interrupted(tmp_path)
    other = ImageData(pixels(seed=1), tiny_data().labels)
    with pytest.raises(DDPMError, match="images to train on are not those.*--init_from"):
        tiny_trainer(tmp_path, other).resume(path)
    changed = tiny_data()
    changed.images[3] = 0  # one image of 64
    with pytest.raises(DDPMError, match="--allow_other_data"):
        tiny_trainer(tmp_path, changed).resume(path)
    mirrored = tiny_data()
    mirrored.flip = True
    with pytest.raises(DDPMError, match="dataset.flip is True here, but False"):
        tiny_trainer(tmp_path, mirrored).resume(path)
    t = tiny_trainer(tmp_path)
    t.loss = DDPMLoss(t.schedules, type="l1")
    with pytest.raises(DDPMError, match="the loss is not the one"):
        t.resume(path)
    assert tiny_trainer(tmp_path, other).resume(path, allow_other_data=True).step == 6


@pytest.mark.slow
def test_what_may_change_is_said_and_so_is_the_learning_rate(tmp_path, capsys):
    tiny_trainer(tmp_path).train()
    path = tmp_path / "ckpts" / "latest.pt"
    t = tiny_trainer(tmp_path, max_steps=24).resume(path)
    said = capsys.readouterr().out
    assert "resume: training.max_steps 12 -> 24" in said
    assert "the learning rate goes from 0 to" in said
    assert "rewarmup_steps" in said
    jump = t.current_lr()
    slow = dict(warmup_steps=2, rewarmup_steps=4)
    t = tiny_trainer(tmp_path, max_steps=24, scheduler=slow).resume(path)
    assert t.current_lr() == pytest.approx(jump / 5)
    t.callbacks.append(StopAt(14))
    with pytest.raises(KeyboardInterrupt):
        t.train()
    # a second resume stays on the same way up
    again = tiny_trainer(tmp_path, max_steps=24, scheduler=slow).resume(path)
    assert vars(again)["rewarmup"] == vars(t)["rewarmup"]
    capsys.readouterr()
    tiny_trainer(tmp_path, max_steps=24, scheduler=slow).resume(path)
    assert capsys.readouterr().out == ""


@pytest.mark.slow
def test_another_batch_size_goes_on_by_images_seen(tmp_path):
    path = interrupted(tmp_path, max_steps=None, epochs=2)  # 6 of 16 batches of 8
    t = tiny_trainer(tmp_path, max_steps=None, epochs=2, batch_size=4).resume(path)
    assert (t.data_offset, t.epoch, t.total_steps) == (6, 0, 26)  # 12 of 32 batches of 4
    t.train()
    assert (t.step, t.epoch) == (26, 2)
    assert tiny_trainer(tmp_path, max_steps=None, epochs=2, batch_size=4).resume(path).step == 26


@pytest.mark.slow
def test_an_older_checkpoint_goes_on_with_a_word(tmp_path, capsys):
    path = interrupted(tmp_path)
    ck = torch.load(path, weights_only=True)
    for k in ("run", "data_offset", "rewarmup"):
        del ck[k]
    torch.save(ck, path)
    assert tiny_trainer(tmp_path).resume(path).step == 6
    assert "holds no fingerprint of its images" in capsys.readouterr().out


@pytest.mark.slow
def test_a_tracker_that_fails_ends_no_run(tmp_path, monkeypatch):
    tensorboard = pytest.importorskip("torch.utils.tensorboard")
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def refuse(*args, **kw):
        raise full

    monkeypatch.setattr(tensorboard.SummaryWriter, "add_scalar", refuse)
    t = tiny_trainer(tmp_path)
    t.callbacks += trackers(dict(logging=dict(tensorboard=True, wandb=False)), tmp_path)
    with pytest.warns(DDPMWarning, match="No space left") as said:
        t.train()
    assert len(said) == 1
    assert load_checkpoint(tmp_path / "ckpts" / "latest.pt")["step"] == 12


@pytest.mark.slow
def test_points_of_a_branch_that_was_left_are_no_longer_in_the_curves(run, tmp_path):
    "Evaluated at steps 2 and 4; then back to step 2, and another 4"
    d = shutil.copytree(run, tmp_path / "run", symlinks=True)
    path = d / "logs" / "evaluation_results.json"
    points = [
        dict(name="ddim-5", n=8, seed=0, checkpoint_sha256=str(k), step=k, features="x", fid=1.0)
        for k in (2, 4)
    ]
    EvaluationResults(evolution=points).save(path)
    shutil.copy(d / "ckpts" / "latest.pt", d / "ckpts" / "step_00000004.pt")
    assert main(train_args(d, "--resume", "latest", "--training.max_steps", 5)) == 0
    assert [p["step"] for p in load_results(path).evolution] == [2, 4]  # goes on: nothing is lost
    two = load_checkpoint(d / "ckpts" / "latest.pt") | dict(step=2)
    torch.save(two, d / "ckpts" / "step_00000002.pt")
    again = ["--resume", d / "ckpts" / "step_00000002.pt", "--training.max_steps", 3]
    assert main(train_args(d, *again)) == 0
    assert [p["step"] for p in load_results(path).evolution] == [2]
    assert main(train_args(d, "--overwrite", "--training.max_steps", 1)) == 0
    assert load_results(path).evolution == []


@pytest.mark.slow
def test_each_step_once_in_tensorboard_after_a_roll_back_and_an_overwrite(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    def tracked(**kw):
        keep = dict(every_steps=4, keep=5)
        t = tiny_trainer(
            tmp_path, checkpoint=keep, sampling=dict(every_steps=2, num_samples=1), **kw
        )
        t.sample_fn = lambda model, n: torch.zeros(n, 1, 8, 8)
        config = dict(logging=dict(tensorboard=True, wandb=False))
        t.callbacks += trackers(config, tmp_path)
        return t

    def steps():
        events = EventAccumulator(str(tmp_path / "logs" / "tensorboard"))
        events.Reload()
        return [e.step for e in events.Scalars("train/loss")]

    def grids():
        return sorted(p.name for p in (tmp_path / "grids").iterdir())

    tracked().train()
    t = tracked().resume(tmp_path / "ckpts" / "step_00000004.pt")
    t.callbacks.append(StopAt(8))
    with pytest.raises(KeyboardInterrupt):
        t.train()
    assert steps() == [2, 4, 6, 8]
    assert grids() == [f"step_{n:06}.png" for n in (2, 4, 6, 8)]
    t = tracked(max_steps=4)
    t.overwrite = True
    t.train()
    assert steps() == [2, 4]
    assert grids() == ["step_000002.png", "step_000004.png"]
