"Pictures from the command line and from files as they are while a run goes on"

import errno
import importlib.util
import json
import math
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from PIL.GifImagePlugin import GifImageFile

from ddpm_nb import viz as V
from ddpm_nb.cli import main
from ddpm_nb.core import DDPMError
from ddpm_nb.data import ImageData, load_mnist
from ddpm_nb.engine.animation import save_gif, save_grid, save_mp4
from ddpm_nb.schedules import DDPMSchedules


@pytest.fixture(autouse=True)
def _close():
    import matplotlib

    matplotlib.use("Agg")
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


def animate(run, name, *more):
    "Animate the sampling of four images in five steps; the file"
    args = ["--output_dir", str(run), "--num_samples", "4", "--num_steps", "5"]
    assert main(["sample.traj", *args, "--output_name", name, *more]) == 0
    return run / "animations" / name


def test_an_animation_shows_state_and_prediction(run):
    both = GifImageFile(animate(run, "both.gif"))
    one = GifImageFile(animate(run, "one.gif", "--predicted"))
    assert both.width == 2 * one.width
    assert both.height == one.height
    both.seek(both.n_frames - 1)
    f = np.array(both.convert("L")).astype(int)
    w = f.shape[1] // 2
    assert abs(f[:, :w] - f[:, w:]).max() < 40  # in the end both are the sample
    both.seek(0)
    f = np.array(both.convert("L")).astype(int)
    assert abs(f[:, :w] - f[:, w:]).max() > 40  # but not in the beginning


@pytest.mark.skipif(
    importlib.util.find_spec("imageio_ffmpeg") is None, reason="needs the extra `video`"
)
def test_mp4_is_an_mp4(run):
    import imageio_ffmpeg

    p = animate(run, "film.mp4", "--fps", "7")
    frames = imageio_ffmpeg.read_frames(str(p))
    meta = next(frames)
    n = sum(1 for _ in frames)
    assert p.read_bytes()[4:8] == b"ftyp"
    assert meta["fps"] == 7
    assert n == 6
    assert meta["size"][0] > 1.5 * meta["size"][1] > 0


def test_mp4_of_odd_size_loses_nothing(tmp_path):
    imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg")
    frames = [np.full((33, 35, 3), v, np.uint8) for v in (0, 128, 255)]
    back = imageio_ffmpeg.read_frames(str(save_mp4(frames, tmp_path / "a.mp4")))
    assert next(back)["size"] == (36, 34)
    shown = [np.frombuffer(b, np.uint8).reshape(34, 36, 3)[:33, :35].mean() for b in back]
    assert np.allclose(shown, [0, 128, 255], atol=6)


def test_neighbours_from_the_command_line(run, capsys):
    few = ["--num_samples", "3", "--num_steps", "3"]
    assert main(["viz.neighbours", "--output_dir", str(run), *few]) == 0
    im = Image.open(run / "grids" / "neighbours.png")
    assert min(im.size) > 100
    assert main(["viz.neighbours", "--output_dir", str(run / "nowhere")]) == 2
    assert "does not exist" in capsys.readouterr().err


def test_a_copy_is_found():
    digits = load_mnist("train")
    data = ImageData(digits.images[:500], digits.labels[:500])
    near: Any = V.plot_neighbours(data.batch(torch.tensor([7, 400]))[0], data, 4)
    assert near.distances.shape == (2, 4)
    assert near.distances[:, 0].max() < 1e-3 < near.distances[:, 1].min()
    # the sample and its copy, side by side
    shown = near.images[0].get_array()
    assert np.array_equal(shown[2:34, 2:34], shown[2:34, 36:68])


@pytest.mark.slow
def test_curves_while_a_run_goes_on(run, tmp_path):
    "From the first log entry on, with whatever is missing or not finite yet"
    log = json.loads((run / "logs" / "training_metrics.json").read_text())
    (tmp_path / "logs").mkdir()
    first, *others = log["steps"]
    curves = tmp_path / "curves" / "training_curves.png"
    for change in (
        dict(finished=False, val=[]),
        dict(steps=[first], val=[]),
        dict(steps=[first | dict(loss=None, grad_norm=None), *others]),
        dict(steps=[first | dict(loss=math.nan, grad_norm=math.inf)]),  # as 0.1 wrote it
        dict(val=[v | dict(loss_ema=None) for v in log["val"]]),
    ):
        (tmp_path / "logs" / "training_metrics.json").write_text(json.dumps(log | change))
        assert main(["viz.curves", "--output_dir", str(tmp_path)]) == 0
        assert curves.stat().st_size > 5000
        curves.unlink()
    (tmp_path / "logs" / "training_metrics.json").write_text(json.dumps(log | dict(steps=[])))
    assert main(["viz.curves", "--output_dir", str(tmp_path)]) == 2
    assert not curves.exists()


def test_lines_are_told_apart_without_colour():
    axs = V.plot_schedules([DDPMSchedules(k, 50) for k in ("linear", "cosine", "sigmoid")])
    for ax in axs:
        assert len({str(l.get_linestyle()) + str(l._unscaled_dash_pattern) for l in ax.lines}) == 3
    assert len(set(V.COLORS)) == len(set(V.MARKERS)) == 6


def test_colours_survive_colour_blindness():
    "The first four stay apart under simulated loss of red or green cones (Viénot et al. 1999)"
    lin = np.array([[int(c[k : k + 2], 16) / 255 for k in (1, 3, 5)] for c in V.COLORS[:4]]) ** 2.2
    lms = np.array(
        [[17.8824, 43.5161, 4.11935], [3.45565, 27.1554, 3.86714], [0.0299566, 0.184309, 1.46709]]
    )
    back = np.linalg.inv(lms)
    for sim in (
        [[0, 2.02344, -2.52581], [0, 1, 0], [0, 0, 1]],
        [[1, 0, 0], [0.494207, 0, 1.24827], [0, 0, 1]],
    ):
        seen = (lin @ lms.T @ np.array(sim).T @ back.T).clip(0, 1) ** (1 / 2.2)
        d = np.linalg.norm(seen[:, None] - seen, axis=-1)
        assert d[~np.eye(4, dtype=bool)].min() > 0.14, d


def test_speed_and_quality_takes_mixed_results():
    def r(m, n, metrics):
        return dict(name=f"{m}-{n}", num_steps=n, seconds_per_image=n / 100, metrics=metrics)

    d = dict(value=3.0, floor=None, features="inception", n=9)
    ax = V.plot_speed_quality(
        [
            r("ddim", 5, dict(fid=d)),
            r("ddim", 9, dict(kid=dict(value=1.0))),
            r("heun", 5, dict(fid=d | dict(floor=1.0))),
        ]
    )
    assert [l.get_label() for l in ax.lines] == ["ddim", "heun", "floor: real images"]
    assert ax.get_ylabel() == "fid (inception, n=9)"


def test_nothing_half_written(tmp_path, monkeypatch):
    "Neither images that cannot be drawn nor a disk that is full halfway leave anything behind"
    x = torch.zeros(1, 1, 8, 8)
    frames = [np.zeros((8, 8, 3), np.uint8)] * 2
    with pytest.raises(DDPMError, match="NaN"):
        save_grid(x * torch.nan, tmp_path / "a.png")
    with pytest.raises(DDPMError, match="none given"):
        save_gif([], tmp_path / "a.gif")
    save_grid(x, tmp_path / "a.png")
    before = (tmp_path / "a.png").read_bytes()

    def disk_full(self, path, *args, **kwargs):
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", disk_full)
    with pytest.raises(DDPMError, match="No space left"):
        save_grid(x + 1, tmp_path / "a.png")
    with pytest.raises(DDPMError, match="No space left"):
        save_gif(frames, tmp_path / "a.gif")
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]
    assert (tmp_path / "a.png").read_bytes() == before
