"What editors and type checkers see: every public name and method, added ones too"

import ast
import importlib
import inspect
import json
import shutil
import subprocess
import sys
from pathlib import Path

import jedi
import pytest

import ddpm_nb
import stubs

ROOT = Path(__file__).resolve().parent.parent


def completions(
    source: str,  # ends where the cursor is
) -> set:
    "What an editor offers, knowing no more than the source"
    path = ROOT / "example.py"
    script = jedi.Script(source, path=path, project=jedi.Project(ROOT, smart_sys_path=False))
    return {c.name for c in script.complete()}


def public_methods(cls) -> set:
    "Methods and properties that a class has once everything that patches it was imported"
    found = inspect.getmembers(cls, lambda o: inspect.isroutine(o) or isinstance(o, property))
    return {n for n, o in found if not n.startswith("_") and n not in dir(object)}


@pytest.fixture(scope="module")
def patched():
    "`(module, class)` of every class of the package that methods are added to"
    paths = [p for p in sorted(stubs.PACKAGE.rglob("*.py")) if p.stem not in stubs.SKIPPED]
    modules = {m.name: m for m in (stubs.Module(p) for p in paths)}
    found = stubs.find_patches(modules)
    for rows in found.values():
        for m, _ in rows:
            importlib.import_module(f"ddpm_nb.{m.name}")
    return {(home, cls): {f.name for _, f in rows} for (home, cls), rows in found.items()}


EXAMPLES = {
    "DDPMSampler": "from ddpm_nb import *\nDDPMSampler(DDPMSchedules()).",
    "DDPMTrainer": "from ddpm_nb import *\nDDPMTrainer(UNetSmall(), DDPMSchedules(), []).",
    "DDPMSchedules": "import ddpm_nb\nddpm_nb.DDPMSchedules(timesteps=100).",
}


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.slow
def test_an_editor_lists_every_method(name):
    cls = getattr(ddpm_nb, name)
    want = {m for m in public_methods(cls) if m in vars(cls)}
    assert len(want) > 5
    assert not want - completions(EXAMPLES[name])


@pytest.mark.slow
def test_every_added_method_stands_in_its_class(patched):
    assert len(patched) > 8
    for (home, name), methods in patched.items():
        path = stubs.PACKAGE / (home.replace(".", "/") + ".pyi")
        tree = ast.parse(path.read_text(encoding="utf-8"))
        cls = next(n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == name)
        found = {f.name for f in cls.body if isinstance(f, ast.FunctionDef)}
        assert methods <= found, (home, name)


def test_an_editor_lists_the_package_s_names():
    assert len(ddpm_nb.__all__) > 30
    assert not {*ddpm_nb.__all__, "__version__"} - completions("import ddpm_nb\nddpm_nb.")


def test_an_editor_shows_parameters_and_what_they_mean():
    source = "from ddpm_nb import *\nDDPMSampler(DDPMSchedules()).ddim_sample("
    script = jedi.Script(source, project=jedi.Project(ROOT, smart_sys_path=False))
    (found,) = script.get_signatures()
    shown = {p.name for p in found.params}
    real = inspect.signature(ddpm_nb.DDPMSampler.ddim_sample).parameters
    assert {n for n, p in real.items() if p.kind is not p.VAR_KEYWORD and n != "self"} <= shown
    assert "eta: " in found.docstring()


def test_signatures_are_those_of_the_code():
    "Each function of a stub has the parameters that the function has"
    wrong = []
    for path in stubs.PACKAGE.rglob("*.pyi"):
        if path.stem == "__init__":
            continue
        parts = path.relative_to(stubs.PACKAGE).with_suffix("").parts
        module = importlib.import_module(".".join(["ddpm_nb", *parts]))
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                cls = getattr(module, node.name)
                rows = [(f, inspect.getattr_static(cls, f.name, None)) for f in node.body
                        if isinstance(f, ast.FunctionDef)]  # fmt: skip
            elif isinstance(node, ast.FunctionDef):
                rows = [(node, getattr(module, node.name))]
            else:
                continue
            for f, o in rows:
                if isinstance(o, (staticmethod, classmethod)):
                    o = o.__func__
                if isinstance(o, property):
                    o = o.fget
                a = f.args
                have = [p.arg for p in a.posonlyargs + a.args + a.kwonlyargs]
                want = [
                    p.name
                    for p in inspect.signature(o).parameters.values()
                    if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
                ]
                if have != want:
                    wrong.append((module.__name__, f.name, have, want))
    assert not wrong


@pytest.mark.slow
def test_stubs_are_what_the_tool_writes():
    wanted = stubs.stubs()
    assert set(wanted) == set(stubs.PACKAGE.rglob("*.pyi"))
    for path, text in wanted.items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name}: run: make export"


def test_a_method_with_torch_no_grad_and_delegates(tmp_path):
    "What fastcore's own tool stumbles over: decorators beside `@patch`, and `@delegates`"
    package = tmp_path / "ddpm_nb"
    package.mkdir()
    (package / "__init__.py").write_text('"p"\n_HOME = {"a": "A"}\n')
    (package / "a.py").write_text(
        "class A:\n    def __init__(self, n: int = 1): self.n = n\n"
        "    def run(self, x: int, steps: int = 3, *, eta: float = 0.0): return x\n"
    )
    (package / "b.py").write_text(
        "import torch\nfrom fastcore.basics import patch\nfrom fastcore.meta import delegates\n"
        "from ddpm_nb.a import A\n\n"
        "@patch\n@torch.no_grad()\n@delegates(A.run, but=['steps'])\n"
        "def more(\n    self: A,\n    # how many\n    # of them\n    k: int,\n"
        "    **kw,  # see `run`\n) -> list:  # of ints\n    'More'\n    return [k]\n\n"
        "@patch(as_prop=True)\ndef twice(self: A) -> int:\n    return 2 * self.n\n"
    )
    text = stubs.stubs(package)[package / "a.pyi"]
    assert "def more(self, k: int, *, eta: float = 0.0) -> list:" in text
    assert "k: how many of them" in text and "of ints" in text
    assert "@property\n    def twice(self) -> int: ..." in text
    assert "n: int\n" in text and "no_grad" not in text


WRONG = """
from ddpm_nb import DDPMSampler, DDPMSchedules, DDPMTrainer, UNetSmall

sampler = DDPMSampler(DDPMSchedules())
sampler.ddim_smaple(None, (1, 1, 8, 8))
sampler.denoise(None, None, 0, clipp="clip")
DDPMTrainer(UNetSmall(), DDPMSchedules(), []).trian()
UNetSmall(base_chanels=8)
"""


@pytest.mark.slow
def test_the_type_checker_finds_wrong_names_and_arguments(tmp_path):
    (tmp_path / "wrong.py").write_text(WRONG)
    checker = shutil.which("basedpyright", path=str(Path(sys.executable).parent))
    cmd = [checker or "basedpyright", "--outputjson", str(tmp_path / "wrong.py")]
    r = subprocess.run(cmd, cwd=ROOT, capture_output=True, text=True)
    found = json.loads(r.stdout)["generalDiagnostics"]
    lines = {d["range"]["start"]["line"] for d in found if d["severity"] == "error"}
    assert lines == {4, 5, 6, 7}
