"The command line in tests: in this process with `main`, in another one with `cli`"

import contextlib
import functools
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
import warnings
from pathlib import Path

import pytest

from ddpm_nb.cli import main

TESTS = Path(__file__).parent.parent
# other processes find the package of this tree, and these helpers: `python -m helpers.killer`
FOUND = [str(TESTS), str(TESTS.parent), os.environ.get("PYTHONPATH", "")]
ENV = dict(os.environ, OMP_NUM_THREADS="1", PYTHONPATH=os.pathsep.join(filter(None, FOUND)))
# a run of seconds
SMALL = """--config mnist_tiny --device cpu --dataset.limit 64 --model.base_channels 8
    --model.channel_mults [1,2] --model.attention_resolutions [] --model.num_groups 4
    --schedules.timesteps 20 --batch_size 8 --training.validation.num_images 16""".split()
NO_GRIDS = ["--training.sampling.every_steps", "0"]


def python(*args, **kw):
    "Run Python in another process that starts from nothing, and wait for it"
    cmd = [sys.executable, *map(str, args)]
    return subprocess.run(cmd, capture_output=True, text=True, env=ENV, **kw)


class Child:
    """`action()` in another process, a copy of this one: real signals, limits and exit codes.

    A copy has torch in memory already, which takes seconds where Python starts from nothing. Ctrl-C
    is not ignored in it, even if it is in the tests (`nohup make test`).
    """

    def __init__(
        self,
        action,  # returns the exit status
        before=None,  # called first, in the child
    ):
        if not hasattr(os, "fork"):
            pytest.skip("needs POSIX signals")
        self.returncode, self.written = None, {1: [], 2: []}
        pipes = {fd: os.pipe() for fd in self.written}
        sys.stdout.flush()
        sys.stderr.flush()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # from 3.12 on, if threads wait
            self.pid = os.fork()
        if self.pid == 0:
            self._live(action, before, pipes)
        self.readers = []
        for fd, (source, sink) in pipes.items():
            os.close(sink)
            self.readers.append(threading.Thread(target=self._read, args=(fd, source)))
            self.readers[-1].start()

    def _live(self, action, before, pipes):
        code = 1
        try:
            for fd, (_, sink) in pipes.items():
                os.dup2(sink, fd)
            sys.stdout, sys.stderr = (open(fd, "w", buffering=1) for fd in (1, 2))
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            if hasattr(signal, "SIGHUP"):  # ignored under nohup
                signal.signal(signal.SIGHUP, signal.SIG_DFL)
            if before:
                before()
            code = action()
        except SystemExit as e:
            code = e.code
        except BaseException:
            traceback.print_exc()
        finally:
            for file in (sys.stdout, sys.stderr):
                file.flush()
            os._exit(code if isinstance(code, int) else 0 if code is None else 1)

    def send_signal(self, sig):
        if self.poll() is None:
            os.kill(self.pid, sig)

    def poll(self):
        "The exit status, negative after a signal; None while it lives"
        return self._reap(os.WNOHANG)

    def wait(self):
        return self._reap(0)

    def _reap(self, flags):
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, flags)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        if self.returncode is not None:
            for reader in self.readers:
                reader.join(10)
        return self.returncode

    def _read(self, fd, source):
        with open(source, "rb", buffering=0) as f:
            while part := f.read(4096):
                self.written[fd].append(part)

    @property
    def stdout(self):
        "What it has written so far"
        return b"".join(self.written[1]).decode()

    @property
    def stderr(self):
        return b"".join(self.written[2]).decode(errors="replace")


@functools.cache
def warm_up():
    "Train once in this process, so that its copies need not import what is imported late"
    with tempfile.TemporaryDirectory() as d, contextlib.redirect_stdout(io.StringIO()):
        assert train(d, "--training.max_steps", 1) == 0


def start(*args, before=None):
    "`ddpm-nb` in another process, without waiting for it"
    warm_up()
    return Child(lambda: main([str(a) for a in args]), before)


def cli(*args, before=None):
    "`ddpm-nb` in another process, until it ends"
    if not hasattr(os, "fork") or sys.platform == "darwin":
        return python("-m", "ddpm_nb.cli", *args)
    child = start(*args, before=before)
    child.wait()
    return child


def script(source, *args):
    "A script in another process, with its arguments, until it ends"
    if not hasattr(os, "fork") or sys.platform == "darwin":
        return python("-c", source, *args)

    warm_up()

    def action():
        sys.argv = ["-c", *map(str, args)]
        exec(compile(source, "script", "exec"), {"__name__": "__main__"})

    child = Child(action)
    child.wait()
    return child


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


def strict_json(text: str):
    "What a parser reads that knows neither NaN nor infinity, as browsers and jq do"

    def refuse(constant):
        raise ValueError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


def results(d) -> dict:
    "What `eval` wrote"
    return strict_json((Path(d) / "logs" / "evaluation_results.json").read_text())


def files(d) -> list[str]:
    "Every file in a folder"
    return sorted(str(p.relative_to(d)) for p in d.rglob("*") if p.is_file())
