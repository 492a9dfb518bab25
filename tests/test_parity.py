"Schedules, samplers and UNet against diffusers, an independent implementation"
import numpy as np, pytest, torch

from ddpm_nb.core import import_torchvision
from ddpm_nb.interop import from_diffusers, to_diffusers, unet2d_config
from ddpm_nb.sampler import DDPMSampler, timesteps
from ddpm_nb.schedules import DDPMSchedules, rescale_zero_terminal_snr
from ddpm_nb.unet import UNetSmall

import_torchvision()
diffusers = pytest.importorskip('diffusers')
from diffusers.schedulers.scheduling_ddim import rescale_zero_terminal_snr as their_rescale

PRED = dict(eps='epsilon', x0='sample', v='v_prediction')
SHAPE = (3, 1, 4, 4)


def theirs(cls, s, par, spacing='trailing', dtype=torch.float64, **kw):
    "Their scheduler with our betas, and its tables in the wanted precision"
    d = cls(num_train_timesteps=s.T, trained_betas=s.betas.double().numpy(), prediction_type=PRED[par], timestep_spacing=spacing, **kw)
    d.betas = s.betas.to(dtype); d.alphas = 1 - d.betas; d.alphas_cumprod = d.alphas.cumprod(0)
    for k, v in dict(one=torch.tensor(1.0, dtype=dtype), final_alpha_cumprod=torch.tensor(1.0, dtype=dtype), alpha_t=d.alphas_cumprod.sqrt(), sigma_t=(1 - d.alphas_cumprod).sqrt()).items():
        if hasattr(d, k): setattr(d, k, v)
    if hasattr(d, 'lambda_t'): d.lambda_t = d.alpha_t.log() - d.sigma_t.log()
    return d


class Fake:
    "A smooth stand-in for a network"
    def __init__(self, par): self.parameterization = par
    def __call__(self, x, t): return torch.tanh(x*.7 + t.view(-1, 1, 1, 1)/500) * .8


def start(dtype=torch.float64): return torch.randn(SHAPE, dtype=dtype, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize('T', [10, 100, 1000])
def test_tables(T):
    s = DDPMSchedules('linear', T); d = diffusers.DDPMScheduler(T, 1e-4*1000/T, min(.02*1000/T, .999), 'linear') if T >= 100 else diffusers.DDPMScheduler(T, trained_betas=s.betas.numpy())
    torch.testing.assert_close(s.alphas_cumprod, d.alphas_cumprod, atol=1e-5, rtol=1e-4)
    c, dc = DDPMSchedules('cosine', T), diffusers.DDPMScheduler(T, beta_schedule='squaredcos_cap_v2')
    torch.testing.assert_close(c.betas, dc.betas, atol=1e-5, rtol=1e-3)
    for t in (1, T//2, T - 1): torch.testing.assert_close(s.posterior_variance[t], d._get_variance(t), atol=1e-5, rtol=1e-3)


def test_add_noise_velocity_and_rescale():
    s = DDPMSchedules('linear', 1000, dtype=torch.float64); d = theirs(diffusers.DDPMScheduler, s, 'eps')
    x0, eps, t = torch.randn(2, 3, 1, 4, 4, dtype=torch.float64).unbind(0) + (torch.tensor([0, 500, 999]),)
    torch.testing.assert_close(s.q_sample(x0, t, eps), d.add_noise(x0, eps, t), atol=1e-9, rtol=1e-9)
    torch.testing.assert_close(s.target(x0, eps, t, 'v'), d.get_velocity(x0, eps, t), atol=1e-9, rtol=1e-9)
    torch.testing.assert_close(rescale_zero_terminal_snr(s.betas), their_rescale(s.betas), atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize('par', PRED)
@pytest.mark.parametrize('spacing', ['leading', 'trailing'])
@pytest.mark.parametrize('n', [5, 20])
def test_ddim(par, spacing, n):
    s = DDPMSchedules('linear', 1000, dtype=torch.float64); d = theirs(diffusers.DDIMScheduler, s, par, spacing, clip_sample=False, set_alpha_to_one=True); d.set_timesteps(n)
    assert d.timesteps.tolist() == timesteps(1000, n, spacing)
    states = []; x = start(); model = Fake(par)
    DDPMSampler(s).ddim_sample(model, SHAPE, n, spacing=spacing, x_T=x, clip=None, callback=lambda st: states.append(st.x))
    for t, ours in zip(d.timesteps, states):
        x = d.step(model(x, t.repeat(3)), t, x).prev_sample; torch.testing.assert_close(ours, x, atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize('par', PRED)
@pytest.mark.parametrize('variance', ['fixed_small', 'fixed_large'])
def test_ddpm_means(par, variance):
    "With the noise taken out, since the two draw it differently"
    s = DDPMSchedules('linear', 100, dtype=torch.float64); d = theirs(diffusers.DDPMScheduler, s, par, 'leading', clip_sample=False, variance_type=variance); d.set_timesteps(100); model = Fake(par)
    sm, x, rules = DDPMSampler(s), start(), []
    sm.run = lambda rule, *a, **k: rules.append(rule)
    sm.ddpm_sample(model, SHAPE, variance=variance)
    for t in (99, 50, 1, 0):
        ours = [rules[0](x, sm.denoise(model, x, t), t, t - 1, lambda: z, dict(last=t == 0)) for z in (torch.zeros(()), torch.ones(()))]
        # theirs: the same step with noise 0 and noise 1
        import diffusers.schedulers.scheduling_ddpm as m
        old = m.randn_tensor
        try:
            got = []
            for z in (torch.zeros(SHAPE, dtype=torch.float64), torch.ones(SHAPE, dtype=torch.float64)):
                m.randn_tensor = lambda *a, z=z, **k: z
                got.append(d.step(model(x, torch.full((3,), t)), t, x).prev_sample)
        finally: m.randn_tensor = old
        for a, b in zip(ours, got): torch.testing.assert_close(a, b, atol=1e-8, rtol=1e-6)


@pytest.mark.parametrize('par', PRED)
@pytest.mark.parametrize('spacing', ['leading', 'trailing', 'linspace'])
@pytest.mark.parametrize('n', [6, 20])
def test_dpmpp_2m(par, spacing, n):
    s = DDPMSchedules('linear', 1000); d = theirs(diffusers.DPMSolverMultistepScheduler, s, par, spacing, torch.float32, algorithm_type='dpmsolver++', solver_order=2, final_sigmas_type='zero'); d.set_timesteps(n)
    assert d.timesteps.tolist() == timesteps(1000, n, spacing, extra=True)
    states, x, model = [], start(torch.float32), Fake(par)
    DDPMSampler(s).dpmpp_2m_sample(model, SHAPE, n, spacing=spacing, x_T=x, clip=None, callback=lambda st: states.append(st.x))
    for t, ours in zip(d.timesteps, states):
        x = d.step(model(x, t.repeat(3)), t, x).prev_sample; torch.testing.assert_close(ours, x, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize('par', PRED)
@pytest.mark.parametrize('spacing', ['leading', 'trailing', 'linspace'])
def test_heun(par, spacing):
    s = DDPMSchedules('linear', 1000); n = 10; d = theirs(diffusers.HeunDiscreteScheduler, s, par, spacing, torch.float32); d.set_timesteps(n)
    x, model = start(torch.float32), Fake(par)
    ours = DDPMSampler(s).heun_sample(model, SHAPE, n, spacing=spacing, x_T=x, clip=None)
    a = DDPMSampler(s).a; x = x/a[timesteps(1000, n, spacing)[0]] # theirs lives in the space divided by sqrt(alpha bar)
    for t in d.timesteps:
        x = d.step(model(d.scale_model_input(x, t), t.repeat(3)), t, x).prev_sample
    torch.testing.assert_close(ours, x.float(), atol=5e-5, rtol=1e-4)


CONFIGS = [dict(), dict(film=False), dict(attention_resolutions=(8, 4)), dict(attention_resolutions=(4,), num_classes=3), dict(downsample_padding=0, flip_sin_to_cos=False, freq_shift=1., film=False, mid_attention=True), dict(num_res_blocks=2, learn_sigma=True)]


@pytest.mark.parametrize('kw', CONFIGS)
def test_unet(kw):
    kw = dict(image_size=8, in_channels=3, base_channels=16, channel_mults=(1, 2), num_res_blocks=1, attention_resolutions=(), attention_head_dim=8, num_groups=4) | kw
    m = UNetSmall(**kw); torch.nn.init.normal_(m.conv_out.weight, std=.2); u = diffusers.UNet2DModel(**unet2d_config(m)); u.load_state_dict(m.state_dict())
    x, t = torch.randn(2, 3, 8, 8, requires_grad=True), torch.tensor([1, 700]); y = torch.tensor([0, 2]) if m.num_classes else None
    a = m(x, t, y); b = u(x, t, class_labels=y).sample; torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)
    ga, gb = (torch.autograd.grad(o.pow(2).mean(), [x, *p.parameters()]) for o, p in ((a, m), (b, u)))
    named = dict(zip(['x', *[n for n, _ in u.named_parameters()]], gb))
    for n, g in zip(['x', *[n for n, _ in m.named_parameters()]], ga): torch.testing.assert_close(g, named[n], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize('par', ['eps', 'v'])
def test_folder_round_trip(tmp_path, par):
    m = UNetSmall(image_size=8, in_channels=1, base_channels=8, channel_mults=(1, 2), num_res_blocks=1, attention_resolutions=(4,), attention_head_dim=8, num_groups=4, parameterization=par).eval(); torch.nn.init.normal_(m.conv_out.weight, std=.1)
    s = DDPMSchedules('cosine', 50); to_diffusers(m, s, tmp_path/'d'); back, s2 = from_diffusers(tmp_path/'d')
    assert back.parameterization == par and all(torch.equal(v, back.state_dict()[k]) for k, v in m.state_dict().items())
    pipe = diffusers.DDIMPipeline.from_pretrained(str(tmp_path/'d')); pipe.set_progress_bar_config(disable=True)
    pipe.scheduler.register_to_config(clip_sample=False)
    got = pipe(batch_size=2, num_inference_steps=10, output_type='np', generator=torch.Generator().manual_seed(3)).images
    xT = torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(3))
    ours = DDPMSampler(s).ddim_sample(m, (2, 1, 8, 8), 10, x_T=xT, clip=None)
    np.testing.assert_allclose((ours.clamp(-1, 1)/2 + .5).permute(0, 2, 3, 1).numpy(), got, atol=1e-3) # without clipping: theirs does not derive the noise anew after it


def test_foreign_architecture(tmp_path):
    u = diffusers.UNet2DModel(sample_size=8, in_channels=1, out_channels=1, block_out_channels=(8, 8), down_block_types=('DownBlock2D', 'ResnetDownsampleBlock2D'), up_block_types=('ResnetUpsampleBlock2D', 'UpBlock2D'), norm_num_groups=4)
    diffusers.DDPMPipeline(u, diffusers.DDPMScheduler()).save_pretrained(tmp_path/'x')
    with pytest.raises(ValueError, match='ResnetDownsampleBlock2D has no equivalent'): from_diffusers(tmp_path/'x')
