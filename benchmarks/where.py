"""Where on the way do a model's digits go wrong? Real pictures, noised part of the way and denoised again by it, tell.

Whatever the model does wrong below a noise level shows in the pictures that start there; what it does wrong above, only in those
that start higher. Every row has the same number of pictures, the same steps of DDIM, and the same floor. Asserts nothing.

    python benchmarks/where.py mnist
"""
import argparse

import torch

from ddpm_nb.core import fold_seed
from ddpm_nb.data import load_mnist
from ddpm_nb.eval import fid_proxy, load_features
from ddpm_nb.interop import load_pretrained
from ddpm_nb.sampler import DDPMSampler


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('name', nargs='?', default='mnist', help='an unconditional packaged model')
    p.add_argument('--strengths', type=float, nargs='*', default=[0, .3, .5, .7, .8, .9, 1.], help='shares of the steps that are run')
    p.add_argument('--num_samples', type=int, default=1024); p.add_argument('--steps', type=int, default=20)
    p.add_argument('--seed', type=int, default=0); a = p.parse_args()
    model, schedules = load_pretrained(a.name); sampler, net = DDPMSampler(schedules), load_features()
    data = load_mnist('train', 32); real, _ = data.batch(torch.randperm(len(data), generator=fold_seed(a.seed, 0))[:a.num_samples])
    print(f"{'share':>6}{'from noise level':>18}{'fid_proxy (floor)':>20}")
    for share in a.strengths:
        run = sampler.steps(a.steps)[a.steps - round(share*a.steps):]
        level = sampler.s[run[0]]/sampler.a[run[0]] if run else 0.
        if share < 1: x = sampler.edit(model, real, share, a.steps, a.seed, batch_size=64)
        else: x = sampler.ddim_sample(model, real.shape, a.steps, generator=a.seed, batch_size=64)
        f = fid_proxy(x, net); print(f"{share:6.2f}{level:18.2f}{f['value']:12.2f} ({f['floor']:.2f})", flush=True)


if __name__ == '__main__': main()
