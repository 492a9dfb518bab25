"""At which noise levels do a model's digits go wrong? Real images, noised and denoised, tell.

Whatever the model does wrong below a noise level shows in the images that start there; what it does
wrong above, only in those that start higher. Then the other way round: the noisiest steps go to the
exact answer, the posterior mean over all training images, and the model has the rest. Every row has
the same number of images, the same steps of DDIM, and the same floor. Asserts nothing.

    python benchmarks/where.py mnist
"""

import argparse

import torch

import ddpm_nb.editing  # noqa: F401, adds `edit` to the sampler
from ddpm_nb.core import fold_seed
from ddpm_nb.data import load_mnist
from ddpm_nb.engine.features import load_features
from ddpm_nb.eval import fid_proxy
from ddpm_nb.pretrained import load_pretrained
from ddpm_nb.sampler import DDPMSampler


class ExactAbove(torch.nn.Module):
    """The posterior mean over `images` from step `t0` on, and the model below

    It is what an endless training run would predict there.
    """

    def __init__(self, model, sampler, images, t0):
        super().__init__()
        self.model = model
        self.sampler = sampler
        self.t0 = t0
        self.parameterization = model.parameterization
        self.flat = images.flatten(1)
        self.half_norm = self.flat.pow(2).sum(1) / 2

    def forward(self, x, t):
        if t[0] < self.t0:
            return self.model(x, t)
        a, s = self.sampler.a[t[0]], self.sampler.s[t[0]]
        weight = ((a * x.flatten(1) @ self.flat.T - a * a * self.half_norm) / s**2).softmax(1)
        x0 = (weight @ self.flat).view_as(x)
        return self.sampler.schedules.target(x0, (x - a * x0) / s, t, self.parameterization)


def parsed():
    "The command line"
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    shares = [0, 0.3, 0.5, 0.7, 0.8, 0.9, 1.0]
    p.add_argument("name", nargs="?", default="mnist", help="an unconditional packaged model")
    run = dict(help="shares of the steps that are run")
    p.add_argument("--strengths", type=float, nargs="*", default=shares, **run)
    exact = dict(help="steps from which on the model is replaced by the exact answer")
    p.add_argument("--exact", type=int, nargs="*", default=[900, 850], **exact)
    p.add_argument("--num_samples", type=int, default=1024)
    p.add_argument("--steps", type=int, default=20)
    p.add_argument("--seed", type=int, default=0)
    return p.parse_args()


def main():
    options = parsed()
    model, schedules = load_pretrained(options.name)
    sampler = DDPMSampler(schedules)
    net = load_features()
    data = load_mnist("train", 32)
    images, _ = data.batch(torch.arange(len(data)))
    order = torch.randperm(len(data), generator=fold_seed(options.seed, 0))
    real = images[order[: options.num_samples]]
    ddim = dict(num_steps=options.steps, generator=options.seed, batch_size=64)

    def noise_level(t):
        return sampler.s[t] / sampler.a[t]

    print(f"{'share':>6}{'from noise level':>18}{'fid_proxy (floor)':>20}")
    for share in options.strengths:
        steps = sampler.steps(options.steps)[options.steps - round(share * options.steps) :]
        if share < 1:
            x = sampler.edit(model, real, share, options.steps, options.seed, batch_size=64)
        else:
            x = sampler.ddim_sample(model, real.shape, **ddim)
        f = fid_proxy(x, net)
        level = noise_level(steps[0]) if steps else 0
        print(f"{share:6.2f}{level:18.2f}{f['value']:12.2f} ({f['floor']:.2f})", flush=True)
    for t0 in options.exact:
        exact_above = ExactAbove(model, sampler, images, t0)
        f = fid_proxy(sampler.ddim_sample(exact_above, real.shape, **ddim), net)
        level = noise_level(t0)
        print(f"exact above {level:5.2f}{f['value']:19.2f} ({f['floor']:.2f})", flush=True)


if __name__ == "__main__":
    main()
