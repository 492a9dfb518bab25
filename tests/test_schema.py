"The JSON schema that editors complete and check configs by"

import copy
import importlib
import json
import sys
from importlib import resources

import pytest

from ddpm_nb.app.config import config_names, config_yaml, load_config, read_config, read_yaml
from ddpm_nb.app.json_schema import json_schema
from ddpm_nb.cli import main
from ddpm_nb.core import DDPMError
from ddpm_nb.run_settings import Config
from ddpm_nb.sections import all_settings

# the grammar of a format that no schema here has; jsonschema would take seconds to build it
sys.modules.setdefault("rfc3987_syntax", None)  # pyright: ignore
jsonschema = importlib.import_module("jsonschema")

FOLDER = resources.files("ddpm_nb") / "assets" / "configs"
VALIDATOR = jsonschema.Draft7Validator(json_schema())


def test_it_is_a_schema():
    jsonschema.Draft7Validator.check_schema(json_schema())


@pytest.mark.parametrize("words", [["config", "schema"], ["config.schema"]])
def test_the_command_prints_what_lies_beside_the_configs(capsys, words):
    "If not: ddpm-nb config schema > ddpm_nb/assets/configs/schema.json"
    assert main(words) == 0
    assert capsys.readouterr().out == (FOLDER / "schema.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", config_names())
def test_packaged_configs_name_it_and_fit(name):
    first = (FOLDER / f"{name}.yaml").read_text(encoding="utf-8").split("\n")[0]
    assert first == "# yaml-language-server: $schema=schema.json"
    VALIDATOR.validate(read_config(name))
    complete = load_config(name)
    VALIDATOR.validate(complete.to_dict())
    # and as --print_config writes it
    VALIDATOR.validate(read_yaml(config_yaml(complete), name))


@pytest.mark.parametrize(
    "text",
    [
        "training: {learning_rate: 2e-4}",  # text in YAML 1.1
        "training: {grad_clip: null, amp: false}",
        "training: {amp: bf16}",
        "model:",
        "model: {channel_mults: [1, 1.5, 2]}",
        "sampling: {spacing: null, eta: 0}",
        "{}",
    ],
)
def test_what_load_config_takes_it_takes(text):
    load_config(read_yaml(text, "x"))
    VALIDATOR.validate(read_yaml(text, "x"))


@pytest.mark.parametrize(
    "text",
    [
        "trainin: {}",
        "training: {learning_ratee: 1}",
        "training: {batch_size: 0}",
        "training: {batch_size: 1.5}",
        "training: {batch_size: many}",
        "training: {batch_size: true}",
        "training: {learning_rate: fast}",
        "training: {learning_rate: null}",
        "training: {amp: fp8}",
        "training: {ema: {decay: 1}}",
        "training: {ema: {decey: 0.9}}",
        "training: {ema: 0.9}",
        "training: {optimizer: {name: adm}}",
        "training: {optimizer: {betas: [0.9, 1]}}",
        "training: {scheduler: {milestones: 5}}",
        "model: {num_classes: 0}",
        "model: {channel_mults: [1, wide]}",
        "model: {parameterization: noise}",
        "model: [1]",
        "dataset: {name: minst}",
        "dataset: {val_fraction: 1}",
        "schedules: {beta_start: 0}",
        "sampling: {fps: 51}",
        "evaluation: {metrics: [fidd]}",
        "seed: -1",
        "seed: {x: 1}",
    ],
)
def test_what_load_config_refuses_it_refuses(text):
    config = read_yaml(text, "x")
    with pytest.raises(DDPMError):
        load_config(copy.deepcopy(config))
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(config)


def test_it_describes_every_key_with_its_default():
    schema = json_schema()
    for path, setting in all_settings(Config):
        there = schema
        for name in path.split("."):
            there = there["properties"][name]
        assert there["default"] == setting.default, path
        assert there["description"] == setting.description, path
    assert json.loads(json.dumps(schema)) == schema
