"""One training step and one sampling run in two versions of the package, in turn.

Each version runs in a process of its own, from a source tree of its own, and only one of them works
at a time; reported is the median of the ratios within each pair of turns. Asserts nothing.

    git worktree add /tmp/old v0.1.0
    python benchmarks/two_versions.py /tmp/old .      # one thread's CPU seconds
"""

import argparse
import os
import statistics
import subprocess
import sys
from pathlib import Path

# runs in the version's own tree; answers each line on stdin with the CPU seconds of one turn
WORKER = """
import os, sys, time, warnings
warnings.filterwarnings("ignore")
import torch
torch.set_num_threads(1)
what, batch, tree = sys.argv[1], int(sys.argv[2]), sys.argv[3]
sys.path.insert(0, tree + "/benchmarks")
if what == "step":
    import train_step
    turn = train_step.our_step(batch)
else:
    # asking for the file, since an editable installation would find another version's module
    from ddpm_nb.sampler import DDPMSampler
    if os.path.exists("ddpm_nb/pretrained.py"):
        from ddpm_nb.pretrained import load_pretrained
    else:
        from ddpm_nb.interop import load_pretrained
    if what == "sample, fast kernels" and os.path.exists("ddpm_nb/engine/kernels.py"):
        from ddpm_nb.engine.kernels import use_fast_kernels
        use_fast_kernels()
    model, schedules = load_pretrained("mnist")
    turn = lambda: DDPMSampler(schedules).ddim_sample(model, (batch, 1, 32, 32), 5, generator=0)
import ddpm_nb
print(ddpm_nb.__file__, flush=True)
for _ in sys.stdin:
    t = time.process_time()
    turn()
    print(time.process_time() - t, flush=True)
"""


class Version:
    "A process that works in one version's tree, one turn at a time"

    def __init__(self, tree, what, batch):
        root = str(Path(tree).resolve())
        env = dict(os.environ, PYTHONPATH=root, OMP_NUM_THREADS="1")
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", WORKER, what, str(batch), root],
            cwd=root,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        used = self.process.stdout.readline().strip()
        assert used.startswith(root), f"{tree}: the package was imported from {used or 'nowhere'}"

    def turn(self):
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def turns(trees, what, batch, rounds):
    "Seconds of both versions in each round, from one process each, which take turns"
    versions = [Version(tree, what, batch) for tree in trees]
    for v in versions:
        v.turn()
        v.turn()
    times = [[], []]
    for r in range(rounds):
        order = (0, 1) if r % 2 == 0 else (1, 0)
        for i in order:
            times[i].append(versions[i].turn())
    for v in versions:
        v.close()
    return times


def compare(a, what):
    times = [[], []]
    for _ in range(a.processes):  # how a process's memory lies makes a difference of its own
        for all_times, new_times in zip(times, turns((a.old, a.new), what, a.batch, a.rounds)):
            all_times += new_times
    ratios = sorted(n / o for o, n in zip(*times))
    quarter = len(ratios) // 4
    old, new = (statistics.median(t) for t in times)
    print(
        f"{what:22} old {old:7.3f} s, new {new:7.3f} s, new/old {statistics.median(ratios):.3f} "
        f"(middle half {ratios[quarter]:.3f} to {ratios[-quarter - 1]:.3f})",
        flush=True,
    )


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("old", help="the source tree of one version")
    p.add_argument("new", help="the source tree of the other")
    p.add_argument("--batch", type=int, default=64)
    p.add_argument("--processes", type=int, default=4, help="pairs of processes, one after another")
    p.add_argument("--rounds", type=int, default=5, help="turns of each process")
    p.add_argument("--what", nargs="*", default=["step", "sample", "sample, fast kernels"])
    a = p.parse_args()
    print(
        f"one thread's CPU seconds, batch {a.batch}, {a.processes} pairs of processes, "
        f"{a.rounds} turns each"
    )
    for what in a.what:
        compare(a, what)


if __name__ == "__main__":
    main()
