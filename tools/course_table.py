"""The course in numbers: `course_table.py [--check] [NAME …]` prints a row for each chapter.

A chapter states in its first lines how many minutes it takes. What it costs to read is estimated
here, in one way for all: words at 200 a minute, 3 s for a line of code, 15 s for an equation on a
line of its own or a picture, and 2, 3 and 6 minutes for an exercise to predict, change and build.
Not counted are folded text (`<details>`), code hidden or folded (`#| hide`, `#| code-fold: true`,
for what is exported `#| folded`, which JupyterLab closes too), imports, comments in the code, and
the computer's time. `--check` fails where a chapter says less than three quarters of that, or where
chapters or the course are longer than they should be.
"""

import json
import re
import sys
from pathlib import Path

NBS = Path(__file__).resolve().parent.parent / "nbs"
KINDS = {"predict": 2, "change": 3, "build": 6}
MAX_CHAPTER, MAX_COURSE = 45, 480
HIDDEN = re.compile(
    r"^#\|\s*"
    r"(hide|hide_input|default_exp|folded|code-fold: *true|include: *false|echo: *false)\b",
    re.M,
)
UNSEEN = re.compile(r"^#\|\s*(hide|include: *false)\b", re.M)  # with what they show
FOLDED = re.compile(r"<details\b.*?</details>", re.S)
DISPLAYED = re.compile(r"\$\$.*?\$\$", re.S)
IMPORTED = re.compile(r"^from \S+ import \([^)]*\)", re.M)  # over several lines
IMAGE = re.compile(r"!\[[^\]]*\]\([^)]*\)|<img\b[^>]*>")


def plain(text: str) -> str:
    "The words of a markdown cell"
    for pattern in (FOLDED, re.compile(r"```.*?```", re.S), DISPLAYED, IMAGE):
        text = pattern.sub(" ", text)
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)  # a link's words
    text = re.sub(r"\$[^$\n]+\$", " x ", text)  # a formula in a line reads as a word
    return re.sub(r"<[^>]+>", " ", text)


def code_lines(source: str) -> list[str]:
    "The lines of a cell that a reader reads"
    lines = [line.strip() for line in IMPORTED.sub("", source).splitlines()]
    return [line for line in lines if line and not line.startswith(("#", "import ", "from "))]


def pictures(cell) -> list[str | None]:
    "The alternative text of each picture that a code cell shows"
    source = "".join(cell["source"])
    shown = [
        o
        for o in cell.get("outputs", [])
        if any(k.startswith("image/") or "widget" in k for k in o.get("data", {}))
        or "<img" in "".join(o.get("data", {}).get("text/html", ""))
    ]
    found = re.search(r"^#\|\s*fig-alt:\s*(\S.*)", source, re.M)
    return [found and found[1]] * len(shown)


def exercises(text: str) -> list[str]:
    "The kind of each exercise of a chapter, in order"
    section = re.split(r"^#+ Exercises\b.*$", text, flags=re.M)[-1] if "Exercises" in text else ""
    questions = FOLDED.sub("", section)
    return [k.lower() for k in re.findall(r"\*\*(Predict|Change|Build)\b", questions, re.I)]


def measure(path: Path) -> dict:
    "What a chapter holds, and the minutes that it states and is reckoned to take"
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    sources = [(c["cell_type"], "".join(c["source"]), c) for c in cells]
    markdown = "\n\n".join(s for kind, s, _ in sources if kind == "markdown")
    seen = [(s, c) for kind, s, c in sources if kind == "code" and not UNSEEN.search(s)]
    code = [s for s, _ in seen if not HIDDEN.search(s)]
    alts = [a for _, c in seen for a in pictures(c)]
    alts += [i[2 : i.index("]")] if i[0] == "!" else "alt=" in i for i in IMAGE.findall(markdown)]
    kinds = exercises(markdown)
    said = re.search(r"[Aa]bout (\d+) minutes", markdown)
    words = len(re.findall(r"\w[\w'’-]*", plain(markdown)))
    lines = sum(len(code_lines(s)) for s in code)
    equations = len(DISPLAYED.findall(FOLDED.sub("", markdown)))
    return {
        "chapter": path.stem,
        "cells": len(cells),
        "words": words,
        "lines": lines,
        "equations": equations,
        "folded": len(re.findall(r"<details\b", markdown)),
        "figures": len(alts),
        "with alt text": sum(bool(a) for a in alts),
        "exercises": " ".join(k[0] for k in kinds),
        "checks": len(re.findall(r"^check\(\d", "\n".join(code), re.M)),
        "said": int(said[1]) if said else 0,
        "minutes": round(
            words / 200
            + lines * 3 / 60
            + (equations + len(alts)) / 4
            + sum(KINDS[k] for k in kinds)
        ),
    }


def faults(rows: list[dict]):
    "What is wrong with the minutes that chapters state"
    for r in rows:
        if r["said"] < 0.75 * r["minutes"]:
            yield f"{r['chapter']} says {r['said']} minutes and is reckoned to take {r['minutes']}"
        if max(r["said"], r["minutes"]) > MAX_CHAPTER:
            yield f"{r['chapter']}: at most {MAX_CHAPTER} minutes, split it or cut it"
    if (total := sum(r["said"] for r in rows)) > MAX_COURSE:
        yield f"the chapters say {total} minutes together; at most {MAX_COURSE}"


def main(args: list[str]):
    names = [a for a in args if a != "--check"]
    paths = [p for p in sorted(NBS.glob("[0-9]*.ipynb")) if not names or p.stem in names]
    rows = [measure(p) for p in paths]
    print("|".join(["", *rows[0], ""]))
    print("|-" * len(rows[0]) + "|")
    for r in rows:
        print("|".join(["", *map(str, r.values()), ""]))
    total = {k: sum(r[k] for r in rows) if isinstance(v, int) else "" for k, v in rows[0].items()}
    print("|".join(["", *map(str, ({**total, "chapter": "all"}).values()), ""]))
    if "--check" in args and (found := list(faults(rows))):
        sys.exit("\n".join(found))


if __name__ == "__main__":
    main(sys.argv[1:])
