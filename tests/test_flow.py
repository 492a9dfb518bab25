"""Flow matching: the straight path beside closed forms, diffusers' scheduler, and the whole run."""

import math

import pytest
import torch

from ddpm_nb.app.interop import save_pretrained, to_diffusers
from ddpm_nb.app.recipes import build
from ddpm_nb.cli import main
from ddpm_nb.engine.checkpoint import load_checkpoint
from ddpm_nb.engine.compat import import_torchvision
from ddpm_nb.errors import DDPMError
from ddpm_nb.likelihood import bits_per_dim
from ddpm_nb.loss import DDPMLoss, loss_weights
from ddpm_nb.pretrained import load_pretrained
from ddpm_nb.sampler import METHODS, DDPMSampler
from ddpm_nb.schedules import DDPMSchedules, added_variance
from ddpm_nb.settings import PARAMETERIZATIONS
from ddpm_nb.toy import Mixture, cluster_spread, ring_means
from helpers.commands import train
from helpers.tiny import NET, StopAt, assert_same_run, tiny_data, tiny_model

import_torchvision()

FLOW_KEY = {"schedules.schedule": "flow"}
FLOW = DDPMSchedules("flow", 1000, dtype=torch.float64)
# the same signal-to-noise ratios, with variance preserved
TWIN = DDPMSchedules(betas=FLOW.betas, dtype=torch.float64)
COSINE = DDPMSchedules("cosine", 1000, dtype=torch.float64)
RING = ring_means().double()
START = torch.randn(64, 2, 1, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def sampled(schedules, method, kind, n=20, std=0.1, **kwargs):
    model = Mixture(schedules, RING, std, kind)
    settings = dict(clip=None, x_T=START, generator=0) | kwargs
    return DDPMSampler(schedules).sample(model, START.shape, method, n, **settings)


# --- the path and the converter


def test_path_and_target():
    x0, eps = torch.randn(2, 3, 1, 4, 4, dtype=torch.float64)
    t = torch.tensor([0, 249, 999])
    u = torch.tensor([0.001, 0.25, 1.0], dtype=torch.float64).view(-1, 1, 1, 1)
    torch.testing.assert_close(FLOW.q_sample(x0, t, eps), (1 - u) * x0 + u * eps)
    assert (FLOW.target(x0, eps, t, "flow") == eps - x0).all()


@pytest.mark.parametrize("kind", PARAMETERIZATIONS)
@pytest.mark.parametrize("s", [FLOW, COSINE], ids=["flow", "cosine"])
def test_every_form_from_every_form(kind, s):
    x0, eps = torch.randn(2, 4, 1, 4, 4, dtype=torch.float64)
    t = torch.tensor([0, 300, 700, 998])  # before the last step, where eps alone says nothing
    found = s.predict(s.target(x0, eps, t, kind), s.q_sample(x0, t, eps), t, kind)
    for form in PARAMETERIZATIONS:
        wanted = s.target(x0, eps, t, form)
        torch.testing.assert_close(getattr(found, form), wanted, atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("kind", PARAMETERIZATIONS)
@pytest.mark.parametrize("s", [FLOW, COSINE], ids=["flow", "cosine"])
def test_weights_are_those_of_eps_whatever_is_predicted(kind, s):
    "An error in the output, weighed for it, is the same error in eps, weighed for eps"
    t = torch.tensor([10, 500, 990])
    x, out = torch.randn(2, 3, 1, 1, 1, dtype=torch.float64)
    wrong = [s.predict(o, x, t, kind).eps for o in (out, out + 0.1)]
    on_eps = (wrong[1] - wrong[0]).flatten() ** 2
    for weighting in ("min_snr", "p2"):
        torch.testing.assert_close(
            loss_weights(s, weighting, kind)[t] * 0.01,
            loss_weights(s, weighting, "eps")[t] * on_eps,
        )


def test_the_posterior_is_bayes_rule():
    "On a grid: q(x_{t-1}|x_0) times q(x_t|x_{t-1}), normalised"
    s = DDPMSchedules("flow", 20, dtype=torch.float64)
    sampler = DDPMSampler(s)
    grid = torch.linspace(-6, 6, 100001, dtype=torch.float64)
    x0, xt = 0.7, -0.2
    for t in (1, 9, 18):
        a, n = sampler.a[t] / sampler.a[t - 1], added_variance(sampler.a, sampler.s, t, t - 1)
        prior = -((grid - sampler.a[t - 1] * x0) ** 2) / (2 * sampler.s[t - 1] ** 2)
        weight = (prior - (xt - a * grid) ** 2 / (2 * n)).softmax(0)
        mean = (weight * grid).sum()
        variance = (weight * (grid - mean) ** 2).sum()
        one = torch.ones(1, 1, dtype=torch.float64)
        found = s.q_posterior(x0 * one, xt * one, torch.tensor([t]))
        torch.testing.assert_close(found[0].squeeze(), mean, atol=1e-6, rtol=0)
        torch.testing.assert_close(found[1].squeeze(), variance, atol=1e-6, rtol=0)


def test_the_walk_adds_up_to_the_jump():
    a, s = DDPMSampler(FLOW).a, DDPMSampler(FLOW).s
    variance = 0.0
    for t in range(999):
        variance = (a[t] / a[t - 1]) ** 2 * variance + added_variance(a, s, t, t - 1)
        assert math.isclose(variance, s[t] ** 2, rel_tol=1e-9)


# --- samplers


def test_it_is_v_on_another_schedule():
    "Euler on the straight path, DDIM there, and DDIM with v where variance is preserved"
    euler = sampled(FLOW, "euler", "flow")
    for other in (
        sampled(FLOW, "ddim", "flow"),
        sampled(TWIN, "ddim", "v"),
        sampled(TWIN, "euler", "v"),
    ):
        torch.testing.assert_close(other, euler, atol=1e-10, rtol=0)
    # and it is that path: another one leads elsewhere
    assert (sampled(COSINE, "ddim", "v") - euler).abs().max() > 0.01


@pytest.mark.parametrize("method, order", [("euler", 1), ("heun", 2)])
def test_the_order_on_a_gaussian(method, order):
    "With N(0, std²) data the state stays proportional to the standard deviation at its time"
    s = DDPMSchedules("flow", 4000, dtype=torch.float64)
    sampler = DDPMSampler(s)

    def error(n, std=0.5):
        model = Mixture(s, torch.zeros(1, 1, dtype=torch.float64), std, "flow")
        levels = [round(3200 - 2400 * i / n) for i in range(n + 1)]
        std_at = [math.hypot(sampler.a[t] * std, sampler.s[t]) for t in levels]
        states = []
        sampler.sample(
            model,
            (1, 1, 1, 1),
            method,
            n + 1,
            spacing=levels,
            clip=None,
            x_T=torch.full((1, 1, 1, 1), std_at[0], dtype=torch.float64),
            callback=lambda step: states.append(step.x.item()),
        )
        return abs(states[n - 1] - std_at[-1])

    assert abs(math.log2(error(80) / error(160)) - order) < 0.3


@pytest.mark.parametrize("method", METHODS)
def test_every_sampler_reaches_the_clusters(method):
    spread = cluster_spread(sampled(FLOW, method, "flow", 100, std=0.05), RING)
    assert 0.7 * 2 * 0.05**2 < spread < 1.4 * 2 * 0.05**2


@pytest.mark.parametrize("heun", [False, True])
@pytest.mark.parametrize("n", [4, 10, 28])  # where diffusers' times are whole steps of ours
def test_step_by_step_with_diffusers(n, heun):
    diffusers = pytest.importorskip("diffusers")
    name = "FlowMatchHeunDiscreteScheduler" if heun else "FlowMatchEulerDiscreteScheduler"
    theirs = getattr(diffusers, name)(num_train_timesteps=1000)
    theirs.set_timesteps(n)
    model = Mixture(FLOW, RING, 0.1, "flow")
    states = []
    sampled(
        FLOW,
        "heun" if heun else "euler",
        "flow",
        n,
        spacing="linspace",
        callback=lambda step: states.append(step.x),
    )
    x, found = START, []
    for i, time in enumerate(theirs.timesteps):
        t = torch.full((len(x),), round(time.item()) - 1)  # theirs counts from 1
        x = theirs.step(model(x, t), time, x).prev_sample
        if not heun or i % 2 == 0:  # odd calls of Heun end a step, but for the last
            found.append(x)
        else:
            found[-1] = x
    kept = found if not heun else found[: n - 1] + [x]
    for ours, their in zip(states, kept, strict=True):
        torch.testing.assert_close(ours, their.double(), atol=2e-5, rtol=0)  # float32 times


def test_inversion_comes_back():
    x0 = RING[torch.arange(12) % 6].view(12, 2, 1, 1) + 0.05
    model, sampler = Mixture(FLOW, RING, 0.3, "flow"), DDPMSampler(FLOW)
    noise = sampler.ddim_invert(model, x0, 50)
    again = sampler.sample(model, x0.shape, "ddim", 50, x_T=noise, clip=None)
    torch.testing.assert_close(again, x0, atol=1e-4, rtol=0)


def test_bits_do_not_depend_on_the_scale():
    "The bound is the same with variance preserved, but for L_0, whose variance is a choice"
    flow = DDPMSchedules("flow", 20, dtype=torch.float64)
    twin = DDPMSchedules(betas=flow.betas, dtype=torch.float64)
    x0 = torch.randint(0, 256, (3, 2, 1, 1)).double() / 127.5 - 1
    flow_bits, twin_bits = (
        bits_per_dim(Mixture(s, RING, 0.3, kind), s, x0)["terms"][1:]
        for s, kind in ((flow, "flow"), (twin, "v"))
    )
    torch.testing.assert_close(flow_bits, twin_bits, atol=1e-6, rtol=1e-6)


# --- what cannot be is refused in a sentence


def test_refused():
    with pytest.raises(DDPMError, match="pure noise"):
        DDPMLoss(FLOW)(lambda x, t: x, START, parameterization="eps")
    with pytest.raises(DDPMError, match="pure noise"):
        build("mnist_tiny", **FLOW_KEY | {"model.parameterization": "eps"})
    with pytest.raises(DDPMError, match="anyway"):
        DDPMSchedules("flow", zero_terminal_snr=True)


def test_not_for_ddpm_pipelines(tmp_path):
    with pytest.raises(DDPMError, match="flow matching.*onnx"):
        to_diffusers(tiny_model(parameterization="flow"), FLOW, tmp_path / "out")
    assert not (tmp_path / "out").exists()


# --- a whole run


def flow_run(out, **kwargs):
    small = dict(
        model=NET,
        dataset=dict(image_size=8),
        schedules=dict(schedule="flow", timesteps=20),
        training=dict(
            max_steps=6,
            batch_size=8,
            log_every=1,
            checkpoint=dict(every_steps=2),
            validation=dict(every_steps=0),
            sampling=dict(every_steps=0),
        ),
    )
    return build(
        "mnist_tiny",
        output_dir=out,
        device="cpu",
        progress=False,
        train_data=tiny_data(),
        **small,
        **kwargs,
    )


@pytest.mark.slow
def test_resume_is_exact_and_a_checkpoint_knows_its_path(tmp_path, capsys):
    flow_run(tmp_path / "whole").trainer.train()
    with pytest.raises(KeyboardInterrupt):
        flow_run(tmp_path / "cut", callbacks=[StopAt(3)]).trainer.train()
    latest = tmp_path / "cut" / "ckpts" / "latest.pt"
    flow_run(tmp_path / "cut", resume=latest).trainer.train()
    whole, cut = (load_checkpoint(tmp_path / d / "ckpts" / "latest.pt") for d in ("whole", "cut"))
    assert_same_run(whole, cut)
    assert whole["schedules_config"]["schedule"] == "flow"
    assert whole["config"]["loss"]["weighting"] == "uniform"
    # and the command line samples from it by every method
    for method in ("euler", "heun"):
        args = ["--output_dir", str(tmp_path / "whole"), "--method", method]
        assert main(["sample.grid", *args, "--num_steps", "3", "--num_samples", "4"]) == 0
    assert capsys.readouterr().out.count("wrote") == 2


def test_one_key_is_enough_and_is_said(tmp_path, capsys):
    args = ["--schedules.schedule", "flow", "--training.max_steps", 1]
    assert train(tmp_path / "run", *args) == 0
    assert "flow on the flow schedule" in capsys.readouterr().out


def test_packaged_weights_carry_the_path(tmp_path):
    model = tiny_model(parameterization="flow")
    save_pretrained(model, FLOW, tmp_path / "m.safetensors", dtype=torch.float32)
    again, schedules = load_pretrained(tmp_path / "m.safetensors")
    assert again.parameterization == "flow" and not schedules.variance_preserving
    x = torch.randn(2, 1, 8, 8)
    a, b = (
        DDPMSampler(s).sample(m, x.shape, "euler", 3, x_T=x)
        for m, s in ((model, DDPMSchedules("flow")), (again, schedules))
    )
    assert torch.equal(a, b)
