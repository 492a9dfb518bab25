"Fixtures of all tests, and the rule that in CI nothing is skipped without a reason that is known"

import os
import shutil

import pytest
import torch

from helpers.commands import train

# why a test may be skipped in CI; anything else is a failure there
ALLOWED_SKIPS = (
    "needs a GPU",
    "needs two GPUs",
    "mounting a file system is not permitted here",
    "needs POSIX limits",
    "needs root and network namespaces",
    "needs POSIX signals",
)


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    "The folder of a finished run of four steps, for reading only"
    d = tmp_path_factory.mktemp("trained") / "run"
    assert train(d, "--training.max_steps", 4, "--training.log_every", 2) == 0
    return d


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
