"""Training speed by number of processes on this machine, in one run.

`mnist_tiny` as it is, with 1, 2, … processes that share the cores. `python benchmarks/scaling.py
[PROCESSES …]` (default 1 2) prints images/s and the ratio to the first, and asserts nothing."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path


def speed(processes, cores, steps=30):
    "Images per second of all processes together, the first steps left out"
    env = dict(os.environ, OMP_NUM_THREADS=str(max(1, cores // processes)))
    launch = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        f"--nproc_per_node={processes}",
        "-m",
        "ddpm_nb.cli",
    ]
    with tempfile.TemporaryDirectory() as d:
        cmd = [
            *launch,
            "train",
            "--config",
            "mnist_tiny",
            "--output_dir",
            d,
            "--training.max_steps",
            str(steps),
            "--training.log_every",
            "10",
        ]
        for k in ("validation", "checkpoint", "sampling"):
            cmd += [f"--training.{k}.every_steps", "0"]
        r = subprocess.run(cmd, env=env, capture_output=True, text=True)
        if r.returncode:
            sys.exit(r.stderr[-2000:])
        rows = json.loads((Path(d) / "logs" / "training_metrics.json").read_text())["steps"][1:]
        return sum(x["images_per_s"] for x in rows) / len(rows)


def main():
    cores = len(os.sched_getaffinity(0))
    counts = [int(a) for a in sys.argv[1:]] or [1, 2]
    print(f"{cores} cores, load {os.getloadavg()[0]:.1f} before; global batch 64 throughout")
    base = None
    for n in counts:
        v = speed(n, cores)
        base = base or v
        print(
            f"{n} processes of {max(1, cores // n)} threads: {v:6.1f} images/s, "
            f"{v / base:.2f} times the first",
            flush=True,
        )


if __name__ == "__main__":
    main()
