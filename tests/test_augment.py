"""Augmentation the network is told of: known answers, exact resume, nothing leaks into samples"""

import math

import pytest
import torch

from ddpm_nb.app.config import load_config
from ddpm_nb.app.fine_tuning import start_from
from ddpm_nb.app.interop import save_pretrained, to_diffusers
from ddpm_nb.app.onnx import load_onnx, to_onnx
from ddpm_nb.app.recipes import build
from ddpm_nb.cli import main
from ddpm_nb.core import DDPMError
from ddpm_nb.data import ImageData
from ddpm_nb.engine.augment import (
    AUGMENT_WEIGHT,
    AugmentedTrainer,
    augment,
    augmentation_labels,
    draw_augmentation,
)
from ddpm_nb.engine.checkpoint import load_checkpoint, load_model
from ddpm_nb.engine.datasets import load_data
from ddpm_nb.pretrained import load_pretrained
from ddpm_nb.sampler import DDPMSampler
from ddpm_nb.schedules import DDPMSchedules
from ddpm_nb.trainer import Trainer
from ddpm_nb.unet import UNetSmall
from helpers.commands import refused, train, train_args
from helpers.tiny import NET, StopAt, assert_same_run, tiny_data, tiny_model, tiny_trainer


def images(*shape):
    return torch.rand(shape, generator=torch.Generator().manual_seed(1)) * 2 - 1


def parameters(n=1, **kw):
    "Zeros but for some parameters, by their number: `a3=0.5`"
    a = torch.zeros(n, 8)
    for name, value in kw.items():
        a[:, int(name[1:])] = value
    return a


# ---- the transformations


@pytest.mark.parametrize("shape", [(2, 1, 8, 8), (2, 3, 8, 16), (1, 4, 16, 8)], ids=str)
def test_mirrors_and_shifts_are_those_of_torch(shape):
    x = images(*shape)
    width, height = shape[-1] // 8, shape[-2] // 8
    right = torch.cat([x[..., :width].flip(-1), x[..., :-width]], -1)
    up = torch.cat([x[..., height:, :], x[..., -height:, :].flip(-2)], -2)
    for a, expected in (
        (dict(a0=1), x.flip(-1)),
        (dict(a1=1), x.flip(-2)),
        (dict(a0=1, a1=1), x.flip(-1, -2)),
        (dict(a3=math.pi), x.flip(-1, -2)),
        (dict(a6=1), right),
        (dict(a7=-1), up),
    ):
        found, labels = augment(x, parameters(len(x), **a))
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)
        assert labels.any(1).all()


def test_a_quarter_turn_is_that_of_torch():
    x = images(2, 3, 8, 8)
    for quarters in (1, -1):
        found, _ = augment(x, parameters(2, a3=quarters * math.pi / 2))
        torch.testing.assert_close(found, x.rot90(quarters, (-2, -1)), atol=1e-4, rtol=0)


def test_a_disc_grows_by_its_scale_and_turns_into_an_ellipse():
    rows, columns = torch.meshgrid(*[torch.arange(64) - 31.5] * 2, indexing="ij")
    disc = torch.where(rows**2 + columns**2 < 12**2, 1.0, -1.0)[None, None]

    def sides(**kw):  # of the light part in the middle, in pixels; beyond the edges are others
        y = augment(disc, parameters(**kw))[0][0, 0]
        lines = y[31:33].mean(0), y[:, 31:33].mean(1)
        return tuple(2 * (line[32:] <= 0).int().argmax().item() for line in lines)

    assert sides() == (24, 24)
    assert sides(a2=5) == (48, 48)
    assert sides(a2=-5) == (12, 12)
    assert sides(a5=5) == (48, 12)
    assert sides(a4=math.pi / 2, a5=5) == (12, 48)


def test_with_chance_0_nothing_happens_and_with_any_other_only_what_is_told():
    x = images(256, 1, 8, 8)
    g = torch.Generator().manual_seed(0)
    same, labels = augment(x, draw_augmentation(256, 0.0, g))
    assert same is x and labels.shape == (256, 9) and not labels.any()
    before = x.clone()
    changed, labels = augment(x, draw_augmentation(256, 0.12, g))
    assert torch.equal(x, before)  # what was handed in is left alone
    told = labels.any(1)
    differs = (changed != x).flatten(1).any(1)
    assert torch.equal(told, differs) and 80 < told.sum() < 180
    assert changed.abs().max() <= 1
    assert draw_augmentation(64, 1.0, g)[:, 2:].all()  # mirrors are drawn by a coin beside


# ---- the network


def test_zeros_are_no_augmentation_to_the_last_bit():
    net = tiny_model(augment_dim=9)
    plain = tiny_model()
    assert net.state_dict()[AUGMENT_WEIGHT].all()
    shared = {k: v for k, v in net.state_dict().items() if k != AUGMENT_WEIGHT}
    for name, weight in plain.state_dict().items():
        assert torch.equal(shared.pop(name), weight), name  # begun alike
    assert not shared
    x, t = images(3, 1, 8, 8), torch.tensor([0, 7, 19])
    assert torch.equal(net(x, t), plain(x, t))
    assert torch.equal(net(x, t, augment=torch.zeros(3, 9)), plain(x, t))
    assert not torch.equal(net(x, t, augment=torch.eye(9)[:3]), plain(x, t))
    with pytest.raises(DDPMError, match="augment_dim=9"):
        plain(x, t, augment=torch.zeros(3, 9))
    with pytest.raises(DDPMError, match=r"augment: shape \(3, 4\)"):
        net(x, t, augment=torch.zeros(3, 4))


# ---- the training step


def augmented(chance=0.5, n=64):
    data = tiny_data(n)
    data.augment = chance
    return data


def told_trainer(out, **kw):
    return tiny_trainer(out, augmented(), dict(augment_dim=9, num_classes=4), **kw)


@pytest.mark.slow
def test_a_resume_is_exact(tmp_path):
    how = dict(accumulate=3, ema=dict(extra_decays=[0.5]))
    told_trainer(tmp_path / "whole", **how).train()
    first = told_trainer(tmp_path / "parts", **how)
    first.callbacks.append(StopAt(6))
    with pytest.raises(KeyboardInterrupt):
        first.train()
    latest = tmp_path / "parts" / "ckpts" / "latest.pt"
    told_trainer(tmp_path / "parts", **how).resume(latest).train()
    whole = load_checkpoint(tmp_path / "whole" / "ckpts" / "latest.pt")
    assert_same_run(whole, load_checkpoint(latest))
    begun = told_trainer(tmp_path / "new").model.state_dict()[AUGMENT_WEIGHT]
    for weights in (whole["model"], whole["ema"]["shadow"]):
        assert not torch.equal(weights[AUGMENT_WEIGHT], begun)  # it has learnt
    model, _, _ = load_model(tmp_path / "whole" / "ckpts" / "ema.pt")
    assert torch.equal(model.get_parameter(AUGMENT_WEIGHT), whole["ema"]["shadow"][AUGMENT_WEIGHT])


@pytest.mark.slow
def test_parts_and_processes_see_what_one_would(tmp_path):
    t = told_trainer(tmp_path)
    x, y = t.data.batch(torch.arange(8))
    labels = []

    def gradient(parts):
        t.cfg["accumulate"] = parts
        t.opt.zero_grad()
        t.forward_backward(*t.sample_training_inputs(x, y))
        labels.append(t.augmentation)
        return torch.cat([p.grad.flatten() for p in t.model.parameters()])

    torch.nn.init.normal_(t.model.conv_out.weight, std=0.2)
    torch.testing.assert_close(gradient(1), gradient(3), atol=1e-5, rtol=1e-4)
    assert torch.equal(*labels) and labels[0].any()

    class One(AugmentedTrainer):  # of two processes
        world_size = 2

        def shard(self, x):
            return x.tensor_split(2)[self.rank]

    halves = []
    for rank in range(2):
        one = One(t.model, t.schedules, t.data, config=t.cfg, device="cpu")
        one.rank = rank
        half = one.sample_training_inputs(*map(one.shard, (x, y)))
        one.forward_backward(*half)
        halves.append(one.augmentation)
    assert torch.equal(torch.cat(halves), labels[0])


def test_a_step_is_the_same_whatever_came_before_it(tmp_path):
    t = told_trainer(tmp_path)
    first = t.draw(8)
    t.step = 5
    later = t.draw(8)
    assert not torch.equal(first, later)
    t.step = 0
    assert torch.equal(t.draw(8), first)


@pytest.mark.slow
def test_the_compiled_network_is_told_too(tmp_path, monkeypatch):
    real = torch.compile
    monkeypatch.setattr(torch, "compile", lambda m, **kw: real(m, backend="eager"))
    plain, t = (told_trainer(tmp_path / str(c), compile=c) for c in (False, True))
    for trainer in (plain, t):
        torch.nn.init.normal_(trainer.model.conv_out.weight, std=0.2, generator=g(0))
        for _ in range(2):
            trainer.train_step(*trainer.data.batch(torch.arange(8)))
    weights = [tr.model.time_embedding.augment for tr in (plain, t)]
    begun = told_trainer(tmp_path / "new").model.time_embedding.augment
    assert not torch.equal(weights[0], begun)
    torch.testing.assert_close(*weights, atol=1e-6, rtol=1e-4)


def g(seed):
    return torch.Generator().manual_seed(seed)


def test_validation_and_grids_are_of_images_as_they_are(tmp_path):
    "Two networks that differ only in what they do with augmented images have the same loss"
    losses = []
    for scale in (0.0, 1.0):
        t = tiny_trainer(tmp_path, augmented(1.0), dict(augment_dim=9), val=tiny_data())
        torch.nn.init.normal_(t.model.conv_out.weight, std=0.2, generator=g(0))
        torch.nn.init.normal_(t.model.time_embedding.augment, std=scale, generator=g(1))
        losses.append(t.val_loss(32))
    assert losses[0] == losses[1]


def test_a_network_that_cannot_be_told_is_refused(tmp_path):
    with pytest.raises(DDPMError, match=r"dataset.augment: 0.5, but the network cannot be told"):
        tiny_trainer(tmp_path, augmented())
    schedules, few = DDPMSchedules("cosine", 20), dict(batch_size=8)
    net = UNetSmall(**NET, augment_dim=9)
    with pytest.raises(DDPMError, match="expected 0 to 1"):
        AugmentedTrainer(net, schedules, augmented(1.5), config=few, device="cpu")
    with pytest.raises(DDPMError, match="DDPMTrainer augments them"):
        Trainer(net, schedules, augmented(), config=few, device="cpu")


# ---- does anything leak?


class Mirrors(AugmentedTrainer):
    "Every second image is mirrored, and nothing else"

    def draw(self, n):
        a = super().draw(n)
        a[:, 1:] = 0
        return a


class Untold(Mirrors):
    "The same, and the network is not told"

    def network(self, part):
        return self.forward


def share_left(kind):
    "Of samples of a network that was trained on images that are light at the left"
    halves = torch.zeros(64, 1, 8, 8, dtype=torch.uint8)
    for i in range(64):
        halves[i, ..., :4] = 255 - i
    data = ImageData(halves)
    data.augment = 1.0
    torch.manual_seed(0)
    wider = dict(base_channels=16, channel_mults=(1, 2, 2))
    net = UNetSmall(**NET | wider, parameterization="x0", augment_dim=9)
    schedules = DDPMSchedules("cosine", 100)
    how = dict(batch_size=32, max_steps=300, learning_rate=4e-3, amp=False)
    how |= dict(scheduler=dict(warmup_steps=20), ema=dict(decay=0.95))
    trainer = kind(net, schedules, data, config=how, device="cpu")
    trainer.train()
    net.load_state_dict(trainer.ema.shadow)
    x = DDPMSampler(schedules).ddim_sample(net.eval(), (64, 1, 8, 8), 10, generator=0)
    left, right = x[..., :4].mean((1, 2, 3)), x[..., 4:].mean((1, 2, 3))
    return (left > right).float().mean().item()


@pytest.mark.slow
def test_what_the_network_is_told_of_does_not_leak_and_what_it_is_not_does():
    assert share_left(Mirrors) > 0.95
    assert 0.2 < share_left(Untold) < 0.8


# ---- config, resume, fine-tuning, files

ON = ["--dataset.augment", "0.3"]
SMALL = dict(
    dataset=dict(limit=64, image_size=16),
    model=dict(
        image_size=16, base_channels=8, channel_mults=[1, 2], attention_resolutions=[], num_groups=4
    ),
    training=dict(batch_size=8, max_steps=2, sampling=dict(every_steps=0)),
)


def run_of(out, augment=0.0, **kw):
    parts = {k: dict(v) for k, v in SMALL.items()}
    parts["dataset"]["augment"] = augment
    return build("mnist_tiny", output_dir=out, device="cpu", progress=False, **parts, **kw)


def test_off_is_the_network_of_before(tmp_path):
    assert load_config("mnist_tiny")["dataset"]["augment"] == 0
    run = run_of(tmp_path)
    assert "augment_dim" not in run.model.config
    assert AUGMENT_WEIGHT not in run.model.state_dict()
    assert load_data("mnist", "train", limit=8).augment == 0
    # only what is trained on is augmented
    assert load_data("mnist", "train", limit=8, augment=0.3).augment == 0.3
    assert load_data("mnist", "test", limit=8, augment=0.3).augment == 0


def test_the_config_and_images_from_python_are_augmented(tmp_path):
    run = run_of(tmp_path, 0.3)
    assert (run.trainer.augment_chance, run.model.config["augment_dim"]) == (0.3, 9)
    own = torch.randint(0, 256, (16, 1, 16, 16), dtype=torch.uint8)
    assert run_of(tmp_path, 0.3, train_data=own).trainer.augment_chance == 0.3


@pytest.mark.parametrize("value", ["1.5", "-0.1", "true", "some"])
def test_an_odd_chance_is_refused_before_work(tmp_path, capsys, value):
    refused(capsys, "dataset.augment", *train_args(tmp_path, "--dataset.augment", value))
    assert not list(tmp_path.iterdir())


def test_a_resume_knows_the_augmentation(tmp_path, capsys):
    out, steps = tmp_path / "run", ["--training.max_steps", "2"]
    assert train(out, *ON, *steps) == 0
    assert "augmented with chance 0.3" in capsys.readouterr().out
    longer = ["--resume", "latest", "--training.max_steps", "3", "--output_dir", out]
    refused(
        capsys, "dataset.augment is 0.4 here, but 0.3", "train", *longer, "--dataset.augment", 0.4
    )
    refused(capsys, "dataset.augment is off here, but on", "train", *longer, "--dataset.augment", 0)
    assert main([str(a) for a in ["train", *longer]]) == 0
    plain = tmp_path / "plain"
    assert train(plain, *steps) == 0
    longer[-1] = plain
    refused(capsys, "dataset.augment is on here, but off", "train", *longer, *ON)


def test_a_checkpoint_without_a_word_of_it_was_not_augmented(tmp_path):
    first = tiny_trainer(tmp_path)
    first.train()
    ck = load_checkpoint(tmp_path / "ckpts" / "latest.pt")
    del ck["run"]["config"]["dataset"]["augment"]
    torch.save(ck, tmp_path / "old.pt")
    assert tiny_trainer(tmp_path).resume(tmp_path / "old.pt").step == 12
    told = tiny_trainer(tmp_path, augmented(), dict(augment_dim=9))
    with pytest.raises(DDPMError, match="dataset.augment is on here, but off"):
        told.resume(tmp_path / "old.pt")
    told = tiny_trainer(tmp_path / "b", augmented(0.2), dict(augment_dim=9))
    told.train()
    path = tmp_path / "b" / "ckpts" / "latest.pt"
    with pytest.raises(DDPMError, match="dataset.augment is 0.5 here, but 0.2"):
        tiny_trainer(tmp_path, augmented(), dict(augment_dim=9)).resume(path)


def test_weights_go_from_and_to_runs_without_it(tmp_path):
    told, plain = tiny_model(augment_dim=9), tiny_model()
    torch.nn.init.normal_(told.time_embedding.augment)
    schedules = DDPMSchedules("cosine", 20)
    for name, model in dict(told=told, plain=plain).items():
        save_pretrained(model, schedules, tmp_path / f"{name}.safetensors", dtype=torch.float32)
    again, _ = load_pretrained(tmp_path / "told.safetensors")
    assert torch.equal(again.time_embedding.augment, told.time_embedding.augment)
    x, t = images(2, 1, 8, 8), torch.tensor([3, 11])
    for source, kw, says in (
        ("told", dict(augment_dim=9), None),
        ("told", {}, "which changes no sample"),
        ("plain", dict(augment_dim=9), f"fresh layers: {AUGMENT_WEIGHT}"),
    ):
        said, model = [], UNetSmall(**NET | kw).eval()
        start_from(model, str(tmp_path / f"{source}.safetensors"), said.append)
        assert torch.equal(model(x, t), plain(x, t))  # `told` has the same weights but for it
        assert (says in said[0]) if says else not said
        if says is None:
            assert torch.equal(model.time_embedding.augment, told.time_embedding.augment)


def test_exported_files_hold_the_network_without_it(tmp_path):
    diffusers = pytest.importorskip("diffusers")
    pytest.importorskip("onnxruntime")
    onnx = pytest.importorskip("onnx")
    net, schedules = tiny_model(augment_dim=9), DDPMSchedules("cosine", 20)
    torch.nn.init.normal_(net.time_embedding.augment)
    x, t = images(2, 1, 8, 8), torch.tensor([3, 11])
    expected = net(x, t)
    to_diffusers(net, schedules, tmp_path / "pipe")
    other = diffusers.UNet2DModel.from_pretrained(tmp_path / "pipe" / "unet")
    torch.testing.assert_close(other(x, t).sample, expected, atol=1e-4, rtol=1e-4)
    path = to_onnx(net, schedules, tmp_path / "net.onnx")
    torch.testing.assert_close(load_onnx(path)[0](x, t), expected, atol=1e-4, rtol=1e-4)
    names = [i.name for i in onnx.load(str(path)).graph.initializer]
    assert names and not any("augment" in name for name in names)


def test_labels_are_those_of_the_paper():
    a = torch.tensor([[1, 0, 0.5, math.pi / 2, math.pi, -2, 3, -4]])
    expected = torch.tensor([[1, 0, 0.5, -1, 1, 2, 0, 3, -4]])
    torch.testing.assert_close(augmentation_labels(a), expected, atol=1e-5, rtol=0)
