"""The site's pages under axe-core: no serious violation at two widths.

`axe.py [PAGE …]`, by default the course and the pages beside it; not those of `lib`, which are made
in the same way and take minutes, nor the one for printing, which is the course once more. axe-core
comes from npm, pinned by version and hash, and is kept in a cache; nothing of it is committed.
"""

import argparse
import base64
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import browser

ROOT = Path(__file__).resolve().parent.parent
SITE = ROOT / "_docs"
VERSION = "4.14.1"
SHA512 = "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ=="
WIDTHS = (400, 1280)
GRAVE = ("serious", "critical")
RUN = """async () => (await axe.run(document, {resultTypes: ['violations']})).violations
    .map(v => ({id: v.id, impact: v.impact, help: v.help,
                where: v.nodes.slice(0, 3).map(n => n.target.join(' ')), n: v.nodes.length}))"""


class Unreachable(Exception):
    "npm or the package is not within reach; the message says which"


def fetch() -> Path:
    "The file axe.min.js; raises `Unreachable`"
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    script = Path(base) / "ddpm_nb" / f"axe-core-{VERSION}" / "axe.min.js"
    if script.is_file():
        return script
    npm = shutil.which("npm")
    if not npm:
        raise Unreachable("no npm here")
    with tempfile.TemporaryDirectory() as tmp:
        pack = [npm, "pack", f"axe-core@{VERSION}", "--silent"]
        try:
            subprocess.run(pack, cwd=tmp, check=True, capture_output=True, timeout=300)
        except (OSError, subprocess.SubprocessError) as e:
            raise Unreachable(f"npm could not fetch axe-core {VERSION}") from e
        archive = next(Path(tmp).glob("*.tgz"))
        digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        if digest != SHA512:
            sys.exit(f"axe-core {VERSION}: the archive's hash is {digest}, not the pinned one")
        with tarfile.open(archive) as files:
            member = files.extractfile("package/axe.min.js")
            assert member
            script.parent.mkdir(parents=True, exist_ok=True)
            part = script.with_suffix(f".{os.getpid()}")
            part.write_bytes(member.read())
            part.replace(script)
    return script


def violations(tab, page: Path, script: Path) -> list[str]:
    "The serious violations of a page, a sentence each"
    tab.goto(page.as_uri())
    tab.add_script_tag(path=script)
    return [
        f"{v['id']} ({v['impact']}, {v['n']} places, such as {v['where'][0]}): {v['help']}"
        for v in tab.evaluate(RUN)
        if v["impact"] in GRAVE
    ]


def main(names) -> int:
    try:
        script = fetch()
    except Unreachable as e:
        print(f"   skipped: {e}")
        return 0
    if names:
        pages = [p for p in sorted(SITE.rglob("*.html")) if p.stem in names]
    else:
        pages = [p for p in sorted(SITE.glob("*.html")) if p.stem != "print"]
    bad = 0
    with browser.chromium() as chromium:
        for width in WIDTHS:
            tab = chromium.new_page(viewport={"width": width, "height": 900}, offline=True)
            for page in pages:
                for what in violations(tab, page, script):
                    print(f"{page.relative_to(SITE).as_posix()}, {width} pixels: {what}")
                    bad += 1
            tab.close()
    print(f"{len(pages)} pages at {len(WIDTHS)} widths: {bad} serious violations")
    return min(bad, 1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page", nargs="*", help="such as 03_unet; default: all")
    sys.exit(main(parser.parse_args().page))
