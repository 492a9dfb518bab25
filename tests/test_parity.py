"""Schedules, samplers, UNet and folders against diffusers, an independent implementation.

diffusers keeps its tables in float32, and some of its steps convert to it. `theirs` makes the word
float32 mean float64 inside one of its modules, so that the same code runs in double precision. Our
samplers then agree with it to 1e-9 in float64, and to 1e-5 in float32. (Against diffusers' own
float32 the tolerance is 1e-4, in one test: there 1 - alphas_cumprod loses four digits at t=0.)"""

import importlib
import inspect
import json
from fractions import Fraction

import numpy as np
import pytest
import torch

from ddpm_nb.app.interop import from_diffusers, to_diffusers, unet2d_config
from ddpm_nb.engine.compat import import_torchvision
from ddpm_nb.noise import PerImageNoise
from ddpm_nb.sampler import DDPMSampler, clip_x0
from ddpm_nb.schedules import DDPMSchedules, rescale_zero_terminal_snr
from ddpm_nb.solvers import karras_timesteps
from ddpm_nb.spacing import SPACINGS, timesteps
from ddpm_nb.unet import UNetSmall

import_torchvision()
diffusers = pytest.importorskip("diffusers")
pytestmark = [
    pytest.mark.filterwarnings(f"ignore:{w}")
    for w in (
        "__array__ implementation:DeprecationWarning",
        "The .local_dir_use_symlinks:UserWarning",
    )
]

PRED = dict(eps="epsilon", x0="sample", v="v_prediction")
SHAPE = (3, 1, 4, 4)
MODULES = dict(
    DDPMScheduler="ddpm",
    DDIMScheduler="ddim",
    DPMSolverMultistepScheduler="dpmsolver_multistep",
    HeunDiscreteScheduler="heun_discrete",
)
DTYPES = [torch.float32, torch.float64]


class Double:
    "A module in which float32 means float64"

    def __init__(self, module, float64):
        self._module, self.float32 = module, float64

    def __getattr__(self, k):
        return getattr(self._module, k)


def module_of(name):
    return importlib.import_module(f"diffusers.schedulers.scheduling_{MODULES[name]}")


@pytest.fixture
def theirs(monkeypatch):
    "Makes their scheduler with our betas, in double precision unless told otherwise"

    def make(name, s, par, spacing="trailing", double=True, **kw):
        m = module_of(name)
        if double:
            monkeypatch.setattr(m, "torch", Double(torch, torch.float64))
            monkeypatch.setattr(m, "np", Double(np, np.float64))
        betas = (exact(s) if double else s).betas.numpy()
        return getattr(diffusers, name)(
            num_train_timesteps=s.T,
            trained_betas=betas,
            prediction_type=PRED[par],
            timestep_spacing=spacing,
            **kw,
        )

    return make


def exact(s):
    return DDPMSchedules(**s.config, dtype=torch.float64)


class Fake:
    """A smooth stand-in for a network: an image in [-1,1], predicted as eps, x0 or v.

    With `learn_sigma` something about the variance, too."""

    def __init__(self, par, s, learn_sigma=False, scale=0.95):
        self.parameterization, self.s, self.learn_sigma, self.scale = par, s, learn_sigma, scale

    def __call__(self, x, t):
        x0 = torch.tanh(x * 0.7 + t.view(-1, 1, 1, 1).to(x.dtype) / 500) * self.scale
        out = getattr(self.s.predict(x0, x, t.long(), "x0"), self.parameterization)
        return torch.cat([out, torch.sin(3 * x0)], 1) if self.learn_sigma else out


# for our side and theirs
def both(par, s, *a, **kw):
    return Fake(par, s, *a, **kw), Fake(par, exact(s), *a, **kw)


def schedules(dtype, name="linear", T=1000, **kw):
    return DDPMSchedules(name, T, dtype=dtype, **kw)


# the same numbers in both precisions
def start(dtype):
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(1)).to(dtype)


def full(t):
    return torch.full((SHAPE[0],), int(t))


def same(a, b, dtype):
    tol = 1e-9 if dtype == torch.float64 else 1e-5
    torch.testing.assert_close(a.to(dtype), b.to(dtype), atol=tol, rtol=tol)


def our_states(s, method, model, x, **kw):
    "The state after every step"
    states = []
    DDPMSampler(s).sample(
        model, SHAPE, method, x_T=x, **{"clip": None} | kw, callback=lambda st: states.append(st.x)
    )
    return states


# --- tables and noising


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("T", [2, 10, 100, 1000, 4000])
def test_tables(T, dtype, theirs):
    for s in (schedules(dtype, T=T), schedules(dtype, "cosine", T), schedules(dtype, "sigmoid", T)):
        d = theirs("DDPMScheduler", s, "eps")
        same(s.alphas_cumprod, d.alphas_cumprod, dtype)
        same(s.betas, d.betas, dtype)
        for t in {1, T // 2, T - 1}:
            same(s.posterior_variance[t], d._get_variance(t), dtype)


def test_named_schedules():
    "Their own construction of the same schedules, float32"
    for T in (100, 1000):
        d = diffusers.DDPMScheduler(T, 1e-4 * 1000 / T, 0.02 * 1000 / T, "linear")
        torch.testing.assert_close(
            DDPMSchedules("linear", T).alphas_cumprod, d.alphas_cumprod, atol=1e-5, rtol=1e-4
        )
    for T in (10, 100, 1000):
        d = diffusers.DDPMScheduler(T, beta_schedule="squaredcos_cap_v2")
        torch.testing.assert_close(DDPMSchedules("cosine", T).betas, d.betas, atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["DDPMScheduler", "DDIMScheduler"])
def test_add_noise_velocity_and_rescale(name, dtype, theirs):
    s = schedules(dtype)
    d = theirs(name, s, "eps")
    x0, eps, t = *torch.randn(2, 3, 1, 4, 4, dtype=dtype).unbind(0), torch.tensor([0, 500, 999])
    same(s.q_sample(x0, t, eps), d.add_noise(x0, eps, t), dtype)
    same(s.target(x0, eps, t, "v"), d.get_velocity(x0, eps, t), dtype)
    same(
        rescale_zero_terminal_snr(s.betas),
        module_of("DDIMScheduler").rescale_zero_terminal_snr(s.betas),
        dtype,
    )


# --- every step of a full run


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("par", PRED)
@pytest.mark.parametrize("spacing", SPACINGS[:3])
@pytest.mark.parametrize(
    "variance, n",
    [
        ("fixed_small", 100),
        ("fixed_large", 100),
        ("learned", 100),
        ("fixed_small", 20),
        ("learned", 13),
    ],
)
def test_ddpm(par, spacing, variance, n, dtype, theirs, monkeypatch):
    s = schedules(dtype, T=100)
    model, their = both(par, s, variance == "learned")
    d = theirs(
        "DDPMScheduler",
        s,
        par,
        spacing,
        clip_sample=False,
        variance_type=variance.replace("learned", "learned_range"),
    )
    d.set_timesteps(n)
    assert d.timesteps.tolist() == timesteps(100, n, spacing)
    ours = our_states(
        s, "ddpm", model, start(dtype), num_steps=n, spacing=spacing, variance=variance, generator=5
    )
    # the first is the starting point, which is given here
    dice = PerImageNoise(5, 0, 3)
    dice(SHAPE[1:], dtype)
    monkeypatch.setattr(
        module_of("DDPMScheduler"), "randn_tensor", lambda *a, **k: dice(SHAPE[1:], dtype).double()
    )
    x = start(torch.float64)
    for i, (t, o) in enumerate(zip(d.timesteps, ours)):
        # the last step: they still throw dice where it starts above t=0; DDPM's algorithm 2 does
        # not
        if i == n - 1:
            monkeypatch.setattr(
                module_of("DDPMScheduler"),
                "randn_tensor",
                lambda *a, **k: torch.zeros(SHAPE).double(),
            )
        x = d.step(their(x, full(t)), t, x).prev_sample
        same(o, x, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("par", PRED)
@pytest.mark.parametrize("spacing", SPACINGS[:3])
@pytest.mark.parametrize("n", [5, 7, 20])
@pytest.mark.parametrize("eta", [0.0, 0.6])
def test_ddim(par, spacing, n, eta, dtype, theirs):
    s = schedules(dtype)
    model, their = both(par, s)
    ts = timesteps(1000, n, spacing)
    d = theirs("DDIMScheduler", s, par, spacing, clip_sample=False, set_alpha_to_one=True)
    d.set_timesteps(n)
    assert d.timesteps.tolist() == ts
    ours, x = (
        our_states(
            s, "ddim", model, start(dtype), num_steps=n, spacing=spacing, eta=eta, generator=5
        ),
        start(torch.float64),
    )
    dice = PerImageNoise(5, 0, 3)
    dice(SHAPE[1:], dtype)
    for t, nxt, o in zip(ts, [*ts[1:], -1], ours):
        # their step goes down by T // num_inference_steps, wherever the next step of the spacing
        # is; make that the true stride
        d.num_inference_steps = Fraction(2 * s.T, 2 * (t - nxt) + 1)
        assert s.T // d.num_inference_steps == t - nxt
        z = dice(SHAPE[1:], dtype).double() if eta and nxt >= 0 else torch.zeros(SHAPE).double()
        x = (
            d.step(their(x, full(t)), t, x, eta=eta, variance_noise=z).prev_sample
            if eta
            else d.step(their(x, full(t)), t, x).prev_sample
        )
        same(o, x, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("par", PRED)
@pytest.mark.parametrize("spacing", SPACINGS[:3])
@pytest.mark.parametrize("n", [6, 20])
@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_dpmpp_2m(par, spacing, n, eta, dtype, theirs):
    s = schedules(dtype)
    model, their = both(par, s)
    kind = "sde-dpmsolver++" if eta else "dpmsolver++"
    d = theirs(
        "DPMSolverMultistepScheduler",
        s,
        par,
        spacing,
        algorithm_type=kind,
        solver_order=2,
        final_sigmas_type="zero",
    )
    d.set_timesteps(n)
    assert d.timesteps.tolist() == timesteps(1000, n, spacing, reserve_final_step=True)
    ours = our_states(
        s, "dpmpp_2m", model, start(dtype), num_steps=n, spacing=spacing, eta=eta, generator=5
    )
    x, dice = start(torch.float64), PerImageNoise(5, 0, 3)
    dice(SHAPE[1:], dtype)
    for t, o in zip(d.timesteps, ours):
        # they throw dice in the last step, too, and multiply them with 0
        z = dice(SHAPE[1:], dtype) if eta else None
        x = d.step(their(x, full(t)), t, x, variance_noise=z).prev_sample
        same(o, x, dtype)


@pytest.mark.parametrize("kind", ["cosine", "linear"])
@pytest.mark.parametrize("n", [2, 5, 10, 40])
def test_karras_spacing(kind, n):
    "The schedule's steps nearest to the noise levels that diffusers computes from the same ends"
    s = DDPMSampler(DDPMSchedules(kind, 1000))
    sig = np.array(s.s[:-1]) / np.array(s.a[:-1])
    # rho is 7
    theirs = diffusers.DPMSolverMultistepScheduler()._convert_to_karras(
        torch.tensor([80.0, sig[0]], dtype=torch.float64), n
    )
    nearest = [int(np.abs(np.log(sig) - np.log(x)).argmin()) for x in np.asarray(theirs)]
    ours = karras_timesteps(sig, n, rho=7, sigma_max=80, sigma_min=0)
    assert karras_timesteps(sig, n) == s.steps(n, "karras", reserve_final_step=True)
    # 40 steps would ask some twice
    assert ours == nearest if n <= 10 else max(abs(np.subtract(ours, nearest))) <= 4


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("par", PRED)
@pytest.mark.parametrize("spacing", SPACINGS[:3])
@pytest.mark.parametrize("n", [7, 10])
def test_heun(par, spacing, n, dtype, theirs):
    s = schedules(dtype)
    (model, their), ts = both(par, s), timesteps(1000, n, spacing)
    d = theirs("HeunDiscreteScheduler", s, par, spacing)
    # linspace: they stay between the steps (142.71…), we round as the other schedulers do; so they
    # are given our steps where that differs
    if spacing == "linspace" and n == 7:
        d.set_timesteps(timesteps=ts)
    else:
        d.set_timesteps(n)
    assert d.timesteps.tolist() == [ts[0], *[t for t in ts[1:] for _ in (0, 1)]]
    ours, sm = (
        our_states(s, "heun", model, start(dtype), num_steps=n, spacing=spacing),
        DDPMSampler(s),
    )
    # theirs lives in the space divided by sqrt(alpha bar)
    x, k = start(torch.float64) / sm.a[ts[0]], 0
    for nxt, o in zip([*ts[1:], -1], ours):
        # there, and again with the mean slope; the last step is single
        for _ in range(2 if nxt >= 0 else 1):
            t = d.timesteps[k]
            k += 1
            x = d.step(their(d.scale_model_input(x, t), full(t)), t, x).prev_sample
        same(o, x * sm.a[nxt], dtype)
    assert k == len(d.timesteps)


# --- clipping, thresholding, zero terminal SNR


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("par", PRED)
@pytest.mark.parametrize(
    "clip, kw",
    [
        ("clip", dict(clip_sample=True)),
        ("dynamic", dict(thresholding=True, clip_sample=False, sample_max_value=1e9)),
    ],
)
def test_clipping(par, clip, kw, dtype, theirs, monkeypatch):
    "DDIM re-derives the noise, as theirs does when told to; DDPM needs only the picture"
    s = schedules(dtype)
    model, their = both(par, s, scale=2.0)
    d = theirs("DDIMScheduler", s, par, "leading", set_alpha_to_one=True, **kw)
    d.set_timesteps(20)
    x = start(torch.float64)
    for t, o in zip(
        d.timesteps,
        our_states(s, "ddim", model, start(dtype), num_steps=20, spacing="leading", clip=clip),
    ):
        x = d.step(their(x, full(t)), t, x, use_clipped_model_output=True).prev_sample
        same(o, x, dtype)
    d = theirs("DDPMScheduler", s, par, "leading", variance_type="fixed_small", **kw)
    d.set_timesteps(20)
    x, dice = start(torch.float64), PerImageNoise(5, 0, 3)
    dice(SHAPE[1:], dtype)
    monkeypatch.setattr(
        module_of("DDPMScheduler"), "randn_tensor", lambda *a, **k: dice(SHAPE[1:], dtype).double()
    )
    for t, o in zip(
        d.timesteps,
        our_states(
            s, "ddpm", model, start(dtype), num_steps=20, spacing="leading", clip=clip, generator=5
        ),
    ):
        x = d.step(their(x, full(t)), t, x).prev_sample
        same(o, x, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("par", PRED)
def test_dpmpp_2m_with_thresholding(par, dtype, theirs):
    s = schedules(dtype)
    model, their = both(par, s, scale=2.0)
    x = start(torch.float64)
    d = theirs(
        "DPMSolverMultistepScheduler",
        s,
        par,
        algorithm_type="dpmsolver++",
        final_sigmas_type="zero",
        thresholding=True,
        sample_max_value=1e9,
    )
    d.set_timesteps(12)
    for t, o in zip(
        d.timesteps,
        our_states(
            s, "dpmpp_2m", model, start(dtype), num_steps=12, spacing="trailing", clip="dynamic"
        ),
    ):
        x = d.step(their(x, full(t)), t, x).prev_sample
        same(o, x, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("par", ["x0", "v"])
def test_zero_terminal_snr(par, dtype, theirs):
    s = schedules(dtype, zero_terminal_snr=True)
    model, their = both(par, s)
    x = start(torch.float64)
    assert s.alphas_cumprod[-1] == 0
    d = theirs("DDIMScheduler", s, par, clip_sample=False)
    d.set_timesteps(10)
    for t, o in zip(d.timesteps, our_states(s, "ddim", model, start(dtype), num_steps=10)):
        x = d.step(their(x, full(t)), t, x).prev_sample
        same(o, x, dtype)


@pytest.mark.parametrize("par", PRED)
@pytest.mark.parametrize(
    "name, method", [("DDIMScheduler", "ddim"), ("DPMSolverMultistepScheduler", "dpmpp_2m")]
)
def test_their_own_float32(par, name, method, theirs):
    "As they are used, in single precision and with nothing changed"
    s = DDPMSchedules("linear", 1000)
    model, _ = both(par, s)
    kw = dict(clip_sample=False) if method == "ddim" else dict(final_sigmas_type="zero")
    d = theirs(name, s, par, double=False, **kw)
    d.set_timesteps(20)
    x = start(torch.float32)
    for t, o in zip(d.timesteps, our_states(s, method, model, x, num_steps=20, spacing="trailing")):
        x = d.step(model(x, full(t)), t, x).prev_sample
        torch.testing.assert_close(o, x, atol=1e-4, rtol=1e-4)


def test_where_they_deviate():
    "Facts that the chapter on samplers states about diffusers"
    d = diffusers.DDIMScheduler(1000, timestep_spacing="linspace")
    d.set_timesteps(10)
    # strides of 100 between steps 111 apart
    assert d.timesteps[0] - d.timesteps[1] == 111
    assert 1000 // d.num_inference_steps == 100
    src = inspect.getsource(module_of("DPMSolverMultistepScheduler"))
    assert "self.alphas_cumprod[-1] = 2**-24" in src
    assert "sample = sample.to(torch.float32)" in src
    # dynamic thresholding that is a plain clip
    kw = dict(thresholding=True)
    assert diffusers.DDIMScheduler(**kw).config.sample_max_value == 1.0
    x = torch.randn(2, 1, 8, 8) * 3
    torch.testing.assert_close(
        diffusers.DDIMScheduler(**kw)._threshold_sample(x), clip_x0(x, "clip")
    )
    s = DDPMSchedules("linear", 100)
    d = diffusers.DDPMScheduler(
        100, trained_betas=s.betas.numpy(), timestep_spacing="trailing", variance_type="fixed_large"
    )
    # dice in the last step
    d.set_timesteps(10)
    assert d.timesteps[-1] == 9
    assert d._get_variance(9) > 1e-3
    n = diffusers.HeunDiscreteScheduler(1000, timestep_spacing="linspace")
    n.set_timesteps(7)
    assert n.timesteps[-1] == 0
    assert n.timesteps[1] % 1 > 0.4


# --- networks and folders

CONFIGS = [
    dict(),
    dict(film=False),
    dict(attention_resolutions=(8, 4)),
    dict(attention_resolutions=(4,), num_classes=3),
    dict(norm_eps=1e-2),
    dict(
        downsample_padding=0,
        flip_sin_to_cos=False,
        freq_shift=1.0,
        film=False,
        mid_attention=True,
        attention_head_dim=None,
        norm_eps=1e-6,
    ),
    dict(num_res_blocks=2, learn_sigma=True),
]


def small(**kw):
    kw = (
        dict(
            image_size=8,
            in_channels=3,
            base_channels=16,
            channel_mults=(1, 2),
            num_res_blocks=1,
            attention_resolutions=(),
            attention_head_dim=8,
            num_groups=4,
        )
        | kw
    )
    m = UNetSmall(**kw)
    torch.nn.init.normal_(m.conv_out.weight, std=0.2)
    return m


@pytest.mark.parametrize("kw", CONFIGS)
def test_unet(kw):
    m = small(**kw)
    u = diffusers.UNet2DModel(**unet2d_config(m))
    u.load_state_dict(m.state_dict())
    x, t, y = (
        torch.randn(2, 3, 8, 8, requires_grad=True),
        torch.tensor([1, 700]),
        torch.tensor([0, 2]) if m.num_classes else None,
    )
    a, b = m(x, t, y), u(x, t, class_labels=y).sample
    torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)
    ga, gb = (
        torch.autograd.grad(o.pow(2).mean(), [x, *p.parameters()]) for o, p in ((a, m), (b, u))
    )
    named = dict(zip(["x", *[n for n, _ in u.named_parameters()]], gb))
    for n, g in zip(["x", *[n for n, _ in m.named_parameters()]], ga):
        torch.testing.assert_close(g, named[n], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kw", [k for k in CONFIGS if "learn_sigma" not in k])
@pytest.mark.parametrize("par", PRED)
def test_folder_round_trip_is_exact(tmp_path, par, kw):
    m, s = small(**kw, parameterization=par).eval(), DDPMSchedules("cosine", 50)
    to_diffusers(m, s, tmp_path / "d")
    back, s2 = from_diffusers(tmp_path / "d")
    assert [p.name for p in tmp_path.iterdir()] == ["d"]
    assert list((tmp_path / "d" / "unet").glob("*.safetensors"))
    assert back.parameterization == par
    assert back.num_classes == m.num_classes
    assert torch.equal(s2.betas, s.betas)
    assert all(torch.equal(v, back.state_dict()[k]) for k, v in m.state_dict().items())
    assert len(back.state_dict()) == len(m.state_dict())
    x, t = torch.randn(2, 3, 8, 8), torch.tensor([1, 40])
    y = torch.tensor([0, 2]) if m.num_classes else None
    with torch.no_grad():
        assert torch.equal(back(x, t, y), m(x, t, y))
    to_diffusers(back, s2, tmp_path / "e")

    def read(d, p):
        return json.loads((tmp_path / d / p).read_text())

    for p in ("unet/config.json", "scheduler/scheduler_config.json"):
        assert read("d", p) == read("e", p)


@pytest.mark.parametrize("zero_terminal_snr", [False, True])
@pytest.mark.parametrize("pipeline", ["DDIMPipeline", "DDPMPipeline"])
def test_their_pipelines_sample_our_folder(tmp_path, pipeline, zero_terminal_snr, monkeypatch):
    m, s = (
        small(parameterization="v").eval(),
        DDPMSchedules("cosine", 50, zero_terminal_snr=zero_terminal_snr),
    )
    to_diffusers(m, s, tmp_path / "d")
    pipe = getattr(diffusers, pipeline).from_pretrained(str(tmp_path / "d"))
    pipe.set_progress_bar_config(disable=True)
    # their DDIMPipeline does not derive the noise anew after clipping
    pipe.scheduler.register_to_config(clip_sample=False)
    x, n = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(3)), 10
    if pipeline == "DDPMPipeline":
        dice = PerImageNoise(5, 0, 2)
        dice((3, 8, 8))
        draws = [x, *[dice((3, 8, 8)) for _ in range(n)]]
        for mod in (
            module_of("DDPMScheduler"),
            importlib.import_module("diffusers.pipelines.ddpm.pipeline_ddpm"),
        ):
            monkeypatch.setattr(mod, "randn_tensor", lambda *a, **k: draws.pop(0))
    got = pipe(
        batch_size=2,
        num_inference_steps=n,
        output_type="np",
        generator=torch.Generator().manual_seed(3),
    ).images
    ours = DDPMSampler(s).sample(
        m, (2, 3, 8, 8), pipeline[:4].lower(), n, x_T=x, clip=None, generator=5
    )
    np.testing.assert_allclose(
        (ours.clamp(-1, 1) / 2 + 0.5).permute(0, 2, 3, 1).numpy(), got, atol=1e-5
    )


# google/ddpm-cifar10-32, as published in 2022: both configurations side by side, and the names of
# that time
CIFAR = dict(
    _class_name="UNet2DModel",
    _diffusers_version="0.0.4",
    act_fn="silu",
    attention_head_dim=None,
    block_out_channels=[128, 256, 256, 256],
    center_input_sample=False,
    downsample_padding=0,
    down_block_types=["DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"],
    flip_sin_to_cos=False,
    freq_shift=1,
    in_channels=3,
    layers_per_block=2,
    mid_block_scale_factor=1,
    norm_eps=1e-06,
    norm_num_groups=32,
    out_channels=3,
    sample_size=32,
    time_embedding_type="positional",
    up_block_types=["UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"],
)
CIFAR_SCHEDULER = dict(
    _class_name="DDPMScheduler",
    _diffusers_version="0.1.1",
    beta_end=0.02,
    beta_schedule="linear",
    beta_start=0.0001,
    clip_sample=True,
    num_train_timesteps=1000,
    trained_betas=None,
    variance_type="fixed_large",
)
OLD_NAMES = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}


def old_folder(d, config, form="bin"):
    "A folder as it was published then, with random weights; returns their model"
    torch.manual_seed(0)
    d.mkdir(parents=True)
    u = diffusers.UNet2DModel(**{k: v for k, v in config.items() if k[0] != "_"}).eval()
    sd = {}
    for k, v in u.state_dict().items():
        for new, old in OLD_NAMES.items():
            k = k.replace(f".{new}.", f".{old}.") if ".attentions." in k else k
        sd[k] = v
    if form == "bin":
        torch.save(sd, d / "diffusion_pytorch_model.bin")
    else:
        from safetensors.torch import save_file

        save_file(sd, d / "diffusion_pytorch_model.safetensors")
    (d / "config.json").write_text(json.dumps(config))
    (d / "scheduler_config.json").write_text(json.dumps(CIFAR_SCHEDULER))
    index = dict(
        _class_name="DDPMPipeline",
        _diffusers_version="0.1.1",
        scheduler=["diffusers", "DDPMScheduler"],
        unet=["diffusers", "UNet2DModel"],
    )
    (d / "model_index.json").write_text(json.dumps(index))
    return u


@pytest.mark.slow
def test_ddpm_cifar10_32(tmp_path):
    u = old_folder(tmp_path / "c", CIFAR)
    m, s = from_diffusers(tmp_path / "c")
    assert m.num_params == 35_746_307
    assert m.conv_norm_out.eps == 1e-6
    assert m.parameterization == "eps"
    assert s.T == 1000
    assert m.card["scheduler"]["variance_type"] == "fixed_large"
    torch.testing.assert_close(
        s.alphas_cumprod, DDPMSchedules("linear", 1000).alphas_cumprod, atol=1e-6, rtol=1e-4
    )
    x, t = torch.randn(2, 3, 32, 32), torch.tensor([3, 900])
    with torch.no_grad():
        torch.testing.assert_close(m(x, t), u(x, t).sample, atol=1e-5, rtol=1e-5)
    y = DDPMSampler(s).ddim_sample(m, (1, 3, 32, 32), 2)
    assert y.shape == (1, 3, 32, 32)
    assert y.abs().max() <= 1


@pytest.mark.parametrize("form", ["bin", "safetensors"])
def test_a_name_on_the_hub(tmp_path, monkeypatch, form):
    "The layout of the hub's own cache, read offline: no subfolders, so the root is tried"
    import huggingface_hub.constants as hub

    monkeypatch.setattr(hub, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(hub, "HF_HUB_CACHE", str(tmp_path))
    repo = tmp_path / "models--google--ddpm-tiny"
    (repo / "refs").mkdir(parents=True)
    (repo / "refs" / "main").write_text("a" * 40)
    u = old_folder(
        repo / "snapshots" / ("a" * 40), CIFAR | dict(block_out_channels=[32, 64, 64, 64]), form
    )
    m, _ = from_diffusers("google/ddpm-tiny")
    x, t = torch.randn(1, 3, 32, 32), torch.tensor([9])
    with torch.no_grad():
        torch.testing.assert_close(m(x, t), u(x, t).sample, atol=1e-5, rtol=1e-5)
    with pytest.raises(ValueError, match="import: google/ddpm-none: unet: "):
        from_diffusers("google/ddpm-none")


@pytest.mark.parametrize(
    "key, bad",
    [
        ("down_block_types", ["DownBlock2D", "ResnetDownsampleBlock2D"]),
        ("up_block_types", ["ResnetUpsampleBlock2D", "UpBlock2D"]),
        ("act_fn", "gelu"),
        ("time_embedding_type", "fourier"),
        ("center_input_sample", True),
        ("class_embed_type", "timestep"),
        ("resnet_time_scale_shift", "ada_group"),
        ("sample_size", [8, 16]),
        ("sample_size", None),
        ("out_channels", 5),
        ("add_attention", False),
        ("_class_name", "UNet2DConditionModel"),
        ("mid_block_scale_factor", 2),
        ("downsample_type", "resnet"),
    ],
)
def test_foreign_architectures_are_named(tmp_path, key, bad):
    good = dict(
        _class_name="UNet2DModel",
        sample_size=8,
        in_channels=1,
        out_channels=1,
        block_out_channels=[8, 8],
        norm_num_groups=4,
        down_block_types=["DownBlock2D", "AttnDownBlock2D"],
        up_block_types=["AttnUpBlock2D", "UpBlock2D"],
    )
    (tmp_path / "config.json").write_text(json.dumps(good | {key: bad}))
    (tmp_path / "scheduler_config.json").write_text(json.dumps(CIFAR_SCHEDULER))
    # before any weights are looked for
    with pytest.raises(ValueError, match=f"import: {key}: "):
        from_diffusers(tmp_path)


@pytest.mark.parametrize(
    "says, sch",
    [
        (
            "FlowMatchEulerDiscreteScheduler has no betas",
            dict(_class_name="FlowMatchEulerDiscreteScheduler", num_train_timesteps=1000),
        ),
        ("prediction_type", CIFAR_SCHEDULER | dict(prediction_type="flow_prediction")),
        ("beta_schedule", CIFAR_SCHEDULER | dict(beta_schedule="mine")),
    ],
)
def test_foreign_schedulers_are_named(tmp_path, says, sch):
    old_folder(tmp_path / "f", CIFAR | dict(block_out_channels=[32] * 4))
    (tmp_path / "f" / "scheduler_config.json").write_text(json.dumps(sch))
    with pytest.raises(ValueError, match=f"import: .*{says}"):
        from_diffusers(tmp_path / "f")


def test_what_cannot_be_exported(tmp_path):
    with pytest.raises(ValueError, match="model.learn_sigma"):
        to_diffusers(small(learn_sigma=True), DDPMSchedules("cosine", 50), tmp_path / "d")
    assert not list(tmp_path.iterdir())
