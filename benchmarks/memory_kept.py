"""What keeping freed memory gains a training step: with it and without, in turn, one thread.

Each turn is a process of its own, for the allocator cannot be told to forget. Prints page faults
and images per processor second of `mnist_tiny`'s step, their ratio, and JSON with --json FILE.
"""

import argparse
import json
import platform
import statistics
import subprocess
import sys
from pathlib import Path

CHILD = """
import resource, sys, time
import torch
torch.set_num_threads(1)
from ddpm_nb.engine.memory import keep_freed_memory
kept = sys.argv[1] == "kept" and keep_freed_memory()
from ddpm_nb import DDPMLoss, DDPMSchedules, UNetSmall, load_config
from ddpm_nb.engine.kernels import use_fast_kernels
from ddpm_nb.engine.optim import make_optimizer
use_fast_kernels()
c = load_config("mnist_tiny")
model, schedules = UNetSmall(**c["model"]), DDPMSchedules(**c["schedules"])
loss = DDPMLoss(schedules, **c["loss"])
opt = make_optimizer(model.parameters(), 1e-3, c["training"]["optimizer"])
batch, steps = 64, int(sys.argv[2])
x = torch.randn(batch, 1, 32, 32)
def step():
    opt.zero_grad()
    loss(model, x).loss.backward()
    opt.step()
for _ in range(3): step()
faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
start = time.process_time()
for _ in range(steps): step()
seconds = time.process_time() - start
faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults
print(int(kept), faults / steps, batch * steps / seconds)
"""


def measure(how, steps):
    child = [sys.executable, "-c", CHILD, how, str(steps)]
    out = subprocess.run(child, capture_output=True, text=True, check=True).stdout
    kept, faults, speed = map(float, out.split())
    return bool(kept), faults, speed


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    turns = [(measure("usual", args.steps), measure("kept", args.steps)) for _ in range(args.pairs)]
    if not turns[0][1][0]:
        sys.exit("no glibc here: freed memory cannot be kept in this way")
    ratios = [kept[2] / usual[2] for usual, kept in turns]
    for usual, kept in turns:
        print(f"usual {usual[1]:9,.0f} faults a step, {usual[2]:6.1f} images per processor second")
        print(f"kept  {kept[1]:9,.0f} faults a step, {kept[2]:6.1f} images per processor second")
    ratio = statistics.median(ratios)
    print(f"kept / usual: {ratio:.2f} (median of {args.pairs} pairs), {platform.processor()}")
    if args.json:
        args.json.write_text(json.dumps(dict(ratio=ratio, ratios=ratios, turns=turns), indent=1))


if __name__ == "__main__":
    main()
