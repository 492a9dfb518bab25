"""Several processes, started by torchrun and by its launcher (gloo, on the CPU).

They reach the weights of one and make the same decisions; a killed one is replaced.
"""

import json
import subprocess
import sys

import pytest
import torch

from ddpm_nb.cli import main
from ddpm_nb.engine.checkpoint import load_checkpoint
from helpers.commands import ENV, NO_GRIDS, SMALL, Child, warm_up
from helpers.worker import dies, many, trainer

pytestmark = pytest.mark.slow
FLAGS = [
    *SMALL,
    *NO_GRIDS,
    *"""--training.validation.every_steps 0 --training.max_steps 8
    --training.checkpoint.every_steps 3 --training.optimizer.name adamw
    --training.optimizer.eps 1e-4""".split(),
]


def torchrun(*a, **kw):
    cmd = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nproc_per_node",
        "2",
        "--master_addr",
        "127.0.0.1",
        "--master_port",
        "0",
        "--rdzv_backend",
        "c10d",
        "--rdzv_endpoint",
        "127.0.0.1:0",
        *map(str, a),
    ]
    return subprocess.run(cmd, env=ENV, capture_output=True, text=True, **kw)


def launch(function, *args, restarts=0):
    """Two processes by torchrun's launcher, until they end.

    As `torchrun` does, but the processes are copies of this one, which has PyTorch in memory."""
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=2,
        rdzv_backend="c10d",
        rdzv_endpoint="127.0.0.1:0",
        max_restarts=restarts,
        monitor_interval=0.1,
        start_method="fork",
    )
    warm_up()

    def action():
        elastic_launch(config, function)(*args)

    child = Child(action)
    child.wait()
    return child


def close(a, b, tol=1e-6):
    def sets(ck):
        return [ck["model"], ck["ema"]["shadow"], *[e["shadow"] for e in ck["extra_ema"].values()]]

    for x, y in zip(sets(a), sets(b), strict=True):
        for k in x:
            torch.testing.assert_close(x[k], y[k], atol=tol, rtol=0)


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    d = tmp_path_factory.mktemp("many")
    one = trainer(d / "one", checkpoint=dict(every_steps=3, keep=5))
    one.train()
    r = launch(many, d)
    assert r.returncode == 0, r.stderr[-4000:]
    return d


@pytest.fixture(scope="module")
def seen(out):
    return [json.loads((out / f"{r}.json").read_text()) for r in (0, 1)]


def test_two_processes_give_the_weights_of_one(out, seen):
    """At the same global batch of 10, in two parts each.

    Noise, timesteps, mirrored images and hidden labels are those of the whole batch. The model
    predicts v, which the loss must find behind the wrapper.
    """
    a, b = (load_checkpoint(out / d / "ckpts" / "latest.pt") for d in ("one", "two"))
    assert a["step"] == b["step"] == 8
    close(a, b)
    for x, y in zip(
        a["history"]["steps"] + a["history"]["val"], b["history"]["steps"] + b["history"]["val"]
    ):
        for k in ("loss", "loss_ema", "lr", "grad_norm"):
            assert x.get(k) == pytest.approx(y.get(k), abs=1e-5) if k in x else k not in y
    assert (
        json.loads((out / "two" / "logs" / "training_metrics.json").read_text())["processes"] == 2
    )


def test_a_resume_may_change_the_number_of_processes(out, seen):
    close(
        load_checkpoint(out / "one" / "ckpts" / "latest.pt"),
        load_checkpoint(out / "one-two" / "ckpts" / "latest.pt"),
    )
    assert seen[0]["resumed"] == seen[1]["resumed"] == [8, [3]]
    t = trainer(out / "two-one").resume(out / "two" / "ckpts" / "step_00000006.pt")
    t.train()
    close(
        load_checkpoint(out / "one" / "ckpts" / "latest.pt"),
        load_checkpoint(out / "two-one" / "ckpts" / "latest.pt"),
    )


def test_one_fetches_the_data_and_the_others_find_it(seen):
    assert [s["found"] for s in seen] == [False, True]


def test_all_skip_a_step_that_is_bad_in_one(out, seen):
    assert seen[0]["nan"] == seen[1]["nan"] == [8, [3], True]


def test_all_give_up_together(out, seen):
    assert seen[0]["nans"] == seen[1]["nans"] == [6, True]
    assert load_checkpoint(out / "nans" / "ckpts" / "latest.pt")["step"] == 3


def test_all_stop_after_the_same_step_when_one_is_told(out, seen):
    assert seen[0]["term"] == seen[1]["term"] == [4, 143]
    # as which signal, too: a terminal that was closed is no SIGTERM
    assert seen[0]["hup"] == seen[1]["hup"] == [4, 129]
    for d in ("term", "hup"):
        assert load_checkpoint(out / d / "ckpts" / "latest.pt")["step"] == 4
    assert (
        seen[0]["stop"]
        == seen[1]["stop"]
        == load_checkpoint(out / "stop" / "ckpts" / "latest.pt")["step"]
        == 5
    )
    assert seen[0]["early"] == seen[1]["early"] == 2  # only the first one validates


def test_weights_are_equal_to_the_bit_in_both(seen):
    assert seen[0]["same"]
    assert seen[1]["same"]


def test_a_killed_process_is_replaced_and_the_run_goes_on_from_latest(tmp_path):
    assert main(["train", *FLAGS, "--output_dir", str(tmp_path / "one")]) == 0
    r = launch(dies, [*FLAGS, "--output_dir", str(tmp_path / "two")], restarts=1)
    assert r.returncode == 0, r.stderr[-4000:]
    ck = load_checkpoint(tmp_path / "two" / "ckpts" / "latest.pt")
    # 4 if the first process could still save what both had
    assert ck["history"]["resumes"] in ([3], [4])
    assert ck["step"] == 8
    close(load_checkpoint(tmp_path / "one" / "ckpts" / "latest.pt"), ck)
    # both starts, told by the first process alone
    assert r.stdout.count(" 2 processes") == 2
    assert "steps 0 to 8" in r.stdout


def test_all_take_the_number_of_steps_that_the_main_process_fixed(tmp_path):
    "A budget of next to nothing: it is gone when the first step is timed, so one more is made"
    flags = [*SMALL, *NO_GRIDS, "--training.max_minutes", 1e-4, "--output_dir", tmp_path]
    r = torchrun("-m", "ddpm_nb.cli", "train", *flags)
    assert r.returncode == 0, r.stderr[-4000:]
    assert r.stdout.count("at this speed") == 1
    ck = load_checkpoint(tmp_path / "ckpts" / "latest.pt")
    assert ck["total_steps"] == ck["step"] == ck["history"]["budget"]["steps"]
    # processes that had fixed different numbers would have waited for each other
    assert ck["config"]["training"]["max_steps"] == ck["step"]
