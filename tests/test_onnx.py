"A model as an ONNX file: the command line, the packaged model, and what is refused"

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from ddpm_nb.cli import main
from ddpm_nb.pretrained import load_pretrained
from ddpm_nb.sampler import DDPMSampler
from helpers.commands import refused

pytest.importorskip("onnx", reason="extra `onnx` is not installed")
pytest.importorskip("onnxruntime", reason="extra `onnx` is not installed")
PRETRAINED = ["--pretrained", "mnist-cond"]


@pytest.mark.slow
def test_the_packaged_model_in_half_precision(digits_onnx):
    "At most 4.5 MB, and the same images as PyTorch to 1e-4, since its weights were halves before"
    from ddpm_nb.app.onnx import load_onnx

    assert digits_onnx.stat().st_size <= 4.5e6
    print(f"{digits_onnx.stat().st_size / 1e6:.2f} MB")
    model, schedules = load_pretrained("mnist-cond")
    other, other_schedules = load_onnx(digits_onnx)
    assert other_schedules.config == schedules.config
    assert other.card == model.card
    args: dict[str, Any] = dict(
        shape=(4, 1, 32, 32),
        method="dpmpp_2m",
        num_steps=5,
        y=torch.tensor([0, 7, 3, 10]),
        guidance_scale=2.0,
        generator=3,
    )
    ours = DDPMSampler(schedules).sample(model, **args)
    theirs = DDPMSampler(other_schedules).sample(other, **args)
    assert (ours - theirs).abs().max() < 1e-4


@pytest.mark.slow
def test_a_grid_by_onnxruntime(tmp_path):
    "The same seed gives the same image, to the rounding of a pixel"
    args = [*PRETRAINED, "--num_samples", "4", "--num_steps", "4", "--output_dir", str(tmp_path)]
    for backend in ("torch", "onnx"):
        assert main(["sample.grid", *args, "--backend", backend, "--output_name", backend]) == 0
    grids = [Image.open(tmp_path / "grids" / f"{name}.png") for name in ("torch", "onnx")]
    torch_grid, onnx_grid = (np.asarray(grid).astype(int) for grid in grids)
    assert np.abs(torch_grid - onnx_grid).max() <= 1
    assert torch_grid.std() > 10


@pytest.mark.parametrize(
    "says, args",
    [
        ("--format: 'tflite'; expected diffusers or onnx", ["export", "--format", "tflite"]),
        ("--half: only for --format onnx", ["export", "--half"]),
        ("ending in .onnx", ["export", "--format", "onnx", "--output_name", "model.bin"]),
        ("--backend: 'tpu'; expected torch or onnx", ["sample.grid", "--backend", "tpu"]),
        ("sample.traj has no use for it", ["sample.traj", "--backend", "onnx"]),
    ],
)
def test_refused_in_one_line(tmp_path, monkeypatch, capsys, says, args):
    monkeypatch.chdir(tmp_path)
    refused(capsys, says, *args, *PRETRAINED)
