"Shell completion: what a real shell offers"

import os
import shutil
import subprocess
import sys
from importlib import resources

import pytest

from ddpm_nb.app.command_table import COMMANDS
from ddpm_nb.app.completion import completions
from ddpm_nb.cli import main
from ddpm_nb.run_settings import Config
from ddpm_nb.sections import all_settings

SCRIPTS = resources.files("ddpm_nb") / "assets" / "completion"


@pytest.fixture
def shell_env(tmp_path):
    "An environment in which `ddpm-nb` is this checkout's"
    program = tmp_path / "ddpm-nb"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m ddpm_nb.cli "$@"\n')
    program.chmod(0o755)
    return dict(os.environ, PATH=f"{tmp_path}:{os.environ['PATH']}")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_command_prints_the_script(capsys, shell):
    assert main(["completion", shell]) == 0
    out = capsys.readouterr().out
    assert out == (SCRIPTS / f"ddpm-nb.{shell}").read_text(encoding="utf-8")
    assert "ddpm-nb __complete" in out


def test_its_syntax_is_the_shells():
    "Every shell that is here reads its script"
    found = [shell for shell in ("bash", "zsh", "fish") if shutil.which(shell)]
    assert "bash" in found
    for shell in found:
        subprocess.run([shell, "-n", str(SCRIPTS / f"ddpm-nb.{shell}")], check=True)


@pytest.mark.parametrize(
    "words, expected",
    [
        (["tra"], ["train"]),
        (["sample.e"], ["sample.edit"]),
        (["train", "--resu"], ["--resume"]),
        (["train", "--config", "mnist_"], ["mnist_cond", "mnist_demo", "mnist_tiny"]),
        (["train", "--training.optimizer.name", ""], ["adamw", "adam", "muon", "sgd"]),
        (["train", "--training.optimizer.name", "=", "s"], ["sgd"]),
        (["sample.grid", "--checkpoint", ""], ["ema", "best", "latest"]),
        (["train", "--output_dir", ""], []),
    ],
)
def test_bash_offers(shell_env, words, expected):
    script = """
        source "$1"; shift
        COMP_WORDS=(ddpm-nb "$@"); COMP_CWORD=$#
        _ddpm_nb
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    path = str(SCRIPTS / "ddpm-nb.bash")
    command = ["bash", "-c", script, "bash", path, *words]
    out = subprocess.run(command, env=shell_env, capture_output=True, text=True, check=True)
    assert out.stdout.split() == expected, out.stderr


def test_nothing_heavy_is_imported(shell_env):
    code = (
        "import sys; from ddpm_nb.cli import main; main(['__complete', 'train', '--tr']); "
        "print('torch' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip().endswith("False")


def test_everything_that_can_be_typed_is_offered():
    assert [name for name, _ in completions([""])] == list(COMMANDS)
    offered = {name for name, _ in completions(["train", "--"])}
    assert {f"--{path}" for path, _ in all_settings(Config)} <= offered
    for path, setting in all_settings(Config):
        values = {v for v, _ in completions(["train", f"--{path}", ""])}
        for choice in setting.choices or ():
            text = str(choice).lower() if isinstance(choice, bool) else str(choice)
            assert text in values, path


def test_half_a_command_line_breaks_nothing(capsys):
    for words in ([], ["cook", "--"], ["train", "--nothing", ""], ["--"], ["train", "="]):
        assert main(["__complete", *words]) == 0
    assert "Traceback" not in capsys.readouterr().err
