"What the course promises as a whole: papers that can be found, notebooks that run anywhere"

import base64
import io
import json
import re
from pathlib import Path

import pytest
from PIL import Image

import course_table
import folding

ROOT = Path(__file__).resolve().parent.parent
CHAPTERS = sorted((ROOT / "nbs").glob("[0-9]*.ipynb"))
NOTEBOOKS = sorted(p for p in (ROOT / "nbs").rglob("*.ipynb") if ".ipynb_checkpoints" not in str(p))
CITED = re.compile(r"([A-Z][\wäöüéń-]+(?: et al\.| & [A-Z][\wäöüéń-]+)),? \(?(\d{4})")
CITED_ALONE = re.compile(r"(?<!& )\b([A-Z][a-zäöü]{2,}) \(?(\d{4})(?=[),;]|, (?:eq|sec|fig|alg))")


def cited_in(text):
    "Papers that a text names, as `(authors, year)`"
    alone = re.sub(CITED, "", text)
    return set(CITED.findall(text)) | set(CITED_ALONE.findall(alone))


def source(path):
    if path.suffix == ".md":
        return path.read_text("utf-8")
    return "\n".join("".join(c["source"]) for c in json.loads(path.read_text("utf-8"))["cells"])


def listed():
    "Papers with a link, as `(authors, year)`"
    text = source(ROOT / "nbs" / "notation.ipynb")
    links = re.findall(r"\[([^\]]+) (\d{4})\]\((https://[^)]+)\)", text)
    return {(authors, year) for authors, year, _ in links}


@pytest.mark.parametrize("path", [*NOTEBOOKS, ROOT / "README.md"], ids=lambda p: p.stem)
def test_every_paper_that_is_cited_has_a_link(path):
    assert not cited_in(source(path)) - listed()


def test_the_search_for_citations_finds_some():
    found = set().union(*(cited_in(source(p)) for p in NOTEBOOKS))
    assert len(found) > 25 and found >= {("Ho et al.", "2020"), ("Chen", "2023")}
    assert cited_in("as Vasiliev (1999) and (Loshchilov & Hutter 2017, eq. 5) did, May 2020") == {
        ("Vasiliev", "1999"),
        ("Loshchilov & Hutter", "2017"),
    }


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_no_notebook_exports_the_package_when_a_reader_runs_it(path):
    assert "nbdev_export()" not in source(path)


# ---- code that is folded


def hidden(cells):
    "Whether JupyterLab hides the code, cell by cell"
    return [c["metadata"].get("jupyter", {}).get("source_hidden", False) for c in cells]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_folded_cells_are_hidden_in_jupyter_and_no_others(path):
    cells = json.loads(path.read_text("utf-8"))["cells"]
    assert hidden(cells) == [folding.is_folded(c) for c in cells], "run: make export"
    # the site folds what is exported; for other code there is `#| code-fold: true`
    assert all("#| export" in "".join(c["source"]) for c in cells if folding.is_folded(c))


def test_folds_follow_the_mark_in_the_source():
    sources = ["#| export\n#| folded\nx = 1", "#| export\ny = 2  #| folded", "#| folded\nz = 3"]
    left = [{}, {"jupyter": {"source_hidden": True}}, {"jupyter": {"outputs_hidden": True}}]
    cells = [
        dict(cell_type="code", source=s, metadata=dict(m, tags=["kept"]))
        for s, m in zip(sources, left, strict=True)
    ]
    text = folding.with_folds(json.dumps(dict(cells=cells)))
    assert hidden(json.loads(text)["cells"]) == [True, False, True]
    assert all(c["metadata"]["tags"] == ["kept"] for c in json.loads(text)["cells"])
    assert "outputs_hidden" not in text and folding.with_folds(text) == text


def test_cleaning_and_copying_keep_what_is_folded(tmp_path):
    from nbdev.clean import clean_nb
    from nbdev.config import get_config

    from ddpm_nb.app.command_notebooks import copy_notebooks
    from make_starter import without_solutions

    copies = {p.stem: p for p in copy_notebooks(tmp_path / "course")}
    for name in ("01_schedules", "06_sampler"):
        notebook = json.loads(copies[name].read_text("utf-8"))
        before = hidden(notebook["cells"])
        keys = get_config(path=ROOT).get("allowed_cell_metadata_keys").split()
        clean_nb(notebook, allowed_cell_metadata_keys=keys)
        assert sum(before) > 3 and hidden(notebook["cells"]) == before
        starter, _ = without_solutions(notebook)
        assert sum(hidden(starter["cells"])) == sum(before)


# ---- figures

# chapters with figures that are too small, or that nothing describes; a shorter list every time
TO_MEND: set[str] = set()
ANIMATIONS = 4  # in all chapters together, at least


def figures(path):
    "`(cell number, source, image, MIME type)` of each figure that a notebook stores"
    for i, cell in enumerate(json.loads(path.read_text("utf-8"))["cells"]):
        for output in cell.get("outputs", []):
            for kind, data in output.get("data", {}).items():
                if kind in ("image/png", "image/gif"):
                    image = Image.open(io.BytesIO(base64.b64decode("".join(data))))
                    yield i, "".join(cell["source"]), image, kind


def wrong_figures(path):
    "What is missing at the figures of a notebook, a sentence each"
    for i, source, image, kind in figures(path):
        said = re.search(r'^#\| fig-alt: "?(.*?)"?$', source, re.M)
        if not said or len(said[1]) < 25:
            yield f"{path.name}, cell {i}: no fig-alt that describes the figure"
        dpi = image.info.get("dpi")
        if kind == "image/png" and dpi and dpi[0] < 99:
            yield f"{path.name}, cell {i}: {dpi[0]:.0f} dpi; leave dpi= out, matplotlib has 100"
        if image.width < 150:
            yield f"{path.name}, cell {i}: {image.width} pixels wide; draw it larger"


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.stem)
def test_every_figure_is_described_and_large_enough(path):
    found = list(wrong_figures(path))
    if path.stem in TO_MEND:
        assert found, f"{path.stem} is mended: take it out of TO_MEND"
    else:
        assert not found


def test_something_moves():
    frames = [
        getattr(image, "n_frames", 1)
        for path in CHAPTERS
        for _, _, image, kind in figures(path)
        if kind == "image/gif"
    ]
    assert len([n for n in frames if n >= 8]) >= ANIMATIONS


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


# ---- language

# words of a private dialect that readers stumbled over, and what to write in their place
RETIRED = {
    r"\bdice\b": "noise, fresh noise",
    r"\bthe way back\b": "the reverse process, or the backward pass",
    r"\ba training(?=[.,;:!?)]|\s(?:that|is|was|has|can|of|with|in|on|to|and|or|for)\b)": "a run",
    r"\btrainings\b": "training runs",
    r"\bheaps?\b": "set",
    r"\bnetworks? says?\b": "predicts",
    r"\bnetworks? (?:is|are) asked for\b": "is trained to predict",
    r"\bdeaf\b|\bhears? the time\b": "is (not) conditioned on",
    r"\bguests?\b": "skip connections",
    r"\bat hand\b|\bone door\b|\bat the door\b|\bof today\b": "plain words",
    r"\bproject that this one replaces\b": "a common bug",
}
ALLOWED = {("memory", r"\bheaps?\b")}  # the C library's


def retired(name, text):
    "`(file, word that was found, what to write)`"
    for pattern, better in RETIRED.items():
        if (name, pattern) not in ALLOWED:
            for found in re.finditer(pattern, text, re.I):
                yield name, found[0], better


@pytest.mark.parametrize("path", [*NOTEBOOKS, ROOT / "README.md"], ids=lambda p: p.stem)
def test_plain_words(path):
    "Prose, docstrings and comments of every notebook"
    assert not list(retired(path.stem, source(path)))


def test_a_retired_word_is_found():
    text = "A training is a heap of dice.\nThe network says x0, and hears the time on the way back."
    found = [word for _, word, _ in retired("text", text)]
    assert found == ["dice", "the way back", "A training", "heap", "network says", "hears the time"]


# ---- numbers


def test_reckoned_minutes_leave_out_imports_and_comments():
    source = "import math\nfrom a import b\nfrom c import (\n    d,\n    e,\n)\n\n# why\nx = d\n"
    assert course_table.code_lines(source) == ["x = d"]


def test_the_ablations_of_chapter_5_are_those_of_their_record():
    measured = re.search(r"measured = \{(.*?)\}", source(ROOT / "nbs" / "05_loop.ipynb"), re.S)[1]
    shown = set(re.findall(r": ([\d.]+)", measured))
    record = (ROOT / "benchmarks" / "quality.md").read_text("utf-8")
    table = record.split("## What the recipe is made of")[1].split("Nothing did better")[0]
    last_column = set(re.findall(r"\| \**([\d.]+)\** \|$", table, re.M))
    assert len(shown) == 6 and shown <= last_column
