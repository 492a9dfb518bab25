"""Where on the way do a model's digits go wrong? Real pictures, noised part of the way and denoised again by it, tell.

Whatever the model does wrong below a noise level shows in the pictures that start there; what it does wrong above, only in those
that start higher. Then the other way round: the noisiest steps go to the exact answer, the posterior mean over all training images,
and the model has the rest. Every row has the same number of pictures, the same steps of DDIM, and the same floor. Asserts nothing.

    python benchmarks/where.py mnist
"""

import argparse

import torch
from ddpm_nb.engine.features import load_features
from ddpm_nb.pretrained import load_pretrained

from ddpm_nb.core import fold_seed
from ddpm_nb.data import load_mnist
from ddpm_nb.eval import fid_proxy
from ddpm_nb.sampler import DDPMSampler


class ExactAbove(torch.nn.Module):
    "The posterior mean over `images` from step `t0` on, the model below; what an endless training would answer there"

    def __init__(self, model, sampler, images, t0):
        super().__init__()
        self.model, self.sampler, self.t0, self.parameterization = (
            model,
            sampler,
            t0,
            model.parameterization,
        )
        self.flat = images.flatten(1)
        self.half_norm = self.flat.pow(2).sum(1) / 2

    def forward(self, x, t):
        if t[0] < self.t0:
            return self.model(x, t)
        a, s = self.sampler.a[t[0]], self.sampler.s[t[0]]
        weight = ((a * x.flatten(1) @ self.flat.T - a * a * self.half_norm) / s**2).softmax(1)
        x0 = (weight @ self.flat).view_as(x)
        return self.sampler.schedules.target(x0, (x - a * x0) / s, t, self.parameterization)


def main():
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("name", nargs="?", default="mnist", help="an unconditional packaged model")
    p.add_argument(
        "--strengths",
        type=float,
        nargs="*",
        default=[0, 0.3, 0.5, 0.7, 0.8, 0.9, 1.0],
        help="shares of the steps that are run",
    )
    p.add_argument(
        "--exact",
        type=int,
        nargs="*",
        default=[900, 850],
        help="steps from which on the exact answer stands in",
    )
    p.add_argument("--num_samples", type=int, default=1024)
    p.add_argument("--steps", type=int, default=20)
    p.add_argument("--seed", type=int, default=0)
    a = p.parse_args()
    model, schedules = load_pretrained(a.name)
    sampler, net = DDPMSampler(schedules), load_features()
    data = load_mnist("train", 32)
    images, _ = data.batch(torch.arange(len(data)))
    real = images[torch.randperm(len(data), generator=fold_seed(a.seed, 0))[: a.num_samples]]
    level, ddim = (
        lambda t: sampler.s[t] / sampler.a[t],
        dict(num_steps=a.steps, generator=a.seed, batch_size=64),
    )
    print(f"{'share':>6}{'from noise level':>18}{'fid_proxy (floor)':>20}")
    for share in a.strengths:
        run = sampler.steps(a.steps)[a.steps - round(share * a.steps) :]
        if share < 1:
            x = sampler.edit(model, real, share, a.steps, a.seed, batch_size=64)
        else:
            x = sampler.ddim_sample(model, real.shape, **ddim)
        f = fid_proxy(x, net)
        print(
            f"{share:6.2f}{level(run[0]) if run else 0:18.2f}{f['value']:12.2f} ({f['floor']:.2f})",
            flush=True,
        )
    for t0 in a.exact:
        f = fid_proxy(
            sampler.ddim_sample(ExactAbove(model, sampler, images, t0), real.shape, **ddim), net
        )
        print(f"exact above {level(t0):5.2f}{f['value']:19.2f} ({f['floor']:.2f})", flush=True)


if __name__ == "__main__":
    main()
