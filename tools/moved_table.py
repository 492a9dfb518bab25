"""The table of CHANGELOG.md that says where the names of 0.1 are, from `ddpm_nb/_moved.py`.

`tools/export.py` keeps it up to date.
"""

import types
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CHANGELOG = ROOT / "CHANGELOG.md"
START, END = "<!-- moved: written by tools/export.py -->", "<!-- /moved -->"


def moved_module():
    "`ddpm_nb._moved` of this tree, without importing the package"
    path = ROOT / "ddpm_nb" / "_moved.py"
    module = types.ModuleType("_moved")
    exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), vars(module))
    return module


def table() -> str:
    "One row for each pair of an old and a new module"
    moved, rows = moved_module(), ["| in 0.1 | in 0.2 | names |", "|-|-|-|"]
    for module in moved.MOVED:
        homes = {}
        for old, (home, new) in moved.new_home(module).items():
            text = f"`{old}`" if old == new else f"`{old}` → `{new}`"
            homes.setdefault(home, []).append(text)
        for home, names in homes.items():
            rows.append(f"| `ddpm_nb.{module}` | `{home}` | {', '.join(names)} |")
    gone = [
        f"- `ddpm_nb.{module}.{name}`: {instead}"
        for module, names in getattr(moved, "GONE", {}).items()
        for name, instead in names.items()
    ]
    return "\n".join([*rows, *(["", "Gone:", "", *gone] if gone else [])])


def with_table(text: str) -> str:
    "A changelog with the table between its marks"
    before, rest = text.split(START)
    return f"{before}{START}\n{table()}\n{END}{rest.split(END)[1]}"


def write() -> list[Path]:
    "Bring the changelog up to date; its path, if it changed"
    text = CHANGELOG.read_text(encoding="utf-8")
    if with_table(text) == text:
        return []
    CHANGELOG.write_text(with_table(text), encoding="utf-8", newline="\n")
    return [CHANGELOG]
