"""Losses against formulas written out by hand; samplers against the exact law of Gaussian data.

And: what does not fit is refused by name."""

import functools
import itertools
import math

import numpy as np
import pytest
import torch
from PIL import Image

import ddpm_nb.editing  # noqa: F401, before `unit_dice` replaces what it imports
import ddpm_nb.sampler
from ddpm_nb.cli import main
from ddpm_nb.core import DDPMError, unwrap
from ddpm_nb.denoising import calibration, psnr, reconstruction
from ddpm_nb.likelihood import bits_per_dim, mean_bits_per_dim
from ddpm_nb.loss import DDPMLoss, loss_weights
from ddpm_nb.pretrained import load_pretrained
from ddpm_nb.sampler import METHODS, METHODS_WITH_ETA, DDPMSampler, clip_x0
from ddpm_nb.schedules import DDPMSchedules
from ddpm_nb.settings import PARAMETERIZATIONS
from ddpm_nb.spacing import SPACINGS, timesteps
from helpers.tiny import tiny_model

# all of them, of which the quick tests try one
ONE_QUICK = [
    PARAMETERIZATIONS[0],
    *(pytest.param(p, marks=pytest.mark.slow) for p in PARAMETERIZATIONS[1:]),
]

# --- schedules


@pytest.mark.parametrize("zero", [False, True])
@pytest.mark.parametrize("name", ["linear", "cosine", "sigmoid"])
@pytest.mark.parametrize("T", [2, 3, 7, 50, 100, 1000, 4000])
def test_tables_in_both_precisions(T, name, zero):
    s, d = (
        DDPMSchedules(name, T, zero_terminal_snr=zero, dtype=dt)
        for dt in (torch.float32, torch.float64)
    )
    infinite = {"log_snr", "sigmas"} if zero else set()
    for k, v in d.named_buffers():
        w = dict(s.named_buffers())[k]
        assert not v.isnan().any(), k
        assert not w.isnan().any(), k
        assert k in infinite or (v.isfinite().all() and w.isfinite().all()), k
        # computed in float64, rounded once
        torch.testing.assert_close(w, v.float(), atol=0, rtol=0)
    abar = np.cumprod(1 - d.betas.numpy())
    np.testing.assert_allclose(d.alphas_cumprod.numpy(), abar, rtol=1e-12, atol=0)
    assert (np.diff(abar) < 0).all()
    assert abar[-1] < 1e-3
    assert (abar[-1] == 0) == zero
    assert ((d.betas > 0) & (d.betas <= 1)).all()
    assert (s.posterior_variance[1:] > 0).all()
    assert (s.posterior_variance <= s.betas).all()


@pytest.mark.parametrize("par", ["x0", "v"])
@pytest.mark.parametrize("method", ["ddpm", "ddim", "dpmpp_2m"])
@pytest.mark.slow
def test_zero_terminal_snr_reaches_nothing_that_is_not_finite(method, par):
    s, m = DDPMSchedules("cosine", 50, zero_terminal_snr=True), tiny_model(parameterization=par)
    x = (torch.rand(50, 1, 8, 8) * 255).round() / 127.5 - 1
    for kind, w in [
        *itertools.product(("l2", "l1", "huber"), ("uniform", "min_snr", "p2")),
        ("vlb", "uniform"),
    ]:
        out = DDPMLoss(s, kind, w)(m, x, t=torch.arange(50))
        assert out.per_sample.isfinite().all(), (kind, w)
        assert all(
            g.isfinite().all()
            for g in torch.autograd.grad(out.loss, list(m.parameters()), allow_unused=True)
            if g is not None
        )
    assert bits_per_dim(m, s, x[:2])["total"].isfinite().all()
    assert (bits_per_dim(m, s, x[:2])["L_T"] == 0).all()
    assert DDPMSampler(s).sample(m, (2, 1, 8, 8), method, 10).isfinite().all()


# --- losses: every combination against formulas that share no code with the package


def by_hand(kind, weighting, par, abar, x0, eps, out, delta=0.7, gamma=3.0, p2g=0.8, p2k=2.0):
    a, s, snr = math.sqrt(abar), math.sqrt(1 - abar), abar / (1 - abar)
    want = dict(eps=eps, x0=x0, v=a * eps - s * x0, flow=eps - x0)[par]
    r = np.abs(out - want)
    d = dict(l1=r, l2=r**2, huber=np.where(r <= delta, r**2 / 2, delta * (r - delta / 2)))[
        kind
    ].mean()
    on_x0 = dict(min_snr=min(snr, gamma), p2=snr / (p2k + snr) ** p2g).get(weighting)
    return d * (
        1.0
        if on_x0 is None
        else on_x0 / dict(eps=snr, x0=1.0, v=snr + 1, flow=(a + s) ** 2 / s**2)[par]
    )


@pytest.mark.parametrize("par", PARAMETERIZATIONS)
@pytest.mark.parametrize("weighting", ["uniform", "min_snr", "p2"])
@pytest.mark.parametrize("kind", ["l1", "l2", "huber"])
def test_losses(kind, weighting, par):
    s, g = DDPMSchedules("cosine", 100, dtype=torch.float64), torch.Generator().manual_seed(0)
    x0, eps, out = torch.randn(3, 5, 2, 4, 4, generator=g, dtype=torch.float64)
    t = torch.tensor([0, 10, 50, 90, 99])

    def m(x, t):
        return out

    class M:
        parameterization = par
        __call__ = staticmethod(m)

    got = DDPMLoss(s, kind, weighting, snr_gamma=3.0, p2_gamma=0.8, p2_k=2.0, huber_delta=0.7)(
        M(), x0, t=t, noise=eps
    )
    abar = np.cos((np.arange(101) / 100 + 0.008) / 1.008 * np.pi / 2) ** 2
    abar = np.cumprod(np.append(1 - np.minimum(1 - abar[1:] / abar[:-1], 0.999), []))
    want = [
        by_hand(kind, weighting, par, abar[i], x0[j].numpy(), eps[j].numpy(), out[j].numpy())
        for j, i in enumerate(t.tolist())
    ]
    np.testing.assert_allclose(got.per_sample.numpy(), want, rtol=1e-9)
    assert abs(got.loss.item() - np.mean(want)) < 1e-9 * np.mean(want)


def test_weights_leave_the_learned_variance_alone():
    "The step weights belong to the simple loss; the bound's gradient reaches the variance alone"
    s, x = DDPMSchedules("cosine", 20), (torch.rand(20, 1, 8, 8) * 255).round() / 127.5 - 1
    out = torch.randn(20, 2, 8, 8, requires_grad=True)
    kw = dict(t=torch.arange(20), noise=torch.ones_like(x))

    def f(x, t):
        return out

    f.parameterization = "eps"
    parts = {
        w: DDPMLoss(s, "l2", w, lambda_vlb=0.5)(f, x, **kw).per_sample
        - DDPMLoss(s, "l2", w, lambda_vlb=0.0)(f, x, **kw).per_sample
        for w in ("uniform", "min_snr")
    }
    torch.testing.assert_close(parts["uniform"], parts["min_snr"], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(
        parts["uniform"],
        0.5 * 20 * s.vlb_term(out, x, s.q_sample(x, kw["t"], kw["noise"]), kw["t"]),
        atol=1e-4,
        rtol=1e-4,
    )
    g = torch.autograd.grad(parts["uniform"].sum(), out, retain_graph=True)[0]
    assert g[:, :1].abs().max() < 1e-6
    assert g[:, 1:].abs().min() > 0
    # vlb: both
    g = torch.autograd.grad(DDPMLoss(s, "vlb")(f, x, **kw).loss, out)[0]
    assert g[:, :1].abs().max() > 0
    assert g[:, 1:].abs().min() > 0


@pytest.mark.parametrize("par", PARAMETERIZATIONS)
@pytest.mark.slow
def test_the_bound_goes_down_when_trained(par):
    s, m = DDPMSchedules("cosine", 20), tiny_model(learn_sigma=True, parameterization=par).train()
    opt = torch.optim.Adam(m.parameters(), 1e-2)
    x = torch.ones(16, 1, 8, 8) * 127 / 127.5 - 1
    before = bits_per_dim(m, s, x)["total"].mean()
    for _ in range(20):
        opt.zero_grad()
        DDPMLoss(s, "vlb")(m, x).loss.backward()
        torch.nn.utils.clip_grad_norm_(m.parameters(), 1.0)
        opt.step()
    assert bits_per_dim(m, s, x)["total"].mean() < 0.7 * before
    assert m.training


# --- samplers on Gaussian data with correlated channels: the exact law of the samples, without
# statistics

MU, COV = torch.tensor([0.3, -0.2]).double(), torch.tensor([[0.16, 0.08], [0.08, 0.09]]).double()


class Gaussian:
    """The best network for N(MU, COV), a linear function.

    With `learn_sigma` it predicts the middle between the two variances."""

    def __init__(self, s, par="eps", learn_sigma=False):
        self.s, self.parameterization, self.learn_sigma = s, par, learn_sigma

    def __call__(self, x, t):
        ab = self.s.alphas_cumprod[t[0]]
        inv = torch.linalg.inv(ab * COV + (1 - ab) * torch.eye(2))
        x0 = (MU + ab.sqrt() * (x.flatten(1) - ab.sqrt() * MU) @ inv @ COV).view_as(x)
        out = getattr(self.s.predict(x0, x, t, "x0"), self.parameterization)
        return torch.cat([out, torch.zeros_like(out)], 1) if self.learn_sigma else out


@pytest.fixture
def unit_dice(monkeypatch):
    """Sampling a linear network is an affine map of all its noises.

    So unit vectors stand in for random noise: image 0 gets none, each other image one of them at
    one moment. The differences to image 0 are the columns of the map, whose square is the samples'
    covariance."""

    class Basis:
        draws = 0

        def __init__(self, seed, start, n, device="cpu"):
            self.j, self.k = torch.arange(start, start + n) - 1, 0

        def __call__(self, shape, dtype=torch.float64):
            z = torch.stack([self.j == 2 * self.k, self.j == 2 * self.k + 1], 1).to(dtype)
            self.k += 1
            Basis.draws = max(Basis.draws, self.k)
            return z.view(-1, 2, 1, 1)

    monkeypatch.setattr(ddpm_nb.sampler, "PerImageNoise", Basis)
    return Basis


DRAWS: dict[
    str, int
] = {}  # how often a sampler draws noise; what the network predicts is no matter


def law(method, n, T, dice, par="eps", learned=False, spacing="trailing", **kw):
    "Mean and covariance of the samples"
    s = DDPMSchedules("cosine", T, dtype=torch.float64)
    which = f"{method} {n} {T} {learned} {spacing} {kw}"
    dice.draws = 0

    def go(B):
        return (
            DDPMSampler(s)
            .sample(
                Gaussian(s, par, learned),
                (B, 2, 1, 1),
                method,
                n,
                clip=None,
                dtype=torch.float64,
                spacing=spacing,
                **kw,
            )
            .flatten(1)
        )

    if which not in DRAWS:
        go(1)
        DRAWS[which] = dice.draws
    x = go(1 + 2 * DRAWS[which])
    assert dice.draws == DRAWS[which]
    A = x[1:] - x[0]
    return x[0], A.T @ A


@pytest.mark.parametrize("par", ONE_QUICK)
@pytest.mark.parametrize(
    "method, kw, tol, order",
    [
        ("ddpm", dict(variance="fixed_small"), 6e-3, 1),
        ("ddpm", dict(variance="fixed_large"), 2e-3, 1),
        ("ddpm", dict(learned=True), 3e-3, 1),
        ("ddim", dict(), 3e-3, 1),
        ("ddim", dict(eta=0.5), 4e-3, 1),
        ("ddim", dict(eta=1.0), 6e-3, 1),
        ("dpmpp_2m", dict(), 1e-4, 0),
        ("dpmpp_2m", dict(eta=1.0), 1e-3, 0),
        ("heun", dict(), 2e-4, 1),
    ],
)
def test_mean_and_covariance(method, kw, tol, order, par, unit_dice):
    """Over all steps; the covariance's error halves when T doubles.

    For DPM-Solver++ it is below the last step's own error."""
    errs = []
    for T in (250, 500):
        mu, cov = law(method, T, T, unit_dice, par, **kw)
        assert (mu - MU).abs().max() < 5e-5
        errs.append((cov - COV).abs().max().item())
    assert errs[0] < tol, errs
    assert not order or abs(math.log2(errs[0] / errs[1]) - order) < 0.12, errs


@pytest.mark.parametrize("spacing", SPACINGS[:3])
@pytest.mark.parametrize("method, tol", [("ddim", 0.015), ("dpmpp_2m", 2e-3), ("heun", 0.06)])
def test_few_steps(method, tol, spacing, unit_dice):
    """Leading never visits the noisiest steps, and pays with the mean.

    It starts from noise where something of the image should be left."""
    mu, cov = law(method, 100, 1000, unit_dice, spacing=spacing)
    off = (mu - MU).abs().max()
    wide = spacing == "leading"
    assert (1e-3 < off < 0.02) if wide else off < 5e-5
    assert (cov - COV).abs().max() < (max(tol, 5e-3) if wide else tol)


@pytest.mark.parametrize("method, order", [("ddim", 1), ("dpmpp_2m", 2), ("heun", 2)])
def test_order(method, order):
    "Along the known curve of a correlated Gaussian, from 80 % to 20 % of the levels"
    T = 4000
    s = DDPMSchedules("cosine", T, dtype=torch.float64)
    sm, (hi, lo) = DDPMSampler(s), (int(0.8 * T), int(0.2 * T))
    lam, Q = torch.linalg.eigh(COV)

    def std(t):
        return (sm.a[t] ** 2 * lam + sm.s[t] ** 2).sqrt()

    z = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-0.7, 1.2]]).double()

    def at(t):
        return sm.a[t] * MU + (z * std(t)) @ Q.T

    def err(n):
        seen = {}
        ts = [round(hi + (lo - hi) * i / n) for i in range(n + 1)]
        sm.sample(
            Gaussian(s),
            (3, 2, 1, 1),
            method,
            n + 1,
            spacing=ts,
            x_T=at(hi).view(3, 2, 1, 1),
            clip=None,
            callback=lambda st: seen.update({st.i: st.x}),
        )
        return (seen[n].flatten(1) - at(lo)).abs().max().item()

    e = [err(n) for n in (40, 80, 160)]
    assert all(abs(math.log2(a / b) - order) < 0.15 for a, b in zip(e, e[1:])), e


@pytest.mark.slow
def test_ddim_eta_1_is_ddpm():
    for name, T in (("linear", 100), ("cosine", 50), ("sigmoid", 30)):
        s = DDPMSchedules(name, T, dtype=torch.float64)
        sm, x = DDPMSampler(s), torch.randn(3, 2, 1, 1, dtype=torch.float64)
        sig2 = [(sm.s[t - 1] / sm.s[t]) ** 2 * (1 - (sm.a[t] / sm.a[t - 1]) ** 2) for t in range(T)]
        np.testing.assert_allclose(sig2, s.posterior_variance.numpy(), atol=1e-15, rtol=1e-9)
        for par in PARAMETERIZATIONS:
            torch.testing.assert_close(
                sm.ddim_sample(Gaussian(s, par), x.shape, T, 1.0, x_T=x, clip=None, generator=0),
                sm.ddpm_sample(Gaussian(s, par), x.shape, x_T=x, clip=None, generator=0),
                atol=1e-10,
                rtol=1e-10,
            )


@pytest.mark.slow
def test_repaint_approaches_the_conditional_law(unit_dice):
    """Given the first channel, the second is Gaussian with a known mean.

    Every repetition of the steps brings RePaint nearer."""
    s = DDPMSchedules("cosine", 200, dtype=torch.float64)
    sm, known = DDPMSampler(s), torch.tensor([0.7, 0.0]).double().view(1, 2, 1, 1)
    want, var = (
        MU[1] + COV[0, 1] / COV[0, 0] * (0.7 - MU[0]),
        COV[1, 1] - COV[0, 1] ** 2 / COV[0, 0],
    )
    errs = []
    for r in (1, 2, 5, 10):
        unit_dice.draws = 0

        def go(B):
            return sm.inpaint(
                Gaussian(s),
                known.expand(B, -1, -1, -1),
                torch.tensor([1.0, 0.0]).view(1, 2, 1, 1),
                50,
                resample=r,
                clip=None,
            ).flatten(1)

        go(1)
        x = go(1 + 2 * unit_dice.draws)
        errs.append((x[0, 1] - want).abs().item())
        assert (x[:, 0] == known[0, 0]).all()
        assert 0.6 < (x[1:, 1] - x[0, 1]).pow(2).sum() / var < 1.1
    assert errs[0] > 1.5 * errs[1] > 3 * errs[2] > 4 * errs[3], errs


# --- one signature, one seed

CALLS = {
    **{m: lambda sm, net, n, m=m, **kw: sm.sample(net, (n, 1, 8, 8), m, 4, **kw) for m in METHODS},
    **{
        f"{m}, eta 1": lambda sm, net, n, m=m, **kw: sm.sample(
            net, (n, 1, 8, 8), m, 4, eta=1.0, **kw
        )
        for m in METHODS_WITH_ETA
    },
    "inpaint": lambda sm, net, n, **kw: sm.inpaint(
        net, pics(n), torch.arange(8).view(1, 1, 1, 8) < 4, 4, resample=2, **kw
    ),
    "edit": lambda sm, net, n, **kw: sm.edit(net, pics(n), 0.5, 4, **kw),
}


def pics(n):
    return (
        torch.stack(
            [torch.rand(1, 8, 8, generator=torch.Generator().manual_seed(i)) for i in range(n)]
        )
        * 2
        - 1
    )


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("par", ONE_QUICK)
def test_seed_split_and_guidance(call, par):
    """A real network: same seed, same images; a guidance scale of 1 is none.

    The split into batches changes nothing but rounding."""
    # other batches round otherwise, by CPU, and the first steps divide that by sqrt(abar)
    near = dict(atol=3e-4, rtol=3e-4)
    s, m, f = (
        DDPMSchedules("cosine", 20),
        tiny_model(num_classes=3, parameterization=par),
        CALLS[call],
    )
    sm, y = DDPMSampler(s), torch.arange(6) % 3
    ref = f(sm, m, 6, generator=3)
    assert torch.equal(ref, f(sm, m, 6, generator=3))
    assert not torch.equal(ref, f(sm, m, 6, generator=4))
    torch.testing.assert_close(f(sm, m, 6, generator=3, batch_size=4), ref, **near)

    def g():
        return torch.Generator().manual_seed(9)

    assert torch.equal(f(sm, m, 6, generator=g()), f(sm, m, 6, generator=g()))
    cond = f(sm, m, 6, generator=3, y=y)
    assert torch.equal(f(sm, m, 6, generator=3, y=y, guidance_scale=1.0), cond)
    assert not torch.equal(cond, ref)
    torch.testing.assert_close(f(sm, m, 6, generator=3, y=y, guidance_scale=0.0), ref, **near)
    strong = dict(generator=3, y=y, guidance_scale=3.0, guidance_rescale=0.5)
    torch.testing.assert_close(f(sm, m, 6, **strong, batch_size=5), f(sm, m, 6, **strong), **near)
    seen = []
    f(sm, m, 6, generator=3, callback=seen.append)
    assert [st.i for st in seen] == list(range(1, seen[-1].n + 1))
    assert seen[-1].x.shape == ref.shape
    assert not m.training


@pytest.mark.parametrize("clip", ["clip", "dynamic"])
@pytest.mark.parametrize("par", PARAMETERIZATIONS)
def test_the_noise_follows_the_clipped_picture(par, clip):
    s = DDPMSchedules("cosine", 100, dtype=torch.float64)
    sm, x = DDPMSampler(s), torch.randn(4, 1, 8, 8, dtype=torch.float64) * 3

    class Loud:
        parameterization = par
        __call__ = staticmethod(lambda x, t: 2 * x)

    d, raw = sm.denoise(Loud(), x, 60, clip=clip), sm.denoise(Loud(), x, 60)
    assert d.x0.abs().max() <= 1 < raw.x0.abs().max()
    assert torch.equal(d.x0, clip_x0(raw.x0, clip))
    torch.testing.assert_close(sm.a[60] * d.x0 + sm.s[60] * d.eps, x, atol=1e-12, rtol=1e-12)


@pytest.mark.slow
def test_inversion_returns_a_real_digit():
    m, s = load_pretrained("mnist")
    sm = DDPMSampler(s)
    x = sm.ddim_sample(m, (1, 1, 32, 32), 25, generator=0)
    z, plain = (sm.ddim_invert(m, x, 25, iters=k) for k in (20, 1))
    back, rough = (sm.ddim_sample(m, x.shape, 25, x_T=v, clip=None) for v in (z, plain))
    assert (back - x).abs().mean() < 5e-3
    assert (back - x).norm() < 0.2 * (rough - x).norm()
    assert abs(z.std() - 1) < 0.1
    usual = sm.ddim_sample(m, x.shape, 25, x_T=sm.ddim_invert(m, x, 25), clip=None)
    assert (usual - x).abs().mean() < 5e-3


@pytest.mark.slow
def test_inversion_does_not_depend_on_the_split():
    s, m, x = DDPMSchedules("cosine", 20), tiny_model(num_classes=3, parameterization="v"), pics(5)
    sm, kw = DDPMSampler(s), dict(num_steps=6, y=torch.tensor([0, 1, 2, 0, 1]))
    seen = []
    z = sm.ddim_invert(m, x, **kw, callback=seen.append)
    assert [st.i for st in seen] == [1, 2, 3, 4, 5, 6]
    assert torch.equal(seen[-1].x, z)
    torch.testing.assert_close(sm.ddim_invert(m, x, **kw, batch_size=2), z, atol=1e-5, rtol=1e-4)


def test_trajectory_of_the_predicted_picture():
    s, m = DDPMSchedules("cosine", 20), tiny_model()
    sm = DDPMSampler(s)
    for every in (2, 3):  # what is kept together belongs together
        _, xts, x0s, ts = sm.trajectory(m, (2, 1, 8, 8), "ddim", every, num_steps=5, clip=None)
        assert ts == [timesteps(20, 5)[i] for i in dict.fromkeys([*range(0, 5, every), 4])]
        for k, t in enumerate(ts):
            torch.testing.assert_close(
                x0s[k], sm.denoise(m.eval(), xts[k], t).x0.detach(), atol=1e-6, rtol=1e-6
            )
    x, xts, x0s, ts = sm.trajectory(m, (2, 1, 8, 8), "ddim", num_steps=5, clip=None)
    for k, t in enumerate(ts):
        torch.testing.assert_close(
            x0s[k], sm.denoise(m.eval(), xts[k], t).x0.detach(), atol=1e-6, rtol=1e-6
        )
    assert torch.equal(xts[-1], x)
    assert len(x0s) == 5
    assert ts == timesteps(20, 5)


@pytest.mark.slow
def test_pictures_from_numpy():
    "They are float64, and the network is float32"
    sm, m, x = DDPMSampler(DDPMSchedules("cosine", 20)), tiny_model(parameterization="v"), pics(2)
    mask = torch.ones(1, 1, 8, 8)
    mask[..., :4] = 0
    for f in (
        lambda z: sm.edit(m, z, 0.5, 4),
        lambda z: sm.inpaint(m, z, mask, 4, resample=1),
        lambda z: sm.ddim_sample(m, SHAPE, 4, x_T=z),
        lambda z: sm.ddim_invert(m, z, 4),
    ):
        out = f(x.double())
        assert out.dtype == torch.float64
        assert f(x).dtype == torch.float32
        assert out.isfinite().all()
    torch.testing.assert_close(
        sm.ddim_sample(m, SHAPE, 4, x_T=x.double()).float(),
        sm.ddim_sample(m, SHAPE, 4, x_T=x),
        atol=1e-4,
        rtol=1e-3,
    )


# --- bad input: a ValueError that names the argument

S20 = DDPMSchedules("cosine", 20)
SHAPE = (2, 1, 8, 8)


def META(*s, **k):
    return torch.zeros(*s, device="meta", **k)


BAD = {
    "guidance_scale: 3.0, but the model knows no classes": lambda sm: sm.ddim_sample(
        tiny_model(), SHAPE, 4, guidance_scale=3.0
    ),
    "guidance_scale: 3.0, but no labels": lambda sm: sm.ddim_sample(
        tiny_model(num_classes=3), SHAPE, 4, guidance_scale=3.0
    ),
    "guidance_scale, guidance_rescale": lambda sm: sm.ddim_sample(
        tiny_model(num_classes=3),
        SHAPE,
        4,
        y=torch.zeros(2).long(),
        guidance_scale=2.0,
        guidance_rescale=1.5,
    ),
    "num_steps: 0": lambda sm: sm.sample(tiny_model(), SHAPE, num_steps=0),
    "num_steps: 21": lambda sm: sm.sample(tiny_model(), SHAPE, "dpmpp_2m", 21),
    "num_steps: -1": lambda sm: sm.ddpm_sample(tiny_model(), SHAPE, -1),
    "num_steps: 2.5": lambda sm: sm.heun_sample(tiny_model(), SHAPE, 2.5),
    "num_steps: 30": lambda sm: sm.inpaint(tiny_model(), torch.zeros(SHAPE), torch.ones(SHAPE), 30),
    "num_steps: 40": lambda sm: sm.ddim_invert(tiny_model(), torch.zeros(SHAPE), 40),
    "eta: -0.1": lambda sm: sm.ddim_sample(tiny_model(), SHAPE, 4, eta=-0.1),
    "eta: nan": lambda sm: sm.sample(tiny_model(), SHAPE, num_steps=4, eta=math.nan),
    "eta: 0.5, but method heun": lambda sm: sm.sample(tiny_model(), SHAPE, "heun", 4, eta=0.5),
    "method: 'rk4'": lambda sm: sm.sample(tiny_model(), SHAPE, "rk4"),
    "spacing: 'log'": lambda sm: sm.ddim_sample(tiny_model(), SHAPE, 4, spacing="log"),
    "clip: 'soft'": lambda sm: sm.ddim_sample(tiny_model(), SHAPE, 4, clip="soft"),
    "percentile: 2.0": lambda sm: clip_x0(torch.zeros(SHAPE), "dynamic", 2.0),
    "variance: 'learned'": lambda sm: sm.ddpm_sample(tiny_model(), SHAPE, 4, variance="learned"),
    "mask: shape": lambda sm: sm.inpaint(
        tiny_model(), torch.zeros(SHAPE), torch.ones(1, 1, 8, 7), 4
    ),
    "mask: expected 0": lambda sm: sm.inpaint(
        tiny_model(), torch.zeros(SHAPE), torch.full(SHAPE, 0.5), 4
    ),
    "mask: is on meta": lambda sm: sm.inpaint(tiny_model(), torch.zeros(SHAPE), META(SHAPE), 4),
    "image: is on meta": lambda sm: sm.inpaint(tiny_model(), META(SHAPE), torch.ones(SHAPE), 4),
    "image: is on meta, the": lambda sm: sm.edit(tiny_model(), META(SHAPE), 0.5, 4),
    "x0: is on meta": lambda sm: sm.ddim_invert(tiny_model(), META(SHAPE), 4),
    "x_T: is on meta": lambda sm: sm.ddim_sample(tiny_model(), SHAPE, 4, x_T=META(SHAPE)),
    "x_T: is on cpu": lambda sm: sm.ddim_sample(
        tiny_model().to("meta"), SHAPE, 4, x_T=torch.zeros(SHAPE)
    ),
    "y: is on meta": lambda sm: sm.ddim_sample(
        tiny_model(num_classes=3), SHAPE, 4, y=META(2).long()
    ),
    "device: meta": lambda sm: sm.ddim_sample(tiny_model(), SHAPE, 4, device="meta"),
    "t: is on cpu, the images on meta": lambda sm: S20.q_sample(
        META(SHAPE), torch.zeros(2).long(), META(SHAPE)
    ),
    "y: is on meta, x0": lambda sm: DDPMLoss(S20)(
        tiny_model(num_classes=3), torch.zeros(SHAPE), META(2).long()
    ),
    "x_T: shape": lambda sm: sm.ddim_sample(tiny_model(), SHAPE, 4, x_T=torch.zeros(1, 1, 8, 8)),
    "shape: ": lambda sm: sm.ddim_sample(tiny_model(), (1, 8, 8), 4),
    "strength: 1.5": lambda sm: sm.edit(tiny_model(), torch.zeros(SHAPE), 1.5, 4),
    "generator: -1": lambda sm: sm.ddim_sample(tiny_model(), SHAPE, 4, generator=-1),
    "batch_size: 0": lambda sm: sm.ddim_sample(tiny_model(), SHAPE, 4, batch_size=0),
    "method: ddpm, and whatever has an eta": lambda sm: sm.interpolate(
        tiny_model(), torch.zeros(1, 1, 8, 8), torch.ones(1, 1, 8, 8), method="ddpm"
    ),
    "image: torch.uint8": lambda sm: sm.edit(
        tiny_model(), torch.zeros(SHAPE, dtype=torch.uint8), 0.5, 4
    ),
    "image: torch.uint8; expected floats": lambda sm: sm.inpaint(
        tiny_model(), torch.zeros(SHAPE, dtype=torch.uint8), torch.ones(SHAPE), 4
    ),
    "x_T: torch.int64": lambda sm: sm.ddim_sample(
        tiny_model(), SHAPE, 4, x_T=torch.zeros(SHAPE).long()
    ),
    "x0: torch.uint8": lambda sm: sm.ddim_invert(
        tiny_model(), torch.zeros(SHAPE, dtype=torch.uint8), 4
    ),
    "z1: is on meta": lambda sm: sm.interpolate(
        tiny_model(), META(1, 1, 8, 8), torch.ones(1, 1, 8, 8), num_steps=4
    ),
    "parameterization: 'eps' says nothing": lambda sm: DDPMSampler(
        DDPMSchedules("cosine", 20, zero_terminal_snr=True)
    ).ddim_sample(tiny_model(), SHAPE, 4),
    "variance: 'big'": lambda sm: bits_per_dim(
        tiny_model(), S20, torch.zeros(SHAPE), variance="big"
    ),
    "schedules.betas": lambda sm: DDPMSchedules(betas=[0.1, 1.5]),
    "loss.snr_gamma": lambda sm: loss_weights(S20, "min_snr", snr_gamma=-1.0),
}


@pytest.mark.parametrize("says", BAD)
def test_bad_input(says):
    with pytest.raises(ValueError) as e:
        BAD[says](DDPMSampler(S20))
    assert says in str(e.value), e.value
    assert "\n" not in str(e.value), e.value


# --- what a model predicts is never guessed


def compiled(f):
    return torch.compile(f, backend="eager")


WRAPPERS = {
    "DataParallel": torch.nn.DataParallel,
    "DistributedDataParallel": torch.nn.parallel.DistributedDataParallel,
    "AveragedModel": torch.optim.swa_utils.AveragedModel,
    "torch.compile": compiled,
    "torch.compile of forward": lambda m: compiled(m.forward),
    "partial": functools.partial,
    "forward": lambda m: m.forward,
    "__call__": lambda m: m.__call__,
    "several": lambda m: functools.partial(compiled(torch.nn.DataParallel(m))),
}


@pytest.fixture
def one_process(tmp_path):
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1
    )
    yield
    torch.distributed.destroy_process_group()


@pytest.mark.slow
@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_a_wrapped_model_is_the_model(wrapper, one_process):
    "What it predicts, its classes, learned variance and eval mode are found behind the wrapper"
    s, x, y = DDPMSchedules("cosine", 8), pics(4), torch.arange(4) % 3
    model = tiny_model(parameterization="v", num_classes=3, learn_sigma=True, dropout=0.2).train()
    sm, wrapped = DDPMSampler(s), WRAPPERS[wrapper](model)
    # compiled code rounds otherwise
    tol = 1e-4 if wrapper in ("torch.compile", "torch.compile of forward", "several") else 0
    calls = {
        "inpaint": lambda m: sm.inpaint(m, x, torch.ones(x.shape), 4, generator=0, y=y),
        "edit": lambda m: sm.edit(m, x, 0.5, 4, generator=0, y=y),
        "ddim_invert": lambda m: sm.ddim_invert(m, x, 4, y=y),
        "bits_per_dim": lambda m: bits_per_dim(m, s, x, y),
        "mean_bits_per_dim": lambda m: mean_bits_per_dim(m, s, x, y),
        "calibration": lambda m: calibration(m, s, x, y, points=3),
        "reconstruction": lambda m: reconstruction(m, s, x, dict(psnr=psnr), y),
    }
    for method in METHODS:
        kw = dict(method=method, num_steps=2, generator=3, y=y, guidance_scale=2.0)
        calls[method] = lambda m, kw=kw: sm.sample(m, x.shape, **kw)
    for name, call in calls.items():
        want = call(model)
        assert model.training, name
        torch.testing.assert_close(
            call(wrapped), want, rtol=0, atol=tol, msg=lambda m, name=name: f"{name}: {m}"
        )
        assert model.training, name
    model.eval()
    unwrap(wrapped).eval()  # an average of weights is a copy
    for kind in ("l2", "vlb"):
        kw = dict(y=y, t=torch.arange(4), noise=torch.ones_like(x))
        loss = DDPMLoss(s, kind)
        torch.testing.assert_close(
            loss(wrapped, x, **kw).loss, loss(model, x, **kw).loss, rtol=tol, atol=tol
        )


UNKNOWN = {
    "sample": lambda m, **kw: DDPMSampler(S20).sample(m, SHAPE, num_steps=2, generator=0, **kw),
    "denoise": lambda m, **kw: DDPMSampler(S20).denoise(m, pics(2), 9, **kw).x0,
    "ddim_invert": lambda m, **kw: DDPMSampler(S20).ddim_invert(m, pics(2), 4, **kw),
    "interpolate": lambda m, **kw: DDPMSampler(S20).interpolate(
        m, pics(1), -pics(1), 3, num_steps=2, **kw
    ),
    "inpaint": lambda m, **kw: DDPMSampler(S20).inpaint(
        m, pics(2), torch.zeros(SHAPE), 2, generator=0, **kw
    ),
    "edit": lambda m, **kw: DDPMSampler(S20).edit(m, pics(2), 0.5, 4, generator=0, **kw),
    "trajectory": lambda m, **kw: DDPMSampler(S20).trajectory(
        m, SHAPE, num_steps=2, generator=0, **kw
    )[0],
    "loss": lambda m, **kw: (
        DDPMLoss(S20)(m, pics(2), t=torch.tensor([3, 9]), noise=torch.ones(SHAPE), **kw).loss
    ),
    "bits_per_dim": lambda m, **kw: bits_per_dim(m, S20, pics(2), **kw)["total"],
    "mean_bits_per_dim": lambda m, **kw: mean_bits_per_dim(m, S20, pics(2), **kw)["value"],
    "calibration": lambda m, **kw: calibration(m, S20, pics(2), points=2, **kw)["eps_mse"],
    "reconstruction": lambda m, **kw: reconstruction(m, S20, pics(2), dict(psnr=psnr), **kw)[
        "psnr"
    ]["value"],
}


@pytest.mark.parametrize("use", UNKNOWN)
def test_what_a_bare_function_predicts_is_asked_for(use):
    model, call = tiny_model(parameterization="v").eval(), UNKNOWN[use]

    def bare(x, t):
        return model(x, t)

    with torch.no_grad():
        with pytest.raises(DDPMError, match="bare does not say what it predicts; pass param"):
            call(bare)
        with pytest.raises(DDPMError, match="parameterization: 'noise'"):
            call(bare, parameterization="noise")
        want = call(model)
        torch.testing.assert_close(call(bare, parameterization="v"), want, rtol=0, atol=0)
        wrong = torch.as_tensor(call(bare, parameterization="eps"))
        assert not torch.equal(wrong, torch.as_tensor(want))


# --- the command line reaches it


@pytest.mark.slow
def test_own_picture_and_mask(run, tmp_path, capsys, monkeypatch):
    pic = np.zeros((32, 32), np.uint8)
    pic[8:24, 8:24] = 200
    Image.fromarray(pic).save(tmp_path / "own.png")
    mask = np.zeros((32, 32), np.uint8)
    mask[:, 16:] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    from ddpm_nb.engine.animation import save_grid

    made = []
    monkeypatch.setattr(
        "ddpm_nb.app.command_edit.save_grid",
        lambda x, *a, **k: (made.append(x.unflatten(0, (-1, 3)).cpu()), save_grid(x, *a, **k))[1],
    )

    def go(cmd, *a):
        return main(
            [cmd, "--output_dir", str(run), "--num_samples", "3", "--num_steps", "4", *map(str, a)]
        )

    assert (
        go(
            "sample.inpaint",
            "--image",
            tmp_path / "own.png",
            "--mask",
            tmp_path / "mask.png",
            "--output_name",
            "a",
        )
        == 0
    )
    assert (run / "grids" / "a.png").is_file()
    given, hole, done = made[0]
    known = torch.from_numpy(mask > 0).expand_as(given)
    # the picture, three times
    assert torch.equal(given[0, 0], torch.from_numpy(pic) / 127.5 - 1)
    assert torch.equal(given[0], given[2])
    # known exactly; filled differently
    assert torch.equal(done[known], given[known])
    assert (hole[~known] == -1).all()
    assert (done[0] - done[1]).abs().max() > 0.1
    assert go("sample.edit", "--image", tmp_path / "own.png", "--strength", ".5") == 0
    assert go("sample.inpaint", "--mask", tmp_path / "mask.png", "--resample", "1") == 0
    Image.fromarray(pic[:20]).save(tmp_path / "flat.png")
    Image.fromarray(pic).save(tmp_path / "grey.png")
    (tmp_path / "no.png").write_text("no")
    before = sorted(p.name for p in (run / "grids").iterdir())
    for says, cmd, args in (
        ("--image", "sample.edit", ["--image", "nowhere.png"]),
        ("32x20 pixels; the model makes 32x32", "sample.edit", ["--image", tmp_path / "flat.png"]),
        ("greys", "sample.inpaint", ["--mask", tmp_path / "grey.png"]),
        ("--image", "sample.inpaint", ["--image", tmp_path / "no.png"]),
        (
            "has no use for it beside --image",
            "sample.edit",
            ["--image", tmp_path / "own.png", "--dataset.limit", "4"],
        ),
        ("has no use for it", "sample.edit", ["--mask", tmp_path / "mask.png"]),
        ("--resample", "sample.inpaint", ["--resample", "0"]),
    ):
        capsys.readouterr()
        assert go(cmd, *args, "--output_name", "never") == 2
        err = capsys.readouterr().err.strip().split("\n")[-1]
        assert says in err, err
    assert sorted(p.name for p in (run / "grids").iterdir()) == before


@pytest.mark.slow
def test_walk_between_two_own_pictures(run, tmp_path, capsys, monkeypatch):
    "Inverted, walked, and both ends come back"
    from ddpm_nb.engine.animation import save_grid

    made = []
    monkeypatch.setattr(
        "ddpm_nb.app.command_sample.save_grid",
        lambda x, *a, **k: (made.append(x.cpu()), save_grid(x, *a, **k))[1],
    )
    x = DDPMSampler(load_pretrained("mnist")[1]).ddim_sample(
        load_pretrained("mnist")[0], (2, 1, 32, 32), 10, generator=0
    )
    for i in (0, 1):
        Image.fromarray(((x[i, 0] + 1) * 127.5).round().byte().numpy()).save(tmp_path / f"{i}.png")

    def go(*a):
        return main(
            [
                "sample.interpolate",
                "--pretrained",
                "mnist",
                "--device",
                "cpu",
                "--output_dir",
                str(tmp_path / "o"),
                "--num_samples",
                "3",
                "--num_steps",
                "12",
                *a,
            ]
        )

    own = ["--images", f"{tmp_path}/0.png,{tmp_path}/1.png"]
    assert go(*own) == 0
    assert (made[0][0] - x[0]).abs().mean() < 0.02
    assert (made[0][2] - x[1]).abs().mean() < 0.02
    assert (made[0][1] - x[0]).abs().mean() > 0.05
    for says, a in (
        ("expected two files", ["--images", "a.png"]),
        ("is not a file", ["--images", "a.png,b.png"]),
        ("needs sampling.method ddim", [*own, "--method", "heun"]),
        ("no use for it beside", [*own, "--sampling.clip", "none"]),
    ):
        capsys.readouterr()
        assert go(*a) == 2
        assert says in capsys.readouterr().err.strip().split("\n")[-1]


def test_film_of_the_predicted_picture(run):
    def go(*a):
        return main(
            ["sample.traj", "--output_dir", str(run), "--num_samples", "2", "--num_steps", "4", *a]
        )

    assert go("--output_name", "x", "--predicted") == 0
    assert go("--output_name", "y") == 0
    assert (run / "animations" / "x.gif").read_bytes() != (
        run / "animations" / "y.gif"
    ).read_bytes()


@pytest.mark.parametrize(
    "flags",
    [
        "--method dpmpp_2m --num_steps 10",
        "--method heun --sampling.spacing leading",
        "--method ddim --eta 0.5 --sampling.spacing linspace",
        "--method ddpm --sampling.variance fixed_large --sampling.clip dynamic",
    ],
)
def test_every_setting_of_the_sampler(run, flags):
    assert (
        main(
            [
                "sample.grid",
                "--output_dir",
                str(run),
                "--num_samples",
                "2",
                *([] if "num_steps" in flags else ["--num_steps", "4"]),
                *flags.split(),
            ]
        )
        == 0
    )
