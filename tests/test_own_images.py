"Pictures of one's own, as few or many as there are, at the first try"

import pytest
import torch
import yaml
from PIL import Image

from ddpm_nb.cli import main
from ddpm_nb.core import DDPMError
from ddpm_nb.engine.checkpoint import load_checkpoint
from ddpm_nb.engine.datasets import load_data
from ddpm_nb.engine.evaluate import evaluate
from ddpm_nb.pretrained import load_pretrained
from helpers.tiny import image_folder

FIRST_TRY = ["train", "--config", "folder", "--device", "cpu", "--training.max_steps"]


@pytest.mark.slow
@pytest.mark.parametrize("n", [1, 2, 30])
def test_the_command_of_the_readme_works_with_few_images(tmp_path, capsys, n):
    where = ["--dataset.root", image_folder(tmp_path / "im", n), "--output_dir", tmp_path / "o"]
    assert main([*FIRST_TRY, "1", *map(str, where)]) == 0
    said = capsys.readouterr().out
    assert said.count("auto: for") == 1
    assert f"batch_size {n}, " in said
    written = yaml.safe_load((tmp_path / "o" / "logs" / "config.yaml").read_text())
    assert (written["auto"], written["training"]["batch_size"]) == (False, n)
    saved = load_checkpoint(tmp_path / "o" / "ckpts" / "latest.pt")
    assert saved["config"]["model"] == written["model"]
    assert saved["batch_size"] == n


@pytest.mark.slow
def test_a_resume_keeps_what_was_chosen(tmp_path, capsys):
    im = image_folder(tmp_path / "im", 5)
    where = ["--output_dir", str(tmp_path / "o")]
    assert main([*FIRST_TRY, "1", "--dataset.root", str(im), *where]) == 0
    assert main(["train", "--resume", "latest", "--training.max_steps", "2", *where]) == 0
    assert capsys.readouterr().out.count("auto: for") == 1
    assert load_checkpoint(tmp_path / "o" / "ckpts" / "latest.pt")["step"] == 2


def folder_with(tmp_path, n):
    for i in range(n):
        Image.new("L", (40, 40), i).save(tmp_path / f"{i:03}.png")
    return dict(name="folder", root=str(tmp_path), image_size=32, channels=1)


def test_metrics_that_cannot_be_had_are_left_out_before_anything_is_sampled(tmp_path, capsys):
    model, schedules = load_pretrained("mnist")
    held_out = load_data(split="test", **folder_with(tmp_path, 40))
    said = []

    def watched(x, t):
        said.append(capsys.readouterr().out)
        return model(x, t)

    watched.parameterization = model.parameterization
    metrics = ["kid", "precision_recall", "diversity"]
    r = evaluate(watched, schedules, held_out, "ddim", 2, 8, metrics)
    assert list(r["left_out"]) == ["precision_recall"]
    assert set(r["metrics"]) == {"kid", "diversity"}
    assert "precision_recall is left out: it needs 4 images" in said[0]
    with pytest.raises(DDPMError, match="none can be had"):
        evaluate(watched, schedules, held_out, "ddim", 2, 8, ["precision_recall"])
    assert len(said) == 2  # the steps of the first sampling alone


def test_nothing_need_be_held_out(tmp_path):
    folder = folder_with(tmp_path, 10)
    data = load_data(split="train", val_fraction=0, **folder)
    assert len(data) == 10
    assert torch.equal(data.batch(torch.arange(10))[0][:, 0, 0, 0], torch.arange(10) / 127.5 - 1)
