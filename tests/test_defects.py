"Each of these went wrong in an earlier project or in 0.1; each test would have caught it"

import contextlib
import json
import math

import pytest
import torch

from ddpm_nb.app.config import config_names, load_config
from ddpm_nb.cli import main
from ddpm_nb.core import DDPMError
from ddpm_nb.data import ImageData, load_mnist
from ddpm_nb.engine.checkpoint import load_checkpoint
from ddpm_nb.engine.files import append_checksum
from ddpm_nb.engine.run import DDPMTrainer
from ddpm_nb.errors import DDPMWarning
from ddpm_nb.loop import EMA
from ddpm_nb.loss import DDPMLoss
from ddpm_nb.sampler import DDPMSampler
from ddpm_nb.schedules import DDPMSchedules
from ddpm_nb.trainer import Trainer
from ddpm_nb.unet import Attention, ResBlock, UNetSmall
from ddpm_nb.viz import plot_training_curves
from helpers.commands import train
from helpers.tiny import NET, StopAt, tiny_data


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
    "The model crashed with its own defaults; the CLI built a smaller one without saying so"
    c = load_config(name)["model"] if name else {}
    m = UNetSmall(**c).eval()
    size, ch = m.image_size, m.in_channels
    with torch.no_grad():
        y = m(torch.randn(1, ch, size, size), torch.tensor([5]))
    assert y.shape == (1, ch, size, size) and y.abs().max() == 0
    blocks = [b for b in m.modules() if isinstance(b, ResBlock)]
    levels, per_level = len(m.config["channel_mults"]), 2 * m.config["num_res_blocks"] + 1
    assert len(blocks) == levels * per_level + 2
    assert all(b.scale_shift == m.config["film"] for b in blocks)
    has_attention = any(isinstance(b, Attention) for b in m.modules())
    assert has_attention == bool(m.config["attention_resolutions"])


def test_first_loss_is_about_one():
    m = UNetSmall(image_size=32, in_channels=1, base_channels=32)
    x, _ = load_mnist("test").batch(torch.arange(8))
    assert abs(DDPMLoss(DDPMSchedules())(m, x).loss.item() - 1) < 0.1


@pytest.mark.parametrize("eta", [0.0, 0.3, 1.0])
def test_ddim_is_finite_for_every_eta(eta):
    m = UNetSmall(**NET)
    torch.nn.init.normal_(m.conv_out.weight, std=0.1)
    sampler = DDPMSampler(DDPMSchedules("linear", 20))
    for n in (1, 7, 20):
        assert sampler.ddim_sample(m, (2, 1, 8, 8), n, eta=eta).isfinite().all()


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
@pytest.mark.slow
def test_options_reach_the_training(tmp_path, extra):
    "The variational loss raised TypeError in the trainer; keys were accepted and dropped"
    out = ["--device", "cpu", "--output_dir", str(tmp_path)]
    small = (
        "--dataset.limit 32 --model.base_channels 8 --model.channel_mults [1,2] "
        "--model.attention_resolutions [] --model.num_groups 4 --schedules.timesteps 10 "
        "--batch_size 8 --training.max_steps 2 --training.validation.num_images 8 "
        "--training.sampling.every_steps 2 --training.sampling.num_steps 2"
    ).split()
    assert main(["train", *out, *small, *extra]) == 0
    log = json.loads((tmp_path / "logs" / "training_metrics.json").read_text())
    assert all(math.isfinite(s["loss"]) for s in log["steps"])
    assert (tmp_path / "grids" / "step_000002.png").exists()
    sample = "--num_samples 2 --num_steps 3 --method ddpm".split()
    assert main(["sample.grid", *out, *sample]) == 0


def test_lambda_vlb_changes_the_loss():
    m, x = UNetSmall(**NET, learn_sigma=True), torch.zeros(16, 1, 8, 8)
    torch.nn.init.normal_(m.conv_out.weight, std=0.1)

    def f(lam):
        return DDPMLoss(DDPMSchedules("cosine", 20), lambda_vlb=lam)(
            m, x, t=torch.arange(16), noise=torch.ones_like(x)
        ).loss.item()

    assert f(0.0) < f(0.001) < f(1.0)


@pytest.mark.slow
def test_resume_takes_exactly_the_steps_asked_for(tmp_path):
    "Resume repeated an epoch (20 steps, not 16) and ran the learning rate one epoch ahead"
    whole = trainer(tmp_path / "a").train()
    t = trainer(tmp_path / "b", epochs=2)
    t.callbacks.insert(0, StopAt(8))
    with pytest.raises(KeyboardInterrupt):
        t.train()
    h = trainer(tmp_path / "b").resume(tmp_path / "b" / "ckpts" / "latest.pt").train()
    assert [s["step"] for s in h["steps"]] == list(range(1, 17))
    assert [(s["lr"], s["loss"]) for s in h["steps"]] == [
        (s["lr"], s["loss"]) for s in whole["steps"]
    ]


def test_ema_copies_counters_and_follows_buffers():
    m = torch.nn.BatchNorm1d(2)
    e = EMA(m, 0.5, warmup=False)
    m.running_mean.fill_(4.0)
    m.num_batches_tracked.fill_(7)
    e.update(m)
    assert e.shadow["running_mean"][0] == 2
    assert e.shadow["num_batches_tracked"] == 7


@pytest.mark.slow
def test_old_checkpoints_are_pruned(tmp_path):
    trainer(tmp_path, checkpoint=dict(every_steps=2, keep=3)).train()
    assert [p.stem for p in sorted((tmp_path / "ckpts").glob("step_*"))] == [
        "step_00000012",
        "step_00000014",
        "step_00000016",
    ]


@pytest.mark.slow
def test_overfits_one_batch(tmp_path):
    t = trainer(
        tmp_path, epochs=160, data=tiny_data(8), learning_rate=5e-3, checkpoint=dict(every_steps=0)
    )
    h = t.train()
    first, last = (
        sum(s["loss"] for s in part) / 40 for part in (h["steps"][:40], h["steps"][-40:])
    )
    assert last < 0.6 * first


def test_a_folder_is_streamed(tmp_path):
    from PIL import Image

    from ddpm_nb.engine.folders import FolderData

    for i in range(16):
        Image.new("L", (20, 20), i).save(tmp_path / f"{i}.png")
    d = FolderData(tmp_path, 8, 1)
    assert not any(torch.is_tensor(v) and v.ndim == 4 for v in vars(d).values())
    got = torch.cat([x for x, _ in d.batches(list(torch.arange(16).split(5)), num_workers=2)])
    assert got.shape == (16, 1, 8, 8)
    assert torch.equal(got, d.batch(torch.arange(16))[0])


# ---- found in 0.1


@pytest.mark.parametrize("kind", [Trainer, DDPMTrainer])
def test_a_step_leaves_the_callers_random_numbers_alone(tmp_path, kind):
    "Each step seeded the global generator, so a callback drew the same numbers in every run"
    own = dict(output_dir=tmp_path) if kind is DDPMTrainer else {}
    model = UNetSmall(**NET, dropout=0.5)
    torch.nn.init.normal_(model.conv_out.weight, std=0.1)
    config = dict(batch_size=8, amp=False)
    t = kind(model, DDPMSchedules("cosine", 20), tiny_data(), config=config, device="cpu", **own)
    x, _ = tiny_data().batch(torch.arange(8))
    weights = {k: v.clone() for k, v in model.state_dict().items()}
    losses = []
    for seed in (1, 2):
        model.load_state_dict(weights)
        t.step = 0
        torch.manual_seed(seed)
        state = torch.get_rng_state()
        t.train_step(x)
        assert torch.equal(torch.get_rng_state(), state)
        losses.append(t.last_loss)
    # and the step doesn't depend on them: dropout has a stream of its own
    assert losses[0] == losses[1]


def test_an_error_within_a_step_leaves_them_alone_too(tmp_path):
    t = trainer(tmp_path)

    def fails(*args, **kw):
        torch.rand(1)
        raise RuntimeError("in the forward pass")

    t.loss = fails
    state = torch.get_rng_state()
    with pytest.raises(RuntimeError, match="in the forward pass"):
        t.train_step(tiny_data().batch(torch.arange(8))[0])
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.slow
def test_two_runs_do_not_get_into_one_folder(tmp_path):
    "From Python the second one replaced latest.pt, and the first one's step_….pt remained"
    checkpoint = dict(every_steps=2, keep=3)
    trainer(tmp_path, max_steps=6, checkpoint=checkpoint).train()
    files = {p: p.read_bytes() for p in (tmp_path / "ckpts").iterdir()}
    second = trainer(tmp_path, max_steps=2, checkpoint=checkpoint)
    with pytest.raises(DDPMError, match="a run is already in .*resume.*overwrite=True"):
        second.train()
    assert second.step == 0
    assert {p: p.read_bytes() for p in (tmp_path / "ckpts").iterdir()} == files
    # a checkpoint of another folder is no reason either
    trainer(tmp_path / "other", max_steps=4, checkpoint=checkpoint).train()
    elsewhere = tmp_path / "other" / "ckpts" / "latest.pt"
    with pytest.raises(DDPMError, match="a run is already in"):
        trainer(tmp_path, max_steps=8).resume(elsewhere).train()
    # the run's own folder, in the same trainer or a new one, is
    own = trainer(tmp_path, max_steps=8).resume(tmp_path / "ckpts" / "latest.pt")
    own.train()
    own.total_steps = 10
    assert own.train()["resumes"] == [6]
    anew = trainer(tmp_path, max_steps=2, checkpoint=checkpoint)
    anew.overwrite = True
    anew.train()
    names = sorted(p.name for p in (tmp_path / "ckpts").iterdir())
    assert names == ["ema.pt", "latest.pt", "step_00000002.pt"]


class NaNs(ImageData):
    def batch(self, idx):
        x, y = super().batch(idx)
        return x * math.nan, y


def refuse_constant(name):
    raise ValueError(f"{name} is not JSON")


@pytest.mark.slow
def test_logs_are_json_when_all_steps_were_skipped(tmp_path):
    "NaN stood in training_metrics.json, which jq, browsers and strict parsers refuse"
    t = trainer(tmp_path, data=NaNs(tiny_data().images), max_steps=2, max_bad_steps=9)
    t.train()
    path = tmp_path / "logs" / "training_metrics.json"
    log = json.loads(path.read_text(), parse_constant=refuse_constant)
    assert [(s["loss"], s["grad_norm"]) for s in log["steps"]] == [(None, None)] * 2
    # and what reads them takes null for a missing point
    log["steps"].append(log["steps"][0] | dict(step=3, loss=0.5, grad_norm=1.0))
    path.write_text(json.dumps(log))
    line = plot_training_curves(path)[0].lines[0]
    assert [math.isnan(v) for v in line.get_ydata()] == [True, True, False]
    assert main(["report", "--output_dir", str(tmp_path)]) == 0


def test_a_checkpoint_does_not_carry_its_machine(tmp_path):
    "`device: cuda` in a checkpoint decided where it sampled, so a laptop refused"
    assert train(tmp_path, "--training.max_steps", 2) == 0
    path = tmp_path / "ckpts" / "ema.pt"
    contents = load_checkpoint(path)
    assert contents["config"]["seed"] == 0
    assert not {"device", "output", "logging"} & {*contents["config"]}
    # as 0.1 wrote it, on a machine with a GPU
    machine = dict(device="cuda", output=dict(dir="/scratch/run"), logging=dict(wandb=True))
    contents["config"] |= machine
    torch.save(contents, path)
    append_checksum(path)
    sample = "--num_samples 2 --num_steps 2".split()
    assert main(["sample.grid", "--output_dir", str(tmp_path), *sample]) == 0
    assert (tmp_path / "grids" / "samples.png").is_file()


@pytest.mark.parametrize("kind", [Trainer, DDPMTrainer])
@pytest.mark.slow
def test_a_run_shorter_than_its_warm_up_is_told_so(tmp_path, kind):
    "It never reached its learning rate, and nobody said so"
    own = dict(output_dir=tmp_path, progress=False) if kind is DDPMTrainer else {}
    schedules = DDPMSchedules("cosine", 20)
    for steps, warmup, warned in ((4, 9, True), (4, 4, True), (4, 3, False)):
        config = dict(batch_size=8, amp=False, max_steps=steps, checkpoint=dict(every_steps=0))
        config |= dict(scheduler=dict(warmup_steps=warmup))
        t = kind(UNetSmall(**NET), schedules, tiny_data(), config=config, device="cpu", **own)
        t.overwrite = True
        with pytest.warns(DDPMWarning) if warned else contextlib.nullcontext() as caught:
            t.train()
        if warned:
            assert len(caught) == 1
            assert f"warmup_steps: {warmup}, but the run has {steps}" in str(caught[0].message)


def test_the_command_line_tells_of_a_short_run_in_one_line(tmp_path, capsys):
    assert train(tmp_path, "--training.max_steps", 2) == 0
    lines = [s for s in capsys.readouterr().err.splitlines() if "warmup_steps" in s]
    assert len(lines) == 1
    assert lines[0].startswith("ddpm-nb: warning: training.scheduler.warmup_steps: 100, but")
