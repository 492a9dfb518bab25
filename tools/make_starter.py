"""The course for a class, as a course of nbgrader: `make_starter.py FOLDER [CHAPTER …]`.

FOLDER/release/CHAPTER/CHAPTER.ipynb   for students: no solutions, the checks in place
FOLDER/source/CHAPTER/CHAPTER.ipynb    for the teacher: the same with the hidden tests, no solutions
FOLDER/nbgrader_config.py              so that nbgrader's commands work in FOLDER

Collected notebooks go to FOLDER/submitted/STUDENT/CHAPTER/CHAPTER.ipynb; then, in FOLDER,
`nbgrader autograde CHAPTER` grades the class and `nbgrader export` writes grades.csv.
Needs the extra `teach`.
"""

import json
import re
import sys
from pathlib import Path

NBS = Path(__file__).resolve().parent.parent / "nbs"
CONFIG = """c = get_config()
c.CourseDirectory.course_id = "ddpm_nb"
c.ExecutePreprocessor.timeout = 600
c.Execute.timeout = 600
"""


def text(cell) -> str:
    return "".join(cell["source"])


def marked(cell, name, **more):
    "A cell that nbgrader restores before it grades"
    row = dict(grade=False, solution=False, locked=True, task=False, schema_version=3)
    return cell | {"metadata": {"nbgrader": row | dict(grade_id=name) | more}}


def test_cell(number: int):
    "The cell that gives a point; its tests are taken out of what students get"
    source = f"""# Exercise {number}: one point
### BEGIN HIDDEN TESTS
verdict = check.verdict({number}, check.answers.get({number}, ...))
assert verdict.right, verdict.text
### END HIDDEN TESTS"""
    cell = dict(cell_type="code", source=source, outputs=[], execution_count=None)
    cell["id"] = f"grade-{number}"
    return marked(cell, f"exercise-{number}", grade=True, points=1)


def without_solutions(notebook: dict) -> tuple[dict, list[int]]:  # and the exercises' numbers
    "A chapter without solutions and stored outputs, with a cell for each exercise's point"
    cells, numbers = [], []
    for cell in notebook["cells"]:
        source = text(cell)
        if cell["cell_type"] == "markdown" and re.search(r"^check\(", source, re.M):
            continue  # the folded solutions
        if "check.solutions(globals())" in source:
            cells += [test_cell(n) for n in numbers]
            continue
        if cell["cell_type"] == "code":
            cell = cell | dict(outputs=[], execution_count=None)
        if "check = Exercises(" in source:
            cell = marked(cell, "checks")
        elif cell["cell_type"] == "code":
            numbers += map(int, re.findall(r"^check\((\d+),", source, re.M))
        cells.append(cell)
    return notebook | dict(cells=cells), numbers


def write_course(
    folder: Path,  # made if it isn't there
    names: list[str],  # of chapters; [] for all that have exercises with checks
    nbs: Path = NBS,  # where the chapters are
) -> list[str]:  # the chapters written
    "The teacher's sources, and nbgrader's release of them"
    from nbgrader.apps import NbGraderAPI
    from traitlets.config import Config

    folder = Path(folder).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "nbgrader_config.py").write_text(CONFIG, encoding="utf-8")
    config = Config()
    config.CourseDirectory.root = str(folder)
    config.CourseDirectory.course_id = "ddpm_nb"
    api, written = NbGraderAPI(config=config), []
    for path in sorted(nbs.glob("[0-9]*.ipynb")):
        notebook, numbers = without_solutions(json.loads(path.read_text(encoding="utf-8")))
        if not numbers or names and path.stem not in names:
            continue
        target = folder / "source" / path.stem / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(notebook, ensure_ascii=False, indent=1), encoding="utf-8")
        result: dict = api.generate_assignment(path.stem)  # pyright: ignore
        if not result["success"]:
            sys.exit(f"nbgrader, {path.stem}: {result['log'][-2000:]}")
        written.append(path.stem)
    return written


def main(args):
    if not args:
        sys.exit(__doc__)
    for name in write_course(Path(args[0]), args[1:]):
        print(f"wrote {Path(args[0]) / 'release' / name}")


if __name__ == "__main__":
    main(sys.argv[1:])
