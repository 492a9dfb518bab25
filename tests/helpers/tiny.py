"The tiny network, data and trainer that tests work with"

from typing import Any

import torch
from PIL import Image

from ddpm_nb.data import ImageData
from ddpm_nb.engine.run import DDPMTrainer
from ddpm_nb.schedules import DDPMSchedules
from ddpm_nb.trainer import Callback
from ddpm_nb.unet import UNetSmall

NET: dict[str, Any] = dict(
    image_size=8,
    in_channels=1,
    base_channels=8,
    channel_mults=(1, 2),
    num_res_blocks=1,
    attention_resolutions=(),
    num_groups=4,
)
# the same for 16 pixels or more, as keys of a config
NET_KEYS: dict[str, Any] = {
    "model.base_channels": 8,
    "model.channel_mults": [1, 2],
    "model.attention_resolutions": [],
    "model.num_groups": 4,
    "schedules.timesteps": 20,
}


def pixels(n=64, seed=0):
    "Bytes of `n` random images, the same at every call"
    g = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, 1, 8, 8), dtype=torch.uint8, generator=g)


def tiny_data(n=64):
    "Random images of four classes"
    return ImageData(pixels(n), torch.arange(n) % 4, "tiny")


def tiny_model(**kw):
    "A network in eval mode whose output is not zero, as that of a new one would be"
    torch.manual_seed(0)
    m = UNetSmall(**NET | kw).eval()
    torch.nn.init.normal_(m.conv_out.weight, std=0.2)
    return m


def tiny_trainer(out, data=None, net=None, val=None, **training):
    "A run of twelve steps over `tiny_data`; keywords are keys of the config's training section"
    torch.manual_seed(0)
    usual: dict[str, Any] = dict(
        max_steps=12,
        batch_size=8,
        amp=False,
        log_every=2,
        scheduler=dict(warmup_steps=2),
        checkpoint=dict(every_steps=4),
        num_workers=0,
    )
    return DDPMTrainer(
        UNetSmall(**NET | (net or {})),
        DDPMSchedules("cosine", 20),
        data or tiny_data(),
        val,
        output_dir=out,
        device="cpu",
        progress=False,
        config=usual | training,
    )


class StopAt(Callback):
    "Ctrl-C after a step"

    def __init__(self, n):
        self.n = n

    def after_step(self, trainer):
        if trainer.step == self.n:
            trainer.stop = KeyboardInterrupt()


def image_folder(d, n=48):
    "A new folder with `n` images"
    d.mkdir(parents=True)
    for i, p in enumerate(pixels(n)):
        Image.fromarray(p[0].numpy()).save(d / f"{i:02}.png")
    return d


def assert_same_run(a, b):
    "Two checkpoints are equal to the last bit, in all that a run leaves behind"
    for k, v in a["model"].items():
        assert torch.equal(v, b["model"][k]), k
    averages = [(a["ema"], b["ema"])]
    averages += [(e, b["extra_ema"][k]) for k, e in a["extra_ema"].items()]
    for x, y in averages:
        assert x["n"] == y["n"]
        for k, v in x["shadow"].items():
            assert torch.equal(v, y["shadow"][k]), k
    for p, state in a["optimizer"]["state"].items():
        other = b["optimizer"]["state"][p]
        for k, v in state.items():
            assert torch.equal(torch.as_tensor(v), torch.as_tensor(other[k])), (p, k)
    kept = ("step", "epoch", "lr", "loss", "grad_norm", "ema_decay")
    curves = [[{k: s[k] for k in kept} for s in ck["history"]["steps"]] for ck in (a, b)]
    assert curves[0] == curves[1]
    for k in ("val", "skipped"):
        assert a["history"][k] == b["history"][k]
    for k in ("step", "loss_avg", "pending", "bad_steps"):
        assert a[k] == b[k], k
