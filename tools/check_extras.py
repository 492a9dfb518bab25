"""Every extra in a clean environment: without it one line that says how to get it, and with it what
it is for.

`check_extras.py [EXTRA …]` makes an environment from the wheel and tries one extra after the other:
the feature without it, the very `pip install 'ddpm_nb[…]'` that the message names, the feature
again; then what was installed is removed, so that no extra lives on what another brought. The step
`wheel` of `make test` does it in the environment that it has made.
"""

import os
import re
import shlex
import subprocess
import sys
import tempfile
from configparser import ConfigParser
from pathlib import Path

root = Path(__file__).resolve().parent.parent
PINS = root / "constraints.txt"

# what an extra is for: a feature that needs all of its packages; `main` is the command line's
COMMON = """
import os, struct, sys, torch
from pathlib import Path
from ddpm_nb.cli import main

def cli(line):
    if code := main(line.split()):
        sys.exit(code)

def ask(feature):
    "As the command line shows an error"
    try:
        return feature()
    except ValueError as e:  # a DDPMError, or what is wrong with an image
        print(e, file=sys.stderr)
        sys.exit(2)

torch.set_num_threads(1)
few = "--pretrained mnist --device cpu --num_samples 2 --num_steps 2"
checkpoints = Path(torch.hub.get_dir(), "checkpoints")
checkpoints.mkdir(parents=True, exist_ok=True)
"""
FEATURES = {
    # ten images in the files of Fashion-MNIST
    "vision": """
raw = Path("data/FashionMNIST/raw")
raw.mkdir(parents=True, exist_ok=True)
for name in ("train", "t10k"):
    images = struct.pack(">BBBBiii", 0, 0, 8, 3, 10, 28, 28) + bytes(7840)
    labels = struct.pack(">BBBBi", 0, 0, 8, 1, 10) + bytes(10)
    (raw / f"{name}-images-idx3-ubyte").write_bytes(images)
    (raw / f"{name}-labels-idx1-ubyte").write_bytes(labels)
from ddpm_nb import load_data
assert len(ask(lambda: load_data("fashion_mnist"))) == 10
""",
    # the backbone's weights are a download, so here they are random
    "eval": """
from importlib.util import find_spec
if find_spec("torchvision"):
    from ddpm_nb.engine.compat import import_torchvision
    import_torchvision()
    from torchvision.models import squeezenet1_1
    file = checkpoints / "squeezenet1_1-b8a52dc0.pth"
    torch.save(squeezenet1_1(weights=None).state_dict(), file)
cli(f"eval {few} --metrics lpips --evaluation.num_images 2 --evaluation.lpips squeeze")
import scipy.linalg, skimage.metrics
""",
    # likewise
    "fid": """
from importlib.util import find_spec
file = checkpoints / "weights-inception-2015-12-05-6726825d.pth"
if find_spec("torch_fidelity"):
    from unittest import mock
    from ddpm_nb.engine.compat import import_torchvision
    import_torchvision()
    from torch_fidelity import feature_extractor_inceptionv3 as F
    Net, nothing = F.FeatureExtractorInceptionV3, lambda *args, **kwargs: None
    F.load_state_dict_from_url = nothing
    with mock.patch.object(Net, "load_state_dict", nothing):
        weights = Net("inception-v3-compat", ["2048"]).state_dict()
    torch.save(weights, file)
else:
    file.write_bytes(b"")
from ddpm_nb.engine.external import InceptionFeatures
net = ask(lambda: InceptionFeatures(file))
assert net.features(torch.zeros(1, 1, 32, 32)).shape == (1, 2048)
""",
    "interop": """
cli("export --pretrained mnist --output_name diffusers --device cpu")
cli("import --source diffusers --output_name back.safetensors")
from diffusers import DDIMPipeline
DDIMPipeline.from_pretrained("diffusers")(num_inference_steps=1)
""",
    "onnx": """
cli("export --format onnx --pretrained mnist --output_name m.onnx --device cpu")
cli(f"sample.grid {few} --backend onnx")
""",
    # a picture as iPhones write it, made by the extra itself
    "heic": """
from importlib.util import find_spec
file = Path("a.heic")
if find_spec("pillow_heif"):
    import pillow_heif
    from PIL import Image
    pillow_heif.register_heif_opener()
    Image.new("RGB", (32, 32), "red").save(file)
else:
    file.write_bytes(bytes.fromhex("0000001c66747970686569630000000068656963") + bytes(99))
from ddpm_nb.engine.images import read_image
assert ask(lambda: read_image(file, 32, 3)).shape == (3, 32, 32)
""",
    # a table of twelve images, written by the extra itself
    "datasets": """
import io
from importlib.util import find_spec
from PIL import Image
if find_spec("datasets"):
    import datasets
    file = io.BytesIO()
    Image.new("RGB", (32, 32), "red").save(file, "PNG")
    images = [dict(bytes=file.getvalue(), path=None)] * 12
    datasets.Dataset.from_dict(dict(image=images)).to_parquet("red.parquet")
else:
    Path("red.parquet").write_bytes(b"PAR1")
from ddpm_nb import load_data
assert len(ask(lambda: load_data("huggingface", root="red.parquet", val_fraction=0))) == 12
""",
    "video": """cli(f"sample.traj {few} --output_name film.mp4")""",
    "track": """
cli("train --config mnist_tiny --device cpu --training.max_steps 1 --training.batch_size 2 "
    "--dataset.limit 40 --training.sampling.every_steps 0 --overwrite "
    "--logging.tensorboard true --logging.wandb true --logging.wandb_mode offline")
""",
    "playground": """
from ddpm_nb.app import panels_sampling
assert ask(panels_sampling.ScheduleExplorer).png
from ddpm_nb.app import panels_editor
ask(panels_editor.Editor)
import jupyterlab, voila
""",
}
# for work on the repository, or with a kernel and a notebook that no check has here (teach)
NOT_FEATURES = {"bench", "dev", "teach"}


class Failed(Exception):
    "An extra does not keep its promise"


def extras() -> list[str]:
    "The extras that settings.ini has"
    cfg = ConfigParser(delimiters=["="], interpolation=None)
    cfg.read(root / "settings.ini", encoding="utf-8")
    suffix = "_requirements"
    return [k.removesuffix(suffix) for k in cfg["DEFAULT"] if k.endswith(suffix)]


def call(*cmd, cwd, env) -> tuple[int, str]:
    "Exit status and output of a command"
    cmd = [str(c) for c in cmd]
    done = subprocess.run(
        cmd, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    return done.returncode, done.stdout


def check_one(name: str, venv: Path, away: Path, env: dict) -> str:
    "Try one extra in an environment without any; says what the message was"
    python = venv / "bin" / "python"
    feature = (python, "-c", COMMON + FEATURES[name])
    code, out = call(*feature, cwd=away, env=env)
    lines = re.findall(rf"^.*(pip install 'ddpm_nb\[{name}\]').*$", out, re.M)
    if code != 2 or len(lines) != 1 or "Traceback" in out:
        raise Failed(f"{name}: without it expected exit 2 and one line, got exit {code}:\n{out}")
    message = next(line for line in out.splitlines() if lines[0] in line)
    before = frozen(python, away, env)
    pip = (python, "-m", *shlex.split(lines[0]), "-q", "--no-compile", "-c", PINS)
    code, out = call(*pip, cwd=away, env=env)
    if code:
        raise Failed(f"{name}: {lines[0]} exited with {code}:\n{out}")
    code, out = call(*feature, cwd=away, env=env)
    if code:
        raise Failed(f"{name}: with it exit {code}:\n{out}")
    if added := sorted(frozen(python, away, env) - before):
        call(python, "-m", "pip", "uninstall", "-q", "-y", *added, cwd=away, env=env)
    return f"{name}: {message.strip()}; then it runs ({len(added)} packages)"


def frozen(python, away, env) -> set[str]:
    "The names of what is installed"
    _, out = call(python, "-m", "pip", "list", "--format", "freeze", cwd=away, env=env)
    return {line.split("==")[0] for line in out.splitlines() if "==" in line}


def check(venv: Path, away: Path, env: dict, names=(), say=print):
    "Try extras in an environment that holds the wheel alone; raises `Failed`"
    odd = set(extras()) ^ {*FEATURES, *NOT_FEATURES}
    if odd:
        raise Failed(f"settings.ini and tools/check_extras.py: only one of them has {sorted(odd)}")
    env = env | {
        "TORCH_HOME": str(away / "torch"),
        "HF_HUB_OFFLINE": "1",
        "WANDB_SILENT": "true",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    for name in names or FEATURES:
        say(f"   {check_one(name, venv, away, env)}")


def main(names):
    import run_all

    with tempfile.TemporaryDirectory() as t:
        try:
            venv, away, env = run_all.clean_environment(Path(t))
            check(venv, away, env, names)
        except (Failed, run_all.Failed) as e:
            sys.exit(f"FAILED: {e}")


if __name__ == "__main__":
    os.chdir(root)
    main(sys.argv[1:])
