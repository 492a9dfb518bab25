"""Build the docs site into _docs: notebooks → _proc (nbdev) → HTML (smalldocs).

Shows the source that is exported, loads nothing from elsewhere.

Beside the notebooks' pages it makes two: api.html, every public name with its parameters, and print.html, all chapters on one page."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

root = Path(__file__).resolve().parent.parent


def text(c):
    return "".join(c.get("source", ""))


def read(p):
    return json.loads(p.read_text(encoding="utf-8"))


PRINT = """---
title: The whole course on one page
toc: false
search: false
---

For printing, and for reading away from a screen: the print dialogue of any browser makes a PDF of it.

$$t$$

::: {#whole-course}
here
:::
"""  # the formula brings KaTeX along; both it and the word below are replaced


def markdown(id, s):
    return dict(cell_type="markdown", id=id, metadata={}, source=s)


def exported(cell):
    "The source that a cell exports, without directives; empty for hidden cells and for imports alone"
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
    first = re.match(r".{20,220}?[.:?!](?= |$)|.{1,220}", said)[0]
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
    colab = (
        git.replace("https://github.com", "https://colab.research.google.com/github")
        + f"/blob/main/nbs/{name}.ipynb"
    )
    first = f"In Colab, install the package first: !pip install git+{git}"
    run = f'[Open in Colab]({colab}){{.btn .btn-outline-primary .btn-sm title="{first}"}}'
    get = f'<a class="btn btn-outline-primary btn-sm" href="notebooks/{name}.ipynb" download>Download notebook</a>'
    return markdown("notebook-links", f"::: {{.notebook-links}}\n{run} {get}\n:::")


def only_imports():
    "Let nbdev run for the docs what is exported or imports alone; it would also run cells that import and do something with what came before"
    import nbdev.processors as p

    own = p._do_eval

    def wanted(cell):
        body = (cell.parsed_() or []) if cell.cell_type == "code" else []
        mixed = len({isinstance(n, (ast.Import, ast.ImportFrom)) for n in body}) > 1
        return own(cell) if "export" in cell.directives_ or not mixed else None

    p._do_eval = wanted


def weave(nb, proc):
    "nbdev's processed notebook, with the whole exported source where nbdev shows only its signature"
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
                head.search("".join(next(docs)["outputs"][0]["data"]["text/markdown"]))[0]
                for _ in names
            ]
            out.append(
                markdown(
                    c["id"],
                    "\n\n".join([*heads, "::: {.exported}\n```python\n" + code + "\n```\n:::"]),
                )
            )
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
    "`(notebook, module, [(qualified name, object, page#place)])` of each module, in the course's order"
    import importlib

    from ddpm_nb._modidx import d

    for nb in names:
        mod = "ddpm_nb." + re.sub(r"^\d+_", "", nb)
        syms = []
        for full in d["syms"].get(mod, {}):
            short = full[len(mod) + 1 :]
            if any(p.startswith("_") for p in short.split(".")):
                continue
            obj = importlib.import_module(mod)
            for p in short.split("."):
                obj = getattr(obj, p)
            syms.append((short, obj, f"{nb}.html#{short.lower()}"))
        consts = (
            [n for n in importlib.import_module(mod).__all__ if n not in {s for s, _, _ in syms}]
            if syms
            else []
        )
        if syms:
            yield nb, mod, syms, consts


def api_page(names):
    "Every public name, its first line, its parameters, and the place where the course builds it"
    import importlib
    import inspect

    from nbdev.showdoc import DocmentTbl

    out = [
        "---\ntitle: API\nsubtitle: Every public name of the package, from its docstrings and parameter comments\ntoc-depth: 2\n---\n",
        "Each name links to the place in the course where it is built, explained and tested. "
        "`from ddpm_nb.all import *` brings all but those of `cli` and `widgets`.\n",
    ]
    for nb, mod, syms, consts in public(names):
        out.append(
            f"## {mod}\n\n{(inspect.getdoc(importlib.import_module(mod)) or '').strip()} [The chapter]({nb}.ipynb).\n"
        )
        if consts:
            out.append("Constants: " + ", ".join(f"`{c}`" for c in consts) + ".\n")
        for short, obj, place in sorted(syms, key=lambda s: (s[0].split(".")[0], s[0])):
            page, at = place.split("#")
            sig = ""
            if callable(obj):
                with suppress(ValueError, TypeError):
                    sig = ", ".join(
                        p.name if p.kind < 2 or p.kind == 3 else "*" * (p.kind // 2) + p.name
                        for p in inspect.signature(obj).parameters.values()
                    )
                    sig = f"({sig})"
            doc = (inspect.getdoc(obj) or "").split("\n")[0]
            try:
                table = str(DocmentTbl(obj)._repr_markdown_()) if callable(obj) else ""
            except (ValueError, TypeError, AttributeError):
                table = ""
            head = f"### [`{short}`]({page.replace('.html', '.ipynb')}#{at}) {{#{short}}}"
            out.append(f"{head}\n\n`{short.split('.')[-1]}{sig}`\n\n{doc}\n\n{table}\n")
    return "\n".join(out)


def lead(site):
    "Links of the API page to places that a chapter lacks lead to the nearest that it has: a method's own name, its class, the top"
    p = site / "api.html"
    ids = {
        q.name: set(re.findall(r'\bid="([^"]+)"', q.read_text(encoding="utf-8")))
        for q in site.glob("*.html")
    }

    def nearest(m):
        page, at = m[1], m[2]
        tries = (at, at.split(".")[-1], at.split(".")[0])
        return f'href="{page}' + next((f'#{a}"' for a in tries if a in ids[page]), '"')

    p.write_text(
        re.sub(r'href="(\w+\.html)#([^"]+)"', nearest, p.read_text(encoding="utf-8")),
        encoding="utf-8",
    )


def print_page(site, names):
    "The body of print.html: what the chapters' pages hold, one after the other, places renamed so that none occurs twice"
    parts = []
    for n in names:
        s = (site / f"{n}.html").read_text(encoding="utf-8")
        body = re.search(r"<main\b[^>]*>(.*)</main>", s, re.S)[1]
        title = re.search(r'<h1 class="title">(.*?)</h1>', body, re.S)
        body = re.sub(r'<header id="title-block-header".*?</header>', "", body, flags=re.S)
        body = re.sub(
            r'<div class="notebook-links">.*?</div>|<nav class="page-navigation">.*?</nav>',
            "",
            body,
            flags=re.S,
        )
        body = re.sub(r'\bid="([^"]+)"', rf'id="{n}--\1"', body)
        body = re.sub(r'href="#([^"]+)"', rf'href="#{n}--\1"', body)
        body = re.sub(
            r'href="(\w+)\.html#([^"]+)"',
            lambda m: f'href="#{m[1]}--{m[2]}"' if m[1] in names else m[0],
            body,
        )
        body = re.sub(
            r'href="(\w+)\.html"', lambda m: f'href="#{m[1]}"' if m[1] in names else m[0], body
        )
        parts.append(
            f'<section class="print-chapter" id="{n}"><h1>{title[1] if title else n}</h1>\n{body}</section>'
        )
    return "\n".join(parts)


def sidebar_lines(s):
    "A chapter's line in the sidebar: its name, and below it, smaller, its question"

    def split(m):
        return f'{m[1]}{m[2]}<small class="menu-line">{m[3].strip()[:1].upper()}{m[3].strip()[1:]}</small></span>'

    s = re.sub(
        r'(<a [^>]*class="sidebar-item-text sidebar-link[^>]*><span class="menu-text">)([^<:]+):([^<]+)</span>',
        split,
        s,
    )
    return re.sub(r'(<li class="breadcrumb-item"><a [^>]*>)([^<:]+):[^<]+', r"\1\2", s)


def local(site, hosts, change=lambda s: s):
    "Rewrite what would be loaded from, or points to, a host to what lies in the site"
    # nbdev links to core.html, the page is 00_core.html
    page = {re.sub(r"^\d+[a-z]?_", "", p.stem): p.name for p in site.glob("*.html")}
    for p in site.rglob("*.html"):
        up = "../" * (len(p.relative_to(site).parts) - 1)
        s = re.sub(
            r'https?://[^"\']*?/katex(?:@[^/"\']*)?/dist/',
            f"{up}katex/",
            p.read_text(encoding="utf-8"),
        )
        for h in hosts:
            s = re.sub(re.escape(h) + r"/(\w+)\.html", lambda m: up + page[m[1]], s)
        p.write_text(change(s), encoding="utf-8")


def main():
    os.chdir(root)
    sys.path.insert(0, str(root))
    from nbdev.config import get_config
    from nbdev.serve import proc_nbs

    proc, site, c = root / "_proc", root / "_docs", get_config()
    for d in (proc, site):
        shutil.rmtree(d, ignore_errors=True)
    only_imports()
    proc_nbs(n_workers=0)
    nbs = sorted(p.stem for p in (root / "nbs").glob("*.ipynb"))
    course = [n for n in nbs if n[0].isdigit()]
    for n in nbs:
        p = proc / f"{n}.ipynb"
        nb = weave(read(root / "nbs" / p.name), read(p))
        p.write_text(
            json.dumps(nb if n == "index" else add_buttons(nb, n, c.git_url)), encoding="utf-8"
        )
    (proc / "api.qmd").write_text(api_page(course), encoding="utf-8")
    (proc / "print.qmd").write_text(PRINT, encoding="utf-8")
    shutil.copytree(root / "nbs" / "images", proc / "images", dirs_exist_ok=True)
    subprocess.run(
        [str(Path(sys.executable).parent / "smalldocs"), "render", "--quiet", "--strict", "_proc"],
        check=True,
    )
    out = next(p for p in (proc / "_docs", site) if p.is_dir())
    if out != site:
        shutil.move(out, site)
    shutil.copytree(root / "nbs" / "katex", site / "katex")
    (site / "notebooks").mkdir()
    for n in nbs:
        shutil.copy(root / "nbs" / f"{n}.ipynb", site / "notebooks")
    local(site, [c.doc_host.rstrip("/") + c.doc_baseurl.rstrip("/")], sidebar_lines)
    lead(site)
    p = site / "print.html"
    s = p.read_text(encoding="utf-8")
    whole = re.compile(
        r'<span class="math display">[^<]*</span>|(<div id="whole-course">)\s*<p>here</p>', re.S
    )
    s = whole.sub(lambda m: m[1] + print_page(site, course) if m[1] else "", s)
    p.write_text(s, encoding="utf-8")
    print(f"built {len(list(site.rglob('*.html')))} pages in {site.relative_to(root)}")


if __name__ == "__main__":
    main()
