"`training.max_minutes` on the command line; the arithmetic is tested in nbs/lib/budget.ipynb"

import pytest

from ddpm_nb.app.config import read_config
from ddpm_nb.cli import main
from ddpm_nb.engine.checkpoint import load_checkpoint
from helpers.commands import NO_GRIDS, SMALL, train

NOTHING = 1e-4  # minutes: gone when the first step is timed, so one more is made


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    "The folder of a run whose budget was used up at once"
    d = tmp_path_factory.mktemp("short")
    assert (
        main(
            [
                *"train --training.max_minutes".split(),
                str(NOTHING),
                "--output_dir",
                str(d),
                *SMALL,
                *NO_GRIDS,
            ]
        )
        == 0
    )
    return d


def steps_of(folder):
    ck = load_checkpoint(folder / "ckpts" / "latest.pt")
    return ck["step"], ck["total_steps"]


@pytest.mark.slow
def test_the_number_is_written_where_max_steps_stands(short):
    steps, total = steps_of(short)
    training = read_config(short / "logs" / "config.yaml")["training"]
    assert (training["max_steps"], training["max_minutes"]) == (steps, None) == (total, None)


def test_a_resume_has_nothing_left_to_do(short, capsys):
    before = steps_of(short)
    assert main(["train", "--resume", "latest", "--output_dir", str(short)]) == 0
    assert f"steps {before[0]} to {before[0]}" in capsys.readouterr().out
    assert steps_of(short) == before


def test_another_budget_is_refused(short, capsys):
    args = ["--resume", "latest", "--output_dir", str(short), "--training.max_minutes", "5"]
    assert main(["train", *args]) == 2
    assert "training.max_minutes is 5 here" in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["--training.max_steps", "--epochs"])
@pytest.mark.slow
def test_another_length_takes_its_place(tmp_path, flag):
    "As the demo's old flags do, whose config has a budget"
    path = tmp_path / "minutes.yaml"
    path.write_text("training: {max_minutes: 9}\n")
    out = tmp_path / "out"
    assert train(out, "--config", path, flag, 1) == 0
    assert steps_of(out)[0] == (1 if "steps" in flag else 8)


def test_both_at_once_are_refused(tmp_path, capsys):
    assert train(tmp_path, "--training.max_steps", 3, "--training.max_minutes", 1) == 2
    assert "expected one of them" in capsys.readouterr().err
