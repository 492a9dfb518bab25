"""The rules of the house: storeys that import downwards only, small modules, short functions.

The course (`ddpm_nb/*.py`) imports nothing of `engine` or `app`; `engine` imports the course;
`app` and `cli` import both. `check_house.py NAME …` shows only modules and notebooks so named.
"""

import ast
import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE, NBS = ROOT / "ddpm_nb", ROOT / "nbs"
MAX_LINES, MAX_BODY, MAX_CELLS = 400, 40, 80
# the front door, and shims for old import paths
DOORS = {"__init__", "_moved", "_modidx", "all", "cli", "config", "report", "interop", "widgets"}


def storey(path):  # of a module: 0 course, 1 engine, 2 app
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    if parts[0] == "engine":
        return 1
    return 2 if parts[0] == "app" or parts[0] in DOORS else 0


def imported(path, tree):  # storeys that a module imports, with the line
    depth = len(path.relative_to(PACKAGE).parts)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            module = (node.module or "").removeprefix("ddpm_nb").lstrip(".")
            inside = node.level == depth or (node.module or "").startswith("ddpm_nb")
            same = node.level and node.level < depth
            if same:
                continue
            names = [module] if module else [a.name for a in node.names]
            if inside:
                yield from ((node.lineno, n) for n in names)
        elif isinstance(node, ast.Import):
            for a in node.names:
                if a.name.startswith("ddpm_nb."):
                    yield node.lineno, a.name.removeprefix("ddpm_nb.")


def body_lines(f):  # lines of a function besides signature and docstring
    body = f.body[1:] if ast.get_docstring(f) is not None else f.body
    return f.end_lineno - body[0].lineno + 1 if body else 0


def check_module(path):
    text = path.read_text(encoding="utf-8")
    tree, name = ast.parse(text), path.relative_to(ROOT).as_posix()
    lines = len(text.splitlines())
    if lines > MAX_LINES:
        yield f"{name}: {lines} lines; at most {MAX_LINES}"
    if path.stem not in DOORS:
        for line, module in imported(path, tree):
            top = module.split(".")[0]
            goal = 1 if top == "engine" else 2 if top == "app" or top in DOORS - {"_moved"} else 0
            if goal > storey(path):
                yield f"{name}:{line}: imports ddpm_nb.{module}, which is a storey above it"
    for f in ast.walk(tree):
        if isinstance(f, ast.FunctionDef) and (n := body_lines(f)) > MAX_BODY:
            yield f"{name}:{f.lineno}: {f.name} has {n} lines of body; at most {MAX_BODY}"


def check_notebook(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    if len(cells) > MAX_CELLS:
        yield f"nbs/{path.name}: {len(cells)} cells; at most {MAX_CELLS}"


def chapters() -> dict[str, int]:
    "The number of the chapter that exports a course module"
    found = {}
    for path in sorted(NBS.glob("[0-9]*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        src = "\n".join("".join(c["source"]) for c in cells)
        if m := re.search(r"^#\|\s*default_exp\s+(\S+)", src, re.M):
            found[m[1]] = int(path.name.split("_")[0])
    return found


def check_order(path, order):
    "At its top level, a chapter imports only chapters before it"
    tree, name = ast.parse(path.read_text(encoding="utf-8")), path.stem
    tree.body = [n for n in tree.body if isinstance(n, (ast.Import, ast.ImportFrom))]
    for line, module in imported(path, tree):
        if order.get(module, 0) > order[name]:
            yield (
                f"ddpm_nb/{path.name}:{line}: chapter {order[name]} imports ddpm_nb.{module}, "
                f"chapter {order[module]}"
            )


def findings() -> list[str]:
    "What breaks the rules, one sentence each"
    modules = [p for p in sorted(PACKAGE.rglob("*.py")) if p.stem not in ("_modidx",)]
    found = [m for p in modules for m in check_module(p)]
    found += [m for p in sorted(NBS.glob("[0-9]*.ipynb")) for m in check_notebook(p)]
    order = chapters()
    for name in order:
        found += check_order(PACKAGE / f"{name}.py", order)
    return found


def main(only):
    found = [m for m in findings() if not only or any(o in m for o in only)]
    print("\n".join(found) or "the package keeps the rules of the house")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
