"""Every internal link of the built site leads somewhere, nothing is loaded from elsewhere, every figure and formula is there,
every figure has an alternative text, every public name is on the API page, every chapter on the printable one, and there is a dark theme.
Where Chromium is installed, it also opens every page without network and counts what it drew."""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from html import unescape
from pathlib import Path
from urllib.parse import unquote, urlsplit

root = Path(__file__).resolve().parent.parent
site, nbs = root / "_docs", root / "nbs"
LOADS = (
    "link",
    "script",
    "img",
    "iframe",
    "source",
    "video",
    "audio",
    "embed",
    "object",
    "image",
    "use",
)


def links(p, s, ids, bad):
    "Check the links of one page; the number of links"
    n = 0
    for tag, attrs in re.findall(r'<([a-z][\w-]*)\b((?:[^>"\']|"[^"]*"|\'[^\']*\')*)>', s):
        for _, url in re.findall(
            r'\b(?:href|src|data-src|poster|srcset|xlink:href)\s*=\s*(["\'])(.*?)\1', attrs
        ):
            u = urlsplit(unescape(url))
            n += 1
            if u.scheme in ("data", "mailto", "javascript"):
                continue
            if u.scheme or u.netloc:
                if tag in LOADS:
                    bad.append(f"{p.name}: <{tag}> loads {url[:80]} from elsewhere")
                continue
            q = (p.parent / unquote(u.path)).resolve() if u.path else p
            if q.is_dir():
                q = q / "index.html"
            if not q.is_file():
                bad.append(f"{p.name}: {url} does not exist")
            elif u.fragment and q in ids and unquote(u.fragment) not in ids[q]:
                bad.append(f"{p.name}: {url} has no such place")
    if m := re.search(r'import\s[^;]*?from\s*[\'"]https?://[^\'"]*', s):
        bad.append(f"{p.name}: {m[0][:80]} loads from elsewhere")
    return n


def styles(bad):
    "Stylesheets load nothing from elsewhere either, and the fonts they name are there"
    for p in site.rglob("*.css"):
        for url in re.findall(
            r'(?:@import\s+|url\()\s*["\']?([^"\')\s;]+)', p.read_text(encoding="utf-8")
        ):
            if url.startswith(("data:", "#")):
                continue
            if urlsplit(url).netloc:
                bad.append(f"{p.relative_to(site)}: loads {url[:80]} from elsewhere")
            elif url.endswith(".woff2") and not (p.parent / urlsplit(url).path).is_file():
                bad.append(f"{p.relative_to(site)}: {url} does not exist")


def stored(name):
    "`(figures, formulas, text that must not be lost)` of a notebook's visible cells"
    cells = json.loads((nbs / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    figs = maths = 0
    words = []
    for c in cells:
        src = "".join(c["source"])
        if c["cell_type"] == "markdown":
            maths += len(re.findall(r"\$\$", re.sub(r"`[^`]*`", "", src))) // 2
            words += re.findall(r"^#{2,3} +([\w ,\'?!-]+)$", src, re.M)
        elif not re.search(r"^#\|\s*(hide|export|include: false|output: false)\b", src, re.M):
            figs += sum(
                any(k.startswith("image/") for k in o.get("data", {})) for o in c["outputs"]
            )
    return figs, maths, words


def browser():
    return shutil.which("chromium") or shutil.which("google-chrome")


def extras(pages, bad):
    "Alternative texts, API page, printable page, dark theme"
    for p, s in pages.items():
        for img in re.findall(r"<img\b[^>]*>", s):
            if not re.search(r'\balt="[^"]{5,}"', img):
                bad.append(f"{p.name}: a figure without alternative text: {img[:60]}")
        if not re.search(r"<link[^>]*(?:darkly|dark)[^>]*>", s):
            bad.append(f"{p.name}: no dark theme")
    sys.path.insert(0, str(root))
    import ddpm_nb.all as a

    def ours(o):
        return (
            callable(o) and hasattr(o, "__qualname__") and str(o.__module__).startswith("ddpm_nb")
        )

    own = [n for n in a.__all__ if ours(getattr(a, n))]
    api = unescape(pages.get(site / "api.html", ""))
    bad += [f"api.html: {n} is missing" for n in own if f"<code>{n}</code>" not in api]
    whole = pages.get(site / "print.html", "")
    bad += [
        f"print.html: {n} is missing"
        for n in (p.stem for p in sorted(nbs.glob("[0-9]*.ipynb")))
        if f'id="{n}"' not in whole
    ]
    return len(own)


def draws(name, maths):
    "What is wrong with a page in a browser without network"
    flags = (
        "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update "
        "--disable-sync --virtual-time-budget=6000 --dump-dom"
    ).split()
    with tempfile.TemporaryDirectory() as t:
        cmd = [
            browser(),
            *flags,
            "--host-resolver-rules=MAP * ~NOTFOUND",
            f"--user-data-dir={t}",
            (site / f"{name}.html").as_uri(),
        ]
        r = subprocess.run(cmd, capture_output=True, text=True, timeout=120)
    n = len(re.findall(r'class="katex-display"', r.stdout))
    if m := re.search(r'katex-error" title="[^"]{0,200}|color:\s*#cc0000[^>]*>[^<]*', r.stdout):
        return f"{name}.html: a formula that KaTeX does not understand: {m[0]}"
    if n < maths:
        return f"{name}.html: {maths} displayed formulas in the notebook, {n} drawn"


def main():
    pages = {p: p.read_text(encoding="utf-8") for p in site.rglob("*.html")}
    if not pages:
        sys.exit("no site in _docs; build it with: make docs")
    ids = {
        p: set(unescape(i) for i in re.findall(r'\b(?:id|name)="([^"]+)"', s))
        for p, s in pages.items()
    }
    bad = []
    n = sum(links(p, s, ids, bad) for p, s in pages.items())
    styles(bad)
    names = sorted(p.stem for p in nbs.glob("*.ipynb"))
    maths = {}
    for name in names:
        p = site / f"{name}.html"
        if p not in pages:
            bad.append(f"{name}: has no page")
            continue
        figs, maths[name], words = stored(name)
        flat = unescape(re.sub(r"<[^>]+>", "", pages[p])).replace("’", "'")
        if re.match(r"0[1-8]_", name) and not (figs and maths[name]):
            bad.append(f"{name}: a chapter without figures or without formulas")
        if (k := pages[p].count("<img")) < figs:
            bad.append(f"{name}: {figs} figures in the notebook, {k} on the page")
        if maths[name] and "katex/katex.min.js" not in pages[p]:
            bad.append(f"{name}: formulas, but no KaTeX")
        bad += [
            f"{name}: the heading {w!r} is missing"
            for w in words
            if w.strip().replace("`", "") not in flat
        ]
    order = [
        Path(h).stem
        for h in re.findall(r'href="([^"#]+)" class="sidebar-item-text', pages[site / "index.html"])
    ]
    want = [
        "index",
        "playground",
        *[m for m in names if m[0].isdigit()],
        "to_diffusers",
        "scaling_up",
        "api",
    ]
    count = extras(pages, bad)
    if order != want:
        bad.append(
            f"sidebar: {' '.join(order)}; expected the order of the course: {' '.join(want)}"
        )
    if browser() and not bad:
        bad += [b for m in names if maths.get(m) and (b := draws(m, maths[m]))]
    if bad:
        sys.exit("\n".join(["broken site:", *bad]))
    print(
        f"{len(pages)} pages, {n} links, {sum(maths.values())} formulas, {count} public names, all good; "
        + (
            "drawn by a browser without network"
            if browser()
            else "not looked at in a browser, for there is none"
        )
    )


if __name__ == "__main__":
    main()
