"""The panels of the site that compute in the page: their files, and their places in the pages.

`build_docs.py` calls `add` last. Where onnxruntime-web is not within reach, or the extra `onnx`
is not installed, the site has no live panels, and a line says so.
"""

import hashlib
import importlib.util
import re
import shutil
from pathlib import Path

import onnxruntime_web

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = ROOT / "ddpm_nb" / "assets" / "js"
PAGES = ("index", "06_sampler", "playground")
FOLDER, MODEL = "live", "mnist-cond"
# the runtime is renamed: not every server knows that .mjs is JavaScript
RUNTIME = "onnxruntime.js"
PANEL = """<div class="ddpm-digits" data-worker-url="{live}/digits_worker.js" \
data-runtime-url="{live}/{runtime}" data-wasm-url="{live}/{wasm}" \
data-model-url="{live}/{model}.onnx" data-model-sha256="{sha256}">
<p>Digits can be made in this page, by a browser with JavaScript, when it comes from a server.</p>
</div>
<script type="module">
import {{ mount }} from "./{live}/digits.js";
for (const element of document.querySelectorAll(".ddpm-digits")) mount(element);
</script>
"""


def write_files(folder: Path) -> str:
    "Put scripts, runtime and model into the site's folder; the SHA-256 of the model"
    from ddpm_nb.app.onnx import to_onnx
    from ddpm_nb.pretrained import load_pretrained

    runtime = onnxruntime_web.fetch()
    folder.mkdir()
    shutil.copy(runtime / onnxruntime_web.MODULE, folder / RUNTIME)
    shutil.copy(runtime / onnxruntime_web.WASM, folder / onnxruntime_web.WASM)
    for name in ("digits.js", "digits_worker.js", "sampler.js"):
        shutil.copy(SCRIPTS / name, folder / name)
    model, schedules = load_pretrained(MODEL)
    path = to_onnx(model, schedules, folder / f"{MODEL}.onnx", half=True)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def place(page: Path, html: str):
    "Put a panel into a page: before its first section, else at its end"
    s = page.read_text(encoding="utf-8")
    head, main, body = s.partition("<main")
    at = re.search(r"<section |<nav class=\"page-navigation\"", body)
    assert main and at, f"{page.name}: no place for a panel"
    body = body[: at.start()] + html + body[at.start() :]
    page.write_text(head + main + body, encoding="utf-8")


def add(site: Path) -> str | None:
    "Make a rendered site live; why it could not be done, or None"
    for package in ("onnx", "onnxruntime"):
        if not importlib.util.find_spec(package):
            return f"{package} is not installed; pip install 'ddpm_nb[onnx]'"
    try:
        sha256 = write_files(site / FOLDER)
    except onnxruntime_web.Unreachable as e:
        return str(e)
    words = dict(live=FOLDER, runtime=RUNTIME, wasm=onnxruntime_web.WASM, model=MODEL)
    for name in PAGES:
        place(site / f"{name}.html", PANEL.format(**words, sha256=sha256))
    return None
