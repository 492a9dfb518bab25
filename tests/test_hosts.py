"""Two machines with two processes each train one model, through `torchrun` and a real network.

The machines are network namespaces of this one. One of them is killed and comes back, the network
is cut for ten seconds, and the end is that of an undisturbed run, to the last bit.
"""

import os
import signal
import subprocess
import sys
import time

import pytest

from ddpm_nb.engine.checkpoint import load_checkpoint
from helpers.commands import ENV, NO_GRIDS, SMALL
from helpers.hosts import Hosts, ip, why_not
from helpers.tiny import assert_same_run

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(why_not()), reason=why_not())]

SECONDS = 600  # for a run, on a machine with other work
KILLED_AT, CUT_AT, STEPS = 4, 6, 9
FLAGS = [
    *SMALL,
    *NO_GRIDS,
    *"""--model.image_size 8 --dataset.image_size 8 --training.validation.every_steps 0
    --training.checkpoint.every_steps 3 --training.checkpoint.keep 9 --training.log_every 3
    --training.scheduler.warmup_steps 2 --training.optimizer.name adamw""".split(),
    *("--training.max_steps", str(STEPS)),
]


def torchrun(out, gates, *where):
    "The command line of `torchrun`, with a worker that waits where it is told to"
    worker = ["-m", "helpers.worker", gates, *FLAGS, "--output_dir", out]
    cmd = [sys.executable, "-m", "torch.distributed.run", *where, *worker]
    return [str(part) for part in cmd]


def wait_for(done, processes, logs):
    "Wait until something is so, or fail where a process ends before it"
    deadline = time.monotonic() + SECONDS
    while not done():
        dead = [p for p in processes if p.poll() is not None]
        if dead or time.monotonic() > deadline:
            pytest.fail("\n\n".join(p.read_text()[-4000:] for p in logs))
        time.sleep(0.1)


def are_at(gates, step):
    return all((gates / f"{step}-{rank}").exists() for rank in range(4))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    "A run of four processes on one machine, under way"
    d = tmp_path_factory.mktemp("undisturbed")
    with open(d / "log", "w") as log:
        process = subprocess.Popen(
            torchrun(d / "run", d, "--standalone", "--nproc_per_node", "4"),
            env=ENV,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield d, process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def test_a_machine_is_killed_and_comes_back_and_the_network_is_cut(tmp_path, undisturbed):
    out, gates = tmp_path / "shared", tmp_path / "gates"
    logs = [tmp_path / f"{name}.log" for name in ("first", "second", "second again")]
    gates.mkdir()
    env = ENV | {"GLOO_SOCKET_IFNAME": "eth0", "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}
    with Hosts(2) as hosts:
        where = "--nnodes 2 --nproc_per_node 2 --max_restarts 3 --rdzv_backend c10d".split()
        where += ["--rdzv_endpoint", f"{hosts.names[0]}:29500"]
        cmd = torchrun(out, gates, *where)
        first = hosts.start(0, cmd, env, logs[0], SECONDS)
        second = hosts.start(1, cmd, env, logs[1], SECONDS)
        (gates / f"wait-{KILLED_AT}").touch()
        (gates / f"wait-{CUT_AT}").touch()
        wait_for(lambda: are_at(gates, KILLED_AT), [first, second], logs[:2])
        hosts.kill(1)
        second.wait(60)
        (gates / f"wait-{KILLED_AT}").unlink()
        again = hosts.start(1, cmd, env, logs[2], SECONDS)
        wait_for(lambda: are_at(gates, CUT_AT), [first, again], logs)
        with hosts.cut(1):
            (gates / f"wait-{CUT_AT}").unlink()
            time.sleep(10)
            # nobody has made another step alone
            assert not list(gates.glob(f"{CUT_AT + 1}-*"))
        ends = [p.wait(SECONDS) for p in (first, again)]
        assert ends == [0, 0], logs[0].read_text()[-3000:] + logs[2].read_text()[-3000:]
    assert hosts.id not in ip("netns", "list").stdout
    ck = load_checkpoint(out / "ckpts" / "latest.pt")
    # 4 if the first process could still save what all had; the cut was no reason to begin again
    assert ck["history"]["resumes"] in ([3], [4])
    said = "".join(p.read_text() for p in logs)
    assert said.count(" 4 processes") == 2
    assert "a run is already in" not in said
    d, process = undisturbed
    assert process.wait(SECONDS) == 0, (d / "log").read_text()[-4000:]
    assert_same_run(load_checkpoint(d / "run" / "ckpts" / "latest.pt"), ck)
