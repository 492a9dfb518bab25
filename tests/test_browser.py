"""The playground as a person meets it: served by voila on 127.0.0.1, used in a real Chromium.

Needs Chromium (on Debian: apt-get install chromium), playwright and the extra `playground`;
without, everything here is skipped and says so.
"""

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
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

import browser

root = Path(__file__).resolve().parent.parent
needed = ("voila", "jupyterlab", "anywidget", "ipywidgets", "playwright")
missing = [name for name in needed if not importlib.util.find_spec(name)]
why = f"not installed: {', '.join(missing)}"
if not browser.find():
    why = "no Chromium here; on Debian: apt-get install chromium"
pytestmark = pytest.mark.skipif(not browser.find() or bool(missing), reason=why)
# voila asks a font of icons from elsewhere, which no panel uses; the tests run without network
# and tries extensions of JupyterLab that other packages bring (nbgrader, notebook), in vain
HARMLESS = ("fontawesome", "favicon", "nbgrader", "@jupyter-notebook/lab-extension")
SECONDS = 1000  # playwright counts milliseconds


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


VOILA = ("voila", "nbs/playground.ipynb", "--Voila.ip=127.0.0.1")
VOILA += ("--config", "tools/voila_config.py")  # as `make playground` does


def kernels():
    "The kernels that servers of this process run"
    import psutil  # ipykernel brings it along

    found = set()
    for p in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):  # it ended, or is about to
            if any("ipykernel" in word for word in p.cmdline()):
                found.add(p.pid)
    return found


def test_kernels_that_nobody_uses_end():
    "The config is read: without it a kernel stays for ever"
    soon = [f"--MappingKernelManager.cull_{name}" for name in ("idle_timeout=3", "interval=1")]
    before = kernels()
    with serving(root, *VOILA, *soon) as url:
        with urllib.request.urlopen(url, timeout=120) as page:
            page.read()  # a reader who leaves without a word
        assert kernels() - before
        end = time.monotonic() + 60
        while kernels() - before and time.monotonic() < end:
            time.sleep(0.5)
        assert not kernels() - before


@pytest.fixture(scope="module")
def served():
    "The address of a voila that serves the playground"
    with serving(root, *VOILA) as url:
        yield url


@pytest.fixture(scope="module")
def chromium():
    "A browser for all tests of this module"
    with browser.chromium() as b:
        yield b


def new_page(chromium, width, height, seconds=120):
    "A page of its own profile that waits so long for what it is asked for"
    page = chromium.new_page(viewport=dict(width=width, height=height))
    page.set_default_timeout(seconds * SECONDS)
    return page


def wait_for_count(page, selector, count, seconds=120):
    "Wait until so many elements are there"
    from playwright.sync_api import expect

    expect(page.locator(selector)).to_have_count(count, timeout=seconds * SECONDS)


@pytest.fixture(scope="module")
def opened(chromium, served):
    "A page with all six panels on show, and a list of the errors in its console"
    page = new_page(chromium, 1280, 900)
    errors = browser.collect_errors(page)
    page.goto(served)
    wait_for_count(page, ".ddpm-playground img", 6)
    wait_for_count(page, ".pg-says", 6)
    yield page, errors
    page.close()


@pytest.fixture(scope="module")
def page(opened):
    "A page with all six panels on show"
    return opened[0]


class Panel:
    "One panel of the page, as seen: its image, its sentence, its controls"

    def __init__(self, page, name):
        self.page = page
        self.root = page.locator(f".pg-{name}")
        self.status = self.root.get_by_role("status")

    @property
    def image(self):
        "The image on show, as a data URL"
        return self.root.locator("img").get_attribute("src")

    @property
    def says(self):
        "The sentence under it"
        return self.status.inner_text()

    @property
    def is_wrong(self):
        "Whether that is an error"
        return self.root.locator(".pg-error").count() > 0

    def control(self, label, inside):
        "What is `inside` the control with this label"
        exactly = re.compile(rf"^\s*{re.escape(label)}\s*$")
        labels = self.root.locator(".widget-label").filter(has_text=exactly)
        return labels.first.locator("xpath=..").locator(inside)

    def slide(self, label, times, key="ArrowRight"):
        "Take hold of a slider's handle, and move it by keys"
        handle = self.control(label, ".noUi-handle")
        handle.click()
        handle.focus()
        for _ in range(times):
            self.page.keyboard.press(key)

    def shown(self, label):
        "The number beside a slider"
        return self.control(label, ".widget-readout").inner_text()

    def choose(self, label, value):
        "Choose from a drop-down list"
        self.control(label, "select").select_option(value)

    def type(self, label, text):
        "Replace what is in an input field, and leave it"
        field = self.control(label, "input")
        field.fill(text)
        field.press("Enter")
        field.blur()

    def press(self, text):
        "Press the button whose text starts so"
        starts = re.compile(rf"^\s*{re.escape(text)}")
        self.root.locator("button").filter(has_text=starts).first.click()

    def until(self, pattern, timeout=60):
        "Wait until the sentence fits; the match"
        from playwright.sync_api import expect

        expect(self.status).to_have_text(re.compile(pattern), timeout=timeout * SECONDS)
        found = re.search(pattern, self.says)
        assert found, self.says
        return found

    def draw(self, points):
        "Draw on the canvas with the mouse, through points given as shares of its size"
        canvas = self.root.locator("canvas")
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
        self.page.mouse.move(*places[0])
        self.page.mouse.down()
        for place in places[1:]:
            self.page.mouse.move(*place)
        self.page.mouse.up()

    def pixel(self, x, y):
        "Red, green and blue of the canvas, at shares of its width and height"
        code = """(c, [x, y]) => {
            const d = c.getContext('2d').getImageData(x*c.width, y*c.height, 1, 1).data;
            return [d[0], d[1], d[2]] }"""
        return self.root.locator("canvas").evaluate(code, [x, y])


def test_schedule_follows_its_sliders(page):
    from ddpm_nb.schedules import DDPMSchedules

    p = Panel(page, "schedule")
    before = p.image
    assert p.shown("t") == "250"
    assert p.says.startswith("t = 250 of 1000")
    t0 = time.monotonic()
    p.slide("t", 5)
    p.until("t = 255 of 1000")
    took = time.monotonic() - t0
    assert p.shown("t") == "255"
    assert p.image != before
    d = DDPMSchedules("cosine", 1000)
    assert f"SNR {d.get_buffer('snr')[255]:.4g}" in p.says
    print(f"five key presses and the last image: {took:.2f} s")
    before = p.image
    p.choose("schedule", "linear")
    linear = DDPMSchedules("linear", 1000).get_buffer("snr")[255]
    p.until(f"SNR {linear:.4g}".replace(".", r"\."))
    assert p.image != before
    assert not p.is_wrong


def test_denoiser_gets_worse_with_t(page):
    "A little with a few steps, by more than 8 dB where only noise is left"
    p = Panel(page, "denoise")
    before = p.image
    sentence = r".* PSNR ([\d.]+) dB, where"
    at_400 = float(p.until(f"t = 400, {sentence}")[1])
    p.slide("t", 3, "PageUp")
    p.until(f"t = (?!400)\\d+, {sentence}")
    t = p.shown("t")
    soon = float(p.until(f"t = {t}, {sentence}")[1])
    assert int(t) > 400
    assert p.image != before
    assert soon < at_400 + 0.5
    p.slide("t", 1, "End")
    at_999 = float(p.until(f"t = 999, {sentence}")[1])
    assert at_999 < at_400 - 8
    print(f"PSNR {at_400} at t = 400, {soon} at t = {t}, {at_999} at t = 999")


def test_bench_samples_what_is_asked(page):
    p = Panel(page, "bench")
    before = p.image
    p.type("seed", "5")
    p.press("Sample")
    p.until(r"dpmpp_2m, 10 steps, seed 5: 16 digits in [\d.]+ s")
    after = p.image
    assert after != before
    assert not p.is_wrong
    p.choose("method", "ddim")
    p.choose("label", "3")
    p.press("Sample")
    p.until("ddim, 10 steps, seed 5: 16 digits")
    assert p.image != after


def test_trajectory_scrubs(page):
    p = Panel(page, "trajectory")
    at = int(p.until(r"^Step (\d+) of 20")[1])
    before = p.image
    p.slide("step", 2)
    p.until(f"Step {at + 2} of 20")
    assert p.shown("step") == str(at + 1)  # the slider counts from 0
    assert p.image != before


def test_drawing_is_edited(page):
    # a sentence, no traceback
    p = Panel(page, "edit")
    p.press("Clear")
    p.press("Go")
    p.until("canvas is empty")
    assert p.is_wrong
    before = p.image
    p.draw([(0.5, 0.2), (0.5, 0.4), (0.5, 0.6), (0.5, 0.8)])
    assert p.pixel(0.5, 0.5)[0] > 200
    p.press("Go")
    p.until("varied with strength 0.50, 4 times")
    assert p.image != before
    assert not p.is_wrong
    before = p.image
    p.press("Hole: right half")
    p.press("fill the hole")
    p.press("Go")
    p.until("hole of 512 pixels filled")
    assert p.image != before


def test_the_eraser_takes_ink_and_hole(page):
    "In one stroke, and Python knows of both"
    p = Panel(page, "edit")
    p.press("Clear")
    p.press("pen")
    p.draw([(0.4, 0.5), (0.8, 0.5)])
    p.press("Hole: right half")
    p.press("fill the hole")
    p.press("eraser")
    page.locator(".pg-edit canvas[data-tool=eraser]").wait_for()
    p.draw([(0.75, 0.5), (0.76, 0.5)])  # there are both
    assert p.pixel(0.75, 0.5) == [0, 0, 0]
    p.press("Go")
    filled = int(p.until(r"hole of (?!512)(\d+) pixels filled")[1])
    assert 450 < filled < 500
    # and the ink beside the hole
    assert p.pixel(0.45, 0.5)[0] > 200
    p.draw([(0.45, 0.5), (0.46, 0.5)])
    assert p.pixel(0.45, 0.5) == [0, 0, 0]


def test_training_runs_beside_the_others(page):
    p, other = Panel(page, "live"), Panel(page, "schedule")
    blank = p.image
    p.press("Train")
    p.until(r"[1-9]\d* steps, \d+ images/s, loss [\d.]+", 120)
    assert p.image != blank
    before = other.image
    t = int(other.shown("t"))
    t0 = time.monotonic()
    other.slide("t", 1)
    other.until(f"t = {t + 1} of")
    assert other.image != before
    print(f"a slider while training: {time.monotonic() - t0:.2f} s")
    p.press("Stop")
    p.until("steps, .* Done")
    seen = p.says
    time.sleep(1.5)
    assert p.says == seen  # it did stop


def test_no_console_error_and_no_traceback(opened):
    page, errors = opened
    page.wait_for_timeout(100)
    assert [e for e in errors if not any(word in e for word in HARMLESS)] == []
    assert "Traceback" not in page.locator("body").inner_text()


def test_on_a_phone(chromium, served):
    "At 400 pixels nothing sticks out to the right"
    page = new_page(chromium, 400, 800)
    page.goto(served)
    wait_for_count(page, ".ddpm-playground img", 6)
    edges = page.evaluate(
        """[...document.querySelectorAll('.ddpm-playground img, .ddpm-playground canvas')]
        .map(e => e.getBoundingClientRect().right)"""
    )
    assert len(edges) == 7
    assert max(edges) <= 400
    page.close()


# all cells stay in the page, on screen or not; no questions about news
LAB_SETTINGS = {
    "notebook-extension/tracker": dict(windowingMode="none"),
    "apputils-extension/notification": dict(fetchNews="false", checkForUpdates=False),
}
IDLE = "document.querySelector('#jp-main-statusbar').innerText.includes('| Idle')"
LIVE = ("digits", "denoise", "edit", "schedule", "flow")


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    "A JupyterLab over the playground, and over a notebook of the site's panels; its address"
    import nbformat

    folder = tmp_path_factory.mktemp("lab")
    shutil.copy(root / "nbs" / "playground.ipynb", folder)
    cells = ["from ddpm_nb.app.panels_live import live_panel"]
    cells += [f"live_panel({name!r})" for name in LIVE]
    cells = [nbformat.v4.new_code_cell(cell) for cell in cells]
    kernel = dict(kernelspec=dict(name="python3", display_name="Python 3"))
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), folder / "live.ipynb")
    for name, settings in LAB_SETTINGS.items():
        f = folder / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        f.parent.mkdir(parents=True)
        f.write_text(json.dumps(settings))
    where = [
        "--ServerApp.ip=127.0.0.1",
        "--IdentityProvider.token=",
        f"--ServerApp.root_dir={folder}",
        "--allow-root",
        f"--LabApp.user_settings_dir={folder / 'settings'}",
        f"--LabApp.workspaces_dir={folder / 'workspaces'}",
    ]
    with serving(folder, "jupyterlab", *where) as url:
        yield url


@contextmanager
def in_lab(chromium, lab, name):
    "A notebook, opened in JupyterLab and run from its menu: its page, and errors of the console"
    page = new_page(chromium, 1280, 900, 90)
    errors = browser.collect_errors(page)
    # a workspace of its own, with no other notebook in front
    page.goto(f"{lab}lab/workspaces/{Path(name).stem}/tree/{name}")
    page.wait_for_function("document.querySelectorAll('.jp-Notebook .jp-Cell').length > 3")
    wait_for_count(page, "#jupyterlab-splash", 0)
    # into the notebook, which then is the current one
    page.locator(".jp-Notebook .jp-Cell .jp-InputArea-prompt").first.click()
    page.wait_for_function(IDLE)  # its kernel is there
    for selector, text in (
        (".lm-MenuBar-itemLabel", "Run"),
        (".lm-Menu-itemLabel", "Run All Cells"),
    ):
        page.locator(selector).get_by_text(text, exact=True).click()
    yield page, errors
    assert "Traceback" not in page.locator(".jp-Notebook").inner_text()
    page.close()


def test_in_jupyterlab(chromium, lab):
    "A copy of the playground shows its panels, and they answer"
    with in_lab(chromium, lab, "playground.ipynb") as (page, _):
        wait_for_count(page, ".ddpm-playground img", 6)
        page.locator(".pg-schedule .noUi-handle").first.wait_for()
        page.wait_for_function(IDLE)
        schedule = Panel(page, "schedule")
        before = schedule.image
        schedule.slide("t", 3)
        schedule.until("t = 253 of 1000")
        assert schedule.image != before


def test_live_panels_in_jupyterlab(chromium, lab):
    "The site's panels as widgets: the kernel computes what they show"
    from playwright.sync_api import expect

    pixels = "c => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.join()"
    with in_lab(chromium, lab, "live.ipynb") as (page, errors):
        wait_for_count(page, ".dg-panel", len(LIVE))
        page.wait_for_function(IDLE)

        def panel(i):
            found = page.locator(".dg-panel").nth(i)
            return found, found.get_by_role("status"), found.locator("canvas").first

        digits, says, canvas = panel(LIVE.index("digits"))
        expect(says).to_contain_text("in the kernel of this notebook")
        before = canvas.evaluate(pixels)
        digits.locator("input[name=count]").fill("4")
        digits.locator("input[name=steps]").fill("3")
        digits.get_by_role("button", name="Make digits").click()
        expect(says).to_contain_text("4 digits in", timeout=60 * SECONDS)
        assert canvas.evaluate(pixels) != before
        digits.locator("input[name=steps]").fill("5000")
        digits.get_by_role("button", name="Make digits").click()
        expect(says).to_contain_text("5000", timeout=60 * SECONDS)  # a sentence
        denoise, says, _ = panel(LIVE.index("denoise"))
        denoise.locator("input[name=t]").fill("900")
        expect(says).to_contain_text("t = 900: mean squared error", timeout=60 * SECONDS)
        schedule, says, _ = panel(LIVE.index("schedule"))
        schedule.locator("input[name=t]").fill("500")
        expect(says).to_contain_text("t = 500 of 1000")
        assert [e for e in errors if "dg-" in e or "ddpm" in e or "Uncaught" in e] == []
