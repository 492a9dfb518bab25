"Images that are read by worker processes: nothing hangs, and failures say what is wrong"

import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from ddpm_nb.core import DDPMError
from ddpm_nb.engine.folders import FolderData
from helpers.commands import python, script
from helpers.tiny import StopAt, image_folder, tiny_trainer

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs POSIX limits")

READ = """
import multiprocessing, os, resource, signal, sys, torch
from ddpm_nb.core import DDPMError
from ddpm_nb.engine.folders import FolderData
if __name__ == "__main__":
    folder, files, workers, method = sys.argv[1], *map(int, sys.argv[2:4]), sys.argv[4]
    multiprocessing.set_start_method(method, True)
    data = FolderData(folder, 8, 1)
    data.cache_bytes = 0
    # files beside those that this process was given
    files += len(os.listdir("/dev/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    signal.alarm(60)
    try:
        order = list(torch.arange(48).split(48)) * 6
        print("read", sum(len(x) for x, _ in data.batches(order, num_workers=workers)))
    except DDPMError as e:
        print("refused:", e)
"""


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return image_folder(tmp_path_factory.mktemp("loader") / "im")


@pytest.mark.parametrize(
    "files, workers, says",
    [
        (94, 1, "read 288"),
        (34, 2, "read 288"),
        (10, 2, "ulimit -n"),
    ],
)
def test_few_open_files_never_hang(images, files, workers, says):
    r = script(READ, images, files, workers, "fork")
    assert says in r.stdout, r.stdout + r.stderr
    assert r.returncode == 0


UNGUARDED = READ.replace('if __name__ == "__main__":', "if True:")


@pytest.mark.slow
@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_a_script_without_a_main_guard_is_told_so(images, tmp_path, method):
    "Of a forkserver's workers the system tells nothing: for 300 seconds nobody missed them"
    path = tmp_path / "unguarded.py"
    path.write_text(UNGUARDED)
    r = python(path, images, 1024, 1, method)
    assert 'if __name__ == "__main__":' in r.stdout, r.stdout + r.stderr
    # a forkserver's worker leaves without a word of its own
    assert method == "forkserver" or "runs the whole script again" in r.stderr
    assert "Traceback" not in r.stderr


@pytest.mark.parametrize("name, says", [("SIGKILL", "memory"), ("SIGBUS", "--shm-size")])
def test_a_signal_is_named_by_what_it_means(images, name, says):
    import resource

    class Trap(type(FolderData(images, 8, 1).ds)):
        def read(self, i):
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # no file `core` where one works
            os.kill(os.getpid(), getattr(signal, name))

    data = FolderData(images, 8, 1)
    data.ds.__class__ = Trap
    with pytest.raises(DDPMError, match=says):
        list(data.batches(torch.arange(48).split(8), num_workers=1))


def test_what_a_worker_raises_is_one_line(images):
    class Trap(type(FolderData(images, 8, 1).ds)):
        def read(self, i):
            raise ZeroDivisionError("a\nb")

    data = FolderData(images, 8, 1)
    data.ds.__class__ = Trap
    with pytest.raises(DDPMError, match="ZeroDivisionError: a; to see more") as e:
        list(data.batches(torch.arange(48).split(8), num_workers=1))
    assert "\n" not in str(e.value)


@pytest.mark.slow
def test_a_batch_that_never_comes_is_an_error(images):
    class Trap(type(FolderData(images, 8, 1).ds)):
        def read(self, i):
            signal.pause()

    data = FolderData(images, 8, 1)
    data.ds.__class__ = Trap
    data.timeout = 1
    with pytest.raises(DDPMError, match="no batch came within 1 seconds"):
        list(data.batches(torch.arange(48).split(8), num_workers=1))


@pytest.mark.slow
def test_a_set_that_fits_is_decoded_once(images, tmp_path):
    reads = []

    class Count(type(FolderData(images, 8, 1).ds)):
        def read(self, i):
            reads.append(i)
            return super().read(i)

    data = FolderData(images, 8, 1)
    data.ds.__class__ = Count
    tiny_trainer(tmp_path / "t", data, max_steps=18, batch_size=8).train()  # three epochs
    assert sorted(reads) == list(range(48))


@pytest.mark.slow
def test_workers_persist_over_epochs_and_end_with_the_run(images, tmp_path):
    data = FolderData(images, 8, 1)
    data.cache_bytes = 0
    seen = set()

    class Look(StopAt):
        def after_step(self, trainer):
            seen.update(w.pid for w in data._loader[0]._iterator._workers)

    t = tiny_trainer(tmp_path / "t", data, max_steps=18, num_workers=1)
    t.callbacks.append(Look(0))
    t.train()
    assert len(seen) == 1
    assert data._loader is None


def test_a_run_stops_in_an_epoch_and_its_workers_go_on_with_the_next_pass(images):
    data = FolderData(images, 8, 1)
    data.cache_bytes = 0
    first: Any = data.batches(torch.arange(48).split(8), num_workers=1)
    next(first)
    first.close()
    order = torch.arange(48).flip(0).split(8)
    got = torch.cat([x for x, _ in data.batches(order, num_workers=1)])
    assert torch.equal(got, data.batch(torch.cat(order))[0])
    data.close()


def test_an_image_that_is_replaced_stays_so_where_it_is_kept(images, capsys):
    files = [Path(p) for p in sorted(images.glob("*.png"))]
    data = FolderData(images, 8, 1, files=[*files[:3], images / "gone.png", *files[3:]])
    a, b = (torch.cat([x for x, _ in data.batches([torch.tensor([3, 4])])]) for _ in "ab")
    assert torch.equal(a, b)
    assert torch.equal(a[0], a[1])
    assert capsys.readouterr().out.count("gone.png can no longer be read") == 1


def test_sets_of_any_size_are_read(tmp_path):
    Image.new("L", (9, 9), 7).save(tmp_path / "a.png")
    data = FolderData(tmp_path, 8, 1)
    assert [len(x) for x, _ in data.batches([torch.tensor([0])] * 3, num_workers=2)] == [1, 1, 1]


@pytest.mark.slow
def test_a_missing_compiler_is_said_before_anything_is_trained(tmp_path, monkeypatch):
    monkeypatch.setenv("CXX", str(tmp_path / "no-compiler"))
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr("torch._inductor.config.cpp.cxx", (str(tmp_path / "no-compiler"),))
    with pytest.raises(DDPMError, match="training.compile: nothing can be compiled for cpu"):
        tiny_trainer(tmp_path / "t", compile=True)
