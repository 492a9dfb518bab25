"What the repository promises: names of 0.1, extras, pins, the Python it needs, its own examples"

import configparser
import importlib
import re
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

import ddpm_nb
import moved_table
from ddpm_nb import _moved

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = configparser.ConfigParser(delimiters=["="], interpolation=None)
SETTINGS.read(ROOT / "settings.ini", encoding="utf-8")
SETTINGS = SETTINGS["DEFAULT"]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


# ---- names of 0.1


@pytest.mark.parametrize("module", _moved.MOVED)
def test_every_name_that_moved_is_found_where_it_was(module):
    old = importlib.import_module(f"ddpm_nb.{module}")
    for name, (home, new) in _moved.new_home(module).items():
        if name in vars(old):  # it is used there, and so imported
            found = getattr(old, name)
        else:
            with pytest.warns(DeprecationWarning, match=re.escape(f"is now {home}.{new}")):
                found = getattr(old, name)
        there = getattr(importlib.import_module(home), new)
        assert found is there or found == there, name


@pytest.mark.parametrize("module", _moved.MOVED)
def test_a_name_that_never_was_is_an_error(module):
    with pytest.raises((ImportError, AttributeError), match="no attribute 'nonsense'"):
        getattr(importlib.import_module(f"ddpm_nb.{module}"), "nonsense")  # noqa: B009


@pytest.mark.parametrize("module", ["config", "report", "interop"])
def test_star_imports_of_modules_that_moved(module):
    names = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        exec(f"from ddpm_nb.{module} import *", names)
    assert set(_moved.new_home(module)) <= set(names)


def test_star_import_of_all():
    "About forty names, where 0.1 brought 225"
    names = {}
    exec("from ddpm_nb.all import *", names)
    assert set(ddpm_nb.__all__) == set(names) - {"__builtins__"}
    assert 35 <= len(ddpm_nb.__all__) <= 60


def test_what_the_readme_of_0_1_imported():
    for name in "load_config UNetSmall DDPMSchedules DDPMLoss DDPMTrainer load_data".split():
        assert getattr(ddpm_nb, name).__name__ == name
    for name in "load_pretrained DDPMSampler show_images".split():
        assert getattr(ddpm_nb, name).__name__ == name


def test_the_changelog_says_where_names_are():
    assert moved_table.with_table(CHANGELOG) == CHANGELOG, "run: make export"
    for module in _moved.MOVED:
        assert f"| `ddpm_nb.{module}` |" in CHANGELOG


# ---- versions, pins, extras


def test_one_version():
    assert ddpm_nb.__version__ == SETTINGS["version"]
    released = re.findall(r"^## (\d\S*)", CHANGELOG, re.M)
    assert released[0] == ddpm_nb.__version__


def test_one_promise_of_python():
    need = SETTINGS["min_python"]
    assert f"Python {need} or newer" in README
    makefile = (ROOT / "Makefile").read_text()
    assert f"needs Python {need} or newer" in makefile
    assert f"sys.version_info >= ({need.replace('.', ', ')})" in makefile
    assert f'target-version = "py{need.replace(".", "")}"' in (ROOT / "pyproject.toml").read_text()
    workflow = (ROOT / ".github" / "workflows" / "test.yml").read_text()
    tested = re.findall(r'"(3\.\d+)"', re.search(r"python: \[(.*)\]", workflow)[1])
    assert tested[0] == need


def requirements():
    lists = {k: v.split() for k, v in SETTINGS.items() if k.endswith("requirements")}
    return {k: [re.match(r"[\w-]+", r)[0] for r in rows] for k, rows in lists.items()}


def plain(name):
    return name.lower().replace("_", "-")


def test_everything_that_is_installed_is_pinned():
    pins = (ROOT / "constraints.txt").read_text().split()
    pinned = {plain(p.split("==")[0]) for p in pins}
    named = {plain(n) for rows in requirements().values() for n in rows}
    assert not named - pinned
    assert all("==" in p for p in pins)
    assert len(pins) == len(pinned)


def named_extras() -> set:
    "The extras that README, notebooks or messages of the package name"
    texts = [README] + [
        p.read_text(encoding="utf-8")
        for folder in ("ddpm_nb", "nbs")
        for p in (ROOT / folder).rglob("*")
        if p.suffix in (".py", ".ipynb")
    ]
    found = set()
    for text in texts:
        found |= set(re.findall(r"\bextra `(\w+)`", text))
        found |= {e for m in re.findall(r"ddpm_nb\[([\w,]+)\]", text) for e in m.split(",")}
    extras = re.search(r"^Extras: (.*)$", README, re.M)[1]
    return found | set(re.findall(r"`(\w+)`", extras))


@pytest.mark.slow
def test_every_extra_that_is_named_exists(tmp_path):
    cmd = [sys.executable, "setup.py", "-q", "egg_info", "--egg-base", str(tmp_path)]
    subprocess.run(cmd, cwd=ROOT, check=True, capture_output=True)
    metadata = next(tmp_path.glob("*.egg-info/PKG-INFO")).read_text(encoding="utf-8")
    there = set(re.findall(r"^Provides-Extra: (\S+)", metadata, re.M))
    assert {"playground", "interop", "fid"} <= named_extras() <= there
    assert there == {
        k.removesuffix("_requirements") for k in requirements() if k.endswith("_requirements")
    }


# ---- its own examples


@pytest.mark.skipif(
    not hasattr(ddpm_nb.DDPMSampler, "sampling_loop"), reason="until samplers have their new form"
)
@pytest.mark.slow
def test_the_walk_through_of_contributing_runs(capsys):
    "A sampler in twenty lines, and the test that goes with it"
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = text.split("## Add a sampler in twenty lines")[1]
    code = re.findall(r"```python\n(.*?)```", section, re.S)
    assert len(code) == 2
    lines = [line for line in code[0].splitlines() if line.strip()]
    assert len(lines) <= 25
    try:
        exec("\n".join(code), {"__name__": "walk_through"})
    finally:
        if "multistep_sample" in vars(ddpm_nb.DDPMSampler):
            delattr(ddpm_nb.DDPMSampler, "multistep_sample")
    assert "mean error" in capsys.readouterr().out
