"""Pictures of every page of the built site, to be looked at.

At 400 and 1280 pixels, light, and at 1280 dark. Also says which pages are wider than the window."""

import argparse
import sys
from pathlib import Path

root = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(root / "tests"))
import browser

p = argparse.ArgumentParser(description=__doc__)
p.add_argument("folder", type=Path, help="where to write them")
p.add_argument("page", nargs="*", help="such as 03_unet; default: all")
a = p.parse_args()
out, only = a.folder, a.page
out.mkdir(parents=True, exist_ok=True)
bad = 0
for width, mode in ((400, "light"), (1280, "light"), (1280, "dark")):
    with browser.Browser(width, 900) as b:
        b.call(
            "Emulation.setEmulatedMedia", features=[dict(name="prefers-color-scheme", value=mode)]
        )
        for p in sorted((root / "_docs").glob("*.html")):
            if only and p.stem not in only:
                continue
            b.open(p.as_uri())
            b.js("new Promise(r => setTimeout(r, 400))")
            wide = b.js("document.documentElement.scrollWidth")
            bad += wide > width
            if wide > width:
                print(f"{p.name}: {wide} pixels wide in a window of {width}")
            if p.stem != "print":
                b.shot(out / f"{p.stem}-{width}-{mode}.png", full=True)
sys.exit(1 if bad else 0)
