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
# which panels stand in which page, in this order
PAGES = {
    "index": ("digits",),
    "00_whole_game": ("flow",),
    "01_schedules": ("schedule",),
    "04_loss": ("denoise",),
    "06_sampler": ("digits", "flow"),
    "11_editing": ("edit",),
    "playground": ("digits", "denoise", "edit", "schedule", "flow"),
}
FOLDER, MODEL, EXAMPLES = "live", "mnist-cond", "examples.bin"
# the runtimes are renamed: not every server knows that .mjs is JavaScript
RUNTIME, GPU_RUNTIME = "onnxruntime.js", "onnxruntime-gpu.js"
OFFLINE = "offline.js"  # at the site's root, since it answers for the pages below its own folder
PANEL = """<div class="ddpm-live ddpm-{name}" data-worker-url="{live}/worker.js" \
data-runtime-url="{live}/{runtime}" data-wasm-url="{live}/{wasm}" \
data-gpu-runtime-url="{live}/{gpu_runtime}" data-gpu-wasm-url="{live}/{gpu_wasm}" \
data-examples-url="{live}/{examples}" \
data-model-url="{live}/{model}.onnx" data-model-sha256="{sha256}">
<p>{says}</p>
</div>
<script type="module">
import {{ mount }} from "./{live}/{name}.js";
for (const element of document.querySelectorAll(".ddpm-{name}")) mount(element);
</script>
"""
# what stands there without JavaScript
SAYS = {
    "digits": "Digits can be made in this page",
    "denoise": "A network can be asked here what it sees in a noisy digit",
    "edit": "Digits can be drawn, varied and completed in this page",
    "schedule": "Noise schedules can be tried out in this page",
    "flow": "Points can be followed here on their way from noise to two moons",
}
WHERE = "by a browser with JavaScript, when it comes from a server."
KEEP = """<script type="module">
const worker = navigator.serviceWorker;
worker?.addEventListener("message", ({{ source }}) => {{
  source.postMessage(performance.getEntriesByType("resource").map(({{ name }}) => name));
}});
worker?.register("{up}{offline}").catch((error) => console.info(String(error)));
</script>
"""


def write_files(folder: Path) -> str:
    "Put scripts, runtimes, example digits and model into the site's folder; the model's SHA-256"
    from ddpm_nb.app.onnx import to_onnx
    from ddpm_nb.app.panels_live import example_digits
    from ddpm_nb.pretrained import load_pretrained

    runtime = onnxruntime_web.fetch()
    folder.mkdir()
    names = {onnxruntime_web.MODULE: RUNTIME, onnxruntime_web.GPU_MODULE: GPU_RUNTIME}
    for name in onnxruntime_web.FILES:
        shutil.copy(runtime / name, folder / names.get(name, name))
    for script in SCRIPTS.glob("*.js"):
        shutil.copy(script, folder / script.name)
    (folder / EXAMPLES).write_bytes(example_digits().numpy().tobytes())
    model, schedules = load_pretrained(MODEL)
    path = to_onnx(model, schedules, folder / f"{MODEL}.onnx", half=True)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def keep_offline(site: Path):
    "Have the browser keep what it loaded, so that the site works without a network afterwards"
    digest = hashlib.sha256()
    for path in sorted((site / FOLDER).iterdir()):
        digest.update(path.read_bytes())
    (site / FOLDER / OFFLINE).unlink()
    script = (SCRIPTS / OFFLINE).read_text(encoding="utf-8")
    (site / OFFLINE).write_text(script.replace("VERSION", digest.hexdigest()[:16]), "utf-8")
    for page in site.rglob("*.html"):
        up = "../" * (len(page.relative_to(site).parts) - 1)
        s = page.read_text(encoding="utf-8")
        tail = KEEP.format(up=up, offline=OFFLINE) + "</body>"
        page.write_text(tail.join(s.rsplit("</body>", 1)), encoding="utf-8")


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
    words |= dict(gpu_runtime=GPU_RUNTIME, gpu_wasm=onnxruntime_web.GPU_WASM, examples=EXAMPLES)
    for page, names in PAGES.items():
        panels = [
            PANEL.format(name=name, says=f"{SAYS[name]}, {WHERE}", sha256=sha256, **words)
            for name in names
        ]
        place(site / f"{page}.html", "".join(panels))
    keep_offline(site)
    return None
