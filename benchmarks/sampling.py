"""Sampling from the packaged model, ours against diffusers' DDIM pipeline with the same weights, in one run.

The contenders take turns, and the median of the ratios is printed, as in train_step.py. Asserts nothing about time.

    python benchmarks/sampling.py              # clock time, all threads
    python benchmarks/sampling.py --cpu-time   # one thread's CPU seconds, on a machine that is busy with other things
"""

import argparse
import statistics
import tempfile
import time
import warnings

import torch
import train_step

from ddpm_nb.app.interop import to_diffusers
from ddpm_nb.app.onnx import load_onnx, to_onnx
from ddpm_nb.engine.compat import import_torchvision
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


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for f, d in dict(images=64, steps=20, rounds=5, threads=torch.get_num_threads()).items():
        p.add_argument(f"--{f}", type=int, default=d)
    p.add_argument("--cpu-time", action="store_true")
    a = p.parse_args()
    warnings.filterwarnings("ignore")
    if a.cpu_time:
        train_step.CLOCK, a.threads = time.process_time, 1
    torch.set_num_threads(a.threads)
    model, s = load_pretrained("mnist")
    sm, n, k = DDPMSampler(s), a.images, a.steps
    pipe = their_pipeline(model, s)
    old, _ = load_pretrained("mnist")
    old.to(memory_format=torch.contiguous_format)

    with tempfile.TemporaryDirectory() as d:
        through_ort, _ = load_onnx(to_onnx(model, s, f"{d}/m.onnx"))

    def ours(m, method, steps):
        return lambda: sm.sample(m, (n, 1, 32, 32), method, steps)

    todo = {
        f"diffusers DDIM pipeline, {k} steps": lambda: pipe(
            batch_size=n, num_inference_steps=k, output_type="np"
        ),
        f"ddim, {k} steps": ours(model, "ddim", k),
        f"ddim, {k} steps, not channels_last": ours(old, "ddim", k),
        f"ddim, {k} steps, onnxruntime": ours(through_ort, "ddim", k),
        f"ddpm, {k} steps": ours(model, "ddpm", k),
        f"dpmpp_2m, {k} steps": ours(model, "dpmpp_2m", k),
        f"heun, {k // 2} steps": ours(model, "heun", k // 2),
    }
    times = train_step.race(todo, a.rounds)
    base = next(iter(times.values()))
    print(
        f"{a.threads} threads, {'CPU' if a.cpu_time else 'clock'} seconds, {n} images, {a.rounds} rounds, torch {torch.__version__}"
    )
    print(f"\n{'':36}{'seconds':>9}{'images/s':>10}{'× diffusers':>13}")
    for name, t in times.items():
        print(
            f"{name:36}{statistics.median(t):9.2f}{n / statistics.median(t):10.1f}{train_step.ratio(base, t):13.2f}"
        )


if __name__ == "__main__":
    main()
