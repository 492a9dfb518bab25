"The UNet: fast kernels against the plain form, its twin in diffusers, its answers to bad input"

import subprocess
import sys
from contextlib import contextmanager

import pytest
import torch
import torch.nn.functional as F
from torch.func import functional_call, grad, jacfwd, jacrev, jvp, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from ddpm_nb import unet
from ddpm_nb.core import DDPMError
from ddpm_nb.data import ImageData
from ddpm_nb.engine.compat import import_torchvision
from ddpm_nb.engine.kernels import (
    NormSiLU,
    fast_norm_silu,
    fast_upsample,
    scaled_norm_silu,
    use_fast_kernels,
    use_plain_kernels,
)
from ddpm_nb.engine.run import DDPMTrainer
from ddpm_nb.loss import drop_labels
from ddpm_nb.schedules import DDPMSchedules
from ddpm_nb.time_embedding import TimeEmbedding, sinusoidal_embedding
from ddpm_nb.unet import Attention, Downsample, ResBlock, UNetSmall, Upsample

TINY = dict(
    image_size=8,
    in_channels=3,
    base_channels=16,
    channel_mults=(1, 2),
    num_res_blocks=1,
    attention_resolutions=(),
    attention_head_dim=8,
    num_groups=4,
)


def awake(dtype=torch.float32, **kw):
    "A small model whose head is not zero"
    torch.manual_seed(0)
    m = UNetSmall(**TINY | kw).to(dtype)
    torch.nn.init.normal_(m.conv_out.weight, std=0.2)
    return m


def batch(m, dtype=torch.float32, n=2):
    g = torch.Generator().manual_seed(1)
    x = torch.randn(n, m.in_channels, m.image_size, m.image_size, generator=g, dtype=dtype)
    return x, torch.tensor([1, 700, 30])[:n], torch.tensor([0, 2, 1])[:n] if m.num_classes else None


@contextmanager
def saved_sizes():
    "Sizes of the tensors that autograd keeps for the backward pass, by where they are in memory"
    sizes = {}

    def keep(z):
        sizes.setdefault(z.data_ptr(), z.numel())
        return z

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda z: z):
        yield sizes


def output_and_gradients(m, x, t, y, f=None):
    x = x.clone().requires_grad_()
    out = (f or m)(x, t, y)
    return out, dict(
        zip(
            ["x", *[n for n, _ in m.named_parameters()]],
            torch.autograd.grad(out.pow(2).mean(), [x, *m.parameters()]),
        )
    )


@pytest.fixture(autouse=True)
def plain_again():
    "Each test starts and ends with the forms that chapter 3 shows"
    use_plain_kernels()
    yield
    use_plain_kernels()


@pytest.fixture(params=["plain", "fast"])
def kernels(request):
    "The test runs once with each of the two forms"
    if request.param == "fast":
        use_fast_kernels()
    return request.param


# ---- the fast forms against the plain ones


@pytest.mark.parametrize("fmt", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("groups,c", [(1, 4), (3, 6), (8, 8)])
def test_norm_silu_gradients(fmt, groups, c):
    "Against autograd through the plain form, in double precision, with statistics far from 0 and 1"
    x = (
        (5 + 3 * torch.randn(3, c, 4, 5, dtype=torch.float64))
        .contiguous(memory_format=fmt)
        .requires_grad_()
    )
    norm = torch.nn.GroupNorm(groups, c).double()
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    s, b = torch.randn(2, 3, c, dtype=torch.float64).unbind(0)
    s.requires_grad_()
    b.requires_grad_()
    written_out = F.silu(norm(x) * (1 + s[..., None, None]) + b[..., None, None])
    g = torch.randn_like(written_out)
    wrt = [x, s, b, *norm.parameters()]
    want = torch.autograd.grad(written_out, wrt, g)
    for form in (fast_norm_silu, unet.norm_silu):
        out = form(x, norm, s, b)
        torch.testing.assert_close(out, written_out, atol=1e-12, rtol=1e-12)
        assert out.is_contiguous(memory_format=fmt)
        for a, e in zip(torch.autograd.grad(out, wrt, g), want):
            torch.testing.assert_close(a, e, atol=1e-11, rtol=1e-9)


@pytest.mark.slow
def test_norm_silu_derivatives_by_differences():
    "First and second derivatives, in double precision"
    shapes = ((2, 6, 3, 3), (2, 6), (2, 6))
    inputs = [torch.randn(s, dtype=torch.double, requires_grad=True) for s in shapes]

    def f(*a):
        return NormSiLU.apply(*a, 3, 1e-5)

    torch.testing.assert_close(f(*inputs), scaled_norm_silu(*inputs, 3, 1e-5))  # pyright: ignore[reportCallIssue]
    assert torch.autograd.gradcheck(f, inputs)
    assert torch.autograd.gradgradcheck(f, inputs)
    x, u, v = inputs
    assert torch.autograd.gradgradcheck(lambda u: f(x.detach(), u, v.detach()), [u])


@pytest.mark.parametrize("form", [fast_norm_silu, unet.norm_silu])
def test_norm_silu_without_scale_is_norm_then_silu(form):
    norm, x = torch.nn.GroupNorm(2, 4), torch.randn(2, 4, 3, 3)
    torch.testing.assert_close(form(x, norm), F.silu(norm(x)), atol=1e-6, rtol=1e-5)


def test_norm_silu_leaves_its_input_and_gradient_alone():
    "It works in place on its own memory only"
    x, u, v = torch.randn(2, 4, 3, 3, requires_grad=True), torch.randn(2, 4), torch.randn(2, 4)
    before = x.detach().clone()
    y = NormSiLU.apply(x, u, v, 2, 1e-5)
    g = torch.randn_like(y)
    kept = g.clone()
    y.backward(g)
    assert torch.equal(x.detach(), before)
    assert torch.equal(g, kept)


def test_norm_silu_keeps_only_its_input():
    "The plain form keeps the input, the normalised and the shifted images for the backward pass"

    def kept(f):
        with saved_sizes() as sizes:
            f()
        return sum(n for n in sizes.values() if n >= 4096)

    norm, x = torch.nn.GroupNorm(4, 8), torch.randn(8, 8, 16, 16, requires_grad=True)
    s = torch.randn(8, 8, requires_grad=True)
    assert kept(lambda: fast_norm_silu(x, norm, s, s)) == x.numel()
    assert kept(lambda: unet.norm_silu(x, norm, s, s)) >= 3 * x.numel()


@pytest.mark.parametrize("h,w", [(1, 1), (3, 5), (8, 8)])
def test_upsample_is_repeat_then_convolve(h, w):
    up, x = Upsample(3).double(), torch.randn(2, 3, h, w, dtype=torch.float64, requires_grad=True)
    repeated = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
    want = up.conv(repeated)
    g = torch.randn_like(want)
    wrt = [x, *up.parameters()]
    gradients = torch.autograd.grad(want, wrt, g)
    for form in (fast_upsample, unet.upsample):
        out = form(x, up.conv)
        torch.testing.assert_close(out, want, atol=1e-12, rtol=1e-12)
        for a, e in zip(torch.autograd.grad(out, wrt, g), gradients):
            torch.testing.assert_close(a, e, atol=1e-12, rtol=1e-10)
    torch.testing.assert_close(up(x), want, atol=1e-12, rtol=1e-12)


@pytest.mark.parametrize("fmt", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("scale_shift", [True, False])
def test_network_with_fast_kernels(scale_shift, fmt):
    "Output and every gradient, in double precision"
    m = awake(torch.float64, film=scale_shift, attention_resolutions=(8,), num_classes=3)
    m.to(memory_format=fmt)  # pyright: ignore[reportCallIssue]
    x, t, y = batch(m, torch.float64)
    plain, plain_gradients = output_and_gradients(m, x, t, y)
    use_fast_kernels()
    fast, fast_gradients = output_and_gradients(m, x, t, y)
    assert not torch.equal(fast, plain)  # they are in use: the rounding differs
    torch.testing.assert_close(fast, plain, atol=1e-12, rtol=1e-11)
    for n, want in plain_gradients.items():
        torch.testing.assert_close(fast_gradients[n], want, atol=1e-12, rtol=1e-9)


@pytest.mark.slow
def test_who_switches_the_fast_kernels_on():
    "Importing doesn't, making a trainer does"
    plain = dict(norm_silu=unet.norm_silu, upsample=unet.upsample)
    code = (
        "import ddpm_nb.engine.run, ddpm_nb.cli, ddpm_nb.unet as u; print(u.KERNELS['norm_silu'])"
    )
    r = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert r.stdout.startswith("<function norm_silu ")
    assert unet.KERNELS == plain
    data = ImageData(torch.zeros(4, 3, 8, 8, dtype=torch.uint8), None)
    config = dict(batch_size=2, max_steps=1)
    DDPMTrainer(awake(), DDPMSchedules(timesteps=10), data, config=config, device="cpu")
    assert unet.KERNELS == dict(norm_silu=fast_norm_silu, upsample=fast_upsample)


def per_image_gradients(m, x, t):
    def loss(weights, x, t):
        return functional_call(m, weights, (x[None], t[None])).pow(2).mean()

    weights = {n: p.detach() for n, p in m.named_parameters()}
    return loss, weights, vmap(grad(loss), (None, 0, 0))(weights, x, t)


def test_functional_gradients(kernels):
    "torch.func's `grad` and `vmap` over the network, against autograd image by image"
    m = awake(torch.float64, attention_resolutions=(4,))
    x, t, _ = batch(m, torch.float64)
    loss, weights, each = per_image_gradients(m, x, t)
    for i in range(2):
        one = grad(loss)(weights, x[i], t[i])
        wanted = torch.autograd.grad(m(x[i : i + 1], t[i : i + 1]).pow(2).mean(), m.parameters())  # pyright: ignore[reportCallIssue]
        for (n, _), want in zip(m.named_parameters(), wanted):
            torch.testing.assert_close(one[n], want, atol=1e-12, rtol=1e-9)
            torch.testing.assert_close(each[n][i], want, atol=1e-12, rtol=1e-9)


def test_functional_batching(kernels):
    m = awake(torch.float64, attention_resolutions=(4,))
    x, t, _ = batch(m, torch.float64)
    mapped = vmap(lambda x, t: m(x[None], t[None])[0])(x, t)
    torch.testing.assert_close(mapped, m(x, t), atol=1e-12, rtol=1e-10)


def test_functional_forward_mode(kernels):
    "Directional derivatives against reverse mode; PyTorch's own rules ask for the two settings"
    m = awake(torch.float64, attention_resolutions=(4,)).to(memory_format=torch.contiguous_format)  # pyright: ignore[reportCallIssue]
    x, t, _ = batch(m, torch.float64)
    with sdpa_kernel(SDPBackend.MATH):
        out, along = jvp(lambda x: m(x, t), (x,), (x.flip(0),))  # pyright: ignore
        forward = jacfwd(lambda a: m(a * x, t))(torch.tensor(1.0, dtype=torch.float64))
    rows = jacrev(lambda x: m(x, t)[:, 0, :2, 0])(x)
    want = (rows * x.flip(0)).sum((2, 3, 4, 5))
    torch.testing.assert_close(out, m(x, t), atol=1e-12, rtol=1e-10)
    torch.testing.assert_close(along[:, 0, :2, 0], want, atol=1e-10, rtol=1e-8)
    want = (rows * x).sum((2, 3, 4, 5))
    torch.testing.assert_close(forward[:, 0, :2, 0], want, atol=1e-10, rtol=1e-8)


def test_dual_numbers_without_functional_transforms(kernels):
    "Forward mode by `torch.autograd.forward_ad`, with a tangent on a weight alone"
    m = awake(torch.float64).to(memory_format=torch.contiguous_format)  # pyright: ignore[reportCallIssue]
    x, t, _ = batch(m, torch.float64)
    w = m.conv_norm_out.weight
    direction = torch.randn_like(w)
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(w.detach(), direction)
        out = functional_call(m, {"conv_norm_out.weight": dual}, (x, t))
        along = torch.autograd.forward_ad.unpack_dual(out).tangent
    (g,) = torch.autograd.grad(m(x, t).sum(), w)
    torch.testing.assert_close(along.sum(), (g * direction).sum(), atol=1e-9, rtol=1e-9)


def test_second_derivatives(kernels):
    "A gradient of a gradient's size, as in a gradient penalty, against a difference"
    m = awake(torch.float64)
    x, t, _ = batch(m, torch.float64)

    def penalty(x):
        x = x.detach().requires_grad_()
        (g,) = torch.autograd.grad(m(x, t).pow(2).sum(), x, create_graph=True)
        return x, g.pow(2).sum()

    x0, p = penalty(x)
    (g,) = torch.autograd.grad(p, x0)
    direction, h = torch.randn_like(x), 1e-5
    with_sign = [penalty(x + s * h * direction)[1].item() for s in (1, -1)]
    difference = (with_sign[0] - with_sign[1]) / (2 * h)
    assert (g * direction).sum().item() == pytest.approx(difference, rel=1e-4)


def test_attention_is_softmax_of_scaled_products():
    at, x = (
        Attention(8, head_dim=4, groups=2).double(),
        torch.randn(2, 8, 3, 5, dtype=torch.float64),
    )
    n = at.group_norm(x).flatten(2).transpose(1, 2)
    out = []
    for i in (slice(0, 4), slice(4, 8)):
        q, k, v = at.to_q(n)[..., i], at.to_k(n)[..., i], at.to_v(n)[..., i]
        out.append((q @ k.transpose(1, 2) / 2).softmax(-1) @ v)
    want = x + at.to_out[0](torch.cat(out, -1)).transpose(1, 2).view_as(x)
    torch.testing.assert_close(at(x), want, atol=1e-12, rtol=1e-12)


@pytest.mark.parametrize(
    "kw", [dict(), dict(film=False, attention_resolutions=(4,), downsample_padding=0)]
)
def test_memory_format_does_not_change_the_numbers(kw, kernels):
    m = awake(torch.float64, **kw)
    x, t, y = batch(m, torch.float64)
    a, ga = output_and_gradients(m, x, t, y)
    m.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    b, gb = output_and_gradients(m, x.contiguous(memory_format=torch.channels_last), t, y)
    torch.testing.assert_close(a, b, atol=1e-12, rtol=1e-10)
    for n in ga:
        torch.testing.assert_close(ga[n], gb[n], atol=1e-12, rtol=1e-9)


def test_bf16_autocast_stays_near_float32(kernels):
    m = awake()
    x, t, y = batch(m)
    a, ga = output_and_gradients(m, x, t, y)
    with torch.autocast("cpu", torch.bfloat16):
        out = m(x, t)
    torch.testing.assert_close(out.float(), a, atol=0.1, rtol=0.1)
    out.float().pow(2).mean().backward()
    for n, p in m.named_parameters():
        torch.testing.assert_close(
            p.grad, ga[n], atol=0.1 * ga[n].abs().max().item() + 1e-5, rtol=0.3
        )


# ---- its twin in diffusers: outputs and gradients to 1e-5

TWINS = [
    dict(film=film, **kw)
    for film in (True, False)
    for kw in (
        dict(
            image_size=16,
            channel_mults=(1, 2, 2),
            attention_resolutions=(16, 8, 4),
            num_classes=3,
            norm_eps=1e-3,
        ),
        dict(
            num_res_blocks=3,
            attention_resolutions=(8,),
            attention_head_dim=16,
            downsample_padding=0,
        ),
        dict(attention_resolutions=(4,), attention_head_dim=4, learn_sigma=True, num_groups=8),
        dict(
            attention_resolutions=(8, 4),
            attention_head_dim=None,
            mid_attention=True,
            flip_sin_to_cos=False,
            freq_shift=1.0,
        ),
        dict(channel_mults=(2, 1), in_channels=1, num_classes=3),
        dict(channel_mults=(1,), attention_resolutions=(8,)),
    )
]


@pytest.mark.parametrize("fmt", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("kw", TWINS)
def test_same_numbers_as_diffusers(kw, fmt, kernels):
    import_torchvision()
    diffusers = pytest.importorskip("diffusers")
    from ddpm_nb.app.interop import unet2d_config

    m = awake(**kw)
    x, t, y = batch(m)
    conf = unet2d_config(m)
    u = diffusers.UNet2DModel(**conf)
    u.load_state_dict(m.state_dict())  # strict: name for name
    m.to(memory_format=fmt)  # pyright: ignore[reportCallIssue]
    x = x.contiguous(memory_format=fmt)
    a, ga = output_and_gradients(m, x, t, y)
    b, gb = output_and_gradients(u, x, t, y, lambda x, t, y: u(x, t, class_labels=y).sample)
    torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)
    assert ga.keys() == gb.keys()
    for n in ga:
        torch.testing.assert_close(ga[n], gb[n], atol=1e-5, rtol=1e-4)


# ---- classes, variance, checkpointing


def test_label_dropout_reaches_the_null_row_only_through_dropped_labels():
    m = awake(num_classes=4)
    x, t, _ = batch(m)
    y = torch.tensor([1, 3])
    for p, rows in ((0.0, {1, 3}), (1.0, {4})):
        m.zero_grad()
        m(x, t, drop_labels(y, m.null_label, p)).pow(2).mean().backward()
        assert set(m.class_embedding.weight.grad.abs().sum(1).nonzero().flatten().tolist()) == rows
    assert torch.equal(m(x, t), m(x, t, torch.full((2,), 4)))


def test_learned_variance_has_its_own_head():
    m = awake(learn_sigma=True)
    x, t, _ = batch(m)
    out = m(x, t)
    assert out.shape == (2, 6, 8, 8)
    out[:, 3:].sum().backward()
    g = m.conv_out.weight.grad.abs().sum((1, 2, 3))
    assert (g[:3] == 0).all()
    assert (g[3:] > 0).all()


@pytest.mark.parametrize(
    "kw", [dict(), dict(dropout=0.4), dict(attention_resolutions=(8, 4), dropout=0.2, film=False)]
)
def test_checkpointing_changes_no_number(kw, kernels):
    a, b = (awake(gradient_checkpointing=c, **kw).train() for c in (False, True))
    x, t, y = batch(a)
    runs = []
    for m in (a, b):
        torch.manual_seed(7)
        runs.append((*output_and_gradients(m, x, t, y), torch.rand(1)))
    # the random stream goes on alike
    assert torch.equal(runs[0][0], runs[1][0])
    assert torch.equal(runs[0][2], runs[1][2])
    for n in runs[0][1]:
        assert torch.equal(runs[0][1][n], runs[1][1][n]), n


def test_checkpointing_keeps_less(kernels):
    "Counted in what autograd saves, and with no block of the middle left out"

    def kept(ck):
        m = awake(gradient_checkpointing=ck, attention_resolutions=(8,)).train()
        x, t, y = batch(m)
        runs = []
        for b in m.modules():  # before, not after: recomputing stops before a block ends
            if isinstance(b, (ResBlock, Attention)):
                b.register_forward_pre_hook(lambda b, i: runs.append(b))

        with saved_sizes() as sizes:
            loss = m(x, t).sum()
        first = len(runs)
        loss.backward()
        return sum(sizes.values()), first, len(runs) - first

    (full, n, again), (small, n2, again2) = kept(False), kept(True)
    # 2 + 2 + 4 residual blocks and 1 + 2 attentions, each computed once more
    assert again == 0
    assert n == n2 == again2 == 11
    assert small < 0.6 * full


# ---- bad input


@pytest.mark.parametrize(
    "kw,message",
    [
        (
            dict(image_size=6, channel_mults=(1, 2, 2)),
            "model.image_size: 6 cannot be halved 2 times",
        ),
        (dict(image_size=0), "model.image_size: 0"),
        (dict(channel_mults=()), "model.channel_mults: []"),
        (dict(channel_mults=(1, 0.3)), "does not divide 4.8 channels"),
        (dict(num_groups=3), "model.num_groups: 3 does not divide 16"),
        (dict(num_groups=0), "model.num_groups: 0; expected 1 or more"),
        (
            dict(attention_resolutions=(5,)),
            "model.attention_resolutions: 5 is none of this network's resolutions [8, 4]",
        ),
        (
            dict(attention_resolutions=(8,), attention_head_dim=5),
            "model.attention_head_dim: 5 does not divide 16",
        ),
        (dict(attention_head_dim=0), "model.attention_head_dim: 0; expected null, or 1 or more"),
        (dict(num_classes=0), "model.num_classes: 0; expected null, or 1 or more"),
        (dict(num_classes=-2), "model.num_classes: -2"),
        (dict(dropout=1.0), "model.dropout: 1.0; expected 0 <= dropout < 1"),
        (dict(dropout=-0.1), "model.dropout: -0.1"),
        (dict(num_res_blocks=0), "model.num_res_blocks: 0; expected 1 or more"),
        (dict(in_channels=0), "model.in_channels: 0"),
        (dict(norm_eps=0.0), "model.norm_eps: 0.0; expected more than 0"),
        (dict(base_channels=0), "model.base_channels: 0"),
        (dict(downsample_padding=2), "model.downsample_padding: 2; expected 0 or 1"),
        (
            dict(parameterization="noise"),
            "model.parameterization: 'noise'; expected eps, x0, v or flow",
        ),
    ],
)
def test_impossible_networks(kw, message):
    with pytest.raises(DDPMError) as e:
        UNetSmall(**TINY | kw)
    assert message in str(e.value)


X, T = torch.zeros(2, 3, 8, 8), torch.tensor([1, 2])


@pytest.mark.parametrize(
    "args,message",
    [
        ((X[:, :2], T), "x: shape (2, 2, 8, 8); this model takes (B,3,8,8)"),
        ((X[..., :7], T), "x: shape (2, 3, 8, 7)"),
        ((torch.zeros(2, 3, 16, 16), T), "for another size set model.image_size"),
        ((X[0], T), "x: shape (3, 8, 8)"),
        ((X.byte(), T), "x: torch.uint8; expected floats"),
        ((X, T[:1]), "t: shape (1,), torch.int64; expected one number per image, (2,)"),
        ((X, T[0]), "t: shape ()"),
        ((X, T[:, None]), "t: shape (2, 1)"),
        ((X, T > 1), "t: shape (2,), torch.bool; expected"),
        ((X, T, torch.tensor([0, 5])), "y: label [5]; expected 0 to 3, or 4 for no class"),
        ((X, T, torch.tensor([-1, 0])), "y: label [-1]"),
        ((X, T, torch.tensor([0])), "y: shape (1,)"),
        ((X, T, torch.tensor([0.0, 1.0])), "torch.float32; expected one whole number per image"),
    ],
)
def test_forward_refuses(args, message):
    with pytest.raises(DDPMError) as e:
        UNetSmall(**TINY, num_classes=4)(*args)
    assert message in str(e.value)


def test_labels_for_a_model_without_classes():
    with pytest.raises(DDPMError, match="set model.num_classes"):
        UNetSmall(**TINY)(X, T, T)


def test_another_size_on_request():
    m = awake()
    m.image_size = 16
    assert m(torch.zeros(1, 3, 16, 16), T[:1]).shape == (1, 3, 16, 16)


@pytest.mark.parametrize(
    "f,message",
    [
        (lambda: sinusoidal_embedding(T, 7), "dim: 7; expected an even number"),
        (lambda: sinusoidal_embedding(T, 2), "dim: 2"),
        (
            lambda: sinusoidal_embedding(T[:, None], 8),
            "t: shape (2, 1); expected one step per image",
        ),
        (lambda: TimeEmbedding(8, 0), "out_dim: 0; expected 1 or more"),
        (lambda: TimeEmbedding(9, 8), "dim: 9"),
        (lambda: sinusoidal_embedding(T, 8, freq_shift=4.0), "freq_shift: 4.0; expected"),
        (lambda: sinusoidal_embedding(T, 8, max_period=1.0), "max_period: 1.0; expected"),
        (lambda: Downsample(4, 3), "model.downsample_padding: 3"),
    ],
)
def test_parts_refuse(f, message):
    with pytest.raises(DDPMError) as e:
        f()
    assert message in str(e.value)
