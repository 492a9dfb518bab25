"""The pictures of the site that are made from the pretrained models.

`make_pictures.py [animation] [live] [playground]`, all by default.

animation: nbs/images/animation.gif, 16 digits coming out of noise (seconds);
live: nbs/images/live_training.png, two minutes of training;
playground: the still pictures that nbs/playground.ipynb stores in place of its widgets (seconds).
"""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

root = Path(__file__).resolve().parent.parent
images = root / "nbs" / "images"


def animation(limit=2**20):
    "Sixteen states of one run: DDIM with 40 steps, guidance 2, seed 1, every second step a frame"
    import torch

    from ddpm_nb.engine.animation import save_gif, trajectory_frames
    from ddpm_nb.pretrained import load_pretrained
    from ddpm_nb.sampler import DDPMSampler

    model, schedules = load_pretrained("mnist-cond")
    y = torch.arange(16) % 10
    _, xts, x0s, _ = DDPMSampler(schedules).trajectory(
        model, (16, 1, 32, 32), "ddim", num_steps=40, y=y, guidance_scale=2.0, generator=1
    )
    path = save_gif(
        trajectory_frames(xts, 21, ncols=8, scale=2), images / "animation.gif", fps=8, hold=2.0
    )
    if path.stat().st_size >= limit:
        sys.exit(f"{path.name} has {path.stat().st_size} bytes; the limit is {limit}")
    return path


def live():
    "The playground's last panel after two minutes"
    from PIL import Image

    from ddpm_nb.app.panels_training import LiveTraining

    panel = LiveTraining()
    panel.run(wait=True)
    if panel.error:
        sys.exit(panel.text)
    print(panel.text)
    path = images / "live_training.png"
    Image.open(io.BytesIO(panel.png)).convert("RGB").quantize(64).save(path, optimize=True)
    return path


def playground():
    "Run the playground so that it stores pictures, and no widgets"
    nb = root / "nbs" / "playground.ipynb"
    convert = [sys.executable, "-m", "jupyter", "nbconvert", "--log-level=ERROR"]
    execute = ["--to", "notebook", "--execute", "--inplace", str(nb)]
    subprocess.run([*convert, *execute], check=True, env=dict(os.environ, DDPM_NB_STATIC="1"))
    # nbconvert keeps the state of widgets here
    notebook = json.loads(nb.read_text(encoding="utf-8"))
    notebook["metadata"].pop("widgets", None)
    nb.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    clean = Path(sys.executable).parent / "nbdev_clean"
    subprocess.run([str(clean), "--fname", str(nb)], check=True, cwd=root)
    return nb


if __name__ == "__main__":
    makers = dict(animation=animation, live=live, playground=playground)
    for name in sys.argv[1:] or makers:
        if name not in makers:
            sys.exit(f"no picture {name}; there are: {' '.join(makers)}")
        path = makers[name]()
        print(f"{path.relative_to(root)}: {path.stat().st_size / 1024:.0f} KB")
