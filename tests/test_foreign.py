"Models of diffusers as they are found, and runs that start from trained weights"

import json
import shutil

import pytest
import torch
from PIL import Image

from ddpm_nb.app.interop import from_diffusers, to_diffusers
from ddpm_nb.cli import main
from ddpm_nb.core import DDPMError
from ddpm_nb.engine.checkpoint import load_checkpoint
from ddpm_nb.engine.compat import import_torchvision
from ddpm_nb.engine.labels import class_names, label_number
from ddpm_nb.pretrained import load_pretrained
from ddpm_nb.schedules import DDPMSchedules
from helpers.tiny import tiny_model

pytestmark = pytest.mark.slow
import_torchvision()
diffusers = pytest.importorskip("diffusers")
diffusers.utils.logging.set_verbosity_error()
diffusers.utils.logging.disable_progress_bar()


def theirs(folder, scheduler=None, **kw):
    "A tiny network of diffusers, saved as a pipeline"
    torch.manual_seed(0)
    usual = dict(
        sample_size=16,
        in_channels=1,
        out_channels=1,
        layers_per_block=1,
        block_out_channels=(8, 16),
        norm_num_groups=4,
        add_attention=False,
        down_block_types=("DownBlock2D",) * 2,
        up_block_types=("UpBlock2D",) * 2,
    )
    unet = diffusers.UNet2DModel(**usual | kw)
    sched = diffusers.DDPMScheduler(**scheduler or {})
    diffusers.DDPMPipeline(unet, sched).save_pretrained(folder)
    return unet


def cli(capsys, *args, code=0):
    "What a command line prints; it exits with `code`"
    assert main([str(a) for a in args]) == code
    return "".join(capsys.readouterr())


def imported(capsys, tmp_path, *more):
    "The file that `import` writes, and what it says"
    file = tmp_path / "m.safetensors"
    said = cli(capsys, "import", "--source", tmp_path / "x", "--output_name", file, *more)
    return file, said


FEW = ("--num_samples", 2, "--num_steps", 2, "--device", "cpu")


@pytest.mark.parametrize(
    "file, odd",
    [
        ("unet/config.json", dict(block_out_channels=[])),
        ("unet/config.json", dict(block_out_channels=[8, 12])),
        ("scheduler/scheduler_config.json", dict(num_train_timesteps="x")),
        ("scheduler/scheduler_config.json", dict(beta_start=None)),
        ("scheduler/scheduler_config.json", dict(clip_sample_range="x")),
    ],
)
def test_settings_of_a_wrong_type_are_refused(tmp_path, file, odd):
    theirs(tmp_path / "x")
    path = tmp_path / "x" / file
    path.write_text(json.dumps(json.loads(path.read_text()) | odd))
    with pytest.raises(DDPMError, match="import: .*its settings make no network or schedule: ."):
        from_diffusers(tmp_path / "x")


def test_weights_that_are_not_there_are_not_left_random(tmp_path):
    "diffusers imports such a folder with a line in its log"
    path = tmp_path / "x" / "unet" / "config.json"
    theirs(tmp_path / "x")
    config = json.loads(path.read_text())
    path.write_text(json.dumps(config | dict(num_class_embeds=10)))
    with pytest.raises(DDPMError, match="the weights lack class_embedding.weight"):
        from_diffusers(tmp_path / "x")
    shutil.rmtree(tmp_path / "x")
    theirs(tmp_path / "x", num_class_embeds=10)
    path.write_text(json.dumps(config))
    said = []
    assert from_diffusers(tmp_path / "x", say=said.append)[0].num_classes is None
    assert any("no place for 1 of the weights, such as class_embedding.weight" in s for s in said)


def test_classes_stay_classes(tmp_path, capsys):
    unet = theirs(tmp_path / "x", num_class_embeds=10)
    file, said = imported(capsys, tmp_path)
    assert "10 classes and no null label" in said and "--null_label last" in said
    model, _ = load_pretrained(file)
    assert (model.num_classes, model.null_label) == (10, None)
    x, t, y = torch.randn(2, 1, 16, 16), torch.tensor([3, 800]), torch.tensor([0, 9])
    with torch.no_grad():
        torch.testing.assert_close(model(x, t, y), unet(x, t, class_labels=y).sample)
    grid = ("sample.grid", "--pretrained", file, "--output_dir", tmp_path / "o", *FEW)
    cli(capsys, *grid, "--label", 9)
    assert "expected 0 to 9" in cli(capsys, *grid, "--label", 10, code=2)
    assert "no null label" in cli(capsys, *grid, "--guidance_scale", 2, code=2)
    file, said = imported(capsys, tmp_path, "--null_label", "last")
    assert "9 classes" in said
    assert load_pretrained(file)[0].null_label == 9
    bad = ("import", "--source", tmp_path / "x", "--null_label", "first")
    assert "expected last or none" in cli(capsys, *bad, code=2)


def test_what_a_scheduler_says_becomes_the_default(tmp_path, capsys):
    theirs(tmp_path / "x", dict(clip_sample=False))
    file, said = imported(capsys, tmp_path)
    assert "sampling.clip none" in said
    shown = ("sample.grid", "--pretrained", file, "--print_config")
    assert "\n  clip: none " in cli(capsys, *shown)
    assert "\n  clip: dynamic " in cli(capsys, *shown, "--sampling.clip", "dynamic")
    (tmp_path / "own.yaml").write_text("sampling: {clip: clip}")
    assert "\n  clip: clip " in cli(capsys, *shown, "--config", tmp_path / "own.yaml")
    shutil.rmtree(tmp_path / "x")
    theirs(tmp_path / "x", dict(clip_sample_range=2.0, variance_type="fixed_large"))
    file, said = imported(capsys, tmp_path)
    assert "clip_sample_range 2.0: no such range here" in said
    assert "variance: null" in cli(capsys, *shown)  # only the sampler ddpm chooses one
    assert "variance: fixed_large" in cli(capsys, *shown, "--method", "ddpm")


def test_latents_are_refused_before_anything_is_written(tmp_path, capsys):
    theirs(tmp_path / "x", in_channels=4, out_channels=4)
    said = cli(capsys, "import", "--source", tmp_path / "x", "--output_dir", tmp_path, code=2)
    assert "in_channels: 4" in said and "latents" in said
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def test_folders_of_training_scripts(tmp_path, capsys):
    "checkpoint-500 with unet and unet_ema; the scheduler stands one folder up"
    run = tmp_path / "x"
    theirs(run)
    average = theirs(tmp_path / "other", sample_size=16)
    with torch.no_grad():
        average.conv_in.bias.add_(1)
    (run / "checkpoint-500").mkdir()
    shutil.move(run / "unet", run / "checkpoint-500" / "unet")
    average.save_pretrained(run / "checkpoint-500" / "unet_ema")
    said = cli(capsys, "import", "--source", run, code=2)
    assert "name one of" in said and "checkpoint-500" in said
    lines = []
    model, _ = from_diffusers(run / "checkpoint-500", say=lines.append)
    assert torch.equal(model.conv_in.bias, average.conv_in.bias)
    assert "unet_ema" in lines[0]
    model, _ = from_diffusers(run / "checkpoint-500", subfolder="unet")
    assert not torch.equal(model.conv_in.bias, average.conv_in.bias)
    shutil.rmtree(run / "scheduler")
    with pytest.raises(ValueError, match="--scheduler FOLDER"):
        from_diffusers(run / "checkpoint-500", subfolder="unet")
    from_diffusers(run / "checkpoint-500", subfolder="unet", scheduler=tmp_path / "other")


def test_half_precision_only(tmp_path):
    pipe = diffusers.DDPMPipeline.from_pretrained
    theirs(tmp_path / "x")
    pipe(tmp_path / "x").save_pretrained(tmp_path / "half", variant="fp16")
    lines = []
    model, _ = from_diffusers(tmp_path / "half", say=lines.append)
    assert model.conv_in.weight.dtype == torch.float32 and "fp16 only" in lines[0]
    with pytest.raises(ValueError, match="unet: .*bf16"):
        from_diffusers(tmp_path / "half", variant="bf16")


def test_a_slip_in_a_path_is_no_name_on_the_hub(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    theirs(tmp_path / "runs" / "cats")
    said = cli(capsys, "import", "--source", "runs/cat", code=2)
    assert "did you mean runs/cats?" in said and "hub:" in said


@pytest.fixture
def photos(tmp_path):
    "Eight small pictures in colour, in two classes"
    g = torch.Generator().manual_seed(0)
    for i in range(8):
        d = tmp_path / "photos" / "ab"[i % 2]
        d.mkdir(parents=True, exist_ok=True)
        pixels = torch.randint(0, 256, (20, 20, 3), dtype=torch.uint8, generator=g)
        Image.fromarray(pixels.numpy()).save(d / f"{i}.png")
    return tmp_path / "photos"


def train(photos, tmp_path, file, *more):
    return (
        *("train", "--config", "folder", "--dataset.root", photos, "--init_from", file),
        *("--output_dir", tmp_path / "o", "--overwrite", "--device", "cpu"),
        *("--training.max_steps", 1, "--training.batch_size", 4, "--training.num_workers", 0),
        *("--training.sampling.every_steps", 0, *more),
    )


def test_fine_tuning_an_imported_model(tmp_path, capsys, photos):
    "One command, where six refusals in a row were"
    theirs(tmp_path / "x", num_class_embeds=10)
    file, _ = imported(capsys, tmp_path)
    said = cli(capsys, *train(photos, tmp_path, file))
    assert "the network of" in said and "where you set nothing" in said
    config = load_checkpoint(tmp_path / "o" / "ckpts" / "latest.pt")["config"]
    assert config["model"]["base_channels"] == 8 and config["dataset"]["channels"] == 1
    assert config["schedules"]["schedule"] == "linear"  # diffusers' betas, under our name
    more = ("--model.num_classes", 2, "--dataset.channels", 3, "--model.in_channels", 3)
    said = cli(capsys, *train(photos, tmp_path, file, *more))
    assert "10 → 2 classes" in said and "1 → 3 channels" in said
    wrong = ("--model.base_channels", 16, "--model.num_groups", 8, "--model.film", "true")
    said = cli(capsys, *train(photos, tmp_path, file, *wrong), code=2)
    assert "--model.base_channels 8 --model.num_groups 4 --model.film false" in said


def test_a_folder_of_ours_says_what_its_last_class_is(tmp_path, capsys):
    cli(capsys, "export", "--pretrained", "mnist-cond", "--output_name", tmp_path / "x")
    words = json.loads((tmp_path / "x" / "ddpm_nb.json").read_text())
    assert words["null_label"] == "last"
    file, said = imported(capsys, tmp_path)
    assert "10 classes" in said and load_pretrained(file)[0].null_label == 10


def test_names_of_classes_go_to_diffusers_and_back(tmp_path):
    model = tiny_model(num_classes=2)
    model.class_names = ["cat", "Käfer"]
    schedules = DDPMSchedules("cosine", 20)
    to_diffusers(model, schedules, tmp_path / "x")
    again, _ = from_diffusers(tmp_path / "x", say=lambda line: None)
    assert class_names(again) == ["cat", "Käfer"]
    assert label_number("Käfer", again.num_classes, class_names(again)) == 1
    (tmp_path / "x" / "ddpm_nb.json").write_text("{")
    with pytest.raises(DDPMError, match="is damaged"):
        from_diffusers(tmp_path / "x")
