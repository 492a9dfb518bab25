"""Check the built site in _docs; `make docs` builds it.

Every internal link leads somewhere, nothing is loaded from elsewhere, every figure and formula is
there, every figure has an alternative text, every public name is on the API page, every chapter on
the printable one, and there is a dark theme. Where Chromium is installed, it also opens every page
without network and counts the formulas it drew.
"""

import importlib
import json
import re
import subprocess
import sys
import tempfile
from html import unescape
from pathlib import Path
from urllib.parse import unquote, urlsplit

import browser
from build_docs import NBS, course, engineering, notebooks, root

SITE = root / "_docs"
LOADS = set("link script img iframe source video audio embed object image use".split())
CHROMIUM = """--headless --no-sandbox --disable-gpu --disable-quic --no-first-run
    --disable-background-networking --disable-component-update --disable-sync
    --virtual-time-budget=6000 --dump-dom""".split()


def name_of(p: Path) -> str:
    return p.relative_to(SITE).as_posix()


def check_links(p, s, ids, bad):
    "Check the links of one page; the number of links"
    n = 0
    for tag, attrs in re.findall(r'<([a-z][\w-]*)\b((?:[^>"\']|"[^"]*"|\'[^\']*\')*)>', s):
        for _, url in re.findall(
            r'\b(?:href|src|data-src|poster|srcset|xlink:href)\s*=\s*(["\'])(.*?)\1', attrs
        ):
            n += 1
            if wrong := broken(p, tag, unescape(url), ids):
                bad.append(f"{name_of(p)}: {wrong}")
    if m := re.search(r'import\s[^;]*?from\s*[\'"]https?://[^\'"]*', s):
        bad.append(f"{name_of(p)}: {m[0][:80]} loads from elsewhere")
    return n


def broken(p, tag, url, ids) -> str | None:
    "What is wrong with one link"
    u = urlsplit(url)
    if u.scheme in ("data", "mailto", "javascript"):
        return None
    if u.scheme or u.netloc:
        return f"<{tag}> loads {url[:80]} from elsewhere" if tag in LOADS else None
    q = (p.parent / unquote(u.path)).resolve() if u.path else p
    if q.is_dir():
        q = q / "index.html"
    if not q.is_file():
        return f"{url} does not exist"
    if u.fragment and q in ids and unquote(u.fragment) not in ids[q]:
        return f"{url} has no such place"
    return None


def check_styles(bad):
    "Stylesheets load nothing from elsewhere either, and the fonts they name are there"
    for p in SITE.rglob("*.css"):
        for url in re.findall(
            r'(?:@import\s+|url\()\s*["\']?([^"\')\s;]+)', p.read_text(encoding="utf-8")
        ):
            if url.startswith(("data:", "#")):
                continue
            if urlsplit(url).netloc:
                bad.append(f"{name_of(p)}: loads {url[:80]} from elsewhere")
            elif url.endswith(".woff2") and not (p.parent / urlsplit(url).path).is_file():
                bad.append(f"{name_of(p)}: {url} does not exist")


def stored(name):
    "`(figures, formulas, headings)` of a notebook's visible cells"
    cells = json.loads((NBS / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    figures = formulas = 0
    headings = []
    for c in cells:
        src = "".join(c["source"])
        if c["cell_type"] == "markdown":
            formulas += len(re.findall(r"\$\$", re.sub(r"`[^`]*`", "", src))) // 2
            headings += re.findall(r"^#{2,3} +([\w ,\'?!-]+)$", src, re.M)
        elif not re.search(r"^#\|\s*(hide|export|include: false|output: false)\b", src, re.M):
            figures += sum(
                any(k.startswith("image/") for k in o.get("data", {})) for o in c["outputs"]
            )
    return figures, formulas, headings


def check_notebook(name, pages, bad) -> int:
    "Check that a page shows what its notebook holds; the number of its formulas"
    p = SITE / f"{name}.html"
    if p not in pages:
        bad.append(f"{name}: has no page")
        return 0
    figures, formulas, headings = stored(name)
    flat = unescape(re.sub(r"<[^>]+>", "", pages[p])).replace("’", "'")
    if re.match(r"0[1-8]_", name) and not (figures and formulas):
        bad.append(f"{name}: a chapter without figures or without formulas")
    if (k := pages[p].count("<img")) < figures:
        bad.append(f"{name}: {figures} figures in the notebook, {k} on the page")
    if formulas and "katex/katex.min.js" not in pages[p]:
        bad.append(f"{name}: formulas, but no KaTeX")
    if name != "index" and f'notebooks/{name}.ipynb" download' not in pages[p]:
        bad.append(f"{name}: no button to download the notebook")
    lost = [h for h in headings if h.strip().replace("`", "") not in flat]
    bad += [f"{name}: the heading {h!r} is missing" for h in lost]
    return formulas


def check_looks(pages, bad):
    "Alternative texts and the dark theme"
    for p, s in pages.items():
        for img in re.findall(r"<img\b[^>]*>", s):
            if not re.search(r'\balt="[^"]{5,}"', img):
                bad.append(f"{name_of(p)}: a figure without alternative text: {img[:60]}")
        if not re.search(r"<link[^>]*(?:darkly|dark)[^>]*>", s):
            bad.append(f"{name_of(p)}: no dark theme")


def check_api(pages, bad) -> int:
    "Check that every public name of every module is on the API page; how many there are"
    from ddpm_nb._modidx import d

    api, names = unescape(pages.get(SITE / "api.html", "")), set()
    for module in d["syms"]:
        m = importlib.import_module(module)
        for n in m.__all__ if d["syms"][module] else ():
            o = getattr(m, n)
            if callable(o) and str(getattr(o, "__module__", "")).startswith("ddpm_nb"):
                names.add(n)
    bad += [f"api.html: {n} is missing" for n in sorted(names) if f"<code>{n}</code>" not in api]
    return len(names)


def check_print(pages, names, bad):
    "The printable page holds the course, and nothing but the course"
    whole = pages.get(SITE / "print.html", "")
    for n in names:
        if (f'<section class="print-chapter" id="{n}"' in whole) != (n in course(names)):
            bad.append(f"print.html: {n} is {'missing' if n in course(names) else 'there'}")


def check_order(pages, names, bad):
    "The sidebar holds every notebook once: the course in its order, then the engineering"
    order = [
        h.removesuffix(".html")
        for h in re.findall(r'href="([^"#]+)" class="sidebar-item-text', pages[SITE / "index.html"])
    ]
    lib = [n for rows in engineering(names).values() for n in rows]
    beyond = [n for n in names if n not in {*course(names), *lib, "index", "playground"}]
    ranks = dict.fromkeys(("index", "playground"), 0) | dict.fromkeys(course(names), 1)
    ranks |= dict.fromkeys([*beyond, "api"], 2) | dict.fromkeys(lib, 3)
    if sorted(order) != sorted(ranks):
        lost, odd = set(ranks) - set(order), set(order) - set(ranks)
        bad.append(f"sidebar: without {sorted(lost)}, with {sorted(odd)} or one of them twice")
    elif [ranks[n] for n in order] != sorted(ranks.values()):
        bad.append(f"sidebar: {' '.join(order)}; expected the course, more, and the engineering")
    if [n for n in order if n in course(names)] != course(names):
        bad.append(f"sidebar: {' '.join(order)}; expected the order of the course")


def draws(name, formulas) -> str | None:
    "What is wrong with a page in a browser without network"
    with tempfile.TemporaryDirectory() as t:
        cmd = [
            browser.find(),
            *CHROMIUM,
            "--host-resolver-rules=MAP * ~NOTFOUND",
            f"--user-data-dir={t}",
            (SITE / f"{name}.html").as_uri(),
        ]
        r = subprocess.run(cmd, capture_output=True, text=True, timeout=120)
    n = len(re.findall(r'class="katex-display"', r.stdout))
    if m := re.search(r'katex-error" title="[^"]{0,200}|color:\s*#cc0000[^>]*>[^<]*', r.stdout):
        return f"{name}.html: a formula that KaTeX does not understand: {m[0]}"
    if n < formulas:
        return f"{name}.html: {formulas} displayed formulas in the notebook, {n} drawn"
    return None


def main():
    pages = {p: p.read_text(encoding="utf-8") for p in SITE.rglob("*.html")}
    if not pages:
        sys.exit("no site in _docs; build it with: make docs")
    ids = {
        p: {unescape(i) for i in re.findall(r'\b(?:id|name)="([^"]+)"', s)}
        for p, s in pages.items()
    }
    bad = []
    names = notebooks()
    n = sum(check_links(p, s, ids, bad) for p, s in pages.items())
    check_styles(bad)
    formulas = {name: check_notebook(name, pages, bad) for name in names}
    check_looks(pages, bad)
    count = check_api(pages, bad)
    check_print(pages, names, bad)
    check_order(pages, names, bad)
    if browser.find() and not bad:
        found = [draws(m, k) for m, k in formulas.items() if k]
        bad += [f for f in found if f]
    if bad:
        sys.exit("\n".join(["broken site:", *bad]))
    looked = "drawn by a browser without network"
    if not browser.find():
        looked = "not looked at in a browser, for there is none"
    total = sum(formulas.values())
    print(f"{len(pages)} pages, {n} links, {total} formulas, {count} public names; {looked}")


if __name__ == "__main__":
    main()
