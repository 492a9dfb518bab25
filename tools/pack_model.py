"""Pack a finished run as a model of the package: weights in half precision, and a card.

The card says what made it and what it is worth. It stands in a JSON file beside the weights, so
that measuring again changes a text and no binary file.

python tools/pack_model.py RUN NAME      # e.g. outputs mnist, after ddpm-nb train --config mnist
python tools/pack_model.py NAME          # measure a packaged one again: writes NAME.json only
… --n 2048 --also 10000 --steps 20 --eta 1 --seeds 3 --machine "one thread of …"
… --after NAME --command "ddpm-nb train … --init_from …"
                                         # the run began with that packaged model's weights
"""

import argparse
import json
from importlib import resources
from pathlib import Path

from ddpm_nb.app.interop import save_card, save_pretrained
from ddpm_nb.app.results import result_name
from ddpm_nb.data import load_mnist
from ddpm_nb.engine.checkpoint import load_checkpoint, load_model
from ddpm_nb.engine.evaluate import evaluate
from ddpm_nb.pretrained import load_pretrained

WEIGHTS = Path(str(resources.files("ddpm_nb") / "assets" / "weights"))


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
    name = result_name("dpmpp_2m", steps, dict(eta=eta))
    return {"sampler": name, "n": n, "seed": seed, **r["metrics"]}


def load_run(folder, name, after, command, machine):
    "A finished run's averaged model, its schedules, and the card without measurements"
    path = Path(folder) / "ckpts" / "latest.pt"
    ck = load_checkpoint(path)
    model, schedules, _ = load_model(path, "ema")
    assert ck["step"] == ck["total_steps"], f"{path}: step {ck['step']} of {ck['total_steps']}"
    command = command or f"ddpm-nb train --config {name.replace('-', '_')} --device cpu"
    before = dict(steps=0, minutes=0)
    if after:
        before = load_pretrained(after)[0].card
        command = f"{before['command']} && {command}"
    card = dict(
        data="MNIST, 60,000 training images in the package",
        command=command,
        steps=before["steps"] + ck["step"],
        batch_size=ck["batch_size"],
        seed=ck["seed"],
        minutes=round(before["minutes"] + ck["seconds"] / 60, 1),
        machine=machine,
        parameters=model.num_params,
        disk="float16",
    )
    return model.half().float(), schedules, card  # what will be on the disk is measured


def measurements(model, schedules, a):
    "What a card says about quality; `a` holds n, also, steps, eta and seeds"

    def of(n, metrics, seed=0):
        return measured(model, schedules, n, a.steps, a.eta, metrics, seed)

    first = of(a.n, ["fid_proxy", "kid", "precision_recall", "classes"])
    more = [of(a.n, ["fid_proxy"], seed) for seed in range(1, a.seeds)]
    found = dict(
        metrics=first, fid_proxy_of_seeds=[m["fid_proxy"]["value"] for m in (first, *more)]
    )
    if a.also:
        found["metrics_more"] = of(a.also, ["fid_proxy", "kid"])
    return found


def main(args=None):
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
    a = p.parse_args(args)
    name = a.what[-1]
    path = WEIGHTS / f"{name}.safetensors"
    if len(a.what) == 2:
        model, schedules, card = load_run(a.what[0], name, a.after, a.command, a.machine)
        card |= measurements(model, schedules, a)
        save_pretrained(model, schedules, path, card)  # pyright: ignore
    else:
        model, schedules = load_pretrained(path)
        card = model.card
        card.pop("metrics_more", None)
        card |= measurements(model, schedules, a)
    save_card(card, path)
    print(json.dumps(card, indent=1))


if __name__ == "__main__":
    main()
