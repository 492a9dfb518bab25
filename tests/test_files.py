"Checkpoints and files as commands use them: read once, written whole"

import functools
import hashlib
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from ddpm_nb.cli import main
from ddpm_nb.engine import files
from ddpm_nb.engine.files import atomic_write

CHECKPOINT = Path(__file__).parent / "fixtures" / "0.1" / "ema.pt"
_watched = None  # a list of opened paths while a test watches; audit hooks can't be removed


def _hook(event, args):
    if _watched is not None and event == "open" and isinstance(args[0], str | Path):
        _watched.append(Path(args[0]))


@functools.cache
def _add_hook():
    sys.addaudithook(_hook)


@pytest.fixture
def opened():
    "The paths of all files that are opened during a test"
    global _watched
    _add_hook()
    _watched = []
    yield _watched
    _watched = None


def test_eval_reads_a_checkpoint_once(tmp_path, monkeypatch, opened):
    "It was hashed four times and loaded three times: minutes for a file of 2 GB"
    calls = []
    sha256_of_start, load = files._sha256_of_start, torch.load
    monkeypatch.setattr(
        files, "_sha256_of_start", lambda *a: calls.append("hash") or sha256_of_start(*a)
    )
    monkeypatch.setattr(torch, "load", lambda *a, **kw: calls.append("load") or load(*a, **kw))
    few = "--num_samples 4 --num_steps 2 --metrics fid_proxy --batch_size 4".split()
    argv = ["eval", "--checkpoint", str(CHECKPOINT), "--output_dir", str(tmp_path), *few]
    assert main(argv) == 0
    assert calls == ["hash", "load"]
    assert opened.count(CHECKPOINT) == 1
    (result,) = json.loads((tmp_path / "logs" / "evaluation_results.json").read_text())["results"]
    assert result["checkpoint_sha256"] == hashlib.sha256(CHECKPOINT.read_bytes()).hexdigest()


def test_files_get_the_permissions_of_new_files_without_touching_the_umask(tmp_path, monkeypatch):
    "The umask was set to 0 for the whole process while a file was written"
    before = os.umask(0o027)
    try:
        monkeypatch.setattr(os, "umask", None)

        def write(n):
            with atomic_write(tmp_path / f"{n % 4}.txt") as tmp:
                tmp.write_text(f"{n} " * 2000)

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(write, range(200)))
    finally:
        monkeypatch.undo()
        os.umask(before)
    written = sorted(tmp_path.iterdir())
    assert [p.name for p in written] == ["0.txt", "1.txt", "2.txt", "3.txt"]
    for path in written:
        if os.name == "posix":
            assert path.stat().st_mode & 0o777 == 0o640
        assert len(set(path.read_text().split())) == 1  # one writer's text, not a mixture
