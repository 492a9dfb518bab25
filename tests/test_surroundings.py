"What people have around a run: paths as they write them, variables that others set, other devices"

from types import SimpleNamespace

import pytest
import torch
from PIL import Image

from ddpm_nb.app.recipes import build
from ddpm_nb.cli import main
from ddpm_nb.core import DDPMError
from ddpm_nb.data import ImageData
from ddpm_nb.engine.checkpoint import load_checkpoint, load_model
from ddpm_nb.engine.datasets import load_data
from ddpm_nb.engine.evaluate import evaluate
from ddpm_nb.engine.features import train_feature_net
from ddpm_nb.engine.files import append_checksum
from ddpm_nb.engine.folders import FolderData
from helpers.commands import refused, train
from helpers.tiny import NET_KEYS, image_folder, pixels, tiny_trainer

# ---- paths that no shell has written out


@pytest.fixture
def home(tmp_path, monkeypatch):
    "A home with images of eight pixels in it, and a variable that names it"
    for name in ("HOME", "USERPROFILE", "DISK"):
        monkeypatch.setenv(name, str(tmp_path))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    image_folder(tmp_path / "im", 12)
    return tmp_path


GREY = ["--dataset.name=folder", "--dataset.channels=1", "--dataset.image_size=16"]


@pytest.mark.slow
def test_home_and_variables_are_written_out_in_flags(home, capsys):
    where = ["--dataset.root=~/im", "--output_dir=$DISK/o"]
    assert train("", *where, *GREY, "--training.max_steps=1") == 0
    assert "writing to " + str(home / "o") in capsys.readouterr().out
    assert (home / "o" / "ckpts" / "ema.pt").is_file()
    Image.new("L", (16, 16)).save(home / "own.png")
    few = ["--num_samples=2", "--num_steps=2", "--device=cpu", "--output_dir=${DISK}/edited"]
    edit = ["sample.edit", "--checkpoint=~/o/ckpts/ema.pt", "--image=~/own.png", *few]
    assert main(edit) == 0
    walk = ["sample.interpolate", "--checkpoint=$DISK/o/ckpts/ema.pt", *few]
    assert main([*walk, "--images=~/own.png,$DISK/own.png"]) == 0
    assert main(["report", "--output_dir=~/o"]) == 0
    assert list((home / "elsewhere").iterdir()) == []  # no folder called ~


@pytest.mark.slow
def test_home_and_variables_are_written_out_in_files(home):
    (home / "own.yaml").write_text(
        "init_from: ~/first/ckpts/ema.pt\n"
        "output: {dir: $DISK/second}\n"
        "dataset: {name: folder, root: ~/im, channels: 1, image_size: 16}\n"
    )
    (home / "first.yaml").write_text("dataset: {name: folder, root: $DISK/im, channels: 1}\n")
    tiny = {
        **NET_KEYS,
        "training.max_steps": 1,
        "training.batch_size": 4,
    }
    how: dict = dict(device="cpu", progress=False)
    first = {"output.dir": "~/first", "dataset.image_size": 16, **tiny}
    build("~/first.yaml", **how, **first).trainer.train()
    run = build("$DISK/own.yaml", **how, **{"training.max_steps": 1, "training.batch_size": 4})
    assert run.model.config["base_channels"] == 8
    run.trainer.train()
    saved = load_checkpoint("~/second/ckpts/latest.pt")
    assert saved["config"]["dataset"]["root"] == str(home / "im")
    assert list((home / "elsewhere").iterdir()) == []


@pytest.mark.slow
def test_python_takes_such_paths_too(home):
    assert len(FolderData("~/im", 8, 1)) == len(load_data("folder", root="$DISK/im")) + 1
    tiny_trainer("~/t", max_steps=1).train()
    assert (home / "t" / "ckpts" / "latest.pt").is_file()


def test_what_is_there_under_that_name_goes_before(home):
    image_folder(home / "elsewhere" / "~", 3)
    image_folder(home / "elsewhere" / "$DISK", 4)
    assert [len(FolderData(name, 8, 1)) for name in ("~", "$DISK")] == [3, 4]


def test_a_variable_that_is_not_set_is_named(home, capsys):
    refused(capsys, "DISC is not set", "train", "--output_dir=$DISC/o")
    refused(capsys, "no home of ~nobody-here", "train", "--dataset.root=~nobody-here/im")
    (home / "own.yaml").write_text("output: {dir: $DISC/o}")
    refused(capsys, ["output.dir", "DISC is not set"], "train", "--config=~/own.yaml")


# ---- variables of several processes

JOB = dict(RANK="0", WORLD_SIZE="2", LOCAL_RANK="0", MASTER_ADDR="localhost", MASTER_PORT="29500")


@pytest.mark.parametrize(
    "changed, says",
    [
        (dict(RANK="x"), "RANK: 'x' in the environment"),
        (dict(RANK="2"), "RANK: 2, but WORLD_SIZE is 2"),
        (dict(WORLD_SIZE="2 3"), "WORLD_SIZE: '2 3'"),
        (dict(WORLD_SIZE="0"), "WORLD_SIZE: 0"),  # trained alone without a word
        (dict(RANK=""), "RANK: not set, but WORLD_SIZE is 2"),  # the same
        (dict(LOCAL_RANK="-1"), "LOCAL_RANK: '-1'"),
        (dict(MASTER_PORT="http"), "MASTER_PORT: 'http'"),
        (dict(MASTER_PORT="65536"), "MASTER_PORT: '65536'"),
        (dict(MASTER_ADDR=""), "MASTER_ADDR: not set"),
        (dict(TORCHELASTIC_RESTART_COUNT="x", GROUP_WORLD_SIZE="1"), "TORCHELASTIC_RESTART_COUNT"),
    ],
)
def test_variables_of_torchrun_that_make_no_sense(tmp_path, capsys, monkeypatch, changed, says):
    for name, value in (JOB | changed).items():
        monkeypatch.setenv(name, value)
    refused(capsys, says, "train", "--device", "cpu", "--output_dir", tmp_path / "o")
    assert not (tmp_path / "o").exists()


@pytest.mark.slow
def test_a_rank_that_was_left_over_is_no_other_process(tmp_path, capsys, monkeypatch):
    "It said nothing of the images, and did not lock its folder"
    monkeypatch.setenv("RANK", "1")
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    image_folder(tmp_path / "im", 12)
    where = ["--dataset.root", tmp_path / "im", "--training.max_steps", 1]
    assert train(tmp_path / "o", *GREY, *where) == 0
    assert "dataset: 12 images" in capsys.readouterr().out


# ---- another default device


@pytest.fixture
def on_meta():
    "The default device of somebody who wants shapes alone, or a GPU"
    torch.set_default_device("meta")
    yield
    torch.set_default_device("cpu")


@pytest.mark.slow
def test_a_default_device_is_the_callers(tmp_path, on_meta):
    run = build(
        "mnist_tiny",
        device="cpu",
        output_dir=tmp_path / "o",
        progress=False,
        **{
            "dataset.limit": 32,
            **NET_KEYS,
            "training.max_steps": 2,
            "training.batch_size": 8,
            "training.validation.every_steps": 1,
        },
    )
    run.trainer.train()
    model, schedules, _ = load_model(tmp_path / "o" / "ckpts" / "ema.pt")
    held_out = load_data("mnist", "test", limit=16)
    r = evaluate(model, schedules, held_out, "ddim", 2, 4, ["kid"], num_images=4)
    assert r["n"] == 4
    assert torch.zeros(1).device.type == "meta"


def test_a_network_without_numbers_is_refused(tmp_path, on_meta):
    with pytest.raises(DDPMError, match="holds no numbers"):
        tiny_trainer(tmp_path / "t", data=SimpleNamespace())


# ---- configs of two authors: a checkpoint's, and what is typed beside it


@pytest.mark.slow
def test_an_odd_config_in_a_checkpoint_is_named_with_its_file(tmp_path, capsys, trained):
    contents = load_checkpoint(trained / "ckpts" / "latest.pt")
    for key, says in (("training", "training.learning_ratee: unknown key"), ("model", "version")):
        odd = tmp_path / key / "ckpts" / "latest.pt"
        odd.parent.mkdir(parents=True)
        changed = dict(contents)
        if key == "training":
            section = contents["config"]["training"] | dict(learning_ratee=1)
            changed["config"] = contents["config"] | dict(training=section)
        else:
            changed["model_config"] = contents["model_config"] | dict(parameterization="score")
        torch.save(changed, odd)
        append_checksum(odd)
        named = [f"checkpoint: {odd}", says]
        out = ["--output_dir", tmp_path / key]
        refused(
            capsys, named, "sample.grid", "--checkpoint", "latest", "--sampling.weights=raw", *out
        )
        if key == "training":
            refused(capsys, named, "train", "--resume", "latest", *out)
            refused(capsys, named, "train", "--resume", "latest", "--print_config", *out)
    # what is typed beside a good one is the typist's
    bad = ["--seed", "x", "--output_dir", trained]
    refused(capsys, "error: seed: 'x'", "train", "--resume", "latest", *bad)


@pytest.mark.slow
def test_the_size_that_auto_recommends_to_choose_is_taken(tmp_path, capsys):
    "It was refused: the model's size had to be given as well"
    im = image_folder(tmp_path / "im", 12)
    words = ["train", "--config", "folder", "--device", "cpu", "--dataset.image_size", "16"]
    words += ["--dataset.root", im, "--output_dir", tmp_path / "o", "--training.max_steps", 1]
    assert main([*map(str, words)]) == 0
    said = capsys.readouterr().out
    assert "auto: for 12 images" in said and ": 16 pixels, " in said
    assert load_checkpoint(tmp_path / "o" / "ckpts" / "ema.pt")["model_config"]["image_size"] == 16


# ---- features of few images


@pytest.mark.slow
def test_few_images_make_as_many_steps_as_features_need(capsys):
    "Four passes over 200 images were four steps"
    label = torch.arange(200) % 2
    images = (pixels(200) // 4 + 128 * label.view(-1, 1, 1, 1)).to(torch.uint8)
    data = ImageData(images, label, "halves", num_classes=2)
    net = train_feature_net(data, data, progress=False)
    assert net.card["test_accuracy"] == 1
    assert net.card["epochs"] * (200 // net.card["batch_size"]) >= 600
    said = capsys.readouterr().out
    assert "features: 200 images of 2 classes, 50 epochs in batches of 16: 600 steps" in said
