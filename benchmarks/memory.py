"""Peak memory of training, each setting in a process of its own; prints a table, asserts nothing.

On a CPU the peak is that of the whole process (with Python, PyTorch and the data set); on a GPU
that of PyTorch's allocator. Two optimizer steps are made, because only the second one has Adam's
memory beside the activations.

    python benchmarks/memory.py                  # the config cifar10
    python benchmarks/memory.py --folder ROOT    # also read through a folder of images
"""

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
        before = peak_memory(tr.device)
        for _ in range(2):
            tr.train_step(*data.batch(torch.arange(batch_size)))
    return dict(
        gib=peak_memory(tr.device) / 1024,
        before_gib=before / 1024,
        params=tr.model.num_params,
        device=str(tr.device),
        amp=str(tr.amp_dtype or torch.float32),
        torch=torch.__version__,
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
    started = time.perf_counter()
    data = FolderData(root, 32)
    scanned = time.perf_counter()
    with_names = peak_memory(cpu)
    order = epoch_order(len(data), 128, 0, 0)[:batches]
    n = sum(len(x) for x, _ in data.batches(order, num_workers=0))
    seconds = time.perf_counter() - scanned
    return dict(
        files=len(data),
        scan_s=scanned - started,
        names_mib=with_names - before,
        read=n,
        reading_mib=peak_memory(cpu) - with_names,
        images_per_s=n / seconds,
        held_if_in_memory_mib=len(data) * 3 * 32 * 32 / 2**20,
    )


def ask(a, what):
    "What a process of its own measures: 'stream', or a setting as JSON"
    cmd = [sys.executable, __file__, "--config", a.config, "--device", a.device, "--one", what]
    if a.folder:
        cmd += ["--folder", a.folder]
    r = subprocess.run(cmd, check=True, capture_output=True, text=True)
    return json.loads(r.stdout.splitlines()[-1])


def print_folder(r):
    print(
        f"{r['files']:,} files: looked through in {r['scan_s']:.1f} s, "
        f"names take {r['names_mib']:.0f} MiB; "
        f"reading {r['read']:,} of them adds {r['reading_mib']:.0f} MiB, "
        f"{r['images_per_s']:.0f} images/s in one process "
        f"(held in memory, the set would take {r['held_if_in_memory_mib']:.0f} MiB at 32×32)",
        flush=True,
    )


def print_setting(setting, r):
    parts = setting.get("accumulate", 1)
    recomputed = "on" if setting.get("gradient_checkpointing") else "off"
    print(
        f"batch {setting['batch_size']:4}, accumulate {parts}, "
        f"gradient checkpointing {recomputed:3}  {r['gib']:6.2f} GiB  "
        f"(before the first step {r['before_gib']:.2f})",
        flush=True,
    )


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--config", default="cifar10")
    p.add_argument("--device", default="cpu")
    p.add_argument("--folder")
    p.add_argument("--one", help=argparse.SUPPRESS)
    a = p.parse_args()
    if a.one == "stream":
        print(json.dumps(stream(a.folder)))
        return
    if a.one:
        print(json.dumps(one(a.config, a.device, **json.loads(a.one))))
        return
    if a.folder:
        print_folder(ask(a, "stream"))
    for i, setting in enumerate(SETTINGS):
        r = ask(a, json.dumps(setting))
        if i == 0:
            print(
                f"{a.config}: {r['params']:,} parameters on {r['device']}, {r['amp']}, "
                f"torch {r['torch']}; peak of two steps"
            )
        print_setting(setting, r)


if __name__ == "__main__":
    main()
