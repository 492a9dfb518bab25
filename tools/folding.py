"""Close the code of cells marked `#| folded` in JupyterLab and Notebook too, not on the site alone.

There a cell with the metadata `{"jupyter": {"source_hidden": true}}` shows a bar in place of its
code. The mark in the source decides: it is set where the mark is, and taken away elsewhere, where
a reader's JupyterLab may have left it.
"""

import json
import re
from pathlib import Path

NBS = Path(__file__).resolve().parent.parent / "nbs"
FOLDED = re.compile(r"^#\|\s*folded\b", re.M)
HIDDEN = {"source_hidden": True}


def is_folded(cell: dict) -> bool:
    "Whether a reader opens the code of this cell only if it is wanted"
    return cell["cell_type"] == "code" and FOLDED.search("".join(cell["source"])) is not None


def with_folds(
    text: str,  # of a notebook's file
) -> str:
    "The notebook with the code of each folded cell hidden, and no other's; itself where it is so"
    notebook = json.loads(text)
    wrong = [c for c in notebook["cells"] if c["metadata"].get("jupyter") != wanted(c)]
    if not wrong:
        return text
    for cell in wrong:
        cell["metadata"].pop("jupyter", None)
        if value := wanted(cell):
            cell["metadata"]["jupyter"] = value
    return json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def wanted(cell: dict) -> dict | None:
    "What the metadata of a cell should say to Jupyter"
    return HIDDEN if is_folded(cell) else None


def notebooks(folder: Path = NBS) -> list[Path]:
    "Every notebook of the project, the course and the pages beside it first"
    return sorted(folder.glob("*.ipynb")) + sorted((folder / "lib").glob("*.ipynb"))


def unfolded(folder: Path = NBS) -> dict[Path, str]:
    "The notebooks whose folds are not what their cells say, with the text that they should have"
    texts = {p: p.read_text("utf-8") for p in notebooks(folder)}
    return {p: new for p, text in texts.items() if (new := with_folds(text)) != text}


def write(folder: Path = NBS) -> list[Path]:
    "Set the folds of all notebooks; those that were changed"
    changed = unfolded(folder)
    for path, text in changed.items():
        path.write_text(text, encoding="utf-8")
    return list(changed)
