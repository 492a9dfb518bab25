"""The playground as a person meets it: voila serves it on 127.0.0.1, a real Chromium moves its sliders and presses its buttons.

Needs Chromium (on Debian: apt-get install chromium) and the extra `playground`; without, everything here is skipped and says so."""

import importlib.util
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

import browser

root = Path(__file__).resolve().parent.parent
missing = [
    m
    for m in ("voila", "jupyterlab", "anywidget", "ipywidgets", "websocket")
    if not importlib.util.find_spec(m)
]
why = (
    "no Chromium here; on Debian: apt-get install chromium"
    if not browser.find()
    else f"not installed: {', '.join(missing)}"
)
pytestmark = pytest.mark.skipif(not browser.find() or bool(missing), reason=why)
# voila asks a font of icons from elsewhere, which no panel uses; the tests run without network
HARMLESS = ("fontawesome", "favicon")


@contextmanager
def serving(where, *args):
    "Run a server's module in the folder `where`; its address, once it answers"
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    env = {k: v for k, v in os.environ.items() if k != "DDPM_NB_STATIC"} | dict(
        OMP_NUM_THREADS="1", PYTHONPATH=str(root)
    )
    with tempfile.TemporaryFile("w+") as log:
        proc = subprocess.Popen(
            [sys.executable, "-m", *args, "--no-browser", f"--port={port}"],
            cwd=where,
            env=env,
            stdout=log,
            stderr=log,
        )

        def up():
            if proc.poll() is None:
                with socket.socket() as s:
                    return s.connect_ex(("127.0.0.1", port)) == 0
            log.seek(0)
            pytest.fail(f"{args[0]} ended: {log.read()[-2000:]}")

        end = time.monotonic() + 90
        while not up():
            if time.monotonic() > end:
                pytest.fail(f"{args[0]} did not start")
            time.sleep(0.2)
        try:
            yield f"http://127.0.0.1:{port}/"
        finally:
            proc.terminate()
            try:
                proc.wait(20)
            except subprocess.TimeoutExpired:
                proc.kill()
                proc.wait()


@pytest.fixture(scope="module")
def served():
    "The address of a voila that serves the playground"
    with serving(root, "voila", "nbs/playground.ipynb", "--Voila.ip=127.0.0.1") as url:
        yield url


@pytest.fixture(scope="module")
def page(served):
    "A browser with all six panels on show"
    with browser.Browser(timeout=120) as b:
        b.open(served)
        b.wait(
            "document.querySelectorAll('.ddpm-playground img').length == 6 && document.querySelectorAll('.pg-says').length == 6"
        )
        yield b


class Panel:
    "One panel of the page, as seen: its picture, its sentence, its controls"

    def __init__(self, page, name):
        self.page, self.sel = page, f".pg-{name}"

    @property
    def picture(self):
        return self.page.js(f"document.querySelector('{self.sel} img').src")

    @property
    def says(self):
        return self.page.js(f"document.querySelector('{self.sel} [role=status]').innerText")

    @property
    def wrong(self):
        return self.page.js(f"!!document.querySelector('{self.sel} .pg-error')")

    def control(self, label, inside):
        "Mark the control with this label, and return a selector of what is `inside` it"
        return self.mark(
            f"""(([...document.querySelectorAll('{self.sel} .widget-label')].find(e => e.innerText.trim() == '{label}')
            || document.body).parentElement.querySelector('{inside}'))""",
            f"control {label!r} with {inside}",
        )

    def mark(self, code, what):
        "Mark the element that `code` finds, and return a selector of it"
        ok = self.page.js(f"""(() => {{ const e = {code}; if (!e) return false; e.setAttribute('data-now', '');
            document.querySelectorAll('[data-now]').forEach(x => x === e || x.removeAttribute('data-now')); return true }})()""")
        assert ok, f"{self.sel} has no {what}"
        return "[data-now]"

    def slide(self, label, times, key="ArrowRight"):
        "Take hold of a slider's handle, and move it by keys"
        h = self.control(label, ".noUi-handle")
        self.page.click(h)
        self.page.js(f"document.querySelector('{h}').focus()")
        self.page.key(key, times)

    def shown(self, label):
        return self.page.js(
            f"document.querySelector('{self.control(label, '.widget-readout')}').innerText"
        )

    def choose(self, label, value):
        sel = self.control(label, "select")
        self.page.js(
            f"(() => {{ const e = document.querySelector('{sel}'); e.value = '{value}'; "
            "e.dispatchEvent(new Event('change', {bubbles: true})) })()"
        )

    def press(self, text):
        find = f"[...document.querySelectorAll('{self.sel} button')].find(e => e.innerText.trim().startsWith('{text}'))"
        self.page.click(self.mark(find, f"button {text!r}"))

    def until(self, pattern, timeout=60):
        "Wait until the sentence fits; the match"
        return self.page.until(
            lambda: re.search(pattern, self.says),
            f"{self.sel} to say {pattern!r}, it says {self.says!r}",
            timeout,
        )


def test_schedule_follows_its_sliders(page):
    from ddpm_nb.schedules import DDPMSchedules

    p = Panel(page, "schedule")
    before = p.picture
    assert p.shown("t") == "250" and p.says.startswith("t = 250 of 1000")
    t0 = time.monotonic()
    p.slide("t", 5)
    p.until("t = 255 of 1000")
    took = time.monotonic() - t0
    assert p.shown("t") == "255" and p.picture != before
    d = DDPMSchedules("cosine", 1000)
    assert f"SNR {d.snr[255]:.4g}" in p.says
    print(f"five key presses and the last picture: {took:.2f} s")
    before = p.picture
    p.choose("schedule", "linear")
    p.until(f"SNR {DDPMSchedules('linear', 1000).snr[255]:.4g}".replace(".", r"\."))
    assert p.picture != before and not p.wrong


def test_denoiser_gets_worse_with_t(page):
    p = Panel(page, "denoise")
    before = p.picture
    low = float(p.until(r"t = 400, .* PSNR ([\d.]+) dB, where")[1])
    p.slide("t", 3, "PageUp")
    high = p.until(r"t = (?!400)(\d+), .* PSNR ([\d.]+) dB, where")
    page.until(lambda: f"t = {p.shown('t')}," in p.says, "sentence and slider to agree")
    assert int(p.shown("t")) > 400 and p.picture != before and float(high[2]) < low + 3


def test_bench_samples_what_is_asked(page):
    p = Panel(page, "bench")
    before = p.picture
    page.type(p.control("seed", "input"), "5")
    p.press("Sample")
    p.until(r"dpmpp_2m, 10 steps, seed 5: 16 digits in [\d.]+ s")
    after = p.picture
    assert after != before and not p.wrong
    p.choose("method", "ddim")
    p.choose("label", "3")
    p.press("Sample")
    p.until("ddim, 10 steps, seed 5: 16 digits")
    assert p.picture != after


def test_trajectory_scrubs(page):
    p = Panel(page, "trajectory")
    at = int(re.match(r"Step (\d+) of 20", p.says)[1])
    before = p.picture
    p.slide("step", 2)
    p.until(f"Step {at + 2} of 20")
    assert p.shown("step") == str(at + 1) and p.picture != before  # the slider counts from 0


def pixel(page, x, y):
    "Red, green and blue of the canvas, at shares of its width and height"
    return page.js(
        f"""(() => {{ const c = document.querySelector('.pg-edit canvas');
            const d = c.getContext('2d').getImageData({x}*c.width, {y}*c.height, 1, 1).data;
            return [d[0], d[1], d[2]] }})()"""
    )


def test_drawing_is_edited(page):
    # a sentence, no traceback
    p = Panel(page, "edit")
    p.press("Clear")
    p.press("Go")
    p.until("canvas is empty")
    assert p.wrong
    before = p.picture
    page.drag(".pg-edit canvas", [(0.5, 0.2), (0.5, 0.4), (0.5, 0.6), (0.5, 0.8)])
    assert pixel(page, 0.5, 0.5)[0] > 200
    p.press("Go")
    p.until("varied with strength 0.50, 4 times")
    assert p.picture != before and not p.wrong
    before = p.picture
    p.press("Hole: right half")
    p.press("fill the hole")
    p.press("Go")
    p.until("hole of 512 pixels filled")
    assert p.picture != before
    # the eraser takes ink and hole away, and Python knows of both
    before = p.picture
    p.press("eraser")
    page.wait("!!document.querySelector('.pg-edit canvas[data-tool=eraser]')")
    page.drag(".pg-edit canvas", [(0.9, 0.2), (0.9, 0.8)])
    assert pixel(page, 0.9, 0.5) == [0, 0, 0]
    p.press("Go")
    filled = int(p.until(r"hole of (?!512)(\d+) pixels filled")[1])
    assert 300 < filled < 500
    page.drag(".pg-edit canvas", [(0.4, 0.5), (0.6, 0.5)])
    assert pixel(page, 0.5, 0.5) == [0, 0, 0]
    p.press("Go")
    p.until(rf"hole of (?!512|{filled})\d+ pixels filled")


def test_training_runs_beside_the_others(page):
    p, other = Panel(page, "live"), Panel(page, "schedule")
    blank = p.picture
    p.press("Train")
    p.until(r"[1-9]\d* steps, \d+ images/s, loss [\d.]+", 120)
    assert p.picture != blank
    before = other.picture
    t = int(other.shown("t"))
    t0 = time.monotonic()
    other.slide("t", 1)
    other.until(f"t = {t + 1} of")
    assert other.picture != before
    print(f"a slider while training: {time.monotonic() - t0:.2f} s")
    p.press("Stop")
    p.until("steps, .* Done")
    seen = p.says
    time.sleep(1.5)
    assert p.says == seen  # it did stop


def test_no_console_error_and_no_traceback(page):
    assert page.errors(HARMLESS) == []
    assert page.js("document.body.innerText.includes('Traceback')") is False


def test_on_a_phone(served):
    "At 400 pixels nothing sticks out to the right"
    with browser.Browser(400, 800, timeout=120) as b:
        b.open(served)
        b.wait("document.querySelectorAll('.ddpm-playground img').length == 6")
        edges = "[...document.querySelectorAll('.ddpm-playground img, .ddpm-playground canvas')].map(e => e.getBoundingClientRect().right)"
        assert max(b.js(edges)) <= 400


def test_in_jupyterlab(tmp_path):
    "Opened in JupyterLab and run from its menu, a copy of the notebook shows living panels, and its picture follows the slider"
    shutil.copy(root / "nbs" / "playground.ipynb", tmp_path)
    # all cells stay in the page, on screen or not
    quiet = {
        "notebook-extension/tracker": dict(windowingMode="none"),
        "apputils-extension/notification": dict(fetchNews="false", checkForUpdates=False),
    }
    for name, settings in quiet.items():
        f = tmp_path / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        f.parent.mkdir(parents=True)
        f.write_text(json.dumps(settings))
    where = [
        "--ServerApp.ip=127.0.0.1",
        "--IdentityProvider.token=",
        f"--ServerApp.root_dir={tmp_path}",
        "--allow-root",
        f"--LabApp.user_settings_dir={tmp_path / 'settings'}",
    ]
    with (
        serving(tmp_path, "jupyterlab", *where) as url,
        browser.Browser(1280, 900, timeout=90) as b,
    ):
        b.open(f"{url}lab/tree/playground.ipynb")
        b.wait(
            "document.querySelectorAll('.jp-Notebook .jp-Cell').length > 3 && !document.querySelector('#jupyterlab-splash')"
        )
        # into the notebook, which then is the current one
        b.click(".jp-Notebook .jp-Cell .jp-InputArea-prompt")
        # its kernel is there
        b.wait("document.querySelector('#jp-main-statusbar').innerText.includes('| Idle')")

        def item(sel, text):
            return (
                f"[...document.querySelectorAll('{sel}')].find(e => e.innerText.trim() == '{text}')"
            )

        lab = Panel(b, "schedule")
        for sel, text in (
            (".lm-MenuBar-itemLabel", "Run"),
            (".lm-Menu-itemLabel", "Run All Cells"),
        ):
            b.wait(f"!!({item(sel, text)})")
            b.click(lab.mark(item(sel, text), text))
        b.wait(
            "document.querySelectorAll('.ddpm-playground img').length == 6 && !!document.querySelector('.pg-schedule .noUi-handle')"
        )
        b.wait("document.querySelector('#jp-main-statusbar').innerText.includes('| Idle')")
        before = lab.picture
        lab.slide("t", 3)
        lab.until("t = 253 of 1000")
        assert lab.picture != before
        assert (
            b.js("document.querySelector('.jp-Notebook').innerText.includes('Traceback')") is False
        )
