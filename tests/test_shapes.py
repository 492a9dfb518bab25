"Rectangles, and images with alpha, through every command"

import io
import json

import numpy as np
import pytest
import torch
from PIL import Image

from ddpm_nb.app.config import load_config
from ddpm_nb.app.interop import unet2d_config, unetsmall_config
from ddpm_nb.app.onnx import load_onnx
from ddpm_nb.app.recipes import build
from ddpm_nb.cli import main
from ddpm_nb.core import DDPMError
from ddpm_nb.data import ImageData
from ddpm_nb.engine.checkpoint import load_model
from ddpm_nb.engine.datasets import load_data
from ddpm_nb.engine.streaming import StreamData, StreamScan
from ddpm_nb.sampler import DDPMSampler
from ddpm_nb.unet import UNetSmall
from helpers.commands import refused, results
from helpers.tiny import NET

HEIGHT, WIDTH = 16, 24
MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
FEW = "--num_samples 2 --num_steps 2 --device cpu".split()


def picture(i, mode="RGBA"):
    "A picture of the right size already, of which no two are alike"
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    bands = [7 * y + x + 3 * i, 9 * x + y, 5 * x + 40 * i, np.where(x < 20, 255, 0)]
    return Image.fromarray(np.stack(bands, -1).astype(np.uint8), "RGBA").convert(mode)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    "Eight pictures with alpha"
    root = tmp_path_factory.mktemp("pictures")
    for i in range(8):
        picture(i).save(root / f"{i}.png")
    return root


def train_args(folder, out, channels):
    small = """--config mnist_tiny --dataset.name folder --dataset.image_size 16,24
        --model.image_size 16,24 --model.base_channels 8 --model.channel_mults 1,2
        --model.attention_resolutions 8 --model.attention_head_dim null --model.num_groups 4
        --schedules.timesteps 20 --batch_size 2 --training.max_steps 2 --training.num_workers 0
        --training.validation.every_steps 0 --training.sampling.every_steps 2
        --training.sampling.num_steps 2 --training.sampling.num_samples 2 --device cpu
        --dataset.val_fraction 0.5 --training.optimizer.name adamw --training.amp false""".split()
    data = ["--dataset.root", str(folder), "--dataset.channels", str(channels)]
    return ["train", *small, *data, "--model.in_channels", str(channels), "--output_dir", str(out)]


@pytest.fixture(scope="module", params=list(MODES), ids=list(MODES.values()))
def run(request, folder, tmp_path_factory):
    "The folder of a run of two steps, and how many channels its images have"
    out = tmp_path_factory.mktemp("run") / "run"
    assert main(train_args(folder, out, request.param)) == 0
    return out, request.param


def test_every_pixel_goes_to_its_place(folder):
    for channels, mode in MODES.items():
        data = load_data(
            "folder", root=folder, image_size=[HEIGHT, WIDTH], channels=channels, val_fraction=0
        )
        assert data.image_shape == (channels, HEIGHT, WIDTH)
        found = ((data.batch(torch.tensor([3]))[0][0] + 1) * 127.5).round().byte()
        wanted = np.array(picture(3, mode if channels in (2, 4) else "RGBA"))
        clear = wanted[..., -1:] == 0
        if channels in (2, 4):
            wanted = np.where(clear, 0, wanted)  # a hidden colour is black
        else:
            wanted = np.where(clear, 255, wanted)[..., :3]
            if channels == 1:
                wanted = np.array(Image.fromarray(wanted).convert("L"))[..., None]
        assert np.array_equal(found.permute(1, 2, 0).numpy(), wanted), mode


def test_rectangles_cover_what_is_wanted(tmp_path):
    "A landscape and a portrait, cropped to a rectangle: the middle, at its right proportions"
    y, x = np.mgrid[:60, :120]
    Image.fromarray((2 * x).astype(np.uint8)).save(tmp_path / "a.png")
    Image.fromarray((2 * x.T).astype(np.uint8)).save(tmp_path / "b.png")

    def images(size):
        data = load_data("folder", root=tmp_path, image_size=size, channels=1, val_fraction=0)
        return ((data.batch(torch.arange(2))[0][:, 0] + 1) * 127.5).round()

    landscape, portrait = images([20, 30])
    # 90 of 120 columns, from the 15th on: three to a pixel
    assert (landscape[:, 1:-1] - (2 * (15 + 3 * torch.arange(1, 29) + 1))).abs().max() <= 2
    # 40 of 120 rows, two to a pixel, from the 40th on
    assert (portrait[1:-1].T - (2 * (40 + 2 * torch.arange(1, 19)) + 1)).abs().max() <= 2
    upright = images([30, 20])
    assert torch.equal(upright[0], portrait.T) and torch.equal(upright[1], landscape.T)


def test_arrays_of_four_channels(tmp_path, capsys):
    "In their own size, and in another; a table of images goes the same way (tests/test_sources.py)"
    pixels = np.stack([np.array(picture(i)) for i in range(8)])
    np.save(tmp_path / "a.npy", pixels)
    how = dict(root=tmp_path / "a.npy", layout="NHWC", val_fraction=0)
    data = load_data("array", image_size=[HEIGHT, WIDTH], **how)
    assert data.image_shape == (4, HEIGHT, WIDTH)
    found = ((data.batch(torch.tensor([3]))[0][0] + 1) * 127.5).round().byte()
    assert np.array_equal(found.permute(1, 2, 0).numpy(), pixels[3])
    assert load_data("array", image_size=[24, 16], **how).image_shape == (4, 24, 16)
    assert "to be 24 × 16 (height × width) (dataset.fit crop)" in capsys.readouterr().out


def test_a_run_says_what_it_understood(folder, tmp_path, capsys):
    assert main(train_args(folder, tmp_path, 2)) == 0
    assert "of 16 × 24 (height × width) pixels, grey and alpha" in capsys.readouterr().out
    assert main(["sample", "grid", *FEW, "--output_dir", str(tmp_path)]) == 0
    assert "alpha is kept in grids" in capsys.readouterr().out


@pytest.mark.slow
def test_grids_and_what_is_in_them(run):
    "Every sampling command; alpha is in the file, and a film has none"
    out, channels = run
    here = [*FEW, "--output_dir", str(out)]
    with Image.open(out / "grids" / "step_000002.png") as grid:
        kind = MODES[channels] if channels in (2, 4) else "RGB"
        assert (grid.mode, grid.size) == (kind, (2 * (WIDTH + 2) + 2, HEIGHT + 4))
    assert main(["sample.grid", *here, "--output_name", "a"]) == 0
    model, schedules, _ = load_model(out / "ckpts" / "ema.pt")
    images = DDPMSampler(schedules).sample(
        model, (2, channels, HEIGHT, WIDTH), "ddim", 2, generator=0
    )
    wanted = ((images[0].clamp(-1, 1) + 1) * 127.5).round().byte()
    with Image.open(out / "grids" / "a.png") as grid:
        assert (grid.mode, grid.height) == (kind, 2 * (HEIGHT + 4))
        found = np.array(grid).reshape(grid.height, grid.width, -1)[4:36:2, 4:52:2]
    assert np.array_equal(
        found, wanted.expand(max(channels, found.shape[-1]), -1, -1).permute(1, 2, 0).numpy()
    )
    assert main(["sample.traj", *here]) == 0
    with Image.open(out / "animations" / "trajectory.gif") as film:
        assert film.size == (2 * 2 * (2 * (WIDTH + 2) + 2), 2 * (HEIGHT + 4))
    assert main(["sample.interpolate", *here]) == 0
    assert main(["viz.neighbours", *here]) == 0


def test_edits_of_ones_own_image(run, tmp_path, capsys):
    out, channels = run
    here = [*FEW, "--output_dir", str(out)]
    picture(1).save(tmp_path / "mine.png")
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[:, :12] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    for command, flags in (
        ("sample.edit", ()),
        ("sample.inpaint", ("--mask", tmp_path / "mask.png", "--resample", 1)),
    ):
        flags = [*map(str, flags), "--image", str(tmp_path / "mine.png")]
        assert main([command, *here, *flags]) == 0
    with Image.open(out / "grids" / "inpaint.png") as im:
        grid = np.array(im).reshape(im.height, im.width, -1)[::2, ::2]
    first, completed = grid[2:18, 2:26], grid[2 + 2 * 18 : 2 * 18 + 18, 2:26]
    assert np.array_equal(first[:, :12], completed[:, :12])  # what is known stays
    assert main(["sample.inpaint", *here, "--resample", "1"]) == 0  # the data's, the right half
    picture(1).transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png")
    capsys.readouterr()
    says = "is 16x24 pixels; the model makes 24x16 (width x height)"
    refused(capsys, says, "sample.edit", *here, "--image", tmp_path / "turned.png")


@pytest.mark.slow
def test_eval_and_report(run):
    "Features that see squares of one or three channels say what they saw"
    out, channels = run
    metrics = "fid_proxy,kid,psnr,ssim,perceptual_proxy,calibration,bits_per_dim,diversity"
    here = ["--output_dir", str(out), "--num_steps", "2", "--device", "cpu"]
    more = ["--metrics", metrics, "--evaluation.num_images", "2", "--evaluation.num_bits", "1"]
    assert main(["eval", *here, *more, "--num_samples", "4"]) == 0
    values = results(out)["results"][0]["metrics"]
    assert set(metrics.split(",")) == set(values)
    for name in ("fid_proxy", "kid"):
        assert "squeezed to squares" in values[name]["note"]
        assert ("without their alpha" in values[name]["note"]) == (channels in (2, 4))
        assert ("in grey" in values[name]["note"]) == (channels > 2)
    if channels == 4:  # the report does not look at images, and takes seconds
        assert main(["report", "--output_dir", str(out)]) == 0
        assert "squeezed to squares" in (out / "reports" / "report.md").read_text(encoding="utf-8")


def test_there_and_back_with_diffusers(run, tmp_path):
    diffusers = pytest.importorskip("diffusers")
    out, channels = run
    assert main(["export", "--output_dir", str(out), "--output_name", str(tmp_path / "d")]) == 0
    pipe = diffusers.DDPMPipeline.from_pretrained(tmp_path / "d")
    pipe.set_progress_bar_config(disable=True)
    made = pipe(num_inference_steps=2, output_type="np").images
    assert made.shape == (1, HEIGHT, WIDTH, channels)
    file = tmp_path / "back.safetensors"
    assert main(["import", "--source", str(tmp_path / "d"), "--output_name", str(file)]) == 0
    grids = []
    for name, source in (("a", []), ("b", ["--pretrained", str(file)])):
        how = [*FEW, "--output_dir", str(out), "--output_name", name]
        assert main(["sample.grid", *how, *source]) == 0
        grids.append(np.array(Image.open(out / "grids" / f"{name}.png")).astype(int))
    assert np.abs(grids[0] - grids[1]).max() <= 1


@pytest.mark.slow
def test_one_onnx_file(run, tmp_path):
    pytest.importorskip("onnx", reason="extra `onnx` is not installed")
    pytest.importorskip("onnxruntime", reason="extra `onnx` is not installed")
    out, channels = run
    file = tmp_path / "m.onnx"
    args = ["export", "--output_dir", str(out), "--format", "onnx", "--output_name", str(file)]
    assert main(args) == 0
    net, _ = load_onnx(file)
    assert (net.in_channels, net.image_size) == (channels, [HEIGHT, WIDTH])
    model = load_model(out / "ckpts" / "ema.pt")[0]
    x, t = torch.randn(2, channels, HEIGHT, WIDTH), torch.tensor([3, 7])
    with torch.no_grad():
        torch.testing.assert_close(net(x, t), model(x, t), atol=1e-4, rtol=1e-4)


def test_a_turned_network_turns_its_output():
    "With its kernels transposed, a network for portraits does to them what it did to landscapes"
    torch.manual_seed(0)
    net = NET | dict(attention_resolutions=(8, 4), channel_mults=(1, 2, 2), attention_head_dim=4)
    wide, tall = (UNetSmall(**net | dict(image_size=s)).eval() for s in ([16, 32], [32, 16]))
    torch.nn.init.normal_(wide.conv_out.weight, std=0.2)
    turned = {k: v.transpose(2, 3) if v.ndim == 4 else v for k, v in wide.state_dict().items()}
    tall.load_state_dict(turned)
    x = torch.randn(2, 1, 16, 32, requires_grad=True)
    t = torch.tensor([3, 500])
    out = wide(x, t)
    torch.testing.assert_close(tall(x.transpose(2, 3), t), out.transpose(2, 3), atol=1e-5, rtol=0)
    out.square().mean().backward()
    assert (x.grad.abs() > 0).all()  # every pixel counts
    assert out.std() > 0.1


def test_squares_are_what_they_were():
    "A size that is written as two equal sides is one number everywhere; the same weights, too"
    torch.manual_seed(0)
    one = UNetSmall(**NET)
    torch.manual_seed(0)
    two = UNetSmall(**NET | dict(image_size=(8, 8)))
    assert one.config == two.config and two.image_size == 8
    for a, b in zip(one.parameters(), two.parameters()):
        assert torch.equal(a, b)
    config = load_config({}, {"dataset.image_size": "[32, 32]", "model.image_size": "32"})
    assert config.dataset.image_size == 32 and config == load_config({})


def test_networks_of_diffusers_and_back():
    net = NET | dict(image_size=[16, 24], attention_resolutions=[8], attention_head_dim=4)
    net |= dict(in_channels=4)
    theirs = unet2d_config(UNetSmall(**net))
    assert theirs["sample_size"] == [16, 24]
    assert theirs["down_block_types"] == ["DownBlock2D", "AttnDownBlock2D"]
    ours = unetsmall_config(theirs | dict(class_embed_type=None))
    assert {k: ours[k] for k in ("image_size", "attention_resolutions", "in_channels")} == {
        k: net[k] for k in ("image_size", "attention_resolutions", "in_channels")
    }


@pytest.mark.slow
def test_wrong_shapes_are_named(folder, tmp_path, capsys):
    wide = train_args(folder, tmp_path, 3)

    def with_flag(key, value):
        args = list(wide)
        args[args.index(f"--{key}") + 1] = value
        return args

    for key, value, says in (
        ("dataset.image_size", "16x24", "'16x24' is of type str; expected int or [height, width]"),
        ("dataset.image_size", "16,24,32", "expected one number, or height and width"),
        ("dataset.image_size", "24,16", "[24, 16], but model.image_size: [16, 24]"),
        ("dataset.channels", "5", "dataset.channels: 5; expected 1, 2, 3, 4 or null"),
        ("model.in_channels", "4", "model.in_channels: 4, but images of folder have 3"),
        ("model.attention_resolutions", "12", "12 is none of this network's resolutions [16, 8]"),
        ("model.channel_mults", "1,1,1,1,1", "width 24 cannot be halved 4 times"),
    ):
        refused(capsys, says, *with_flag(key, value))
    assert not (tmp_path / "ckpts").exists()
    images = ImageData(torch.zeros(8, 3, 24, 16, dtype=torch.uint8))
    with pytest.raises(
        DDPMError, match=r"images are \(3, 24, 16\); the model expects \(3, 16, 24\)"
    ):
        sizes = dict(dataset=dict(image_size=[16, 24], name="folder", root=str(folder)))
        build(sizes | dict(training=dict(batch_size=2)), train_data=images, output_dir=tmp_path)


def test_an_onnx_file_of_a_rectangle_is_of_a_newer_form(tmp_path):
    "A reader that knows squares only must refuse it; squares stay readable for it"
    from ddpm_nb.app.onnx import onnx_metadata
    from ddpm_nb.schedules import DDPMSchedules

    for size, version in ((8, 1), ([8, 16], 2)):
        metadata = onnx_metadata(
            UNetSmall(**NET | dict(image_size=size)), DDPMSchedules(timesteps=9)
        )
        assert json.loads(metadata["format_version"]) == version
        assert json.loads(metadata["image_size"]) == size


def test_a_stream_keeps_both_sides():
    file = io.BytesIO()
    Image.new("RGB", (30, 20), (255, 0, 0)).save(file, "PNG")
    scan = StreamScan("some", {}, "image")
    data = StreamData(scan, (16, 24))
    image, _ = data.decode({"image": {"bytes": file.getvalue()}})
    assert image.shape == data.image_shape == (3, 16, 24)
    assert (image.float().mean((1, 2)) == torch.tensor([255.0, 0, 0])).all()
