"""One training step, ours against diffusers' documented training loop and against the machine's matrix product, in one run.

Same architecture, same weights, same batch, float32. The contenders take turns in short slices, so that whatever else
the machine is doing hits all of them; reported is the median of the ratios within each round. Asserts nothing about time.

    python benchmarks/train_step.py                    # ours against diffusers
    python benchmarks/train_step.py --bf16 --compile   # also under bf16 autocast, and compiled
    python benchmarks/train_step.py --cpu-time         # one thread, on a machine that is busy with other things
    python benchmarks/train_step.py --keep-memory      # freed memory stays with the process (glibc), for all contenders
    python benchmarks/train_step.py --profile          # where our step's time goes
    python benchmarks/train_step.py --ablate           # each idea on its own
"""

import argparse
import statistics
import subprocess
import sys
import time
import warnings

import torch
import torch.nn.functional as F
from ddpm_nb.app.interop import unet2d_config
from ddpm_nb.engine.compat import import_torchvision
from ddpm_nb.engine.run import DDPMTrainer
from torch.utils.flop_counter import FlopCounterMode

from ddpm_nb import unet
from ddpm_nb.data import ImageData
from ddpm_nb.schedules import DDPMSchedules
from ddpm_nb.unet import UNetSmall

MODEL = dict(
    image_size=32,
    in_channels=3,
    base_channels=32,
    channel_mults=(1, 2, 4),
    num_res_blocks=2,
    attention_resolutions=(16,),
    attention_head_dim=32,
    num_groups=32,
)
LR, WARMUP, STEPS = 1e-4, 500, 10_000  # the documented loop's defaults, but for its length


def images(n):
    g = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (n, 3, 32, 32), dtype=torch.uint8, generator=g)


def model():
    "Random weights, the same at every call; the head is not zero, so that every gradient flows"
    torch.manual_seed(0)
    m = UNetSmall(**MODEL)
    torch.nn.init.normal_(m.conv_out.weight, std=0.02)
    return m.train()


def our_step(batch, **config):
    "`DDPMTrainer.train_step`, with everything that it does"
    config = (
        dict(
            batch_size=batch,
            max_steps=STEPS,
            learning_rate=LR,
            amp=False,
            optimizer=dict(betas=[0.95, 0.999], weight_decay=1e-6),
        )
        | config
    )
    tr = DDPMTrainer(
        model(),
        DDPMSchedules("linear", 1000),
        ImageData(images(batch), None, "noise"),
        config=config | dict(scheduler=dict(name="cosine", warmup_steps=WARMUP)),
        device="cpu",
        progress=False,
        output_dir="/tmp/none",
    )
    tr.model.train()
    x = images(batch).float() / 127.5 - 1
    return lambda: tr.train_step(x)


def their_step(batch, autocast=False):
    "The loop of diffusers' unconditional training example: add_noise, mse_loss, clipping, AdamW, cosine schedule, EMAModel"
    import_torchvision()
    import diffusers
    from diffusers.optimization import get_scheduler
    from diffusers.training_utils import EMAModel

    m = model()
    net = diffusers.UNet2DModel(**unet2d_config(m))
    net.load_state_dict(m.state_dict())
    net.train()
    ema = EMAModel(
        net.parameters(),
        decay=0.9999,
        use_ema_warmup=True,
        inv_gamma=1.0,
        power=0.75,
        model_cls=diffusers.UNet2DModel,
        model_config=net.config,
    )
    noise_scheduler = diffusers.DDPMScheduler(num_train_timesteps=1000, beta_schedule="linear")
    opt = torch.optim.AdamW(
        net.parameters(), lr=LR, betas=(0.95, 0.999), weight_decay=1e-6, eps=1e-8
    )
    lr = get_scheduler("cosine", opt, num_warmup_steps=WARMUP, num_training_steps=STEPS)
    clean = images(batch).float() / 127.5 - 1

    def step():
        noise = torch.randn(clean.shape)
        t = torch.randint(0, 1000, (batch,)).long()
        noisy = noise_scheduler.add_noise(clean, noise, t)
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            loss = F.mse_loss(net(noisy, t).sample.float(), noise.float())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        opt.step()
        lr.step()
        opt.zero_grad()
        ema.step(net.parameters())

    return step


def matmul(n=2048):
    "A float32 matrix product, and its FLOPs"
    a, b = torch.randn(2, n, n)
    out = torch.empty(n, n)
    return (lambda: torch.mm(a, b, out=out)), 2 * n**3


def flops(batch):
    "FLOPs of forward and backward of the architecture: counted on diffusers' model, where each layer is computed as written"
    import_torchvision()
    import diffusers

    net = diffusers.UNet2DModel(**unet2d_config(model()))
    x, t = torch.randn(batch, 3, 32, 32), torch.zeros(batch, dtype=torch.long)
    with FlopCounterMode(display=False) as c:
        F.mse_loss(net(x, t).sample, x).backward()
    with FlopCounterMode(display=False) as ours:
        F.mse_loss(model()(x, t), x).backward()
    return c.get_total_flops(), ours.get_total_flops()


CLOCK = time.perf_counter  # or time.process_time, with --cpu-time


def race(contenders, rounds):
    "Seconds of each contender in each round; they take turns, in an order that turns too"
    for f in contenders.values():
        f()
    times, names = {k: [] for k in contenders}, list(contenders)
    for r in range(rounds):
        for k in names[r % len(names) :] + names[: r % len(names)]:
            t = CLOCK()
            contenders[k]()
            times[k].append(CLOCK() - t)
    return times


def ratio(a, b):
    return statistics.median(x / y for x, y in zip(a, b))


def peak_memory(who, batch):
    "Peak resident memory of a process of its own that takes three steps, and of one that only imports, in MB"
    code = f"import sys; sys.path.insert(0, {sys.path[0]!r}); import train_step as b; f = b.{who}({batch})\n"
    steps = "for _ in range(3): f()\n"
    # ru_maxrss would be inherited from this process
    show = "print(next(int(l.split()[1])//1024 for l in open('/proc/self/status') if l.startswith('VmHWM')))"

    def run(c):
        return subprocess.run(
            [sys.executable, "-W", "ignore", "-c", c + show],
            capture_output=True,
            text=True,
            check=True,
        )

    return [int(run(c).stdout.split()[-1]) for c in (code + steps, code)]


def compare(a):
    todo = {"ours": our_step(a.batch), "diffusers": their_step(a.batch)}
    if a.bf16:
        todo |= {
            "ours, bf16 autocast": our_step(a.batch, amp="bf16"),
            "diffusers, bf16 autocast": their_step(a.batch, True),
        }
    if a.compile:
        todo |= {"ours, compiled": our_step(a.batch, compile=True)}
    mm, mm_flops = matmul()
    todo["matmul"] = lambda: [mm() for _ in range(5)]
    cold = {}
    for k, f in todo.items():
        t = time.perf_counter()
        f()
        cold[k] = time.perf_counter() - t
    times, (fl, fl_ours) = race(todo, a.rounds), flops(a.batch)
    peak = [5 * mm_flops / t for t in times["matmul"]]
    print(
        f"{torch.get_num_threads()} threads, {'CPU' if a.cpu_time else 'clock'} seconds, batch {a.batch}, {a.rounds} rounds, "
        f"torch {torch.__version__}; matrix product: median {statistics.median(peak) / 1e9:.0f}, best {max(peak) / 1e9:.0f} GFLOP/s"
    )
    print(
        f"the step's FLOPs: {fl / 1e9:.1f} G as the architecture is written; "
        f"{fl_ours / 1e9:.1f} G are carried out by ours, whose upsampling needs fewer"
    )
    print(
        f"\n{'':26}{'images/s':>9}{'× diffusers':>13}{'GFLOP/s':>9}{'of matmul':>11}{'first step s':>14}"
    )
    for k, t in times.items():
        if k == "matmul":
            continue
        rate = [fl / s for s in t]
        speed = f"{a.batch / statistics.median(t):9.1f}{ratio(times['diffusers'], t):13.2f}"
        print(
            f"{k:26}{speed}{statistics.median(rate) / 1e9:9.0f}{ratio(rate, peak):11.0%}{cold[k]:14.1f}"
        )
    rate = [fl_ours / t for t in times["ours"]]
    print(
        f"{'  by FLOPs carried out':48}{statistics.median(rate) / 1e9:9.0f}{ratio(rate, peak):11.0%}"
    )
    if a.memory:
        for who in ("our_step", "their_step"):
            print(
                "{:26}peak {} MB, {} MB before the first step".format(
                    who, *peak_memory(who, a.batch)
                )
            )


GROUPS = {
    "convolutions forward": (
        "mkldnn_convolution",
        "conv_transpose",
        "_convolution",
        "mkldnn_convolution_transpose",
    ),
    "convolutions backward": ("convolution_backward",),
    "attention": ("_scaled_dot_product",),
    "linear layers": ("addmm", "mm", "bmm", "linear"),
    "GroupNorm": ("native_group_norm",),
    "SiLU": ("silu",),
    "scale, shift, sums": ("addcmul", "mul", "sum", "rsub"),
    "additions, concatenation, copies": ("add", "cat", "copy_", "fill_", "zero_", "split"),
    "optimizer, clipping, EMA": (
        "_fused_adam",
        "_foreach",
        "lerp",
        "Optimizer",
        "linalg_vector_norm",
        "norm",
    ),
}


def keep_memory():
    "Ask glibc's malloc to keep what is freed: every step needs the same gigabyte again, and fresh pages cost a fault each"
    import ctypes

    libc = ctypes.CDLL(None)
    M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
    assert libc.mallopt(M_MMAP_THRESHOLD, 1 << 30) and libc.mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1)


def profile(a):
    from torch.profiler import profile

    for name, f in {"ours": our_step(a.batch), "diffusers": their_step(a.batch)}.items():
        f()
        f()
        with profile() as p:
            for _ in range(3):
                f()
        left = {e.key.removeprefix("aten::"): e.self_cpu_time_total for e in p.key_averages()}
        total = sum(left.values())
        print(f"\n{name}: {total / 3e6:.2f} s a step")
        for g, keys in GROUPS.items():

            def begins(k, q):
                return (
                    k.startswith(q) and (len(q) > 5 or q == "silu") or k == q + "_" and q == "add"
                )

            mine = [k for k in left if any(k == q or begins(k, q) for q in keys)]
            print(f"  {g:34}{sum(left.pop(k) for k in mine) / total:7.1%}")
        print(
            f"  {'everything else':34}{sum(left.values()) / total:7.1%}   "
            + ", ".join(sorted(left, key=left.get)[::-1][:4])
        )


def ablate(a):
    "Our step with one idea taken back at a time"

    def plain_norm(x, n, s=None, b=None):
        return F.silu(n(x) if s is None else n(x) * (1 + s[..., None, None]) + b[..., None, None])

    def plain_up(self, x):
        return self.conv(F.interpolate(x, scale_factor=2.0))

    def plain_attention(self, x):
        b, c, h, w = x.shape
        n = self.group_norm(x).flatten(2).transpose(1, 2)
        q, k, v = (
            f(n).view(b, h * w, self.heads, -1).transpose(1, 2)
            for f in (self.to_q, self.to_k, self.to_v)
        )
        o = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, h * w, c)
        return x + self.to_out[0](o).transpose(1, 2).reshape(b, c, h, w)

    def one_projection(self, x):
        b, c, h, w = x.shape
        ps = (self.to_q, self.to_k, self.to_v)
        n = self.group_norm(x).permute(0, 2, 3, 1).reshape(b, h * w, c)
        qkv = F.linear(n, torch.cat([p.weight for p in ps]), torch.cat([p.bias for p in ps]))
        q, k, v = qkv.view(b, h * w, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        o = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, h * w, c)
        return x + self.to_out[0](o).view(b, h, w, c).permute(0, 3, 1, 2)

    def sum_in_place(self, x, emb):
        h, e = self.conv1(unet.norm_silu(x, self.norm1)), self.time_emb_proj(emb)
        h = self.conv2(self.dropout(unet.norm_silu(h, self.norm2, *e.chunk(2, 1))))
        return h.add_(x if self.conv_shortcut is None else self.conv_shortcut(x))

    step, contiguous = our_step(a.batch), our_step(a.batch, channels_last=False)

    def swapped(obj, name, new, run=step):
        def f():
            old = getattr(obj, name)
            setattr(obj, name, new)
            try:
                run()
            finally:
                setattr(obj, name, old)

        return f

    todo = {
        "as it is": step,
        "not channels_last": contiguous,
        "norm, FiLM, SiLU plain": swapped(unet, "norm_silu", plain_norm),
        "upsampling plain": swapped(unet.Upsample, "forward", plain_up),
        "attention with layout copies": swapped(unet.Attention, "forward", plain_attention),
        "one projection for q, k, v": swapped(unet.Attention, "forward", one_projection),
        "residual sum in place": swapped(unet.ResBlock, "forward", sum_in_place),
    }
    times = race(todo, a.rounds)
    print(
        f"{torch.get_num_threads()} threads, {a.rounds} rounds; time over that of the step as it is"
    )
    for k, t in times.items():
        print(f"{k:32}{ratio(t, times['as it is']):6.3f}")


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for f, d in dict(batch=64, rounds=9, threads=torch.get_num_threads()).items():
        p.add_argument(f"--{f}", type=int, default=d)
    for f in ("bf16", "compile", "profile", "ablate", "memory"):
        p.add_argument(f"--{f}", action="store_true")
    p.add_argument(
        "--keep-memory",
        action="store_true",
        help="don't give freed memory back to the system between steps",
    )
    p.add_argument(
        "--cpu-time",
        action="store_true",
        help="one thread, and its CPU seconds instead of the clock's: for a machine that is doing other things",
    )
    a = p.parse_args()
    warnings.filterwarnings("ignore")
    if a.cpu_time:
        global CLOCK
        CLOCK, a.threads = time.process_time, 1
    torch.set_num_threads(a.threads)
    if a.keep_memory:
        keep_memory()
    (profile if a.profile else ablate if a.ablate else compare)(a)


if __name__ == "__main__":
    main()
