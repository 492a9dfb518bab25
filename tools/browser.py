"""A headless Chromium driven as a person would: real mouse and key events, over its debugging port.

Needs `websocket-client` alone."""

import base64
import json
import shutil
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = """--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run
    --disable-background-networking --disable-component-update --disable-sync
    --disable-dev-shm-usage --hide-scrollbars --remote-allow-origins=*""".split()


def find():
    "The path of a Chromium, or None"
    return next((p for n in NAMES if (p := shutil.which(n))), None)


class Browser:
    "One page in a fresh profile; `with Browser() as b: b.open(url)`"

    def __init__(self, width=1280, height=900, timeout=60):
        self.size, self.timeout, self.n, self.events = (width, height), timeout, 0, []

    def __enter__(self):
        import websocket

        self.dir = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        cmd = [
            find(),
            *FLAGS,
            "--remote-debugging-port=0",
            f"--user-data-dir={self.dir.name}",
            f"--window-size={self.size[0]},{self.size[1]}",
            "about:blank",
        ]
        self.proc = subprocess.Popen(cmd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        port = Path(self.dir.name) / "DevToolsActivePort"
        self.until(lambda: port.is_file() and port.read_text().count("\n"), "Chromium to start")
        base = f"http://127.0.0.1:{port.read_text().split()[0]}"

        def page():
            with urllib.request.urlopen(f"{base}/json/list", timeout=5) as r:
                return next(
                    (t["webSocketDebuggerUrl"] for t in json.load(r) if t["type"] == "page"), None
                )

        self.ws = websocket.create_connection(
            self.until(page, "a page"), timeout=self.timeout, suppress_origin=True
        )
        for d in ("Page", "Runtime", "Log", "DOM"):
            self.call(f"{d}.enable")
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=self.size[0],
            height=self.size[1],
            deviceScaleFactor=1,
            mobile=False,
        )
        return self

    def __exit__(self, *_):
        self.ws.close()
        self.proc.terminate()
        try:
            self.proc.wait(10)
        except subprocess.TimeoutExpired:
            self.proc.kill()
            self.proc.wait()
        self.dir.cleanup()

    def until(self, f, what, timeout=None):
        "The first true value of `f()`"
        end = time.monotonic() + (timeout or self.timeout)
        while time.monotonic() < end:
            if v := f():
                return v
            time.sleep(0.05)
        raise TimeoutError(f"waited in vain for {what}")

    def call(self, method, **params):
        "One command of the debugging protocol; events that come meanwhile are kept"
        self.n += 1
        self.ws.send(json.dumps(dict(id=self.n, method=method, params=params)))
        while True:
            m = json.loads(self.ws.recv())
            if m.get("id") == self.n:
                if "error" in m:
                    raise RuntimeError(f"{method}: {m['error']['message']}")
                return m["result"]
            self.events.append(m)

    def js(self, code):
        "The value of a JavaScript expression, promises awaited"
        r = self.call("Runtime.evaluate", expression=code, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in r:
            raise RuntimeError(
                str(r["exceptionDetails"].get("exception", r["exceptionDetails"]))[:500]
            )
        return r["result"].get("value")

    def open(self, url):
        self.call("Page.navigate", url=url)
        self.until(lambda: self.js("document.readyState") == "complete", url)

    def wait(self, code, timeout=None):
        return self.until(lambda: self.js(code), code, timeout)

    def errors(self, but=()):
        """What went to the console as an error, and exceptions nobody caught.

        Lines that contain one of `but` are left out."""
        self.js("0")
        out = []
        for e in self.events:
            p = e.get("params", {})
            if e["method"] == "Runtime.exceptionThrown":
                out.append(
                    str(p["exceptionDetails"].get("exception", {}).get("description", p))[:300]
                )
            elif e["method"] == "Log.entryAdded" and p["entry"]["level"] == "error":
                out.append(f"{p['entry']['text']} {p['entry'].get('url', '')}")
            elif e["method"] == "Runtime.consoleAPICalled" and p["type"] == "error":
                out.append(
                    " ".join(str(a.get("value", a.get("description"))) for a in p["args"])[:300]
                )
        return [o for o in out if not any(b in o for b in but)]

    def box(self, sel):
        "Scroll an element into view; its `(x, y, width, height)`"
        q = f"document.querySelector({json.dumps(sel)})"
        self.wait(f"!!{q}")
        return self.js(
            f'(() => {{ const e = {q}; e.scrollIntoView({{block: "center"}}); '
            "const r = e.getBoundingClientRect(); return [r.x, r.y, r.width, r.height] })()"
        )

    def mouse(self, kind, x, y):
        held = 0 if kind == "mouseReleased" else 1
        self.call(
            "Input.dispatchMouseEvent",
            type=kind,
            x=x,
            y=y,
            button="left",
            buttons=held,
            clickCount=1,
        )

    def click(self, sel):
        "Move the mouse to the middle of an element, press and release it"
        x, y, w, h = self.box(sel)
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x + w / 2, y=y + h / 2)
        for k in ("mousePressed", "mouseReleased"):
            self.mouse(k, x + w / 2, y + h / 2)

    def drag(self, sel, points):
        "Draw with the mouse through `points`, given as shares of the element's width and height"
        x, y, w, h = self.box(sel)
        for i, (a, b) in enumerate(points):
            self.mouse("mouseMoved" if i else "mousePressed", x + a * w, y + b * h)
        self.mouse("mouseReleased", x + points[-1][0] * w, y + points[-1][1] * h)

    def key(self, name, times=1):
        "Press a key, such as ArrowRight"
        code = dict(
            ArrowRight=39,
            ArrowLeft=37,
            ArrowUp=38,
            ArrowDown=40,
            Enter=13,
            Tab=9,
            PageUp=33,
            End=35,
            Home=36,
        )[name]
        for _ in range(times):
            for k in ("rawKeyDown", "keyUp"):
                self.call(
                    "Input.dispatchKeyEvent",
                    type=k,
                    key=name,
                    code=name,
                    windowsVirtualKeyCode=code,
                )

    def type(self, sel, text):
        "Replace what stands in an input field, and leave it"
        self.click(sel)
        self.js(f"document.querySelector({json.dumps(sel)}).select()")
        self.call("Input.insertText", text=text)
        self.key("Enter")
        self.js("document.activeElement.blur()")

    def shot(self, path=None, full=False):
        "A PNG of the page, also written to `path`"
        kw = {}
        if full:
            s = self.call("Page.getLayoutMetrics")["cssContentSize"]
            kw = dict(
                captureBeyondViewport=True,
                clip=dict(x=0, y=0, width=s["width"], height=min(s["height"], 16000), scale=1),
            )
        png = base64.b64decode(self.call("Page.captureScreenshot", format="png", **kw)["data"])
        if path:
            Path(path).write_bytes(png)
        return png
