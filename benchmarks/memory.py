"""Peak memory of training, each setting in a process of its own; prints a table, asserts nothing.

On a CPU the peak is that of the whole process (with Python, PyTorch and the data set); on a GPU that of PyTorch's allocator. Two optimizer
steps are made, because only the second one has Adam's memory beside the activations. `--folder ROOT` also reads through a folder of images
and prints what that adds."""

import argparse
import json
import subprocess
import sys
import tempfile

SETTINGS = [
    dict(batch_size=128),
    dict(batch_size=64),
    dict(batch_size=64, gradient_checkpointing=True),
    dict(batch_size=128, accumulate=4),
]


def one(config, device, batch_size, accumulate=1, gradient_checkpointing=False):
    "Two steps of a config's model on images of noise; peak in GiB"
    import torch

    from ddpm_nb.app.config import load_config
    from ddpm_nb.app.recipes import build
    from ddpm_nb.data import ImageData
    from ddpm_nb.engine.callbacks import peak_memory

    m = load_config(config)["model"]
    n = m["image_size"]
    data = ImageData(
        torch.randint(0, 256, (256, m["in_channels"], n, n), dtype=torch.uint8),
        torch.zeros(256, dtype=torch.long),
    )
    with tempfile.TemporaryDirectory() as d:
        tr = build(
            config,
            train_data=data,
            output_dir=d,
            device=device,
            progress=False,
            model=dict(gradient_checkpointing=gradient_checkpointing),
            training=dict(
                batch_size=batch_size,
                accumulate=accumulate,
                max_steps=2,
                checkpoint=dict(every_steps=0),
                validation=dict(every_steps=0),
            ),
        ).trainer
        base = peak_memory(tr.device)
        for k in range(2):
            tr.train_step(*data.batch(torch.arange(batch_size)))
    return dict(
        gib=peak_memory(tr.device) / 1024,
        before_gib=base / 1024,
        params=tr.model.num_params,
        device=str(tr.device),
        amp=str(tr.amp_dtype or torch.float32),
        loss=tr.last_loss,
    )


def stream(root, batches=200):
    "What a folder costs to hold and to read; MiB"
    import time

    import torch

    from ddpm_nb.data import epoch_order
    from ddpm_nb.engine.callbacks import peak_memory
    from ddpm_nb.engine.folders import FolderData

    cpu = torch.device("cpu")
    before = peak_memory(cpu)
    t0 = time.perf_counter()
    data = FolderData(root, 32)
    t1 = time.perf_counter()
    known = peak_memory(cpu)
    n = sum(
        len(x) for x, _ in data.batches(epoch_order(len(data), 128, 0, 0)[:batches], num_workers=0)
    )
    t2 = time.perf_counter()
    once = peak_memory(cpu)
    return dict(
        files=len(data),
        scan_s=t1 - t0,
        names_mib=known - before,
        read=n,
        reading_mib=once - known,
        images_per_s=n / (t2 - t1),
        held_if_in_memory_mib=len(data) * 3 * 32 * 32 / 2**20,
    )


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--config", default="cifar10")
    p.add_argument("--device", default="cpu")
    p.add_argument("--folder")
    p.add_argument("--one", help=argparse.SUPPRESS)
    a = p.parse_args()
    if a.one:
        print(
            json.dumps(
                stream(a.folder)
                if a.one == "stream"
                else one(a.config, a.device, **json.loads(a.one))
            )
        )
        return

    def ask(what):
        cmd = [
            sys.executable,
            __file__,
            "--config",
            a.config,
            "--device",
            a.device,
            "--one",
            what,
            *(["--folder", a.folder] if a.folder else []),
        ]
        return json.loads(
            subprocess.run(cmd, check=True, capture_output=True, text=True).stdout.splitlines()[-1]
        )

    if a.folder:
        r = ask("stream")
        print(
            f"{r['files']:,} files: looked through in {r['scan_s']:.1f} s, names take {r['names_mib']:.0f} MiB; "
            f"reading {r['read']:,} of them adds {r['reading_mib']:.0f} MiB, {r['images_per_s']:.0f} images/s in one process "
            f"(held in memory, the set would take {r['held_if_in_memory_mib']:.0f} MiB at 32×32)",
            flush=True,
        )
    for i, kw in enumerate(SETTINGS):
        r = ask(json.dumps(kw))
        parts, ck = kw.get("accumulate", 1), "on" if kw.get("gradient_checkpointing") else "off"
        if not i:
            print(
                f"{a.config}: {r['params']:,} parameters on {r['device']}, {r['amp']}; peak of two steps"
            )
        print(
            f"batch {kw['batch_size']:4}, accumulate {parts}, gradient checkpointing {ck:3}  {r['gib']:6.2f} GiB  "
            f"(before the first step {r['before_gib']:.2f})",
            flush=True,
        )


if __name__ == "__main__":
    main()
