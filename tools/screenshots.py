"""Screenshots of every page of the built site, to be looked at.

At 400 and 1280 pixels, light, and at 1280 dark. Also says which pages are wider than the window.
"""

import argparse
import sys
from pathlib import Path
from typing import Literal

import browser

root = Path(__file__).resolve().parent.parent
SIZES: tuple[tuple[int, Literal["light", "dark"]], ...] = (
    (400, "light"),
    (1280, "light"),
    (1280, "dark"),
)


def look_at(tab, page, out, width, mode) -> bool:
    "Keep an image of a page; whether it is wider than the window"
    name = page.relative_to(root / "_docs").with_suffix("").as_posix()
    tab.goto(page.as_uri())
    tab.wait_for_timeout(400)
    wide = tab.evaluate("document.documentElement.scrollWidth")
    if wide > width:
        print(f"{name}: {wide} pixels wide in a window of {width}")
    if name != "print":
        file = out / f"{name.replace('/', '-')}-{width}-{mode}.png"
        tab.screenshot(path=file, full_page=True)
    return wide > width


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where to write them")
    parser.add_argument("page", nargs="*", help="such as 03_unet; default: all")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    bad = 0
    with browser.chromium() as chromium:
        for width, mode in SIZES:
            tab = chromium.new_page(
                viewport={"width": width, "height": 900}, color_scheme=mode, offline=True
            )
            for page in sorted((root / "_docs").rglob("*.html")):
                if not args.page or page.stem in args.page:
                    bad += look_at(tab, page, args.folder, width, mode)
            tab.close()
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
