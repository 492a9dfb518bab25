"Packaged weights and their cards: what belongs together loads, what doesn't says so"

import hashlib
import json
import shutil

import pytest
import torch
from safetensors import safe_open

import pack_model
from ddpm_nb.app.interop import save_card, save_pretrained
from ddpm_nb.core import DDPMError
from ddpm_nb.data import load_mnist
from ddpm_nb.engine.features import data_hash
from ddpm_nb.pretrained import load_feature_net, load_pretrained, pretrained_names
from ddpm_nb.schedules import DDPMSchedules
from ddpm_nb.unet import UNetSmall

PACKAGED = [*pretrained_names(), "mnist_cnn"]


def load(name):
    "The card that a packaged or a copied file is loaded with"
    stem = getattr(name, "stem", name)
    if stem == "mnist_cnn":
        return load_feature_net("mnist-cnn" if name == stem else name).card
    return load_pretrained(name)[0].card


@pytest.fixture(params=PACKAGED)
def copied(request, tmp_path):
    "A copy of packaged weights with their card"
    for ending in ("safetensors", "json"):
        shutil.copy(pack_model.WEIGHTS / f"{request.param}.{ending}", tmp_path)
    return tmp_path / f"{request.param}.safetensors"


@pytest.mark.parametrize("name", PACKAGED)
def test_a_packaged_card_belongs_to_its_weights(name):
    path = pack_model.WEIGHTS / f"{name}.safetensors"
    stored = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert stored["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert load(name) == stored["card"]
    with safe_open(path, "pt") as f:
        inside = json.loads(f.metadata()["card"])
    assert inside.keys() <= stored["card"].keys()


def test_the_feature_net_names_the_images_of_its_statistics():
    assert load("mnist_cnn")["ref_hash"] == data_hash(load_mnist("train"))


def test_without_json_the_card_inside_counts(copied):
    with_json = load(copied)
    copied.with_suffix(".json").unlink()
    inside = load(copied)
    assert inside["command"] == with_json["command"]


def test_a_damaged_card_is_named(copied):
    beside = copied.with_suffix(".json")
    for damaged in (beside.read_bytes()[:-9], b"", b"\xff\xfe{"):
        beside.write_bytes(damaged)
        with pytest.raises(DDPMError) as e:
            load(copied)
        assert str(e.value) == (
            f"card: {beside} is damaged; restore it, or remove it: "
            f"then the card inside {copied.name} is used"
        )
        assert e.value.__cause__ is not None


def test_a_card_of_other_weights_is_named(copied, tmp_path):
    other = next(n for n in PACKAGED if n != copied.stem)
    beside = copied.with_suffix(".json")
    shutil.copy(pack_model.WEIGHTS / f"{other}.json", beside)
    with pytest.raises(DDPMError) as e:
        load(copied)
    assert str(e.value) == (
        f"card: {beside} describes other weights than {copied.name}; restore it, or remove it: "
        f"then the card inside {copied.name} is used"
    )


@pytest.mark.parametrize("text", ["[]", "3", '{"sha256": "0"}', '{"card": {"steps": 1}}'])
def test_another_programs_json_is_left_alone(copied, text):
    copied.with_suffix(".json").write_text(text)
    assert load(copied)["command"]


def small_model():
    torch.manual_seed(0)
    model = UNetSmall(8, 1, 8, (1, 2), 1, (), num_groups=4)
    return model, DDPMSchedules("cosine", 20)


def test_measuring_again_writes_the_card_alone(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(pack_model, "WEIGHTS", tmp_path)

    def measured(model, schedules, n, steps, eta, metrics, seed=0):
        return dict(n=n, fid_proxy=dict(value=float(seed)))

    monkeypatch.setattr(pack_model, "measured", measured)
    path = tmp_path / "small.safetensors"
    save_pretrained(*small_model(), path, dict(command="a", metrics_more=dict(n=5)))
    before = path.read_bytes()
    pack_model.main(["small", "--n", "7", "--seeds", "3"])
    assert path.read_bytes() == before
    card = load_pretrained(path)[0].card
    assert card == json.loads(capsys.readouterr().out)
    assert card == dict(
        command="a",
        metrics=dict(n=7, fid_proxy=dict(value=0.0)),
        fid_proxy_of_seeds=[0.0, 1.0, 2.0],
    )
    pack_model.main(["small", "--n", "7", "--also", "9"])
    assert load_pretrained(path)[0].card["metrics_more"]["n"] == 9


def test_saving_a_card_changes_no_weights(tmp_path):
    path = tmp_path / "m.safetensors"
    save_pretrained(*small_model(), path, dict(steps=3))
    before = path.read_bytes()
    assert save_card(dict(steps=4, data="Größe"), path) == tmp_path / "m.json"
    assert path.read_bytes() == before
    assert load_pretrained(path)[0].card == dict(steps=4, data="Größe")
