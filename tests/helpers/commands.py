"The command line in tests: in this process with `main`, in another one with `cli`"

import json
import os
import subprocess
import sys
from pathlib import Path

from ddpm_nb.cli import main

TESTS = Path(__file__).parent.parent
# other processes find the package of this tree, and these helpers: `python -m helpers.killer`
FOUND = [str(TESTS), str(TESTS.parent), os.environ.get("PYTHONPATH", "")]
ENV = dict(os.environ, OMP_NUM_THREADS="1", PYTHONPATH=os.pathsep.join(filter(None, FOUND)))
SMALL = """--config mnist_tiny --device cpu --dataset.limit 64 --model.base_channels 8 --model.channel_mults [1,2]
    --model.attention_resolutions [] --model.num_groups 4 --schedules.timesteps 20 --batch_size 8
    --training.validation.num_images 16""".split()  # a run of seconds
NO_GRIDS = ["--training.sampling.every_steps", "0"]


def python(*args, **kw):
    "Run Python in another process, and wait for it"
    cmd = [sys.executable, *map(str, args)]
    return subprocess.run(cmd, capture_output=True, text=True, env=ENV, **kw)


def cli(*args, **kw):
    "`ddpm-nb` in another process"
    return python("-m", "ddpm_nb.cli", *args, **kw)


def train_args(out, *more) -> list[str]:
    "The command line of a small training run"
    return ["train", *SMALL, *NO_GRIDS, *map(str, ["--output_dir", out, *more])]


def train(out, *more) -> int:
    "Train a small network; the exit status"
    return main(train_args(out, *more))


def error_lines(err: str) -> list[str]:
    "The lines of stderr, without what a progress bar wrote over"
    return [line for line in err.replace("\r", "\n").split("\n") if line.strip()]


def refused(capsys, says, *args):
    "Exit code 2 and one line on stderr, which contains `says`, or each of them"
    assert main([str(a) for a in args]) == 2
    err = error_lines(capsys.readouterr().err)
    assert len([line for line in err if line.startswith("ddpm-nb: error: ")]) == 1, err
    assert err[-1].startswith("ddpm-nb: error: "), err
    assert "Traceback" not in "\n".join(err), err
    for s in [says] if isinstance(says, str) else says:
        assert s in err[-1], err[-1]


def one_line(r) -> list[str]:
    "The error messages of another process"
    return [line for line in error_lines(r.stderr) if line.startswith("ddpm-nb: error:")]


def results(d) -> dict:
    "What `eval` wrote"
    return json.loads((Path(d) / "logs" / "evaluation_results.json").read_text())


def files(d) -> list[str]:
    "Every file in a folder"
    return sorted(str(p.relative_to(d)) for p in d.rglob("*") if p.is_file())
