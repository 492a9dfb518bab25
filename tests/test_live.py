"""The panels of the site, used as a person does: Chromium, a plain server, a path below the root.

They take the site that `make docs` has built into _docs. Where it is not there, or has no live
panels, or there is no Chromium, everything here is skipped and says so.
"""

import functools
import hashlib
import importlib.util
import re
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch

import browser
import live_panels

ROOT = Path(__file__).resolve().parent.parent
SITE = ROOT / "_docs"
MODEL = SITE / live_panels.FOLDER / f"{live_panels.MODEL}.onnx"
SECONDS = 1000  # playwright counts milliseconds
if not browser.find() or not importlib.util.find_spec("playwright"):
    pytest.skip("no Chromium or no playwright here", allow_module_level=True)
if not MODEL.is_file():
    pytest.skip("no site with live panels in _docs; build it: make docs", allow_module_level=True)

# the longest task of the page's own thread, in milliseconds; shorter ones than 50 are not told
WATCH = """window.longest = 0;
new PerformanceObserver(list => { for (const task of list.getEntries())
    window.longest = Math.max(window.longest, task.duration); }).observe({type: 'longtask'});"""


class Quiet(SimpleHTTPRequestHandler):
    "Python's plain server, which sends no special headers"

    def log_message(self, format, *args):
        pass


class Server(ThreadingHTTPServer):
    "It says nothing of browsers that hang up, as closed pages do"

    def handle_error(self, request, client_address):
        pass


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    "Where the site is served, below /some/where"
    folder = tmp_path_factory.mktemp("served")
    (folder / "some").mkdir()
    (folder / "some" / "where").symlink_to(SITE)
    handler = functools.partial(Quiet, directory=str(folder))
    with Server(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/some/where/"
        server.shutdown()


@pytest.fixture(scope="module")
def chromium():
    with browser.chromium() as b:
        yield b


class Panel:
    "The panel of a page of its own profile; what the page asked for and complained of is kept"

    def __init__(self, chromium, width=1280, name="digits", offline=False):
        # what a service worker answers could not be replaced by the tests
        workers = "allow" if offline else "block"
        self.page = chromium.new_page(
            viewport=dict(width=width, height=900), service_workers=workers
        )
        self.page.set_default_timeout(180 * SECONDS)
        self.errors = browser.collect_errors(self.page)
        self.requests = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.add_init_script(WATCH)
        self.root = self.page.locator(f".ddpm-{name}")

    @property
    def complaints(self):
        "Errors in the console, but for the icon that browsers ask the server's root for"
        return [error for error in self.errors if "favicon" not in error]

    def open(self, url, says="Press the button"):
        self.page.goto(url)
        self.until(says)

    def set(self, **values):
        for name, value in values.items():
            self.root.locator(f"input[name={name}]").fill(str(value))

    def press(self, text):
        self.root.get_by_role("button", name=text).click()

    def until(self, pattern, seconds=180):
        "Wait until the sentence below the images fits; the match"
        from playwright.sync_api import expect

        status = self.root.get_by_role("status")
        expect(status).to_have_text(re.compile(pattern), timeout=seconds * SECONDS)
        return re.search(pattern, status.inner_text())

    def canvas(self, which):
        "Pixels of the state (0) or the prediction (1), 0 to 255"
        read = """c => { const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
            return [c.width, c.height, Array.from(d).filter((_, i) => i % 4 === 0)]; }"""
        width, height, values = self.root.locator("canvas").nth(which).evaluate(read)
        return np.array(values).reshape(height, width)

    def digits(self, n):
        "The images on show, `(n,1,32,32)` in [-1,1]"
        grid = self.canvas(0)
        rows, columns = (size // 32 for size in grid.shape)
        images = grid.reshape(rows, 32, columns, 32).swapaxes(1, 2).reshape(-1, 1, 32, 32)
        return torch.tensor(images[:n] / 127.5 - 1, dtype=torch.float32)


@pytest.fixture(scope="module")
def panel(chromium, address):
    "The panel of the front page, on a phone-sized screen of its own later"
    p = Panel(chromium)
    p.open(address)
    yield p
    p.page.close()


def test_nothing_is_loaded_before_it_is_touched(panel):
    assert panel.requests
    heavy = [url for url in panel.requests if url.endswith((".onnx", ".wasm"))]
    assert not heavy


def test_first_digits_and_the_page_meanwhile(panel):
    "Cold and warm, 16 digits in 10 steps with guidance; times are printed, not asserted"
    panel.press("Make digits")
    panel.until("Step 1 of 10")
    first = panel.page.evaluate("performance.now()")
    cold = panel.until(r"16 digits in ([\d.]+) s, seed 0")[1]
    before = panel.canvas(0)
    panel.set(seed=1, guidance=1)
    panel.press("Make digits")
    warm = panel.until(r"16 digits in ([\d.]+) s, seed 1")[1]
    longest = panel.page.evaluate("window.longest")
    print(f"16 digits, 10 steps: cold {cold} s with guidance, warm {warm} s without")
    print(f"first step {first / SECONDS:.1f} s after opening; longest task {longest:.0f} ms")
    assert (panel.canvas(0) != before).any()
    # the network would take seconds in the page's own thread; other work may share these cores
    assert longest < 500
    panel.set(seed=0, guidance=2)
    panel.press("Make digits")
    panel.until("seed 0")
    assert (panel.canvas(0) == before).all()


def test_the_label_asked_is_the_digit_drawn(panel):
    "A hundred digits, ten of each, read off the canvas by the packaged classifier"
    from ddpm_nb.pretrained import load_feature_net

    net = load_feature_net()
    right = 0
    panel.set(count=10, steps=7, guidance=2, seed=3)
    for label in range(10):
        panel.root.locator("select[name=label]").select_option(str(label))
        panel.press("Make digits")
        panel.until("10 digits in .* seed 3")
        with torch.no_grad():
            right += (net(panel.digits(10)).argmax(1) == label).sum().item()
    print(f"{right} of 100 digits are recognised as their label")
    assert right >= 95


def test_trajectory_scrubs(panel):
    "From noise to the result, by the keyboard"
    result = panel.canvas(0)
    scrubber = panel.root.locator("input[name=step]")
    scrubber.focus()
    panel.page.keyboard.press("Home")
    panel.until(r"Step 1, t = \d+")
    noise, guess = panel.canvas(0), panel.canvas(1)
    assert (noise != result).any()
    # noise is rough: its neighbouring pixels differ by more than those of a guessed image
    assert np.abs(np.diff(noise)).mean() > 2 * np.abs(np.diff(guess)).mean()
    panel.page.keyboard.press("End")
    panel.until("The result")
    assert (panel.canvas(0) == result).all()
    assert (panel.canvas(1) == result).all()


def test_stop_and_bad_input(panel):
    panel.set(steps=200)
    panel.press("Make digits")
    panel.until("Step [2-9] of 200")
    panel.press("Stop")
    panel.until(r"Stopped after \d+ steps")
    panel.set(steps=5000)
    panel.press("Make digits")
    panel.until("Steps: 5000; expected 1 to 1000")
    panel.set(steps=2, count=1)
    panel.press("Make digits")
    panel.until("1 digits in")


def test_no_error_and_no_request_elsewhere(panel, address):
    assert not panel.complaints
    assert all(url.startswith((address, "data:", "blob:")) for url in panel.requests)


@pytest.mark.parametrize(
    "page, name",
    [
        ("index.html", "digits"),
        ("playground.html", "digits"),
        ("01_schedules.html", "schedule"),
        ("04_loss.html", "denoise"),
        ("06_sampler.html", "flow"),
        ("11_editing.html", "edit"),
    ],
)
def test_on_a_phone(chromium, address, page, name):
    "At 390 pixels nothing of a panel sticks out, and a finger finds its controls"
    p = Panel(chromium, width=390, name=name)
    p.open(address + page, r"\w")
    edges = (
        "e => Math.max(...[...e.querySelectorAll('*')].map(c => c.getBoundingClientRect().right))"
    )
    assert p.root.evaluate(edges) <= 390
    heights = "e => [...e.querySelectorAll('button')].map(c => c.getBoundingClientRect().height)"
    assert min(p.root.evaluate(heights), default=24) >= 24  # WCAG 2.2, 2.5.8
    if name == "digits":
        p.set(count=1, steps=2)
        p.press("Make digits")
        p.until("1 digits in")
        assert p.canvas(0).std() > 20
    assert not p.complaints
    p.page.close()


@pytest.mark.slow
def test_on_a_graphics_processor(chromium, address):
    "By WebGPU the digits are those that the processor makes, to a few grey levels"
    from playwright.sync_api import Route

    flags = [flag for flag in browser.FLAGS if flag != "--disable-gpu"] + browser.WEBGPU
    other = chromium.browser_type.launch(executable_path=browser.find(), args=flags)
    images = []
    for backend, says in (
        ("webgpu", "is loaded, and computes on the graphics"),
        ("wasm", "loaded."),
    ):
        p = Panel(other)
        html = (SITE / "index.html").read_text(encoding="utf-8")
        html = html.replace("data-worker-url", f'data-backend="{backend}" data-worker-url')
        assert "data-backend" in html
        p.page.route(address, functools.partial(Route.fulfill, body=html))
        p.open(address)
        adapter = "async () => Boolean(await navigator.gpu?.requestAdapter())"
        if not p.page.evaluate(adapter):
            pytest.skip("no WebGPU in this Chromium")
        p.root.locator("input[name=seed]").press("Tab")
        p.until(says)
        p.set(count=1, steps=1, guidance=1)
        # a software GPU is slow, and slower beside other work: no patience runs out
        p.page.evaluate("window.setTimeout = () => 0")
        p.press("Make digits")
        print(backend, p.until(r"1 digits in ([\d.]+) s", 400)[1])
        images.append(p.digits(1))
        assert not p.complaints
        p.page.close()
    other.close()
    assert (images[0] - images[1]).abs().max() < 8 / 255


def test_denoise_follows_its_slider(chromium, address):
    "The network's guess gets worse with more noise"
    p = Panel(chromium, name="denoise")
    p.open(address + "04_loss.html", "Move the slider")
    errors = []
    for t in (100, 900):
        p.root.locator("input[name=t]").fill(str(t))
        errors.append(
            float(p.until(rf"t = {t}: mean squared error of the prediction (\d\.\d+)")[1])
        )
    assert errors[0] < 0.05 < errors[1]
    assert not p.complaints
    p.page.close()


def test_edit_a_drawing(chromium, address):
    "Nothing drawn: a sentence; a stroke: varied; a digit with a hole: the rest of it stays"
    p = Panel(chromium, name="edit")
    p.open(address + "11_editing.html", "Draw a digit")
    p.press("Vary it")
    p.until("Draw something first")
    canvas = p.root.locator("canvas").first
    box = canvas.bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"]
    p.page.mouse.move(x, y + 0.2 * box["height"])
    p.page.mouse.down()
    p.page.mouse.move(x, y + 0.8 * box["height"], steps=8)
    p.page.mouse.up()
    p.set(steps=4)
    p.press("Vary it")
    p.until("Varied four times")
    assert p.canvas(1).std() > 20
    p.press("Fill the hole")
    p.until("There is no hole")
    p.press("Take a digit")
    p.root.locator("select[name=tool]").select_option("hole")
    p.page.mouse.move(x, y + 0.5 * box["height"])
    p.page.mouse.down()
    p.page.mouse.move(x + 0.1 * box["width"], y + 0.5 * box["height"], steps=4)
    p.page.mouse.up()
    p.press("Fill the hole")
    p.until("Filled four times")
    shown = p.canvas(0)[::8, ::8]  # eight pixels of the screen per cell
    answer = p.canvas(1)[:32, :32]
    outside = np.ones((32, 32), bool)
    outside[10:22, 10:25] = False
    assert (np.abs(shown - answer)[outside] <= 1).all()
    assert not p.complaints
    p.page.close()


def test_schedule_explorer(chromium, address):
    p = Panel(chromium, width=390, name="schedule")
    p.open(address + "01_schedules.html", "Choose a schedule")
    left = []
    for kind in ("linear", "cosine", "flow"):
        p.root.locator("select[name=kind]").select_option(kind)
        p.root.locator("input[name=t]").fill("500")
        left.append(int(p.until(r"t = 500 of 1000: (\d+) % of the contrast")[1]))
    # sqrt(abar) of two schedules at half of the way, and 1 - u on the straight path
    assert left == [28, 70, 50]
    assert not p.complaints
    p.page.close()


def test_points_flow_and_a_network_is_trained_in_the_page(chromium, address):
    p = Panel(chromium, name="flow")
    p.open(address + "06_sampler.html", "0 of 100 steps")
    first = p.canvas(0)
    p.root.locator("input[name=t]").fill("100")
    p.until("100 of 100 steps")
    assert (p.canvas(0) != first).any()
    p.press("Train a network here")
    p.until("Training: step")
    loss = float(p.until(r"Trained, loss ([\d.]+)")[1])
    assert loss < 0.5  # no better than a guess would be 1
    print(f"longest task {p.page.evaluate('window.longest'):.0f} ms")
    assert not p.complaints
    p.page.close()


def test_offline_after_one_visit(chromium, address):
    "The page and its digits, once loaded, need no network"
    p = Panel(chromium, offline=True)
    p.open(address)
    p.page.evaluate("navigator.serviceWorker.ready")
    p.page.wait_for_function("navigator.serviceWorker.controller")
    p.page.reload()
    p.set(count=1, steps=2)
    p.press("Make digits")
    p.until("1 digits in")
    p.page.context.set_offline(True)
    p.page.reload()
    p.set(count=1, steps=2)
    p.press("Make digits")
    p.until("1 digits in")
    p.page.close()


def truncated(route):
    route.fulfill(body=MODEL.read_bytes()[:100000])


def missing(route):
    route.fulfill(status=404, body="not here")


@pytest.mark.parametrize(
    "pattern, answer, says",
    [
        ("**/*.onnx", truncated, "damaged or incomplete"),
        ("**/*.onnx", missing, "model file is not on this site"),
        ("**/*.wasm", missing, "runtime is not on this site"),
        ("**/worker.js", missing, "could not be loaded"),
    ],
)
def test_a_file_that_is_broken_or_gone(chromium, address, pattern, answer, says):
    "A sentence in the panel, the rest of the page unharmed; once mended, the same button works"
    p = Panel(chromium)
    p.page.route(pattern, answer)
    p.open(address)
    p.set(count=1, steps=2)
    p.press("Make digits")
    p.until(says)
    assert p.page.locator("h1").first.is_visible()
    p.page.unroute(pattern)
    p.press("Make digits")
    p.until("1 digits in")
    p.page.close()


def test_without_webassembly(chromium, address):
    p = Panel(chromium)
    p.page.add_init_script("delete globalThis.WebAssembly")
    p.open(address)
    p.press("Make digits")
    p.until("no WebAssembly")
    assert not p.complaints
    p.page.close()


def test_a_worker_that_is_killed(chromium, address):
    "After a minute without a word the panel says so, and the button starts anew"
    p = Panel(chromium)
    p.page.clock.install()
    p.open(address)
    p.set(count=1, steps=2)
    p.page.route("**/*.onnx", lambda route: None)  # never answered: the worker stays silent
    p.press("Make digits")
    p.until("Loading")
    p.page.clock.fast_forward(61 * SECONDS)
    p.until("browser ended the computation")
    p.page.unroute("**/*.onnx")
    p.press("Make digits")
    p.until("1 digits in")
    p.page.close()


def test_the_site_has_the_scripts_of_the_package():
    "And the hash that its pages name is that of its model"
    for script in live_panels.SCRIPTS.glob("*.js"):
        if script.name == live_panels.OFFLINE:
            continue  # gets the mark of its build
        built = (SITE / live_panels.FOLDER / script.name).read_bytes()
        assert built == script.read_bytes(), "stale _docs; run: make docs"
    assert MODEL.stat().st_size <= 4.5e6
    index = (SITE / "index.html").read_text(encoding="utf-8")
    found = re.search(r'data-model-sha256="(\w+)"', index)
    assert found
    assert found[1] == hashlib.sha256(MODEL.read_bytes()).hexdigest()
