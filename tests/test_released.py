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


@pytest.mark.slow
def test_a_run_of_0_1_goes_on_bit_for_bit(tmp_path):
    (tmp_path / "ckpts").mkdir()
    shutil.copy(OLD / "latest.pt", tmp_path / "ckpts" / "latest.pt")
    cmd = [sys.executable, "-m", "ddpm_nb.cli", "train", "--resume", "latest"]
    subprocess.run([*cmd, "--output_dir", str(tmp_path)], env=ENV, check=True, capture_output=True)
    rows = json.loads((tmp_path / "logs" / "training_metrics.json").read_text())["steps"]
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


SAMPLE = """
import sys
import pytest
import torch
from ddpm_nb.sampler import DDPMSampler
from ddpm_nb.engine.checkpoint import load_model
torch.set_num_threads(1)
model, schedules, ck = load_model(sys.argv[1])
sampler, shape, y = DDPMSampler(schedules), (8, 1, 32, 32), torch.arange(8)
torch.save(dict(
    ddim=sampler.ddim_sample(model, shape, 10, y=y, generator=7),
    ddpm=sampler.ddpm_sample(model, shape, 10, y=y, generator=7),
    guided=sampler.dpmpp_2m_sample(model, shape, 5, y=y, guidance_scale=2.0, generator=7),
), sys.argv[2])
"""


@pytest.mark.slow
def test_weights_of_0_1_give_the_same_samples(tmp_path):
    cmd = [sys.executable, "-c", SAMPLE, str(OLD / "ema.pt"), str(tmp_path / "now.pt")]
    subprocess.run(cmd, env=ENV, check=True, capture_output=True)
    now = torch.load(tmp_path / "now.pt", weights_only=True)
    then = torch.load(OLD / "samples.pt", weights_only=True)
    assert now.keys() == then.keys()
    for method, x in then.items():
        torch.testing.assert_close(
            now[method], x, rtol=0, atol=1e-6, msg=lambda m, k=method: f"{k}: {m}"
        )
