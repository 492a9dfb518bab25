"The course for a class: no solutions for students, and a grade that tells right from wrong"

import json

import pytest

from make_starter import NBS, text, without_solutions, write_course

CHAPTER = "02_time_embedding"
RIGHT = {
    "check(1, ...)": "check(1, 6.283)",
    "check(2, ...)": "check(2, 64)",
    "check(3, ...)": "check(3, 99)",  # wrong
    "check(4, ...)": "check(4, 'no')",
    "    ...\n": "    angle = 2 * math.pi * t / period\n"
    "    return torch.stack([angle.cos(), angle.sin()], 1)\n",
}


def with_answers(path, answers):
    "A student's notebook: a starter with answers in it"
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        source = text(cell)
        if "check(" in source and "Exercises(" not in source:
            for empty, answer in answers.items():
                source = source.replace(empty, answer)
            cell["source"] = source
    return json.dumps(notebook)


def test_starters_have_checks_and_no_solutions():
    chapters = 0
    for path in sorted(NBS.glob("[0-9]*.ipynb")):
        notebook, numbers = without_solutions(json.loads(path.read_text(encoding="utf-8")))
        if not numbers:
            continue
        chapters += 1
        sources = [text(c) for c in notebook["cells"]]
        assert len(set(numbers)) == len(numbers) >= 3, path.stem
        assert not any("<summary>Solution" in s for s in sources), path.stem
        assert sum("BEGIN HIDDEN TESTS" in s for s in sources) == len(numbers), path.stem
    assert chapters >= 6


@pytest.mark.slow
def test_nbgrader_grades_a_right_and_a_wrong_submission(tmp_path, monkeypatch):
    from nbgrader.api import Gradebook
    from nbgrader.apps import NbGraderAPI
    from traitlets.config import Config

    assert write_course(tmp_path, [CHAPTER]) == [CHAPTER]
    release = tmp_path / "release" / CHAPTER / f"{CHAPTER}.ipynb"
    assert "BEGIN HIDDEN" not in release.read_text() and "verdict.right" not in release.read_text()
    wrong = {k: "check(1, 1)" if "check(1" in k else k for k in RIGHT}
    for student, answers in dict(ada=RIGHT, bob=wrong).items():
        folder = tmp_path / "submitted" / student / CHAPTER
        folder.mkdir(parents=True)
        (folder / release.name).write_text(with_answers(release, answers))
    config = Config()
    config.CourseDirectory.root = str(tmp_path)
    config.CourseDirectory.course_id = "ddpm_nb"
    api = NbGraderAPI(config=config)
    for student in ("ada", "bob"):
        result = api.autograde(CHAPTER, student)
        assert result["success"], result["log"]
    with Gradebook(f"sqlite:///{tmp_path}/gradebook.db", "ddpm_nb") as book:
        scores = [book.find_submission(CHAPTER, student).score for student in ("ada", "bob")]
    assert scores == [4, 0]  # of five: Ada's third answer is wrong
