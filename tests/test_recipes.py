"`build`: one call puts a whole run together, the one that the command line trains"

import ast
import json
from pathlib import Path

import pytest
import torch

import ddpm_nb
from ddpm_nb import build
from ddpm_nb.app.config import load_config
from ddpm_nb.cli import main
from ddpm_nb.core import DDPMError
from helpers.tiny import NET_KEYS

ROOT = Path(__file__).parent.parent
SMALL = {
    "dataset.limit": 64,
    **NET_KEYS,
    "training.batch_size": 8,
    "training.max_steps": 6,
    "training.log_every": 1,
    "training.validation.every_steps": 3,
    "training.validation.num_images": 16,
    "training.sampling.every_steps": 3,
    "training.sampling.num_steps": 2,
}


def typed(keys):
    return [word for k, v in keys.items() for word in (f"--{k}", str(v))]


def losses(folder):
    log = json.loads((folder / "logs" / "training_metrics.json").read_text())
    return [s["loss"] for s in log["steps"]], [v["loss_ema"] for v in log["val"]]


@pytest.mark.slow
def test_it_trains_what_the_command_trains(tmp_path):
    "Bit for bit: losses, validation, weights, averaged weights and sample grids"
    a, b = tmp_path / "command", tmp_path / "call"
    where = ["--output_dir", str(a), "--device", "cpu"]
    assert main(["train", "--config", "mnist_tiny", *where, *typed(SMALL)]) == 0
    run = build("mnist_tiny", output_dir=b, device="cpu", progress=False, **SMALL)
    run.trainer.train()
    assert len(losses(a)[0]) == 6 and len(losses(a)[1]) == 2
    assert losses(a) == losses(b)
    theirs, ours = (torch.load(d / "ckpts" / "latest.pt", weights_only=True) for d in (a, b))
    for side in (lambda ck: ck["model"], lambda ck: ck["ema"]["shadow"]):
        assert side(theirs).keys() == side(ours).keys()
        for key, value in side(theirs).items():
            assert torch.equal(value, side(ours)[key]), key
    grids = sorted(p.name for p in (a / "grids").iterdir())
    assert len(grids) == 2
    for name in grids:
        assert (a / "grids" / name).read_bytes() == (b / "grids" / name).read_bytes()


@pytest.mark.slow
def test_the_packaged_recipe_takes_the_same_first_steps(tmp_path):
    "mnist_tiny as it is, but for its length: the first step's loss of both"
    short = {"training.max_steps": 2, "training.log_every": 1, "dataset.limit": 512}
    quiet = {"training.validation.every_steps": 0, "training.sampling.every_steps": 0}
    where = ["--output_dir", str(tmp_path / "a"), "--device", "cpu"]
    assert main(["train", "--config", "mnist_tiny", *where, *typed(short | quiet)]) == 0
    run = build("mnist_tiny", output_dir=tmp_path / "b", progress=False, **short | quiet)
    run.trainer.train()
    assert losses(tmp_path / "a")[0] == losses(tmp_path / "b")[0]


@pytest.mark.slow
def test_overrides_by_path_by_section_and_in_the_config_are_one(tmp_path):
    nested = dict(
        dataset=dict(limit=64),
        training=dict(max_steps=6, ema=dict(decay=0.9), validation=dict(num_images=16)),
    )
    paths = {
        "dataset.limit": 64,
        "training.max_steps": 6,
        "training.ema.decay": 0.9,
        "training.validation.num_images": 16,
    }
    complete = load_config("mnist_tiny", paths | {"output.dir": str(tmp_path)})
    for run in (
        build("mnist_tiny", output_dir=tmp_path, progress=False, **nested),
        build("mnist_tiny", output_dir=tmp_path, progress=False, **paths),
        build(complete, progress=False),
    ):
        assert run.config == complete
        assert run.trainer.output_dir == tmp_path
        assert run.trainer.total_steps == 6
        assert run.trainer.data is run.train_data
        assert run.trainer.val_data is run.val_data
        assert run.trainer.model is run.model
        assert run.loss.schedules is run.schedules
        assert run.sampler.schedules.config == run.schedules.config


@pytest.mark.parametrize(
    "says, overrides",
    [
        ("batch_size: unknown key; did you mean training.batch_size?", dict(batch_size=3)),
        ("did you mean training.ema.decay?", dict(training=dict(ema=dict(decey=0.9)))),
        ("training.batch_size: 0; expected 1 or more", {"training.batch_size": 0}),
        ("training.learning_rate: 'fast'", dict(training=dict(learning_rate="fast"))),
        ("dataset.image_size", {"model.image_size": 64}),
        ("did you mean mnist_tiny?", dict(config="mnist_tini")),
        ("did you mean mnist?", dict(dataset=dict(name="minst"))),
        ("device", dict(device="gpu")),
    ],
)
def test_it_refuses_as_load_config_does(tmp_path, says, overrides):
    with pytest.raises(DDPMError) as e:
        build(**dict(config="mnist_tiny") | overrides, output_dir=tmp_path / "o")
    assert says in str(e.value)
    assert not (tmp_path / "o").exists()


def test_its_own_parameters_are_no_config_keys():
    import inspect

    own = [p for p in inspect.signature(build).parameters if p != "overrides"]
    keys = load_config("mnist_tiny")
    # a device's name means the same in both
    assert [p for p in own if p in keys] == ["device"]


@pytest.mark.slow
def test_no_second_place_puts_a_trainer_together():
    "In the package, the benchmarks and the tools, only `build` calls `DDPMTrainer(…)`"
    by_hand = []
    files = [*(ROOT / "ddpm_nb").rglob("*.py"), *(ROOT / "tools").glob("*.py")]
    own = {"train_step.py", "few_steps.py"}  # a network, and a loss, that no config names
    files += [p for p in (ROOT / "benchmarks").glob("*.py") if p.name not in own]
    for path in files:
        calls = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call)]
        names = {getattr(n.func, "id", getattr(n.func, "attr", "")) for n in calls}
        if "DDPMTrainer" in names:
            by_hand.append(path.relative_to(ROOT).as_posix())
    assert by_hand == ["ddpm_nb/app/recipes.py"]


def test_it_is_offered_at_the_front_door():
    assert "build" in ddpm_nb.__all__
    assert ddpm_nb.build is build
