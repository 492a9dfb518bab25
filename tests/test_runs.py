"Runs as people start them: two at once, without a terminal, on disks and streams that refuse"

import errno
import os
import threading

import pytest

from ddpm_nb.core import DDPMError
from ddpm_nb.engine.checkpoint import load_checkpoint
from ddpm_nb.engine.locks import lock_folder
from ddpm_nb.errors import DDPMWarning
from helpers.commands import cli, one_line, train_args
from helpers.tiny import StopAt, tiny_trainer

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
