"A sampler takes no more steps than the schedule has, whoever asks"

import pytest

from ddpm_nb.cli import main
from helpers.commands import SMALL


@pytest.mark.parametrize("command", ["train", "demo"])
def test_too_many_steps_are_refused_before_training(tmp_path, capsys, command):
    "`demo` trained, and refused them when it sampled"
    args = [*SMALL, "--output_dir", str(tmp_path), "--sampling.num_steps", "50"]
    assert main([command, *args]) == 2
    assert "sampling.num_steps: 50; expected at most schedules.timesteps, 20" in (
        capsys.readouterr().err
    )
    assert not list(tmp_path.rglob("*.pt"))


def test_steps_that_nobody_chose_are_lowered_with_a_word(run, capsys):
    "A bare sample.grid on a checkpoint of few steps"
    where = ["--output_dir", str(run), "--num_samples", "1"]
    assert main(["sample.grid", *where]) == 0
    capsys.readouterr()
    assert main(["sample.grid", *where, "--num_steps", "21"]) == 2
    assert "expected at most schedules.timesteps, 20" in capsys.readouterr().err
