"The programs of the page Out of Python, run as they stand there"

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import onnxruntime_web
from ddpm_nb.pretrained import load_feature_net

ROOT = Path(__file__).resolve().parent.parent
CELLS = json.loads((ROOT / "nbs" / "out_of_python.ipynb").read_text(encoding="utf-8"))["cells"]
SOURCES = ["".join(cell["source"]) for cell in CELLS]
NODE = shutil.which("node")


@pytest.mark.slow
def test_python_without_pytorch(digits_onnx):
    "The sampler needs NumPy and onnxruntime alone"
    source = next(s for s in SOURCES if "def sample_digits" in s)
    program = source.partition("\n\n\nnoise =")[0]
    assert len(program.split("def sample_digits")[1].splitlines()) <= 23
    program += f"""
import sys
noise = np.random.default_rng(0).standard_normal((4, 1, 32, 32)).astype(np.float32)
digits = sample_digits({str(digits_onnx)!r}, [3, 1, 4, 1], noise)
assert digits.std() > 0.3 and abs(digits).max() <= 1.001
assert not {{"torch", "ddpm_nb"}} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.slow
@pytest.mark.skipif(NODE is None, reason="no node here")
def test_node(digits_onnx, tmp_path):
    "The program finds the runtime as npm installs it, and draws the ten digits asked for"
    try:
        runtime = onnxruntime_web.fetch()
    except onnxruntime_web.Unreachable as e:
        pytest.skip(f"onnxruntime-web: {e}")
    program = next(m[1] for s in SOURCES if (m := re.search(r"```js\n(.*?)```", s, re.S)))
    assert len(program.splitlines()) <= 23
    (tmp_path / "digits.mjs").write_text(program, encoding="utf-8")
    shutil.copy(ROOT / "ddpm_nb" / "assets" / "js" / "sampler.js", tmp_path / "sampler.mjs")
    package = tmp_path / "node_modules" / "onnxruntime-web"
    package.mkdir(parents=True)
    wasm = onnxruntime_web.WASM
    # the two entries of the real package that the program uses
    exports = {"./wasm": f"./{onnxruntime_web.MODULE}", f"./{wasm}": f"./{wasm}"}
    (package / "package.json").write_text(json.dumps(dict(name=package.name, exports=exports)))
    for name in (onnxruntime_web.MODULE, wasm):
        shutil.copy(runtime / name, package / name)
    run = [str(NODE), "digits.mjs", str(digits_onnx)]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    head, _, pixels = (tmp_path / "digits.pgm").read_bytes().partition(b"\n")
    assert head == b"P5 32 320 255"
    grey = np.frombuffer(pixels, np.uint8).reshape(10, 1, 32, 32)
    images = torch.from_numpy(grey / np.float32(127.5) - 1)
    with torch.no_grad():
        found = load_feature_net()(images).argmax(1)
    assert (found == torch.arange(10)).sum() >= 9
