"""Quality for the same compute: digits from scratch, ours beside three peers, or with changes.

Each contender gets the same budget of processor time (`--core_minutes 20` is ten minutes on two
cores), one thread and its own process, so that neither other work on the machine nor the order of
the runs favours anybody. All see the packaged MNIST at 32 × 32, all draw `--num_samples` images
with `--steps` steps of DDIM (smalldiffusion: of its own default sampler), and all are measured by
the same `fid_proxy` and KID. Prints a table, writes a grid and a JSON file per contender, asserts
nothing.

    # ours, diffusers, denoising-diffusion-pytorch, smalldiffusion
    python benchmarks/quality.py
    # our recipe, one change at a time
    python benchmarks/quality.py --contenders ablate --core_minutes 10 --measure_at .5 1
"""

import argparse
import itertools
import json
import subprocess
import sys
import time
from pathlib import Path

import torch

from ddpm_nb.app.recipes import build
from ddpm_nb.core import Stream, fold_seed
from ddpm_nb.data import load_mnist
from ddpm_nb.engine.animation import save_grid
from ddpm_nb.engine.compat import import_torchvision
from ddpm_nb.engine.features import load_features
from ddpm_nb.engine.json_files import write_json
from ddpm_nb.eval import extract_features, fid_proxy, kid
from ddpm_nb.sampler import DDPMSampler
from ddpm_nb.trainer import EMA, lr_at


def batches(batch_size, seed=0):
    "Shuffled batches of digits without end"
    data = load_mnist("train", 32)
    for epoch in itertools.count():
        order = torch.randperm(len(data), generator=fold_seed(seed, Stream.ORDER, epoch))
        for i in order[: len(data) - len(data) % batch_size].split(batch_size):
            yield data.batch(i)


class Ours:
    "The packaged config, with changes"

    def __init__(self, seed, config="mnist_tiny", **changes):
        run = build(
            config,
            train_data=load_mnist("train", 32),
            device="cpu",
            progress=False,
            seed=seed,
            **changes | {"training.max_steps": 10**6},
        )
        self.trainer = run.trainer
        self.schedules = run.schedules
        self.batch_size = run.config["training"]["batch_size"]
        self.trainer.model.train()

    def total(self, steps):
        self.trainer.total_steps = steps

    def step(self, x, y):
        self.trainer.train_step(x, y)

    def sample(self, n, steps):
        model = self.trainer.model
        sampler = DDPMSampler(self.schedules)
        with self.trainer.ema.applied(model):
            return sampler.ddim_sample(model, (n, 1, 32, 32), steps, batch_size=64, generator=0)


class Diffusers:
    "The settings of diffusers' unconditional training example, on a small UNet2DModel"

    batch_size = 16

    def __init__(self, seed):
        import_torchvision()
        import diffusers

        torch.manual_seed(seed)
        self.net = diffusers.UNet2DModel(
            sample_size=32,
            in_channels=1,
            out_channels=1,
            layers_per_block=2,
            block_out_channels=(32, 64, 128),
            down_block_types=("DownBlock2D", "AttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
        )
        self.noise = diffusers.DDPMScheduler(1000)
        self.lib = diffusers
        self.opt = torch.optim.AdamW(
            self.net.parameters(), lr=1e-4, betas=(0.95, 0.999), weight_decay=1e-6, eps=1e-8
        )
        self.ema = diffusers.training_utils.EMAModel(
            self.net.parameters(), decay=0.9999, use_ema_warmup=True, inv_gamma=1.0, power=0.75
        )
        self.n = 0

    def total(self, steps):
        self.steps = steps

    def step(self, x, y):
        for g in self.opt.param_groups:
            g["lr"] = 1e-4 * lr_at(self.n, self.steps, dict(name="cosine", warmup_steps=500))
        noise, t = torch.randn_like(x), torch.randint(0, 1000, (len(x),))
        loss = torch.nn.functional.mse_loss(
            self.net(self.noise.add_noise(x, noise, t), t).sample, noise
        )
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.opt.step()
        self.opt.zero_grad()
        self.ema.step(self.net.parameters())
        self.n += 1

    def sample(self, n, steps):
        self.ema.store(self.net.parameters())
        self.ema.copy_to(self.net.parameters())
        self.net.eval()
        pipe = self.lib.DDIMPipeline(
            self.net, self.lib.DDIMScheduler.from_config(self.noise.config)
        )
        pipe.set_progress_bar_config(disable=True)

        def draw(b):
            return torch.from_numpy(
                pipe(batch_size=b, num_inference_steps=steps, output_type="np").images
            )

        out = [draw(min(64, n - i)) for i in range(0, n, 64)]
        self.ema.restore(self.net.parameters())
        self.net.train()
        return torch.cat(out).permute(0, 3, 1, 2) * 2 - 1


class Lucidrains:
    "The README's settings of denoising-diffusion-pytorch, on a small Unet"

    batch_size = 32

    def __init__(self, seed):
        import_torchvision()
        from denoising_diffusion_pytorch import GaussianDiffusion, Unet
        from ema_pytorch import EMA as TheirEMA

        torch.manual_seed(seed)
        self.d = GaussianDiffusion(
            Unet(dim=32, dim_mults=(1, 2, 4), channels=1),
            image_size=32,
            timesteps=1000,
            sampling_timesteps=250,
        )
        self.opt = torch.optim.Adam(self.d.parameters(), lr=8e-5, betas=(0.9, 0.99))
        self.ema = TheirEMA(self.d, beta=0.995, update_every=10)

    def total(self, steps):
        pass

    def step(self, x, y):
        self.d(x / 2 + 0.5).backward()
        torch.nn.utils.clip_grad_norm_(self.d.parameters(), 1.0)
        self.opt.step()
        self.opt.zero_grad()
        self.ema.update()

    def sample(self, n, steps):
        d = self.ema.ema_model
        d.eval()
        d.sampling_timesteps, d.is_ddim_sampling = steps, True
        return torch.cat([d.sample(batch_size=min(64, n - i)) for i in range(0, n, 64)]) * 2 - 1


class SmallDiffusion:
    """The settings of smalldiffusion's Fashion-MNIST example, at half its width

    And an eighth of its batch, since its own settings make 30 steps in 20 minutes.
    """

    batch_size = 128

    def __init__(self, seed):
        import_torchvision()
        import smalldiffusion as sd

        torch.manual_seed(seed)
        self.sd = sd
        self.sched = sd.ScheduleLogLinear(sigma_min=0.01, sigma_max=20, N=800)
        self.net = sd.Scaled(sd.Unet)(32, 1, 1, ch=32, ch_mult=(1, 1, 2), attn_resolutions=(16,))
        self.opt = torch.optim.AdamW(self.net.parameters(), lr=7e-4)
        self.ema = EMA(self.net, 0.999)

    def total(self, steps):
        pass

    def step(self, x, y):
        x0, sigma, eps, _ = self.sd.diffusion.generate_train_sample(x, self.sched)
        self.opt.zero_grad()
        type(self.net).get_loss(self.net, x0, sigma, eps).backward()
        self.opt.step()
        self.ema.update(self.net)

    def sample(self, n, steps):
        with self.ema.applied(self.net):

            def draw(b):
                return list(
                    self.sd.samples(self.net, self.sched.sample_sigmas(steps), gam=1.6, batchsize=b)
                )[-1]

            out = [draw(min(64, n - i)) for i in range(0, n, 64)]
        self.net.train()
        return torch.cat(out).clamp(-1, 1)


PEERS = dict(ours=Ours, diffusers=Diffusers, lucidrains=Lucidrains, smalldiffusion=SmallDiffusion)
ABLATIONS = {  # name: changes of mnist_tiny
    "recipe": {},
    "adamw": {"training.optimizer.name": "adamw", "training.learning_rate": 2e-3},
    "lr-half": {"training.learning_rate": 2e-3},
    "lr-double": {"training.learning_rate": 8e-3},
    "batch-32": {"training.batch_size": 32},
    "batch-128": {"training.batch_size": 128},
    "uniform": {"loss.weighting": "uniform"},
    "eps": {"model.parameterization": "eps"},
    "linear": {"schedules.schedule": "linear"},
    "ema-0.999": {"training.ema.decay": 0.999},
    "wider": {"model.base_channels": 24},
    "deeper": {"model.num_res_blocks": 2},
    "three-levels": {"model.channel_mults": [1, 2, 4], "model.attention_resolutions": [8]},
    "attention-8-4": {"model.attention_resolutions": [8, 4]},
    "contiguous": {"training.channels_last": False},
}


class Race:
    "One contender, trained for its budget of processor time"

    def __init__(self, contender, core_minutes, seed):
        self.contender = contender
        self.budget = 60 * core_minutes  # seconds of one core
        self.used = 0.0
        self.steps = 0
        self.images = 0
        self.rate = None  # steps per second, from the first seconds
        self.data = batches(contender.batch_size, seed)
        contender.total(10**6)

    def step(self):
        x, y = next(self.data)
        started_at = time.process_time()
        self.contender.step(x, y)
        self.used += time.process_time() - started_at
        self.steps += 1
        self.images += len(x)
        if self.rate is None and self.used > min(10, self.budget / 10):
            self.rate = self.steps / self.used
            # so that the learning rate ends with the budget
            self.contender.total(int(self.budget * self.rate))

    def run_until(self, share):
        "Train until this share of the budget is used"
        while True:
            self.step()
            if self.used >= self.budget * share:
                return

    def measured(self, net, real, num_samples, sampler_steps):
        "Samples, and what is known of them"
        samples = self.contender.sample(num_samples, sampler_steps)
        row = dict(
            core_minutes=self.used / 60,
            images=self.images,
            steps=self.steps,
            images_per_core_s=self.images / self.used,
            fid_proxy=fid_proxy(samples, net),
            kid=kid(real, extract_features(samples, net)),
        )
        return samples, row


def race(name, options):
    "Train one contender, and measure it at the shares of its budget that were asked for"
    torch.set_num_threads(1)
    seed = options.seed
    contender = PEERS[name](seed) if name in PEERS else Ours(seed, **ABLATIONS[name])
    net = load_features()
    real = extract_features(load_mnist("test").images[:2048], net)
    run = Race(contender, options.core_minutes, seed)
    rows = []
    for share in options.measure_at:
        run.run_until(share)
        samples, row = run.measured(net, real, options.num_samples, options.steps)
        rows.append(row)
    out = Path(options.out)
    save_grid(samples[:64], out / f"{name}.png")
    changes = ABLATIONS.get(name)
    result = dict(name=name, seed=seed, sampler_steps=options.steps, changes=changes, rows=rows)
    write_json(out / f"{name}.json", result)


def line(name, rows):
    "A contender's line of the table"
    end = rows[-1]
    points = [f"{r['core_minutes']:.1f}: {r['fid_proxy']['value']:.2f}" for r in rows]
    floor = end["fid_proxy"]["floor"]
    value, error = end["kid"]["value"], end["kid"]["standard_error"]
    speed = f"{name:16}{end['images']:8}{end['images_per_core_s']:11.1f}"
    return f"{speed}  {', '.join(points)} ({floor:.2f}); {value:.1f} ± {error:.1f}"


def print_table(names, out):
    head = "fid_proxy (floor) after core-minutes; KID at the end"
    print(f"{'contender':16}{'images':>8}{'img/core-s':>11}  {head}")
    for name in names:
        path = Path(out) / f"{name}.json"
        if path.is_file():
            print(line(name, json.loads(path.read_text())["rows"]))
        else:
            print(f"{name:16}  failed")


def start(name, options):
    "A process in which one contender is trained and measured"
    keys = ("core_minutes", "num_samples", "steps", "seed", "out")
    args = [f"--{k}={getattr(options, k)}" for k in keys]
    args += ["--measure_at", *map(str, options.measure_at), "--contenders", name]
    return subprocess.Popen([sys.executable, __file__, "--one", *args])


def parsed():
    "The command line"
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    shares = "at which shares of the time, the last one 1"
    p.add_argument("--contenders", nargs="*", default=list(PEERS))
    p.add_argument("--core_minutes", type=float, default=20)
    p.add_argument("--measure_at", type=float, nargs="*", default=[1.0], help=shares)
    p.add_argument("--num_samples", type=int, default=1024)
    p.add_argument("--steps", type=int, default=50)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--out", default="outputs/quality")
    p.add_argument("--jobs", type=int, default=2)
    p.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    return p.parse_args()


def main():
    options = parsed()
    names = list(ABLATIONS) if options.contenders == ["ablate"] else options.contenders
    if options.one:
        return race(names[0], options)
    Path(options.out).mkdir(parents=True, exist_ok=True)
    # what fails now must not show what it was once
    for name in names:
        (Path(options.out) / f"{name}.json").unlink(missing_ok=True)
    waiting, running = list(names), []
    while waiting or running:
        while waiting and len(running) < options.jobs:
            running.append(start(waiting.pop(0), options))
        running[0].wait()
        running = [process for process in running if process.poll() is None]
    print_table(names, options.out)


if __name__ == "__main__":
    main()
