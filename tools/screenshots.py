"""Pictures of every page of the built site, to be looked at.

At 400 and 1280 pixels, light, and at 1280 dark. Also says which pages are wider than the window.
"""

import argparse
import sys
from pathlib import Path

import browser

root = Path(__file__).resolve().parent.parent
SIZES = ((400, "light"), (1280, "light"), (1280, "dark"))


def look_at(page, b, out, width, mode) -> bool:
    "Keep a picture of a page; whether it is wider than the window"
    name = page.relative_to(root / "_docs").with_suffix("").as_posix()
    b.open(page.as_uri())
    b.js("new Promise(r => setTimeout(r, 400))")
    wide = b.js("document.documentElement.scrollWidth")
    if wide > width:
        print(f"{name}: {wide} pixels wide in a window of {width}")
    if name != "print":
        b.shot(out / f"{name.replace('/', '-')}-{width}-{mode}.png", full=True)
    return wide > width


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where to write them")
    parser.add_argument("page", nargs="*", help="such as 03_unet; default: all")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    bad = 0
    for width, mode in SIZES:
        with browser.Browser(width, 900) as b:
            features = [dict(name="prefers-color-scheme", value=mode)]
            b.call("Emulation.setEmulatedMedia", features=features)
            for page in sorted((root / "_docs").rglob("*.html")):
                if not args.page or page.stem in args.page:
                    bad += look_at(page, b, args.folder, width, mode)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
