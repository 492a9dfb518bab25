"""What it costs and gains that threads spin only briefly while they wait, idle and beside others.

The step of `mnist_demo`, by the clock: one thread, and two that spin, spin briefly or sleep, in
turn, each in a process of its own, for that is read once. `--busy N` has N processes compute
beside. Prints images per second, medians of --rounds, and JSON with --json FILE.
"""

import argparse
import os
import statistics
import subprocess
import sys

import records

CHILD = """
import sys, time
import torch
torch.set_num_threads(int(sys.argv[1]))
from ddpm_nb import UNetSmall, load_config
from ddpm_nb.engine.kernels import use_fast_process
use_fast_process()
model = UNetSmall(**load_config("mnist_demo")["model"])
opt = torch.optim.SGD(model.parameters(), 1e-3)
x, t, y = torch.randn(64, 1, 32, 32), torch.arange(64) * 15, torch.arange(64) % 10
def step():
    opt.zero_grad()
    (model(x, t, y) - x).square().mean().backward()
    opt.step()
for _ in range(3): step()
start, steps = time.perf_counter(), 0
while time.perf_counter() - start < float(sys.argv[2]):
    step()
    steps += 1
print(64 * steps / (time.perf_counter() - start))
"""
WAYS = {
    "one thread": (1, {}),
    "two, spinning": (2, {}),
    "two, briefly": (2, {"GOMP_SPINCOUNT": "1000"}),
    "two, asleep": (2, {"OMP_WAIT_POLICY": "passive"}),
}


def images_per_second(threads, how, seconds):
    unset = {"OMP_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT"}
    env = {k: v for k, v in os.environ.items() if k not in unset}
    command = [sys.executable, "-c", CHILD, str(threads), str(seconds)]
    done = subprocess.run(command, env=env | how, capture_output=True, text=True, check=True)
    return float(done.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--busy", type=int, default=0, help="processes that compute beside")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10, help="of each measurement")
    parser.add_argument("--json", help="file for the ratios")
    args = parser.parse_args()
    others = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(args.busy)
    ]
    try:
        rounds = [
            {name: images_per_second(*way, args.seconds) for name, way in WAYS.items()}
            for _ in range(args.rounds)
        ]
    finally:
        for process in others:
            process.kill()
    medians = {name: statistics.median(r[name] for r in rounds) for name in WAYS}
    print(f"{args.busy} processes beside; images/s by the clock")
    for name, value in medians.items():
        print(f"{name:>14}: {value:6.1f}  ({value / medians['one thread']:.2f} of one thread)")
    if args.json:
        row = dict(ratio=medians["two, briefly"] / medians["two, spinning"], **medians)
        rows = {f"waiting, {args.busy} processes beside": row}
        records.save(args.json, rows, "briefly × spinning, clock seconds")


if __name__ == "__main__":
    main()
