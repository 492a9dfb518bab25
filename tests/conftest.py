"""Fixtures of all tests, and the rule that in CI nothing is skipped without a reason that is known.

PyTorch is imported where it is used: the process that hands out the tests needs none."""

import functools
import os
import shutil

import pytest

# why a test may be skipped in CI; anything else is a failure there
ALLOWED_SKIPS = (
    "needs a GPU",
    "needs two GPUs",
    "mounting a file system is not permitted here",
    "needs POSIX limits",
    "needs root and network namespaces",
    "needs POSIX signals",
    "needs POSIX files",
    "needs Linux's file names",
    "needs /dev/full",
)


@pytest.fixture(scope="session", autouse=True)
def _read_mnist_once():
    "Hundreds of tests read it, and to decompress it takes longer than most of them"
    from ddpm_nb import data

    read, data.read_idx = data.read_idx, functools.cache(data.read_idx)  # arrays are read-only
    yield
    data.read_idx = read


@pytest.fixture(autouse=True)
def _one_thread():
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)


def made_once(tmp_path_factory, name, make):
    "The folder that `make(folder)` filled, once for all processes that share the tests"
    from filelock import FileLock  # PyTorch requires it

    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    folder, done = base / name, base / f"{name}.done"
    with FileLock(f"{folder}.lock"):
        if not done.exists():
            folder.mkdir()
            make(folder)
            done.touch()
    return folder


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    "The folder of a finished run of four steps, for reading only"
    from helpers.commands import train

    def make(d):
        assert train(d / "run", "--training.max_steps", 4, "--training.log_every", 2) == 0

    return made_once(tmp_path_factory, "trained", make) / "run"


@pytest.fixture(scope="session")
def digits_onnx(tmp_path_factory):
    "The packaged conditional model as an ONNX file in half precision, by the command line"
    from ddpm_nb.cli import main

    for package in ("onnx", "onnxruntime"):
        pytest.importorskip(package, reason="extra `onnx` is not installed")

    def make(d):
        export = "export --pretrained mnist-cond --format onnx --half --output_name".split()
        assert main([*export, str(d / "digits.onnx")]) == 0

    return made_once(tmp_path_factory, "onnx", make) / "digits.onnx"


@pytest.fixture(scope="module")
def run(trained, tmp_path_factory):
    "A copy of `trained`, which the tests of one file share and may write into"
    d = tmp_path_factory.mktemp("run") / "run"
    shutil.copytree(trained, d, symlinks=True)
    return d


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    "In CI, or where REQUIRE_ALL is set, a skipped test is a failed one"
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and must_run():
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if not any(allowed in reason for allowed in ALLOWED_SKIPS):
            report.outcome = "failed"
            report.longrepr = f"{item.nodeid} was skipped in CI: {reason}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    "The same for whole files, which `importorskip` leaves out"
    report = yield
    if report.outcome == "skipped" and must_run():
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if not any(allowed in reason for allowed in ALLOWED_SKIPS):
            report.outcome = "failed"
            report.longrepr = f"{collector.nodeid} was skipped in CI: {reason}"
    return report


def must_run():
    return bool(os.environ.get("CI") or os.environ.get("REQUIRE_ALL"))
