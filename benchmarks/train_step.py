"""One training step: ours, diffusers' documented training loop, and the machine's matrix product.

Same architecture, same weights, same batch, float32, in one run. The contenders take turns in
short slices, so that whatever else the machine is doing hits all of them; reported is the median
of the ratios within each round. Asserts nothing about time.

    python benchmarks/train_step.py                    # ours against diffusers
    python benchmarks/train_step.py --bf16 --compile   # also under bf16 autocast, and compiled
    python benchmarks/train_step.py --cpu-time         # one thread, on a machine that is busy
    python benchmarks/train_step.py --keep-memory      # freed memory stays (glibc), for all
    python benchmarks/train_step.py --profile          # where our step's time goes
    python benchmarks/train_step.py --ablate           # each idea on its own
"""

import argparse
import statistics
import subprocess
import sys
import time
import warnings
from importlib.metadata import version

import records
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from ddpm_nb import unet
from ddpm_nb.app.interop import unet2d_config
from ddpm_nb.data import ImageData
from ddpm_nb.engine.compat import import_torchvision
from ddpm_nb.engine.kernels import use_fast_kernels
from ddpm_nb.engine.run import DDPMTrainer
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
# the documented loop's defaults, but for its length
LR, WARMUP, STEPS = 1e-4, 500, 10_000


def images(n):
    g = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (n, 3, 32, 32), dtype=torch.uint8, generator=g)


def model():
    "The same random weights at every call; the last convolution is not zero: all gradients flow"
    torch.manual_seed(0)
    m = UNetSmall(**MODEL)
    torch.nn.init.normal_(m.conv_out.weight, std=0.02)
    return m.train()


def our_step(batch, **config):
    "`DDPMTrainer.train_step`, with everything that it does"
    defaults = dict(
        batch_size=batch,
        max_steps=STEPS,
        learning_rate=LR,
        amp=False,
        optimizer=dict(betas=[0.95, 0.999], weight_decay=1e-6),
        scheduler=dict(name="cosine", warmup_steps=WARMUP),
    )
    trainer = DDPMTrainer(
        model(),
        DDPMSchedules("linear", 1000),
        ImageData(images(batch), None, "noise"),
        config=defaults | config,
        device="cpu",
        progress=False,
        output_dir="/tmp/none",
    )
    trainer.model.train()
    x = images(batch).float() / 127.5 - 1
    return lambda: trainer.train_step(x)


def their_step(batch, autocast=False):
    "diffusers' training example: add_noise, mse_loss, clipping, AdamW, cosine schedule, EMAModel"
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
    "FLOPs of forward and backward: as the architecture is written (diffusers' model), and ours"
    import_torchvision()
    import diffusers

    net = diffusers.UNet2DModel(**unet2d_config(model()))
    x, t = torch.randn(batch, 3, 32, 32), torch.zeros(batch, dtype=torch.long)
    with FlopCounterMode(display=False) as as_written:
        F.mse_loss(net(x, t).sample, x).backward()
    with FlopCounterMode(display=False) as ours:
        F.mse_loss(model()(x, t), x).backward()
    return as_written.get_total_flops(), ours.get_total_flops()


def machine():
    "Processor, threads and versions, for the first line of a table"
    threads = torch.get_num_threads()
    versions = f"torch {torch.__version__}, diffusers {version('diffusers')}"
    return f"{records.cpu_name()}, {threads} threads, {versions}"


CLOCK = time.perf_counter  # or time.process_time, with --cpu-time


def race(contenders, rounds):
    "Seconds of each contender in each round; they take turns, in an order that turns too"
    for f in contenders.values():
        f()
    names = list(contenders)
    times = {name: [] for name in names}
    for r in range(rounds):
        first = r % len(names)
        for name in names[first:] + names[:first]:
            t = CLOCK()
            contenders[name]()
            times[name].append(CLOCK() - t)
    return times


def ratio(a, b):
    return statistics.median(x / y for x, y in zip(a, b))


def peak_memory(who, batch):
    "Peak resident MB of a process that takes three steps, and of one that only imports"
    code = (
        f"import sys; sys.path.insert(0, {sys.path[0]!r})\n"
        f"import train_step as b; f = b.{who}({batch})\n"
    )
    steps = "for _ in range(3): f()\n"
    # ru_maxrss would be inherited from this process
    show = (
        "lines = open('/proc/self/status')\n"
        "print(next(int(l.split()[1]) // 1024 for l in lines if l.startswith('VmHWM')))"
    )

    def run(c):
        cmd = [sys.executable, "-W", "ignore", "-c", c + show]
        return subprocess.run(cmd, capture_output=True, text=True, check=True).stdout

    return [int(run(c).split()[-1]) for c in (code + steps, code)]


def contenders(a):
    "What `compare` races"
    todo = {"ours": our_step(a.batch), "diffusers": their_step(a.batch)}
    if a.bf16:
        todo["ours, bf16 autocast"] = our_step(a.batch, amp="bf16")
        todo["diffusers, bf16 autocast"] = their_step(a.batch, True)
    if a.compile:
        todo["ours, compiled"] = our_step(a.batch, compile=True)
    return todo


def compare(a):
    todo = contenders(a)
    mm, mm_flops = matmul()
    cold = {}
    for name, f in todo.items():
        t = time.perf_counter()
        f()
        cold[name] = time.perf_counter() - t
    times = race(todo | {"matmul": lambda: [mm() for _ in range(5)]}, a.rounds)
    as_written, carried_out = flops(a.batch)
    peak = [5 * mm_flops / t for t in times.pop("matmul")]
    print(machine())
    print(
        f"{'CPU' if a.cpu_time else 'clock'} seconds, batch {a.batch}, {a.rounds} rounds; matrix "
        f"product: median {statistics.median(peak) / 1e9:.0f}, best {max(peak) / 1e9:.0f} GFLOP/s"
    )
    print(
        f"the step's FLOPs: {as_written / 1e9:.1f} G as the architecture is written; "
        f"{carried_out / 1e9:.1f} G are carried out by ours, whose upsampling needs fewer"
    )
    head = f"{'images/s':>9}{'× diffusers':>13}{'GFLOP/s':>9}{'of matmul':>11}{'first step s':>14}"
    print(f"\n{'':26}{head}")
    for name, t in times.items():
        rate = [as_written / seconds for seconds in t]
        speed = f"{a.batch / statistics.median(t):9.1f}{ratio(times['diffusers'], t):13.2f}"
        work = f"{statistics.median(rate) / 1e9:9.0f}{ratio(rate, peak):11.0%}"
        print(f"{name:26}{speed}{work}{cold[name]:14.1f}")
    rate = [carried_out / t for t in times["ours"]]
    work = f"{statistics.median(rate) / 1e9:9.0f}{ratio(rate, peak):11.0%}"
    print(f"{'  by FLOPs carried out':48}{work}")
    if a.json:
        rows = {
            name: dict(
                seconds=statistics.median(t),
                images_per_s=a.batch / statistics.median(t),
                ratio=ratio(times["diffusers"], t),
            )
            for name, t in times.items()
        }
        rows["ours, of the matrix product"] = dict(ratio=ratio(rate, peak))
        records.save(a.json, rows, f"× diffusers, {'CPU' if a.cpu_time else 'clock'} seconds")
    if a.memory:
        for who in ("our_step", "their_step"):
            most, before = peak_memory(who, a.batch)
            print(f"{who:26}peak {most} MB, {before} MB before the first step")


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
    "Ask glibc's malloc to keep freed memory: each step needs the same gigabyte, and new pages cost"
    import ctypes

    libc = ctypes.CDLL(None)
    M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
    assert libc.mallopt(M_MMAP_THRESHOLD, 1 << 30)
    assert libc.mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1)


def belongs(operation, keys):
    "Whether an operation is one of a group's `keys`, or a variant of one"
    for key in keys:
        is_prefix = len(key) > 5 or key == "silu"
        if operation == key or (is_prefix and operation.startswith(key)):
            return True
        if key == "add" and operation == "add_":
            return True
    return False


def profile(a):
    from torch.profiler import profile

    print(machine())
    for name, f in {"ours": our_step(a.batch), "diffusers": their_step(a.batch)}.items():
        f()
        f()
        with profile() as p:
            for _ in range(3):
                f()
        left = {e.key.removeprefix("aten::"): e.self_cpu_time_total for e in p.key_averages()}
        total = sum(left.values())
        print(f"\n{name}: {total / 3e6:.2f} s a step")
        for group, keys in GROUPS.items():
            operations = [o for o in left if belongs(o, keys)]
            share = sum(left.pop(o) for o in operations) / total
            print(f"  {group:34}{share:7.1%}")
        most = ", ".join(sorted(left, key=left.get, reverse=True)[:4])
        print(f"  {'everything else':34}{sum(left.values()) / total:7.1%}   {most}")


def attention_with_copies(self, x):
    b, c, h, w = x.shape
    n = self.group_norm(x).flatten(2).transpose(1, 2)
    q, k, v = (
        f(n).view(b, h * w, self.heads, -1).transpose(1, 2)
        for f in (self.to_q, self.to_k, self.to_v)
    )
    o = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, h * w, c)
    return x + self.to_out[0](o).transpose(1, 2).reshape(b, c, h, w)


def attention_with_one_projection(self, x):
    b, c, h, w = x.shape
    ps = (self.to_q, self.to_k, self.to_v)
    n = self.group_norm(x).permute(0, 2, 3, 1).reshape(b, h * w, c)
    qkv = F.linear(n, torch.cat([p.weight for p in ps]), torch.cat([p.bias for p in ps]))
    q, k, v = qkv.view(b, h * w, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
    o = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, h * w, c)
    return x + self.to_out[0](o).view(b, h, w, c).permute(0, 3, 1, 2)


def block_with_sum_in_place(self, x, emb):
    norm_silu = unet.KERNELS["norm_silu"]
    h = self.conv1(norm_silu(x, self.norm1))
    scale, shift = self.time_emb_proj(emb).chunk(2, 1)
    h = self.conv2(self.dropout(norm_silu(h, self.norm2, scale, shift)))
    return h.add_(x if self.conv_shortcut is None else self.conv_shortcut(x))


def with_kernel(step, name, kernel):
    "The step with one entry of the UNet's table replaced"

    def run():
        usual = unet.KERNELS[name]
        unet.KERNELS[name] = kernel
        try:
            step()
        finally:
            unet.KERNELS[name] = usual

    return run


def with_forward(step, module, forward):
    "The step with another `forward` of one class"

    def run():
        usual = module.forward
        module.forward = forward
        try:
            step()
        finally:
            module.forward = usual

    return run


def ablate(a):
    "Our step with one idea taken back at a time, or tried"
    step = our_step(a.batch)
    todo = {
        "as it is": step,
        "not channels_last": our_step(a.batch, channels_last=False),
        "norm, scale-shift, SiLU plain": with_kernel(step, "norm_silu", unet.norm_silu),
        "upsampling plain": with_kernel(step, "upsample", unet.upsample),
        "attention with layout copies": with_forward(step, unet.Attention, attention_with_copies),
        "one projection for q, k, v": with_forward(
            step, unet.Attention, attention_with_one_projection
        ),
        "residual sum in place": with_forward(step, unet.ResBlock, block_with_sum_in_place),
    }
    times = race(todo, a.rounds)
    print(f"{machine()}, {a.rounds} rounds; time over that of the step as it is")
    for name, t in times.items():
        print(f"{name:32}{ratio(t, times['as it is']):6.3f}")


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for flag, default in dict(batch=64, rounds=9, threads=torch.get_num_threads()).items():
        p.add_argument(f"--{flag}", type=int, default=default)
    for flag in ("bf16", "compile", "profile", "ablate", "memory"):
        p.add_argument(f"--{flag}", action="store_true")
    p.add_argument("--json", help="also write what was measured to this file")
    p.add_argument(
        "--keep-memory",
        action="store_true",
        help="don't give freed memory back to the system between steps",
    )
    p.add_argument(
        "--cpu-time",
        action="store_true",
        help="one thread's CPU seconds instead of the clock's: for a busy machine",
    )
    a = p.parse_args()
    warnings.filterwarnings("ignore")
    if a.cpu_time:
        global CLOCK
        CLOCK, a.threads = time.process_time, 1
    torch.set_num_threads(a.threads)
    if a.keep_memory:
        keep_memory()
    use_fast_kernels()  # as the trainer does
    if a.profile:
        profile(a)
    elif a.ablate:
        ablate(a)
    else:
        compare(a)


if __name__ == "__main__":
    main()
