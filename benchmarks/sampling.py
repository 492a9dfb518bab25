"""Sampling from the packaged model, ours against diffusers' DDIM pipeline with the same weights.

The contenders take turns, and the median of the ratios is printed, as in train_step.py. Asserts
nothing about time.

    python benchmarks/sampling.py              # clock time, all threads
    python benchmarks/sampling.py --cpu-time   # one thread's CPU seconds, on a busy machine
"""

import argparse
import statistics
import tempfile
import time
import warnings

import records
import torch
import train_step

from ddpm_nb.app.interop import to_diffusers
from ddpm_nb.app.onnx import load_onnx, to_onnx
from ddpm_nb.engine.compat import import_torchvision
from ddpm_nb.engine.kernels import use_fast_kernels, use_plain_kernels
from ddpm_nb.pretrained import load_pretrained
from ddpm_nb.sampler import DDPMSampler


def their_pipeline(model, schedules):
    import_torchvision()
    import diffusers

    diffusers.utils.logging.disable_progress_bar()
    with tempfile.TemporaryDirectory() as d:
        to_diffusers(model, schedules, f"{d}/m")
        pipe = diffusers.DDIMPipeline.from_pretrained(f"{d}/m")
    pipe.set_progress_bar_config(disable=True)
    return pipe


def contenders(n, k):
    "Functions that sample `n` images, most in `k` steps"
    model, schedules = load_pretrained("mnist")
    sampler = DDPMSampler(schedules)
    pipe = their_pipeline(model, schedules)
    contiguous, _ = load_pretrained("mnist")
    contiguous.to(memory_format=torch.contiguous_format)
    with tempfile.TemporaryDirectory() as d:
        through_ort, _ = load_onnx(to_onnx(model, schedules, f"{d}/m.onnx"))

    def ours(method, steps, model=model, use_kernels=use_fast_kernels):
        def sample():
            use_kernels()
            sampler.sample(model, (n, 1, 32, 32), method, steps)

        return sample

    def theirs():
        pipe(batch_size=n, num_inference_steps=k, output_type="np")

    return {
        f"diffusers DDIM pipeline, {k} steps": theirs,
        f"ddim, {k} steps": ours("ddim", k),
        f"ddim, {k} steps, plain kernels": ours("ddim", k, use_kernels=use_plain_kernels),
        f"ddim, {k} steps, not channels_last": ours("ddim", k, contiguous),
        f"ddim, {k} steps, onnxruntime": ours("ddim", k, through_ort),
        f"ddpm, {k} steps": ours("ddpm", k),
        f"dpmpp_2m, {k} steps": ours("dpmpp_2m", k),
        f"heun, {k // 2} steps": ours("heun", k // 2),
    }


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    defaults = dict(images=64, steps=20, rounds=5, threads=torch.get_num_threads())
    for flag, default in defaults.items():
        p.add_argument(f"--{flag}", type=int, default=default)
    p.add_argument("--cpu-time", action="store_true")
    p.add_argument("--json", help="also write what was measured to this file")
    a = p.parse_args()
    warnings.filterwarnings("ignore")
    if a.cpu_time:
        train_step.CLOCK, a.threads = time.process_time, 1
    torch.set_num_threads(a.threads)
    n = a.images
    times = train_step.race(contenders(n, a.steps), a.rounds)
    base = next(iter(times.values()))
    print(train_step.machine())
    print(f"{'CPU' if a.cpu_time else 'clock'} seconds, {n} images, {a.rounds} rounds")
    print(f"\n{'':36}{'seconds':>9}{'images/s':>10}{'× diffusers':>13}")
    rows = {}
    for name, t in times.items():
        seconds = statistics.median(t)
        ratio = train_step.ratio(base, t)
        rows[name] = dict(seconds=seconds, images_per_s=n / seconds, ratio=ratio)
        print(f"{name:36}{seconds:9.2f}{n / seconds:10.1f}{ratio:13.2f}")
    if a.json:
        records.save(a.json, rows, f"× diffusers, {'CPU' if a.cpu_time else 'clock'} seconds")


if __name__ == "__main__":
    main()
