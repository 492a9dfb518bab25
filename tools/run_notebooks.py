"""Run notebooks from top to bottom, as a reader does: `run_notebooks.py FOLDER [PATTERN …]`.

Needs IPython and what the notebooks import, nothing of this repository; each notebook runs in a
process of its own, in the folder that holds it, two at a time. Trainings that are only for looking
at are short where IN_TEST is set.
"""

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


def run_cells(path: Path) -> str:
    "Run a notebook's cells; the traceback of the first that fails, or ''"
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    for i, cell in enumerate(cells):
        source = "".join(cell["source"])
        if cell["cell_type"] != "code" or source.startswith(("#| slow", "#| gpu")):
            continue
        result = shell.run_cell(source, store_history=False)
        if error := result.error_before_exec or result.error_in_exec:
            return f"{path.name}, cell {i}: {type(error).__name__}: {error}"
    return ""


def run_apart(path: Path) -> tuple[str, float, str]:  # name, seconds, what went wrong
    "Run a notebook in a process of its own"
    start = time.monotonic()
    env = dict(os.environ, MPLBACKEND="Agg", IN_TEST="1")
    cmd = [sys.executable, str(Path(__file__).resolve()), "--one", path.name]
    done = subprocess.run(cmd, cwd=path.parent, env=env, capture_output=True, text=True)
    wrong = f"{done.stdout[-3000:]}\n{done.stderr[-500:]}" if done.returncode else ""
    return path.name, time.monotonic() - start, wrong


def main(args):
    if args[0] == "--one":
        wrong = run_cells(Path(args[1]))
        print(wrong)
        return bool(wrong)
    folder, patterns = Path(args[0]), args[1:] or ["[0-9]*.ipynb"]
    paths = sorted({p for pattern in patterns for p in folder.glob(pattern)})
    if not paths:
        sys.exit(f"no notebooks in {folder}")
    with ThreadPoolExecutor(2) as pool:
        rows = list(pool.map(run_apart, paths))
    for name, seconds, wrong in rows:
        print(f"   {name:28}{seconds:5.0f} s{'  FAILED' if wrong else ''}{wrong}")
    return any(wrong for *_, wrong in rows)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
