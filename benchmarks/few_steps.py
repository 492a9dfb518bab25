"""Two to four calls of the network: levels found by search, and a network tuned for few calls.

python benchmarks/few_steps.py levels --calls 4            # where to call it: a few minutes
python benchmarks/few_steps.py measure --levels 950 785 505 155 --seeds 3
python benchmarks/few_steps.py tune OUT --segments 2 --steps 300
python benchmarks/few_steps.py measure --weights OUT --method ddim --levels 999 499 --clip none
"""

import argparse

import torch

from ddpm_nb.data import load_mnist
from ddpm_nb.engine.checkpoint import load_model
from ddpm_nb.engine.evaluate import evaluate
from ddpm_nb.engine.kernels import use_fast_process
from ddpm_nb.engine.run import DDPMTrainer
from ddpm_nb.few_steps import ConsistencyLoss, ShrinkGap, search_levels
from ddpm_nb.pretrained import load_pretrained
from ddpm_nb.sampler import DDPMSampler

BEGIN = {2: [950, 500], 3: [960, 620, 300], 4: [960, 700, 420, 180]}


@torch.no_grad()
def levels(a):
    "Search the levels of so many calls, by the distance from the ends of 16 steps"
    use_fast_process()
    model, schedules = load_pretrained(a.model)
    sampler = DDPMSampler(schedules)
    how = dict(y=torch.arange(a.images) % 10, generator=5)
    shape = (a.images, 1, 32, 32)
    goal = sampler.dpmpp_2m_sample(model, shape, 16, **how)
    found = search_levels(sampler, model, goal, BEGIN[a.calls], **how)
    x = sampler.dpmpp_2m_sample(model, shape, a.calls, spacing=found, **how)
    print(f"{found}, mean squared distance {(x - goal).pow(2).mean():.4f}")


def tune(a):
    "Tune a packaged model by consistency in segments"
    model, schedules = load_pretrained(a.model)
    config = dict(
        max_steps=a.steps,
        batch_size=a.batch_size,
        learning_rate=1e-3,
        amp=False,
        ema=dict(decay=0.97),
        optimizer=dict(name="muon", momentum=0.95, betas=[0.9, 0.99]),
        scheduler=dict(name="cosine", warmup_steps=50),
        validation=dict(every_steps=0),
        checkpoint=dict(every_steps=0, every_minutes=4, keep=0),
    )
    trainer = DDPMTrainer(
        model.train(),
        schedules,
        load_mnist("train"),
        None,
        ConsistencyLoss(schedules, a.segments),
        config,
        a.output,
        device="cpu",
        callbacks=[ShrinkGap((1 / 2, 1 / 4, 1 / 4, 1 / 8))],
        overwrite=True,
    )
    trainer.train()


def measure(a):
    "Print `fid_proxy` of samples made at given levels"
    if a.weights:
        model, schedules, _ = load_model(f"{a.weights}/ckpts/latest.pt", "ema")
    else:
        model, schedules = load_pretrained(a.model)
    how = dict(spacing=a.levels or a.spacing, batch_size=64, eta=a.eta, clip=a.clip)
    for seed in range(a.seeds):
        r = evaluate(
            model.eval(),
            schedules,
            load_mnist("test"),
            a.method,
            len(a.levels or range(a.calls)),
            a.n,
            ["fid_proxy"],
            seed,
            **how,
        )
        fid = r["metrics"]["fid_proxy"]
        print(f"seed {seed}: {fid['value']:.2f} (floor {fid['floor']:.2f})", flush=True)


def main():
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("--model", default="mnist-cond")
    commands = p.add_subparsers(required=True)
    q = commands.add_parser("levels")
    q.set_defaults(run=levels)
    q.add_argument("--calls", type=int, default=4, choices=BEGIN)
    q.add_argument("--images", type=int, default=40)
    q = commands.add_parser("tune")
    q.set_defaults(run=tune)
    q.add_argument("output")
    q.add_argument("--segments", type=int, default=2)
    q.add_argument("--steps", type=int, default=300)
    q.add_argument("--batch_size", type=int, default=32)
    q = commands.add_parser("measure")
    q.set_defaults(run=measure)
    q.add_argument("--weights", help="the folder of a tuned run; default: the packaged model")
    q.add_argument("--method", default="dpmpp_2m")
    q.add_argument("--levels", type=int, nargs="+")
    q.add_argument("--calls", type=int, default=4, help="without --levels")
    q.add_argument("--spacing", help="without --levels; default: the method's own")
    q.add_argument("--eta", type=float)
    q.add_argument("--clip", default="clip", help="none for a model tuned in several segments")
    q.add_argument("--n", type=int, default=2048)
    q.add_argument("--seeds", type=int, default=1)
    a = p.parse_args()
    torch.set_num_threads(1)
    a.run(a)


if __name__ == "__main__":
    main()
