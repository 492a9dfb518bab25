"""Build the docs site into _docs: notebooks → _proc (nbdev) → HTML.

Quarto renders it where `quarto` is on the PATH, else smalldocs, both from `_quarto.yml`. Shows the
source that is exported, loads nothing from elsewhere. Beside the notebooks' pages it makes two:
api.html, every public name with its parameters, and print.html, the course on one page.

What is done to nbdev's and the renderer's work, and why it can't be left out:

- `only_imports`: nbdev would run cells that mix imports with work, some of which take minutes.
- `weave`: nbdev shows signatures instead of exported source, which is what a course is about, and
  drops what follows the tagline in a title's cell.
- `describe`: figures without a text of their own need one for those who hear the page.
- `add_buttons`: neither offers the notebook itself for download.
- `complete_sidebar`: the notebooks in nbs/lib stand in order of storeys, which no glob gives.
- `api_page`, `lead`, `print_page`: pages nobody else makes; their links need places that exist.
- `local`, `without_fonts_from_elsewhere`: pages must work without another host; and nbdev links to
  schedules.html where the page is 01_schedules.html.
- `sidebar_lines`: a chapter's question stands smaller under its name.
"""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import yaml

import folding
import live_panels

root = Path(__file__).resolve().parent.parent
NBS = root / "nbs"
STOREYS = {"": "Ground", "engine": "Engine", "app": "App"}  # of the notebooks in lib


def text(c):
    return "".join(c.get("source", ""))


def read(p):
    return json.loads(p.read_text(encoding="utf-8"))


def notebooks() -> list[str]:
    "Every notebook, as its path in nbs without the ending: 'index', '03_unet', 'lib/files'"
    return [p.relative_to(NBS).with_suffix("").as_posix() for p in folding.notebooks()]


def course(names) -> list[str]:
    "Those that are chapters"
    return [n for n in names if n[0].isdigit()]


def module_of(name: str) -> str:  # '' if there is none
    "The module that a notebook exports, such as 'engine.files'"
    src = "\n".join(map(text, read(NBS / f"{name}.ipynb")["cells"]))
    found = re.search(r"^#\|\s*default_exp\s+(\S+)", src, re.M)
    return found[1] if found else ""


def engineering(names) -> dict[str, list[str]]:
    "The notebooks in lib under the storey that their modules belong to, those below first"
    found = {storey: [] for storey in STOREYS.values()}
    for n in names:
        if n.startswith("lib/"):
            module = module_of(n)
            top = module.split(".")[0] if "." in module else "app" if module == "cli" else ""
            found[STOREYS[top]].append(n)
    return {storey: rows for storey, rows in found.items() if rows}


def title_of(name: str) -> str:
    "A notebook's title"
    cells = map(text, read(NBS / f"{name}.ipynb")["cells"])
    return next(m[1] for c in cells if (m := re.match(r"# (.*)", c)))


def complete_sidebar(path: Path, names: list[str]):
    "Put the notebooks in lib into the section of `_quarto.yml` that is kept for them"
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    entries = config["website"]["sidebar"]["contents"]
    section = next(e for e in entries if e.get("section") == "Engineering")
    section["contents"] = [
        {
            "section": storey,
            "contents": [{"text": title_of(n), "href": f"{n}.ipynb"} for n in rows],
        }
        for storey, rows in engineering(names).items()
    ]
    path.unlink(missing_ok=True)  # it may be a link to the one in the repository
    path.write_text(yaml.safe_dump(config, allow_unicode=True, sort_keys=False), encoding="utf-8")


PRINT = """---
title: The whole course on one page
toc: false
search: false
---

For printing, and for reading away from a screen: any browser's print dialogue makes a PDF of it.

$$t$$

::: {#whole-course}
here
:::
"""  # the formula brings KaTeX along; both it and the word below are replaced


def markdown(id, s):
    return dict(cell_type="markdown", id=id, metadata={}, source=s)


def exported(cell):
    "The source that a cell exports, without directives; '' for hidden cells and imports alone"
    src = text(cell)
    flags = set(re.findall(r"^#\|\s*(\w+)", src, re.M))
    if cell["cell_type"] != "code" or "export" not in flags or "hide" in flags:
        return ""
    code = re.sub(r"^#\|.*\n?", "", src, flags=re.M).strip()
    return (
        ""
        if all(isinstance(n, (ast.Import, ast.ImportFrom)) for n in ast.parse(code).body)
        else code
    )


def shown(code, folded):
    "Exported code as it stands in a page"
    code = f"::: {{.exported}}\n```python\n{code}\n```\n:::"
    if not folded:
        return code
    return f'<details class="code-fold">\n<summary>Code</summary>\n\n{code}\n\n</details>'


def plain(md):
    "Markdown as one line of words, for those who hear it"
    md = re.sub(
        r"```.*?```|!\[[^\]]*\]\([^)]*\)|<[^>]+>|^#+ .*$|^\|.*$", " ", md, flags=re.S | re.M
    )
    md = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", re.sub(r"\$\$.*?\$\$", " ", md, flags=re.S))
    macros = r"\\(?:bar|hat|tilde|mathrm|text|sqrt|mathbf|operatorname)\b"
    for a, b in ((macros, ""), (r"\\", ""), (r"[{}$`*_>#]+", " ")):
        md = re.sub(a, b, md)
    return re.sub(r"\s+", " ", md).strip()


def alt(cells, i):
    "What the figure of cell `i` shows: its own `fig-alt`, else what the text beside it says of it"
    beside = [
        plain(text(cells[j]))
        for j in (i + 1, i - 1)
        if 0 <= j < len(cells) and cells[j]["cell_type"] == "markdown"
    ]
    earlier = [plain(text(c)) for c in cells[:i][::-1] if c["cell_type"] == "markdown"]
    said = next((s for s in beside + earlier if len(s) > 20), "Figure")
    first = re.findall(r".{20,220}?[.:?!](?= |$)|.{1,220}", said)[0]
    return first.replace('"', "'")


def describe(cells):
    "Give every figure an alternative text"
    for i, c in enumerate(cells):
        src = text(c)
        drawn = any(k.startswith("image/") for o in c.get("outputs", []) for k in o.get("data", {}))
        if drawn and not re.search(r"^#\|\s*fig-alt", src, re.M):
            c["source"] = f"#| fig-alt: {json.dumps(alt(cells, i), ensure_ascii=False)}\n" + src
    return cells


def buttons(name, git):
    "Where to run this notebook, and where to get it"
    colab = git.replace("https://github.com", "https://colab.research.google.com/github")
    colab += f"/blob/main/nbs/{name}.ipynb"
    first = f"In Colab, install the package first: !pip install git+{git}"
    run = f'[Open in Colab]({colab}){{.btn .btn-outline-primary .btn-sm title="{first}"}}'
    file = "../" * name.count("/") + f"notebooks/{name}.ipynb"
    button = 'class="btn btn-outline-primary btn-sm"'
    get = f'<a {button} href="{file}" download>Download notebook</a>'
    return markdown("notebook-links", f"::: {{.notebook-links}}\n{run} {get}\n:::")


def only_imports():
    """Let nbdev run for the docs what is exported or imports alone.

    It would also run cells that import and do something with what came before."""
    import nbdev.processors as p

    own = p._do_eval

    def wanted(cell):
        body = (cell.parsed_() or []) if cell.cell_type == "code" else []
        imports = (ast.Import, ast.ImportFrom)
        has_import = any(isinstance(n, imports) for top in body for n in ast.walk(top))
        is_mixed = has_import and not all(isinstance(n, imports) for n in body)
        return own(cell) if "export" in cell.directives_ or not is_mixed else None

    p._do_eval = wanted


def weave(nb, proc):
    "nbdev's processed notebook, with the whole source where nbdev shows only a signature"
    docs = [c for c in proc["cells"] if re.search(r"^show_doc\(", text(c), re.M)]
    kept = {c["id"]: c for c in proc["cells"] if c not in docs}
    head = re.compile(r"^#{2,6} .*$", re.M)
    ids = {c["id"] for c in nb["cells"]}
    out = [c for i, c in kept.items() if i not in ids]
    docs = iter(docs)
    for c in nb["cells"]:
        src = text(c)
        # nbdev keeps title and tagline of this cell, and drops what follows
        if src.startswith("# ") and c["id"] not in kept:
            rest = re.sub(r"\A# .*\n*(?:>.*\n*)*", "", src).strip()
            if rest:
                out.append(markdown(c["id"], rest))
        elif code := exported(c):
            names = [
                n
                for n in ast.parse(code).body
                if isinstance(n, (ast.FunctionDef, ast.ClassDef)) and not n.name.startswith("_")
            ]
            heads = [
                head.findall("".join(next(docs)["outputs"][0]["data"]["text/markdown"]))[0]
                for _ in names
            ]
            out.append(markdown(c["id"], "\n\n".join([*heads, shown(code, folding.is_folded(c))])))
        elif c["id"] in kept:
            out.append(kept[c["id"]])
    for c in out:
        if c["cell_type"] != "raw":
            continue
        # smalldocs keeps the notebooks' names
        c["source"] = re.sub(r"^output-file:.*\n", "", text(c), flags=re.M)
    if next(docs, None):
        sys.exit("more documented definitions than exported ones")
    return proc | dict(cells=describe(out))


def add_buttons(nb, name, git):
    "The links after the page's title"
    at = next((i + 1 for i, c in enumerate(nb["cells"]) if c["cell_type"] == "raw"), 0)
    nb["cells"].insert(at, buttons(name, git))
    return nb


def public(names):
    "`(notebook, module, [(qualified name, object, page#place)], constants)` of each module"
    import importlib

    from ddpm_nb._modidx import d

    for nb in names:
        mod = f"ddpm_nb.{module_of(nb)}"
        if not d["syms"].get(mod):
            continue
        module, syms = importlib.import_module(mod), []
        for full in d["syms"][mod]:
            short = full[len(mod) + 1 :]
            if any(p.startswith("_") for p in short.split(".")):
                continue
            obj = module
            for p in short.split("."):
                obj = getattr(obj, p)
            syms.append((short, obj, f"{nb}.ipynb#{short.lower()}"))
        constants = [n for n in module.__all__ if n not in {s for s, _, _ in syms}]
        yield nb, mod, syms, constants


def signature(obj) -> str:
    "The names of a callable's parameters, in parentheses; '' if it has none to show"
    import inspect

    if not callable(obj):
        return ""
    with suppress(ValueError, TypeError):
        stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
        found = inspect.signature(obj).parameters.values()
        return "(" + ", ".join(stars.get(p.kind, "") + p.name for p in found) + ")"
    return ""


def api_entry(short, obj, place) -> str:
    "A public name: its first line, its parameters, and the place where it is built"
    import inspect

    from nbdev.showdoc import DocmentTbl

    doc = (inspect.getdoc(obj) or "").split("\n")[0]
    table = ""
    with suppress(ValueError, TypeError, AttributeError):
        table = str(DocmentTbl(obj)._repr_markdown_()) if callable(obj) else ""
    head = f"### [`{short}`]({place}) {{#{short}}}"
    return f"{head}\n\n`{short.split('.')[-1]}{signature(obj)}`\n\n{doc}\n\n{table}\n"


API = """---
title: API
subtitle: Every public name of the package, from its docstrings and parameter comments
toc-depth: 2
---

Each name links to the place where it is built, explained and tested. The names in the table can \
be imported from `ddpm_nb` itself; the modules follow, the course first, then engine and app.
"""


def api_page(names):
    "Every public name, its first line, its parameters, and the place where it is built"
    import importlib
    import inspect

    import ddpm_nb

    rows = {}
    for n in ddpm_nb.__all__:
        rows.setdefault(getattr(ddpm_nb, "_NAMES")[n], []).append(f"[`{n}`](#{n})")
    table = "\n".join(f"| `ddpm_nb.{home}` | {', '.join(links)} |" for home, links in rows.items())
    out = [API, f"| module | names |\n|-|-|\n{table}\n"]
    for nb, mod, syms, constants in public(names):
        doc = (inspect.getdoc(importlib.import_module(mod)) or "").strip()
        out.append(f"## {mod}\n\n{doc} [The notebook]({nb}.ipynb).\n")
        if constants:
            out.append("Constants: " + ", ".join(f"`{c}`" for c in constants) + ".\n")
        for entry in sorted(syms, key=lambda s: (s[0].split(".")[0], s[0])):
            out.append(api_entry(*entry))
    return "\n".join(out)


def lead(site):
    "Lead links of the API page to the nearest place that a page has: a name, its class, the top"
    p = site / "api.html"
    ids = {
        q.relative_to(site).as_posix(): set(
            re.findall(r'\bid="([^"]+)"', q.read_text(encoding="utf-8"))
        )
        for q in site.rglob("*.html")
    }

    def nearest(m):
        page, at = m[1], m[2]
        tries = (at, at.split(".")[-1], at.split(".")[0])
        return f'href="{page}' + next((f'#{a}"' for a in tries if a in ids[page]), '"')

    html = re.sub(r'href="([\w/]+\.html)#([^"]+)"', nearest, p.read_text(encoding="utf-8"))
    p.write_text(html, encoding="utf-8")


def chapter_body(html: str) -> tuple[str, str]:  # (title, body)
    "What a chapter's page holds, without header, buttons and links to its neighbours"
    (body,) = re.findall(r"<main\b[^>]*>(.*)</main>", html, re.S)
    title = re.search(r'<h1 class="title">(.*?)</h1>', body, re.S)
    for gone in (
        r'<header id="title-block-header".*?</header>',
        r'<div class="notebook-links">.*?</div>',
        r'<nav class="page-navigation">.*?</nav>',
    ):
        body = re.sub(gone, "", body, flags=re.S)
    return title[1] if title else "", body


def print_page(site, names):
    "The body of print.html: all chapters, places renamed so that none occurs twice"

    def inside(m):  # a link to another chapter
        if m[1] not in names:
            return m[0]
        return f'href="#{m[1]}' + (f'--{m[2]}"' if m[2] else '"')

    parts = []
    for n in names:
        title, body = chapter_body((site / f"{n}.html").read_text(encoding="utf-8"))
        body = re.sub(r'\bid="([^"]+)"', rf'id="{n}--\1"', body)
        body = re.sub(r'href="#([^"]+)"', rf'href="#{n}--\1"', body)
        body = re.sub(r'href="(\w+)\.html(?:#([^"]+))?"', inside, body)
        head = f'<section class="print-chapter" id="{n}"><h1>{title or n}</h1>'
        parts.append(f"{head}\n{body}</section>")
    return "\n".join(parts)


def sidebar_lines(s):
    "A chapter's line in the sidebar: its name, and below it, smaller, its question"

    def split(m):
        question = m[3].strip()
        small = f'<small class="menu-line">{question[:1].upper()}{question[1:]}</small>'
        return f"{m[1]}{m[2]}{small}</span>"

    link = r'(<a [^>]*class="sidebar-item-text sidebar-link[^>]*><span class="menu-text">)'
    s = re.sub(link + r"([^<:]+):([^<]+)</span>", split, s)
    return re.sub(r'(<li class="breadcrumb-item"><a [^>]*>)([^<:]+):[^<]+', r"\1\2", s)


SCROLL_BY_KEYBOARD = """<script>
addEventListener("load", () => setTimeout(() => {
  for (const box of document.querySelectorAll(".katex-display, main table, main pre"))
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
}));
</script>
"""


def reachable(html):
    "A page whose wide formulas and tables can be scrolled by keyboard"
    head, end, rest = html.rpartition("</body>")
    return head + SCROLL_BY_KEYBOARD + end + rest


def local(site, host, change=lambda s: s):
    "Rewrite what would be loaded from, or points to, a host to what lies in the site"
    # nbdev links to schedules.html, the page is 01_schedules.html
    pages = [p.relative_to(site).as_posix() for p in site.rglob("*.html")]
    page = {re.sub(r"(^|/)\d+[a-z]?_", r"\1", p): p for p in pages}
    link = re.compile(re.escape(host) + r"/([\w/]+\.html)")
    for name in pages:
        p, up = site / name, "../" * name.count("/")
        s = p.read_text(encoding="utf-8")
        s = re.sub(r'https?://[^"\']*?/katex(?:@[^/"\']*)?/dist/', f"{up}katex/", s)
        s = link.sub(lambda m, up=up: up + page[m[1]], s)
        p.write_text(change(s), encoding="utf-8")


def prepare(proc: Path, names: list[str], git: str):
    "Fill the folder that the site is rendered from"
    from nbdev.serve import proc_nbs

    only_imports()
    proc_nbs(n_workers=0)
    for n in names:
        p = proc / f"{n}.ipynb"
        nb = weave(read(NBS / f"{n}.ipynb"), read(p))
        nb = nb if n == "index" else add_buttons(nb, n, git)
        p.write_text(json.dumps(nb), encoding="utf-8")
    lib = [n for rows in engineering(names).values() for n in rows]
    (proc / "api.qmd").write_text(api_page(course(names) + lib), encoding="utf-8")
    (proc / "print.qmd").write_text(PRINT, encoding="utf-8")
    shutil.copytree(NBS / "images", proc / "images", dirs_exist_ok=True)
    complete_sidebar(proc / "_quarto.yml", names)


def render_command(proc: Path) -> list[str]:
    "Quarto's own renderer where it is on the PATH, else smalldocs; both read proc/_quarto.yml"
    if quarto := shutil.which("quarto"):
        # the notebooks have their outputs; formulas by KaTeX, which the site brings along
        options = ["--no-execute", "-M", "html-math-method:katex", "--quiet"]
        return [quarto, "render", proc.name, *options]
    smalldocs = Path(sys.executable).parent / "smalldocs"
    # a broken link or another warning is an error
    return [str(smalldocs), "render", "--quiet", "--strict", proc.name]


def render(proc: Path, site: Path):
    "The site from what was prepared"
    command = render_command(proc)
    print(f"rendered by {Path(command[0]).name}", flush=True)
    subprocess.run(command, check=True, cwd=proc.parent)
    out = next(p for p in (proc / "_docs", site) if p.is_dir())
    if out != site:
        shutil.move(out, site)


def without_fonts_from_elsewhere(site: Path):
    "Drop what the themes' stylesheets would load from another host; a font of the system serves"
    imported = re.compile(r"""@import\s*(?:url\(["']?https?:[^)]*\)|["']https?:[^"']*["'])\s*;""")
    for p in site.rglob("*.css"):
        s = p.read_text(encoding="utf-8")
        if imported.search(s):
            p.write_text(imported.sub("", s), encoding="utf-8")


def finish(site: Path, names: list[str], host: str):
    "Formulas, downloads, links and the page for printing"
    shutil.copytree(NBS / "katex", site / "katex")
    for n in names:
        to = site / "notebooks" / f"{n}.ipynb"
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(NBS / f"{n}.ipynb", to)
    local(site, host, sidebar_lines)
    without_fonts_from_elsewhere(site)
    lead(site)
    p = site / "print.html"
    whole = re.compile(
        r'<span class="math display">[^<]*</span>|(<div id="whole-course">)\s*<p>here</p>', re.S
    )
    body = print_page(site, course(names))
    html = whole.sub(lambda m: m[1] + body if m[1] else "", p.read_text(encoding="utf-8"))
    p.write_text(html, encoding="utf-8")
    for page in site.rglob("*.html"):
        page.write_text(reachable(page.read_text(encoding="utf-8")), encoding="utf-8")


def main():
    os.chdir(root)
    from nbdev.config import get_config

    proc, site, c = root / "_proc", root / "_docs", get_config()
    for d in (proc, site):
        shutil.rmtree(d, ignore_errors=True)
    names = notebooks()
    prepare(proc, names, c.git_url)
    render(proc, site)
    finish(site, names, c.doc_host.rstrip("/") + c.doc_baseurl.rstrip("/"))
    if why := live_panels.add(site):
        print(f"no live panels: {why}")
    print(f"built {len(list(site.rglob('*.html')))} pages in {site.relative_to(root)}")


if __name__ == "__main__":
    main()
