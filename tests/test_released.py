"""Checkpoints of released versions load and go on: today's code does what 0.1.0 would have done.

The files under `fixtures/0.1` were made by 0.1.0's own command line (`make.sh` there).
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

OLD = Path(__file__).parent / "fixtures" / "0.1"
EXPECTED = json.loads((OLD / "expected.json").read_text())
# the same kernels on every processor and one thread, as when the fixture was made
ENV = dict(
    os.environ,
    OMP_NUM_THREADS="1",
    ATEN_CPU_CAPABILITY="avx2",
    ONEDNN_MAX_CPU_ISA="AVX2",
    MKL_CBWR="COMPATIBLE",
    PYTHONPATH=str(OLD.parent.parent.parent),
)


def this_cpu():
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((s.split(":")[1].strip() for s in lines if s.startswith("model name")), "unknown")


# today's code goes on with the run in `argv[1]`, and then samples with the weights in `argv[2]`
PROGRAM = """
import sys
import torch
from ddpm_nb.cli import main
from ddpm_nb.engine.checkpoint import load_model
from ddpm_nb.sampler import DDPMSampler
torch.set_num_threads(1)
assert main(["train", "--resume", "latest", "--output_dir", sys.argv[1]]) == 0
model, schedules, ck = load_model(sys.argv[2])
sampler, shape, y = DDPMSampler(schedules), (8, 1, 32, 32), torch.arange(8)
torch.save(dict(
    ddim=sampler.ddim_sample(model, shape, 10, y=y, generator=7),
    ddpm=sampler.ddpm_sample(model, shape, 10, y=y, generator=7),
    guided=sampler.dpmpp_2m_sample(model, shape, 5, y=y, guidance_scale=2.0, generator=7),
), sys.argv[1] + "/samples.pt")
"""


@pytest.fixture(scope="module")
def today(tmp_path_factory):
    "The folder of the run that went on, with samples of 0.1's weights"
    d = tmp_path_factory.mktemp("released")
    (d / "ckpts").mkdir()
    shutil.copy(OLD / "latest.pt", d / "ckpts" / "latest.pt")
    cmd = [sys.executable, "-c", PROGRAM, str(d), str(OLD / "ema.pt")]
    subprocess.run(cmd, env=ENV, check=True, capture_output=True)
    return d


@pytest.mark.slow
def test_a_run_of_0_1_goes_on_bit_for_bit(today):
    rows = json.loads((today / "logs" / "training_metrics.json").read_text())["steps"]
    step = EXPECTED["step"]
    losses = [r["loss"] for r in rows if step < r["step"] <= step + 10]
    assert len(losses) == 10
    same_kernels = this_cpu() == EXPECTED["cpu"] and torch.__version__ == EXPECTED["torch"]
    if same_kernels:
        assert losses == EXPECTED["losses"]
    # another processor or torch may sum in another order
    torch.testing.assert_close(losses, EXPECTED["losses"], rtol=1e-4, atol=0)


def test_the_curves_before_it_are_kept(tmp_path):
    old = json.loads((OLD / "training_metrics.json").read_text())["steps"]
    history = torch.load(OLD / "latest.pt", weights_only=True)["history"]["steps"]
    assert [r["loss"] for r in history] == [r["loss"] for r in old]


@pytest.mark.slow
def test_weights_of_0_1_give_the_same_samples(today):
    now = torch.load(today / "samples.pt", weights_only=True)
    then = torch.load(OLD / "samples.pt", weights_only=True)
    assert now.keys() == then.keys()
    for method, x in then.items():
        torch.testing.assert_close(
            now[method], x, rtol=0, atol=1e-6, msg=lambda m, k=method: f"{k}: {m}"
        )
