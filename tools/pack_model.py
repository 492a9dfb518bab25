"""Pack a finished run as a model of the package: weights in half precision, and a card.

The card says what made it and what it is worth.

python tools/pack_model.py RUN NAME      # e.g. outputs mnist, after ddpm-nb train --config mnist
python tools/pack_model.py NAME          # measure a packaged one again
… --n 2048 --also 10000 --steps 20 --eta 1 --seeds 3 --machine "one thread of …"
… --after NAME --command "ddpm-nb train … --init_from …"
                                         # the run began with that packaged model's weights
"""

import argparse
import json
from importlib import resources
from pathlib import Path

from ddpm_nb.app.interop import save_pretrained
from ddpm_nb.app.results import result_name
from ddpm_nb.data import load_mnist
from ddpm_nb.engine.checkpoint import load_checkpoint, load_model
from ddpm_nb.engine.evaluate import evaluate
from ddpm_nb.pretrained import load_pretrained


def measured(model, schedules, n, steps, eta, metrics, seed=0):
    r = evaluate(
        model,
        schedules,
        load_mnist("test"),
        "dpmpp_2m",
        steps,
        n,
        metrics,
        seed,
        batch_size=64,
        progress=True,
        eta=eta,
    )
    return dict(
        sampler=result_name("dpmpp_2m", steps, dict(eta=eta)), n=n, seed=seed, **r["metrics"]
    )


def main():
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("what", nargs="+", help="RUN NAME, or NAME")
    p.add_argument("--n", type=int, default=2048)
    p.add_argument("--also", type=int)
    p.add_argument("--steps", type=int, default=20)
    p.add_argument("--eta", type=float, default=0.0)
    p.add_argument("--after")
    p.add_argument("--command")
    p.add_argument(
        "--seeds",
        type=int,
        default=1,
        help="more samples of the same size, of which only fid_proxy is kept",
    )
    p.add_argument("--machine", default="not noted")
    a = p.parse_args()
    name = a.what[-1]
    path = Path(resources.files("ddpm_nb") / "assets" / "weights" / f"{name}.safetensors")
    if len(a.what) == 2:
        f = Path(a.what[0]) / "ckpts" / "latest.pt"
        ck = load_checkpoint(f)
        model, schedules, _ = load_model(f, "ema")
        assert ck["step"] == ck["total_steps"], f"{f}: step {ck['step']} of {ck['total_steps']}"
        config, before = (
            name.replace("-", "_"),
            load_pretrained(a.after)[0].card if a.after else dict(command="", steps=0, minutes=0),
        )
        command = " && ".join(
            filter(
                None,
                [before["command"], a.command or f"ddpm-nb train --config {config} --device cpu"],
            )
        )
        card = dict(
            data="MNIST, 60,000 training images in the package",
            command=command,
            steps=before["steps"] + ck["step"],
            batch_size=ck["batch_size"],
            seed=ck["seed"],
            minutes=round(before["minutes"] + ck["seconds"] / 60, 1),
            machine=a.machine,
            parameters=model.num_params,
            disk="float16",
        )
        model = model.half().float()  # measure what will be on the disk
    else:
        model, schedules = load_pretrained(name)
        card = model.card
        card.pop("metrics_more", None)
    card["metrics"] = measured(
        model, schedules, a.n, a.steps, a.eta, ["fid_proxy", "kid", "precision_recall", "classes"]
    )
    more = [
        measured(model, schedules, a.n, a.steps, a.eta, ["fid_proxy"], k) for k in range(1, a.seeds)
    ]
    card["fid_proxy_of_seeds"] = [m["fid_proxy"]["value"] for m in (card["metrics"], *more)]
    if a.also:
        card["metrics_more"] = measured(
            model, schedules, a.also, a.steps, a.eta, ["fid_proxy", "kid"]
        )
    save_pretrained(model, schedules, path, card)
    print(json.dumps(card, indent=1))


if __name__ == "__main__":
    main()
