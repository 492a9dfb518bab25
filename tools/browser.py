"""The system's Chromium, driven by playwright: real mouse and key events, no browser download.

Tests, `check_site.py` and `screenshots.py` use it. `find` works without playwright."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = """--disable-gpu --disable-quic --no-first-run --disable-background-networking
    --disable-component-update --disable-sync --disable-dev-shm-usage --hide-scrollbars""".split()

# a WebGPU that needs no graphics card
WEBGPU = """--enable-unsafe-webgpu --use-webgpu-adapter=swiftshader
    --enable-features=Vulkan""".split()


def find() -> str | None:
    "The path of a Chromium, or None"
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@contextmanager
def chromium() -> Iterator["Browser"]:
    "A headless browser; `browser.new_page(viewport=dict(width=…, height=…))` has a fresh profile"
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find(), args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


def collect_errors(page: "Page") -> list[str]:
    "A list that fills with the page's console errors and the exceptions that nobody catches"
    errors: list[str] = []

    def on_console(message: "ConsoleMessage"):
        if message.type == "error":
            errors.append(f"{message.text} {message.location['url']}")

    page.on("console", on_console)
    page.on("pageerror", lambda error: errors.append(str(error)))
    return errors
