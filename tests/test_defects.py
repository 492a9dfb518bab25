"Each of these went wrong in an earlier project of this kind; each has a test that would have caught it"

import json

import pytest
import torch

from ddpm_nb.app.config import config_names, load_config
from ddpm_nb.cli import main
from ddpm_nb.data import load_mnist
from ddpm_nb.engine.run import DDPMTrainer
from ddpm_nb.loss import DDPMLoss
from ddpm_nb.sampler import DDPMSampler
from ddpm_nb.schedules import DDPMSchedules
from ddpm_nb.trainer import EMA
from ddpm_nb.unet import Attention, ResBlock, UNetSmall
from helpers.tiny import NET, tiny_data


def trainer(out, epochs=2, data=None, **kw):
    torch.manual_seed(0)
    return DDPMTrainer(
        UNetSmall(**NET),
        DDPMSchedules("cosine", 20),
        data or tiny_data(),
        output_dir=out,
        device="cpu",
        progress=False,
        config=dict(
            epochs=epochs, batch_size=8, amp=False, log_every=1, scheduler=dict(warmup_steps=2)
        )
        | kw,
    )


@pytest.mark.parametrize("name", [None, *config_names()])
def test_every_model_runs_and_is_the_one_asked_for(name):
    "The model crashed with its own defaults and both YAMLs; the CLI built a smaller one without saying so"
    c = load_config(name)["model"] if name else {}
    m = UNetSmall(**c).eval()
    size, ch = m.image_size, m.in_channels
    with torch.no_grad():
        y = m(torch.randn(1, ch, size, size), torch.tensor([5]))
    assert y.shape == (1, ch, size, size) and y.abs().max() == 0
    assert len([b for b in m.modules() if isinstance(b, ResBlock)]) == len(
        m.config["channel_mults"]
    ) * (2 * m.config["num_res_blocks"] + 1) + 2 and all(
        b.scale_shift == m.config["film"] for b in m.modules() if isinstance(b, ResBlock)
    )
    assert any(isinstance(b, Attention) for b in m.modules()) == bool(
        m.config["attention_resolutions"]
    )


def test_first_loss_is_about_one():
    m, x = (
        UNetSmall(image_size=32, in_channels=1, base_channels=32),
        load_mnist("test").batch(torch.arange(8))[0],
    )
    assert abs(DDPMLoss(DDPMSchedules())(m, x).loss.item() - 1) < 0.1


@pytest.mark.parametrize("eta", [0.0, 0.3, 1.0])
def test_ddim_is_finite_for_every_eta(eta):
    m = UNetSmall(**NET)
    torch.nn.init.normal_(m.conv_out.weight, std=0.1)
    for n in (1, 7, 20):
        assert (
            DDPMSampler(DDPMSchedules("linear", 20))
            .ddim_sample(m, (2, 1, 8, 8), n, eta=eta)
            .isfinite()
            .all()
        )


@pytest.mark.parametrize(
    "extra",
    [
        ["--loss.type", "vlb", "--loss.weighting", "uniform"],
        ["--model.learn_sigma", "true", "--loss.lambda_vlb", "0.1"],
        ["--model.num_classes", "10"],
        ["--schedules.zero_terminal_snr", "true"],
        ["--model.gradient_checkpointing", "true", "--training.accumulate", "2"],
        ["--training.amp", "bf16"],
        ["--training.optimizer.name", "sgd"],
        ["--training.optimizer.name", "muon"],
    ],
)
def test_options_reach_the_training(tmp_path, extra):
    "The variational loss raised TypeError in the trainer; keys were accepted and dropped"
    small = "--dataset.limit 32 --model.base_channels 8 --model.channel_mults [1,2] --model.attention_resolutions [] --model.num_groups 4 --schedules.timesteps 10 --batch_size 8 --training.max_steps 2 --training.validation.num_images 8 --training.sampling.every_steps 2 --training.sampling.num_steps 2".split()
    assert main(["train", "--device", "cpu", "--output_dir", str(tmp_path), *small, *extra]) == 0
    log = json.loads((tmp_path / "logs" / "training_metrics.json").read_text())
    assert (
        all(torch.isfinite(torch.tensor(s["loss"])) for s in log["steps"])
        and (tmp_path / "grids" / "step_000002.png").exists()
    )
    assert (
        main(
            [
                "sample.grid",
                "--device",
                "cpu",
                "--output_dir",
                str(tmp_path),
                "--num_samples",
                "2",
                "--num_steps",
                "3",
                "--method",
                "ddpm",
            ]
        )
        == 0
    )


def test_lambda_vlb_changes_the_loss():
    m, x = UNetSmall(**NET, learn_sigma=True), torch.zeros(16, 1, 8, 8)
    torch.nn.init.normal_(m.conv_out.weight, std=0.1)

    def f(lam):
        return DDPMLoss(DDPMSchedules("cosine", 20), lambda_vlb=lam)(
            m, x, t=torch.arange(16), noise=torch.ones_like(x)
        ).loss.item()

    assert f(0.0) < f(0.001) < f(1.0)


def test_resume_takes_exactly_the_steps_asked_for(tmp_path):
    "Resume repeated an epoch (20 steps where 16 were asked) and ran the learning rate one epoch ahead"
    whole = trainer(tmp_path / "a").train()
    t = trainer(tmp_path / "b", epochs=2)
    t.callbacks.insert(
        0,
        type(
            "S",
            (),
            dict(
                before_train=lambda s, t: None,
                after_step=lambda s, t: (
                    setattr(t, "stop", KeyboardInterrupt()) if t.step == 8 else None
                ),
                after_epoch=lambda s, t: None,
                after_train=lambda s, t: None,
            ),
        )(),
    )
    with pytest.raises(KeyboardInterrupt):
        t.train()
    h = trainer(tmp_path / "b").resume(tmp_path / "b" / "ckpts" / "latest.pt").train()
    assert [s["step"] for s in h["steps"]] == list(range(1, 17)) and [
        (s["lr"], s["loss"]) for s in h["steps"]
    ] == [(s["lr"], s["loss"]) for s in whole["steps"]]


def test_ema_copies_counters_and_follows_buffers():
    m = torch.nn.BatchNorm1d(2)
    e = EMA(m, 0.5, warmup=False)
    m.running_mean.fill_(4.0)
    m.num_batches_tracked.fill_(7)
    e.update(m)
    assert e.shadow["running_mean"][0] == 2 and e.shadow["num_batches_tracked"] == 7


def test_old_checkpoints_are_pruned(tmp_path):
    trainer(tmp_path, checkpoint=dict(every_steps=2, keep=3)).train()
    assert [p.stem for p in sorted((tmp_path / "ckpts").glob("step_*"))] == [
        "step_00000012",
        "step_00000014",
        "step_00000016",
    ]


def test_overfits_one_batch(tmp_path):
    t = trainer(
        tmp_path, epochs=300, data=tiny_data(8), learning_rate=3e-3, checkpoint=dict(every_steps=0)
    )
    h = t.train()
    first, last = (
        sum(s["loss"] for s in part) / 40 for part in (h["steps"][:40], h["steps"][-40:])
    )
    assert last < 0.6 * first


def test_a_folder_is_streamed(tmp_path):
    from PIL import Image

    from ddpm_nb.engine.folders import FolderData

    [Image.new("L", (20, 20), i).save(tmp_path / f"{i}.png") for i in range(16)]
    d = FolderData(tmp_path, 8, 1)
    assert not any(torch.is_tensor(v) and v.ndim == 4 for v in vars(d).values())
    got = torch.cat([x for x, _ in d.batches(list(torch.arange(16).split(5)), num_workers=2)])
    assert got.shape == (16, 1, 8, 8) and torch.equal(got, d.batch(torch.arange(16))[0])
