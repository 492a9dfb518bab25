"""Everything CI runs, one step after the other; stops at the first that fails. `run_all.py STEP …` runs only those.

Works in a clean clone and in a working tree with edits: what a step may change is compared by content before and after, not by git."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

root = Path(__file__).resolve().parent.parent
BIN, NBS = Path(sys.executable).parent, root / "nbs"
ENV = dict(
    os.environ,
    OMP_NUM_THREADS="1",
    MPLBACKEND="Agg",
    PYTHONDONTWRITEBYTECODE="1",
    PIP_DISABLE_PIP_VERSION_CHECK="1",
    PATH=f"{BIN}:{os.environ['PATH']}",
)
for k in ("PYTHONPATH", "VIRTUAL_ENV", "PIP_CONSTRAINT", "PIP_TARGET", "PIP_PREFIX", "PIP_USER"):
    ENV.pop(k, None)
ORDER = sorted(p.stem for p in NBS.glob("[0-9]*.ipynb"))
PINS = root / "constraints.txt"


class Failed(Exception):
    pass


def run(*cmd, cwd=root, **kw):
    cmd = [str(c) for c in cmd]
    if rc := subprocess.run(cmd, cwd=cwd, env=ENV, **kw).returncode:
        raise Failed(f"{' '.join(cmd)} exited with {rc}")


def cells(name):
    return json.loads((NBS / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]


def hashes():
    "What export, clean and the tests may change, by content"
    made = {"__pycache__", ".ipynb_checkpoints"}
    files = [
        p
        for d in ("nbs", "ddpm_nb")
        for p in (root / d).rglob("*")
        if p.is_file() and not made & set(p.parts)
    ]
    files += [p for p in root.iterdir() if p.is_file() and p.name != ".last_checked"]
    return {str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def unchanged(says, f):
    "Call `f`, and fail where it changed a file"
    before = hashes()
    f()
    after = hashes()
    bad = sorted(k for k in {*before, *after} if before.get(k) != after.get(k))
    if bad:
        raise Failed(f"{says}: {', '.join(bad)}")


EXPECTED = """.ci .gitignore .gitattributes .github CHANGELOG.md LICENSE MANIFEST.in Makefile README.md _quarto.yml benchmarks constraints.txt
    ddpm_nb nbs pyproject.toml settings.ini setup.py tests tools CONTRIBUTING.md""".split()


def tree():
    "The repository holds nothing at its top that nobody expects, such as what a mistyped command wrote there"
    if not (root / ".git").exists() or not shutil.which("git"):
        return print("   skipped: not a git repository, or no git")
    cmd = ["git", "-c", f"safe.directory={root}", "ls-files", "-z"]
    files = (
        subprocess.run(cmd, cwd=root, capture_output=True, text=True, check=True)
        .stdout.strip("\0")
        .split("\0")
    )
    if odd := sorted({f.split("/")[0] for f in files} - {*EXPECTED}):
        raise Failed(f"top level: git keeps {', '.join(odd)}")
    print(f"{len(files)} files")


def export():
    unchanged(
        "package and notebooks differed, and nbdev_export changed",
        lambda: run(BIN / "nbdev_export"),
    )
    run(sys.executable, "tools/export.py", "--check")


def clean():
    unchanged("notebooks were not clean, and nbdev_clean changed", lambda: run(BIN / "nbdev_clean"))


def imports():
    "A notebook imports only from those before it in the course, and so does the module it exports"
    mods = {re.sub(r"^\d+_", "", n): i for i, n in enumerate(ORDER)}
    bad = []
    for i, name in enumerate(ORDER):
        code = "\n".join("".join(c["source"]) for c in cells(name) if c["cell_type"] == "code")
        module = root / "ddpm_nb" / f"{re.sub(r'^[0-9]+_', '', name)}.py"
        text = module.read_text(encoding="utf-8") if module.is_file() else ""
        used = {
            *re.findall(r"\b(?:from|import)\s+ddpm_nb\.(\w+)", code),
            *re.findall(r"^\s*from \.(\w+) import", text, re.M),
        }
        for u in sorted(u for u in used if mods.get(u, 99) > i):
            bad.append(
                f"{name} imports {u}, which {'comes later in the course' if u in mods else 'no notebook exports'}"
            )
    if bad:
        raise Failed("; ".join(bad))
    print(f"{len(mods)} notebooks import only earlier ones")


def outputs():
    "What the notebooks store is for readers: figures and numbers; no warnings, no paths of a machine, no progress bars, no widget that only a kernel could fill"
    bad = []
    names = sorted(p.stem for p in NBS.glob("*.ipynb"))
    for name in names:
        if "widgets" in json.loads((NBS / f"{name}.ipynb").read_text(encoding="utf-8"))["metadata"]:
            bad.append(
                f"{name}: stores the state of widgets; run: python tools/make_pictures.py playground"
            )
        size = (NBS / f"{name}.ipynb").stat().st_size / 1024
        if size > 400:
            bad.append(f"{name}: {size:.0f} KB; draw smaller figures")
        for i, c in enumerate(cells(name)):
            for o in c.get("outputs", []):
                text = "".join(o.get("text", "")) + "".join(
                    "".join(v) for k, v in o.get("data", {}).items() if k.startswith("text/")
                )
                if o["output_type"] == "error" or o.get("name") == "stderr":
                    bad.append(
                        f"{name}, cell {i}: stores {o.get('ename') or 'what went to stderr'}: {text.strip()[:80]!r}"
                    )
                elif m := re.search(
                    r"(?<![\w/.])/(?:tmp|home|root|work|usr|Users|mnt)/[\w./-]*", text
                ):
                    bad.append(f"{name}, cell {i}: stores the path {m[0]}")
                elif "it/s]" in text or "s/it]" in text:
                    bad.append(f"{name}, cell {i}: stores a progress bar")
                elif "application/vnd.jupyter.widget-view+json" in o.get("data", {}):
                    bad.append(f"{name}, cell {i}: stores a widget")
    if bad:
        raise Failed("\n  ".join(["stored outputs", *bad]))
    print(f"{len(names)} notebooks store nothing but results")


def notebooks():
    unchanged(
        "the notebooks wrote beside themselves",
        lambda: run(BIN / "nbdev_test", "--timing", "--n_workers", "2"),
    )


TEST = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider")


def pytest():
    def tests():
        return run(*TEST, "--durations", "5", "--ignore", "tests/test_browser.py", "tests")

    unchanged("the tests wrote into the repository", tests)


def browser():
    "The playground, served by voila and used in a real Chromium; skipped with a word where there is none"
    if not any(
        map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"))
    ):
        return print(
            "   skipped: no Chromium here; to run the browser tests on Debian: apt-get install chromium"
        )
    unchanged("the tests wrote into the repository", lambda: run(*TEST, "tests/test_browser.py"))


def readme():
    run(sys.executable, "tools/build_readme.py", "--check")


def docs():
    run(sys.executable, "tools/build_docs.py")
    run(sys.executable, "tools/check_site.py")


INSTALLED = """
import sys
from importlib.metadata import files
from ddpm_nb.all import *
assert not {'nbdev', 'IPython', 'diffusers'} & set(sys.modules)
assert len(load_mnist('test')) == 10000
names = {str(f) for f in files('ddpm_nb')}
assert {'ddpm_nb/py.typed', 'ddpm_nb/__init__.pyi', 'ddpm_nb/engine/run.pyi'} <= names
assert any(f.endswith('licenses/LICENSE') for f in names) and 'ddpm_nb/assets/mnist/LICENSE.md' in names
assert not any(f.startswith(('tests', 'nbs')) for f in names)
"""


def wheel():
    "Build source archive and wheel, install the wheel into an empty environment, and sample from another folder"
    with tempfile.TemporaryDirectory() as t:
        t = Path(t)
        src, away = t / "src", t / "elsewhere"
        src.mkdir()
        away.mkdir()
        for p in "settings.ini setup.py pyproject.toml MANIFEST.in README.md LICENSE CHANGELOG.md constraints.txt".split():
            shutil.copy(root / p, src / p)
        shutil.copytree(
            root / "ddpm_nb", src / "ddpm_nb", ignore=shutil.ignore_patterns("__pycache__")
        )
        # the wheel is built from the source archive, so this tests both
        run(sys.executable, "-m", "build", "--outdir", t / "dist", src, stdout=subprocess.DEVNULL)
        whl = next((t / "dist").glob("*.whl"))
        print(f"   {whl.name}, {whl.stat().st_size / 2**20:.1f} MB", flush=True)
        run(sys.executable, "-m", "venv", t / "venv")
        py = t / "venv" / "bin"
        torch = next(l for l in PINS.read_text().split() if l.startswith("torch=="))
        run(py / "pip", "install", "-q", torch)
        run(py / "pip", "install", "-q", "-c", PINS, whl)
        run(
            py / "ddpm-nb",
            "sample.grid",
            "--pretrained",
            "mnist",
            "--num_samples",
            "4",
            "--method",
            "dpmpp_2m",
            "--num_steps",
            "5",
            cwd=away,
        )
        if (away / "outputs" / "grids" / "samples.png").stat().st_size < 500:
            raise Failed("the installed wheel wrote no samples")
        run(py / "python", "-c", INSTALLED, cwd=away)


STEPS = dict(
    tree=tree,
    export=export,
    clean=clean,
    imports=imports,
    outputs=outputs,
    readme=readme,
    notebooks=notebooks,
    pytest=pytest,
    browser=browser,
    docs=docs,
    wheel=wheel,
)

if __name__ == "__main__":
    times, names = {}, sys.argv[1:] or list(STEPS)
    if odd := [n for n in names if n not in STEPS]:
        sys.exit(f"no step {', '.join(odd)}; there are: {' '.join(STEPS)}")
    for name in names:
        print(f"== {name}", flush=True)
        t0 = time.time()
        try:
            STEPS[name]()
        except Failed as e:
            sys.exit(f"FAILED: {name}: {e}")
        times[name] = time.time() - t0
        print(f"   ok, {times[name]:.0f} s", flush=True)
    print(
        "\n"
        + "\n".join(f"{n:12}{t:6.0f} s" for n, t in [*times.items(), ("all", sum(times.values()))])
    )
