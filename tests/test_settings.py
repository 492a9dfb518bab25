"One set of rules: Python arguments, YAML and the command line are checked alike, in the same words"

import ast
import copy
import inspect
import json
import pickle
import subprocess
import sys
import types
import warnings
from pathlib import Path
from typing import assert_type

import pytest
import torch

import ddpm_nb.sampler
import ddpm_nb.schedules
import ddpm_nb.spacing
from ddpm_nb.app.config import load_config
from ddpm_nb.app.recipes import build
from ddpm_nb.cli import main
from ddpm_nb.core import DDPMError
from ddpm_nb.data import ImageData
from ddpm_nb.engine import measures
from ddpm_nb.engine.datasets import load_data
from ddpm_nb.engine.evaluate import evaluate
from ddpm_nb.engine.run import DDPMTrainer
from ddpm_nb.loss import DDPMLoss
from ddpm_nb.run_settings import (
    DEFAULT_METRICS,
    METRICS,
    SPACINGS,
    Config,
    DatasetConfig,
    EvaluationConfig,
)
from ddpm_nb.sections import Section, all_settings
from ddpm_nb.settings import (
    SAMPLING_METHODS,
    EMAConfig,
    LossConfig,
    ModelConfig,
    SchedulesConfig,
    TrainingConfig,
)
from ddpm_nb.unet import UNetSmall

TAKES = [  # a section, and the function whose arguments its keys are
    (ModelConfig, UNetSmall.__init__),
    (SchedulesConfig, ddpm_nb.schedules.DDPMSchedules.__init__),
    (LossConfig, DDPMLoss.__init__),
    (DatasetConfig, load_data),
]
# `augment_dim` follows from `dataset.augment`
NO_SETTINGS = {"self", "schedules", "betas", "dtype", "split", "files", "augment_dim"}


@pytest.mark.parametrize("section, function", TAKES, ids=lambda v: getattr(v, "__name__", ""))
def test_a_signature_says_what_its_section_says(section, function):
    "Names, order, defaults and types: the chapter shows them, the section decides"
    parameters = inspect.signature(function).parameters
    own = {k: p for k, p in parameters.items() if k not in NO_SETTINGS}
    assert list(own) == list(section.settings)
    for name, parameter in own.items():
        setting = section.settings[name]
        default = parameter.default
        assert (list(default) if isinstance(default, tuple) else default) == setting.default, name
        if parameter.annotation is inspect.Parameter.empty:
            assert setting.types == (list,), name
            continue
        allowed = parameter.annotation
        kinds = allowed.__args__ if isinstance(allowed, types.UnionType) else (allowed,)
        assert {k for k in kinds if k is not types.NoneType} == set(setting.types), name
        assert (types.NoneType in kinds) == setting.null, name


def test_names_that_settings_repeat_are_the_same():
    assert ddpm_nb.sampler.METHODS == SAMPLING_METHODS
    assert ddpm_nb.spacing.SPACINGS == SPACINGS
    assert measures.METRICS is METRICS


def test_evaluate_and_its_section_have_the_same_defaults():
    parameters = inspect.signature(evaluate).parameters
    renamed = dict(num_bits="num_bpd_images")
    # `features` is `net` there; the section lists what `--all_methods` measures
    own = EvaluationConfig.settings.keys() - {"features", "methods", "steps"}
    for name in own:
        default = parameters[renamed.get(name, name)].default
        setting = EvaluationConfig.settings[name].default
        assert (list(default) if isinstance(default, tuple) else default) == setting, name
    assert parameters["metrics"].default == DEFAULT_METRICS


def trainer(**training):
    net = UNetSmall(8, 1, 8, (1,), 1, (), num_groups=4)
    images = ImageData(torch.zeros(8, 1, 8, 8, dtype=torch.uint8))
    schedules = ddpm_nb.schedules.DDPMSchedules(timesteps=10)
    settings = dict(batch_size=2, max_steps=1) | training
    return DDPMTrainer(net, schedules, images, config=settings, progress=False)


def from_python(path, value):
    "The error that the Python function gives, '' where it takes the value"
    section, _, key = path.partition(".")
    calls = dict(
        model=lambda: UNetSmall(**dict(in_channels=1) | {key: value}),
        schedules=lambda: ddpm_nb.schedules.DDPMSchedules(**{key: value}),
        loss=lambda: DDPMLoss(ddpm_nb.schedules.DDPMSchedules(), **{key: value}),
        dataset=lambda: load_data(**{key: value}),
        training=lambda: trainer(**{key: value}),
    )
    try:
        calls[section]()
    except DDPMError as e:
        return str(e)
    return ""


def from_yaml(path, value):
    section, _, key = path.partition(".")
    try:
        load_config({section: {key: value}})
    except DDPMError as e:
        return str(e)
    return ""


def from_command_line(path, value, capsys):
    text = "null" if value is None else str(value)
    code = main(["train", "--config", "mnist_tiny", f"--{path}", text, "--print_config"])
    err = capsys.readouterr().err.strip()
    assert code == (2 if err else 0)
    return err.removeprefix("ddpm-nb: error: ")


@pytest.mark.parametrize(
    "path, value",
    [
        ("model.dropout", 0.995),  # a YAML file refused it
        ("schedules.cosine_s", 1.5),
        ("dataset.val_fraction", 0.95),
        ("training.learning_rate", "2e-4"),  # Python raised TypeError
        ("training.max_loss_ratio", 1),
        ("model.channel_mults", [1, 2]),
        ("training.grad_clip", None),
    ],
)
def test_what_one_takes_all_take(path, value, capsys):
    assert from_python(path, value) == ""
    assert from_yaml(path, value) == ""
    assert from_command_line(path, value, capsys) == ""


@pytest.mark.parametrize(
    "path, value, says",
    [
        ("model.dropout", 1.0, "model.dropout: 1.0; expected 0 <= dropout < 1"),
        ("model.base_channels", 0, "model.base_channels: 0; expected 1 or more"),
        ("model.parameterization", "noise", "'noise'; expected eps, x0, v or flow"),
        ("model.num_classes", 0, "model.num_classes: 0; expected null, or 1 or more"),
        ("model.norm_eps", 0, "model.norm_eps: 0.0; expected more than 0"),
        ("schedules.timesteps", 1, "schedules.timesteps: 1; expected 2 or more"),
        ("schedules.schedule", "cosin", "did you mean cosine?"),
        ("schedules.cosine_s", -1, "schedules.cosine_s: -1.0; expected 0 to 10"),
        ("schedules.sigmoid_start", 4, "expected less than schedules.sigmoid_end, 3.0"),
        ("loss.type", "l3", "loss.type: 'l3'; expected l2, l1, huber or vlb"),
        ("loss.huber_delta", 0, "loss.huber_delta: 0.0; expected more than 0"),
        ("dataset.name", "minst", "did you mean mnist?"),
        ("dataset.limit", 0, "dataset.limit: 0; expected null, or 1 or more"),
        ("dataset.val_fraction", 1, "dataset.val_fraction: 1.0; expected 0 <= val_fraction < 1"),
        ("training.batch_size", 0, "training.batch_size: 0; expected 1 or more"),
        ("training.learning_rate", "fast", "training.learning_rate: 'fast' is of type str"),
        ("training.learning_rate", 0, "training.learning_rate: 0.0; expected more than 0"),
        ("training.label_dropout", 2, "training.label_dropout: 2.0; expected 0 to 1"),
        ("training.accumulate", 1.5, "training.accumulate: 1.5 is of type float; expected int"),
    ],
)
def test_what_one_refuses_all_refuse_in_the_same_words(path, value, says, capsys):
    message = from_python(path, value)
    assert says in message
    assert from_yaml(path, value) == message
    assert from_command_line(path, value, capsys) == message


def test_nested_settings_of_a_trainer_are_checked_too():
    for training, says in (
        (dict(ema=dict(decay="often")), "training.ema.decay: 'often' is of type str"),
        (dict(ema=dict(decey=0.9)), "did you mean training.ema.decay?"),
        (dict(optimizer=dict(name="adm")), "training.optimizer.name: 'adm'; expected adamw"),
        (dict(optimizer=dict(betas=[0.9])), "expected two numbers"),
        (dict(scheduler=3), "training.scheduler: 3; expected a section with the keys name"),
        (dict(batchsize=3), "training.batchsize: unknown key; did you mean training.batch_size?"),
        (dict(timesteps=3), "training.timesteps: unknown key; did you mean schedules.timesteps?"),
    ):
        with pytest.raises(DDPMError) as e:
            trainer(**training)
        assert says in str(e.value)


def test_a_config_is_a_mapping_and_attributes():
    config = load_config("mnist")
    assert isinstance(config, dict) and isinstance(config["training"]["ema"], dict)
    assert config.training.ema.decay == config["training"]["ema"]["decay"]
    assert UNetSmall(**config["model"]).config == config["model"]
    assert {"training", "seed"} <= set(dir(config)) and "decay" in dir(config.training.ema)
    config.training.ema.decay = 0.5
    assert config["training"]["ema"]["decay"] == 0.5
    with pytest.raises(DDPMError, match="training.ema.decay: 2.0; expected 0 <= decay < 1"):
        config.training.ema.decay = 2
    with pytest.raises(DDPMError, match="did you mean training.batch_size?"):
        config.training.batchsize = 3
    assert not hasattr(config.training, "batchsize")


def sections(cls):
    "A section and all sections in it"
    yield cls
    for rule in cls.settings.values():
        if isinstance(rule, type):
            yield from sections(rule)


def test_no_key_hides_what_a_section_can_do():
    "`config.training.path` would be the section's own; refused where the class is made, too"
    found = list(sections(Config))
    assert len(found) > 10
    for cls in found:
        hidden = [key for key in cls.settings if hasattr(Section, key)]
        assert not hidden, (cls.path, hidden)


def test_a_config_can_be_copied_and_stored(tmp_path):
    config = load_config("mnist")
    for copied in (copy.deepcopy(config), pickle.loads(pickle.dumps(config))):
        assert copied == config and isinstance(copied.training.ema, Section)
    assert json.loads(json.dumps(config)) == config
    plain = config.to_dict()
    assert plain == config and type(plain["training"]["ema"]) is dict
    torch.save(plain, tmp_path / "c.pt")
    assert torch.load(tmp_path / "c.pt", weights_only=True) == config


def test_a_checkpoint_holds_plain_dicts(tmp_path):
    "Whatever config a trainer is given, a file of it loads without code of ours"
    config = load_config("mnist")
    run = trainer(scheduler=dict(warmup_steps=0))
    for given in (config, dict(config), config.to_dict()):
        run.full_config = given
        torch.save(run.state_dict(), tmp_path / "c.pt")
        stored = torch.load(tmp_path / "c.pt", weights_only=True)["config"]
        assert stored["training"] == config["training"]


def test_settings_need_no_torch():
    code = "import sys, ddpm_nb.run_settings; print('torch' in sys.modules, 'yaml' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["False", "False"]


def test_an_editor_sees_every_key():
    "Each key is an annotated attribute of its class, which is what static tools read"
    root = Path(ddpm_nb.sampler.__file__).parent
    seen = {}
    for module in ("settings", "run_settings"):
        for node in ast.parse((root / f"{module}.py").read_text()).body:
            if isinstance(node, ast.ClassDef):
                fields = [ast.unparse(n.target) for n in node.body if isinstance(n, ast.AnnAssign)]
                seen[node.name] = fields
    assert seen["Config"] == list(Config.settings)
    assert seen["TrainingConfig"] == list(TrainingConfig.settings)
    ema = ["decay", "warmup", "extra_decays", "lengths", "snapshots"]
    assert seen["EMAConfig"] == ema


def test_a_type_checker_knows_every_key():
    "`make test` runs one over this file: a name or a type that is wrong here would fail there"
    config = load_config("mnist")
    assert_type(config, Config)
    assert_type(config.training.ema.decay, float)
    assert_type(config.model.num_classes, int | None)
    assert_type(build("mnist", device="cpu").config.model.channel_mults, list[int | float])
    assert TrainingConfig(batch_size=3, ema=EMAConfig(decay=0.5)).ema.decay == 0.5


def test_old_names_of_the_defaults_still_work():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        from ddpm_nb.trainer import TRAINING_DEFAULTS, training_config  # pyright: ignore
    assert all(w.category is DeprecationWarning for w in caught) and caught
    assert TRAINING_DEFAULTS["ema"]["decay"] == 0.9999
    assert training_config({"batch_size": 3})["batch_size"] == 3


def test_every_key_has_one_line_of_help_and_a_type():
    for path, setting in all_settings(Config):
        assert setting.help and "\n" not in setting.description, path
        assert set(setting.types) <= {bool, int, float, str, list}, path
