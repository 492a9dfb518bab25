"The config: every key refuses nonsense in one line, and every key that is accepted does something"

import copy

import pytest
import torch

from ddpm_nb.app.config import config_names, config_yaml, load_config, read_config, read_yaml
from ddpm_nb.app.recipes import build
from ddpm_nb.core import DDPMError
from ddpm_nb.data import ImageData
from ddpm_nb.loss import DDPMLoss
from ddpm_nb.run_settings import Config
from ddpm_nb.schedules import DDPMSchedules
from ddpm_nb.sections import Setting, all_settings, check_value
from ddpm_nb.unet import UNetSmall
from helpers.tiny import NET_KEYS

KEYS = dict(all_settings(Config))
TINY = {
    "dataset.image_size": 16,
    "model.image_size": 16,
    **NET_KEYS,
    "training.batch_size": 4,
    "training.max_steps": 1,
    "training.validation.every_steps": 0,
    "training.checkpoint.every_steps": 0,
}
NONSENSE = [
    0,
    -1,
    1,
    2,
    3,
    7,
    10**9,
    -0.5,
    1.5,
    float("nan"),
    float("inf"),
    True,
    False,
    None,
    "",
    "x",
    "2e-4",
    "nan",
    [],
    [0],
    [-1],
    ["x"],
    [1.5, None],
    [[1]],
    {},
    {"a": 1},
]


def at(config, path):
    "The value at a dotted path"
    for name in path.split("."):
        config = config[name]
    return config


def blank_trainer(c, tmp):
    "The trainer that a config describes, on eight blank images"
    data = ImageData(
        torch.zeros(8, c["model"]["in_channels"], 16, 16, dtype=torch.uint8), torch.arange(8) % 2
    )
    return build(c, train_data=data, output_dir=tmp, device="cpu", progress=False).trainer


@pytest.mark.slow
@pytest.mark.parametrize(
    "path", [p for p in KEYS if p.split(".")[0] in ("model", "schedules", "loss", "training")]
)
def test_nonsense_is_refused_in_words(tmp_path, path, monkeypatch):
    "Whatever is written at a key: a `DDPMError`, or a run that can take its first step"
    written = read_config("mnist_tiny")  # to parse it takes longer than to check it
    monkeypatch.setattr("ddpm_nb.app.config.read_config", lambda name: copy.deepcopy(written))
    for v in NONSENSE:
        # slow, not different
        if path in (
            "training.compile",
            "training.accumulate",
            "training.num_workers",
        ) and v not in (0, -1, "x", None):
            continue
        # right, but too large to build
        if isinstance(v, int) and v > 10**6 and path.split(".")[0] in ("model", "schedules"):
            continue
        try:
            c = load_config("mnist_tiny", TINY | {path: v})
            tr = blank_trainer(c, tmp_path)
        except DDPMError as e:
            assert "\n" not in str(e) and len(str(e)) < 400
            continue
        x, y = tr.data.batch(torch.arange(4))
        tr.train_step(x, y if tr.conditional else None)


@pytest.mark.parametrize("path", KEYS)
def test_wrong_type_names_the_key(path):
    for v in ({"a": 1}, object()):
        with pytest.raises(DDPMError, match=path.replace(".", r"\.")):
            load_config("mnist_tiny", {path: v})


@pytest.mark.parametrize("path", KEYS)
def test_a_slip_finds_its_way_back(path):
    sec, _, key = path.rpartition(".")
    slip = key[:-1] + key[-1] * 2
    with pytest.raises(DDPMError, match=f"unknown key; did you mean {path}".replace(".", r"\.")):
        load_config("mnist_tiny", {f"{sec}.{slip}" if sec else slip: 1})


@pytest.mark.parametrize("name", config_names())
def test_packaged_configs(name):
    c = load_config(name)
    assert load_config(copy.deepcopy(c)) == c and read_yaml(config_yaml(c), name) == c
    with torch.device("meta"):
        m = UNetSmall(**c["model"])
    assert m.image_size == c["dataset"]["image_size"]
    DDPMLoss(DDPMSchedules(**c["schedules"]), **c["loss"])


@pytest.mark.slow
def test_texts_from_the_command_line_round_trip():
    "What --print_config shows can be typed"
    c = load_config("mnist_tiny")
    for p in KEYS:
        v = at(c, p)
        text = (
            "null"
            if v is None
            else str(v)
            if not isinstance(v, list)
            else "[" + ", ".join(map(str, v)) + "]"
        )
        assert at(load_config("mnist_tiny", {p: text}), p) == v, p


@pytest.mark.parametrize(
    "text, says",
    [
        ("a: [1", "line"),
        ("a: 1\na: 2", "line 2"),
        ("\tb: 1", "line 1"),
        ("- 1", "expected sections, found list"),
        ("5", "expected sections, found int"),
        ("!!python/object/apply:os.getcwd []", "constructor"),
        ("? [1]\n: 2", "conf"),
        ("&a a: *b", "alias"),
        ("training:\n  ema: {decay: .9, decay: .8}", "line 2"),
        ("training: {max_steps: 1e6}", "training.max_steps"),
        ("training: [1]", "training"),
        ("2: 3", "2: unknown key"),
    ],
)
def test_bad_files(tmp_path, text, says):
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(DDPMError, match=says) as e:
        load_config(tmp_path / "c.yaml")
    assert "\n" not in str(e.value)


def test_unreadable_files(tmp_path):
    (tmp_path / "latin.yaml").write_bytes("dataset: {root: é}".encode("latin-1"))
    for p, says in (
        (tmp_path / "latin.yaml", "UTF-8"),
        (tmp_path, "nor a file"),
        (tmp_path / "none.yaml", "nor a file"),
        ("mnits", "did you mean mnist?"),
        ("", "nor a file"),
    ):
        with pytest.raises(DDPMError, match=says):
            load_config(p)


def test_merge_keys_and_anchors_work(tmp_path):
    (tmp_path / "c.yaml").write_text(
        "training:\n  ema: &e {decay: .9}\n  optimizer: {eps: 1.0e-6}\nmodel: {in_channels: 1}\n"
    )
    assert load_config(tmp_path / "c.yaml")["training"]["ema"] == {
        "decay": 0.9,
        "warmup": True,
        "extra_decays": [],
        "lengths": [],
        "snapshots": 16,
    }


def test_loading_leaves_its_input_alone():
    given = {"dataset": {"limit": 3}}
    load_config(given, {"training.ema.decay": 0.5})
    assert given == {"dataset": {"limit": 3}}
    a = load_config("mnist")
    a["model"]["channel_mults"].append(9)
    a["evaluation"]["metrics"].clear()
    b = load_config("mnist")
    assert 9 not in b["model"]["channel_mults"] and b["evaluation"]["metrics"]


def test_bool_is_no_number_and_number_no_bool():
    with pytest.raises(DDPMError):
        check_value("x", True, Setting((int,), default=1))
    with pytest.raises(DDPMError):
        check_value("x", 1, Setting((bool,), default=True))
    either = Setting((bool, str), default="auto", choices=(True, False, "auto"))
    assert check_value("x", False, either) is False
    with pytest.raises(DDPMError):
        check_value("x", 1, KEYS["training.amp"])


def test_2e_4_is_a_number_where_a_number_is_wanted(tmp_path):
    "YAML 1.1 reads 2e-4 as a string"
    (tmp_path / "c.yaml").write_text(
        "training: {learning_rate: 2e-4, optimizer: {eps: 1e-8, betas: [.9, 99e-2]}}"
    )
    t = load_config(tmp_path / "c.yaml")["training"]
    assert (
        t["learning_rate"] == 2e-4
        and t["optimizer"]["eps"] == 1e-8
        and t["optimizer"]["betas"] == [0.9, 0.99]
    )


@pytest.mark.parametrize(
    "path, a, b",
    [
        ("seed", 0, 1),
        ("loss.type", "l2", "l1"),
        ("loss.weighting", "uniform", "min_snr"),
        ("schedules.schedule", "linear", "cosine"),
        ("training.learning_rate", 1e-3, 1e-2),
        ("training.optimizer.name", "adamw", "sgd"),
        ("training.optimizer.name", "adamw", "muon"),
        ("training.scheduler.warmup_steps", 0, 9),
        ("model.parameterization", "eps", "v"),
        ("model.film", True, False),
        ("training.grad_clip", None, 1e-3),
        ("training.optimizer.eps", 1e-8, 1.0),
        ("training.ema.decay", 0.0, 0.9),
        ("model.dropout", 0.0, 0.5),
        ("model.mid_attention", False, True),
    ],
)
def test_keys_do_something(tmp_path, path, a, b):
    "Two values of a key, two trainings that differ; the same value, the same training"
    assert path in KEYS

    def weights(v):
        torch.manual_seed(0)
        tr = blank_trainer(load_config("mnist_tiny", TINY | {path: v}), tmp_path)
        x, y = tr.data.batch(torch.arange(4))
        for _ in range(2):
            tr.train_step(x, None)
        return torch.cat([p.flatten() for p in tr.ema.shadow.values() if p.is_floating_point()])

    w = weights(a)
    assert torch.equal(w, weights(a))
    other = weights(b)
    assert w.shape != other.shape or not torch.equal(w, other)


def test_a_section_is_no_key(capsys):
    from ddpm_nb.cli import main

    assert main(["train", "--training.optimizer", "adamm"]) == 2
    said = capsys.readouterr().err
    assert "a section" in said and "--training.optimizer.name" in said
    assert main(["sample.grid", "--pretrained", "minst"]) == 2
    assert "did you mean mnist?" in capsys.readouterr().err
