"""Write constraints.txt: the version of everything that the package and its extras bring along.

Run it in an environment that was made with the extra `dev` and tested; `--check` only compares.
"""

import re
import sys
from configparser import ConfigParser
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

root = Path(__file__).resolve().parent.parent
PINS = root / "constraints.txt"
# installed by `python -m venv` and pip themselves, and not for a constraint to decide
LEFT_ALONE = {"pip", "setuptools", "wheel", "ddpm-nb"}


def plain(name: str) -> str:
    "A package's name as pip compares names"
    return re.sub(r"[-_.]+", "-", name).lower()


def named() -> list[Requirement]:
    "What settings.ini names, for the package and all of its extras"
    cfg = ConfigParser(delimiters=["="], interpolation=None)
    cfg.read(root / "settings.ini", encoding="utf-8")
    lists = [v for k, v in cfg["DEFAULT"].items() if k.endswith("requirements")]
    return [Requirement(r) for v in lists for r in v.split()]


def installed() -> dict[str, str]:
    "Name -> version of what is installed of `named`, and of all that these need in turn"
    found, seen, todo = {}, set(), [(r.name, frozenset(r.extras)) for r in named()]
    while todo:
        name, extras = todo.pop()
        if (plain(name), extras) in seen or plain(name) in LEFT_ALONE:
            continue
        seen.add((plain(name), extras))
        try:
            package = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue  # an extra that is not installed here
        found[plain(name)] = package.version.split("+")[0]  # torch's +cpu is for pip to choose
        for need in map(Requirement, package.requires or []):
            wanted = [{"extra": e} for e in extras] or [{"extra": ""}]
            if need.marker is None or any(need.marker.evaluate(e) for e in wanted):
                todo.append((need.name, frozenset(need.extras)))
    return found


def pinned() -> dict[str, str]:
    "Name -> version, as constraints.txt has them"
    rows = [line.split("==") for line in PINS.read_text(encoding="utf-8").split()]
    return {plain(name): version for name, version in rows}


def main():
    there, pins = installed(), pinned()
    wrong = {n: v for n, v in there.items() if pins.get(n) != v}
    if "--check" in sys.argv:
        if wrong:
            rows = [f"{n}=={v}: {pins.get(n, 'not pinned')}" for n, v in sorted(wrong.items())]
            sys.exit("\n".join(["constraints.txt does not say what is installed", *rows]))
        return
    rows = [f"{n}=={v}\n" for n, v in sorted((pins | there).items())]
    PINS.write_text("".join(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
