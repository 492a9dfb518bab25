"""What the benchmarks measured, as JSON, and two of these files side by side.

`--json FILE` of train_step.py, sampling.py and trainer_overhead.py writes one: the machine, the
versions, the command, and a row per contender, in which `ratio` is what travels from one machine to
another. A file that is there already is kept as FILE.old.json, for:

    python benchmarks/records.py outputs/bench            # old beside new, as make bench-compare
    python benchmarks/records.py outputs/bench --old DIR  # against another run's files
"""

import argparse
import json
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("torch", "diffusers", "numpy", "ddpm_nb")


def cpu_name():
    "The processor, as the system calls it"
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _version(package):
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _commit():
    command = ["git", "describe", "--always", "--dirty"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip() or None


def describe_machine():
    "Processor, threads and instruction set"
    import torch

    return dict(
        cpu=cpu_name(),
        capability=torch.backends.cpu.get_cpu_capability(),
        threads=torch.get_num_threads(),
        system=platform.system(),
    )


def save(path, rows, unit):
    "Write what was measured; a file of that name is kept beside it as the old one"
    path = Path(path)
    record = dict(
        command=" ".join(["python", *sys.argv]),
        commit=_commit(),
        machine=describe_machine(),
        versions={p: _version(p) for p in PACKAGES} | {"python": platform.python_version()},
        unit=unit,
        rows=rows,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        path.replace(path.with_suffix(".old.json"))
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def differences(old, new):
    "Sentences on what else than the code differs between two records"
    for section in ("machine", "versions"):
        for key in old[section]:
            a, b = old[section][key], new[section].get(key)
            if a != b and key != "ddpm_nb":
                yield f"{key} was {a}, is {b}"
    if old["unit"] != new["unit"]:
        yield f"the unit was {old['unit']}, is {new['unit']}"


def compared(old, new):
    "Lines of a table: each row's ratio before and now, and by how much it changed"
    for name in {**old["rows"], **new["rows"]}:
        a, b = (record["rows"].get(name, {}).get("ratio") for record in (old, new))
        before, now = ("–" if x is None else f"{x:.3f}" for x in (a, b))
        change = f"{b / a - 1:+.1%}" if a and b else ""
        yield f"{name:44}{before:>9}{now:>9}{change:>9}"


def compare(folder, old_folder=None):
    "Print every record of a folder beside its older one; the number of pairs"
    folder, pairs = Path(folder), 0
    for path in sorted(p for p in folder.glob("*.json") if not p.name.endswith(".old.json")):
        old_path = path.with_suffix(".old.json")
        if old_folder:
            old_path = Path(old_folder) / path.name
        if not old_path.is_file():
            print(f"{path.stem}: nothing older ({old_path})")
            continue
        old, new = (json.loads(p.read_text(encoding="utf-8")) for p in (old_path, path))
        print(f"{path.stem}: {old['commit']} beside {new['commit']}, {new['unit']}")
        for sentence in differences(old, new):
            print(f"  not comparable without thought: {sentence}")
        print(f"{'':44}{'old':>9}{'new':>9}{'change':>9}")
        print("\n".join(compared(old, new)) + "\n")
        pairs += 1
    return pairs


def main(args=None):
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("folder", help="with the files that make bench wrote")
    p.add_argument("--old", help="a folder of older ones; default: the .old.json beside each")
    a = p.parse_args(args)
    return 0 if compare(a.folder, a.old) else 1


if __name__ == "__main__":
    sys.exit(main())
