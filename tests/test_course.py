"What the course promises as a whole: papers that can be found, notebooks that run anywhere"

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted(p for p in (ROOT / "nbs").rglob("*.ipynb") if ".ipynb_checkpoints" not in str(p))
CITED = re.compile(r"([A-Z][\wäöüéń-]+(?: et al\.| & [A-Z][\wäöüéń-]+)),? \(?(\d{4})")


def source(path):
    return "\n".join("".join(c["source"]) for c in json.loads(path.read_text("utf-8"))["cells"])


def listed():
    "Papers with a link, as `(authors, year)`"
    text = source(ROOT / "nbs" / "notation.ipynb")
    links = re.findall(r"\[([^\]]+) (\d{4})\]\((https://[^)]+)\)", text)
    return {(authors, year) for authors, year, _ in links}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_every_paper_that_is_cited_has_a_link(path):
    cited = set(CITED.findall(source(path)))
    assert not cited - listed()


def test_the_search_for_citations_finds_some():
    found = set().union(*(CITED.findall(source(p)) for p in NOTEBOOKS))
    assert len(found) > 25 and ("Ho et al.", "2020") in found


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_no_notebook_exports_the_package_when_a_reader_runs_it(path):
    assert "nbdev_export()" not in source(path)


@pytest.mark.parametrize(
    "path", [p for p in NOTEBOOKS if p.parent.name == "nbs"], ids=lambda p: p.stem
)
def test_a_notebook_installs_the_package_where_it_is_missing(path):
    "On Colab nothing has to be typed: before the first import of the package"
    cells = json.loads(path.read_text("utf-8"))["cells"]
    code = ["".join(c["source"]) for c in cells if c["cell_type"] == "code"]
    uses = next(
        (i for i, s in enumerate(code) if re.search(r"^from ddpm_nb|^import ddpm_nb", s, re.M)),
        None,
    )
    installs = [i for i, s in enumerate(code) if 'find_spec("ddpm_nb")' in s or '"ddpm_nb", "' in s]
    assert uses is None or installs and installs[0] < uses
