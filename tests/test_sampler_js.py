"""The sampler in JavaScript against `DDPMSampler`: the same tables, steps, noise and images.

Needs node; the images also need onnxruntime-web, which npm fetches once. Without, the tests are
skipped and say so.
"""

import json
import math
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

import onnxruntime_web
from ddpm_nb import sampler
from ddpm_nb.pretrained import load_pretrained
from ddpm_nb.sampler import DDPMSampler
from ddpm_nb.schedules import DDPMSchedules

HERE = Path(__file__).resolve().parent
SAMPLER = HERE.parent / "ddpm_nb" / "assets" / "js" / "sampler.js"
NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(NODE is None, reason="no node here")


def node(what, **job):
    "What the JavaScript answers"
    job = json.dumps(dict(what=what, sampler=str(SAMPLER), **job))
    program = [str(NODE), str(HERE / "helpers" / "sampler_node.mjs")]
    done = subprocess.run(program, input=job, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


class Normal:
    "The generator that sampler.js documents, once more"

    def __init__(self, seed, index=0):
        self.state = [seed % 2**32, seed // 2**32, index, 1]
        self.spare = None
        for _ in range(12):
            self.word()

    def word(self):
        a, b, c, counter = self.state
        result = (a + b + counter) % 2**32
        turned = (c << 21 | c >> 11) % 2**32
        self.state = [b ^ b >> 9, (c + (c << 3)) % 2**32, (turned + result) % 2**32, counter + 1]
        return result

    def next(self):
        if self.spare is not None:
            value, self.spare = self.spare, None
            return value
        u, v = ((self.word() + 0.5) / 2**32 for _ in range(2))
        radius = math.sqrt(-2 * math.log(u))
        self.spare = radius * math.sin(2 * math.pi * v)
        return radius * math.cos(2 * math.pi * v)


def test_tables_and_steps():
    "Every schedule, and every way of spacing the steps"
    schedules = [
        DDPMSchedules("linear", 1000),
        DDPMSchedules("linear", 37),
        DDPMSchedules("cosine", 1000),
        DDPMSchedules("sigmoid", 300, sigmoid_tau=0.7),
        DDPMSchedules("cosine", 50, zero_terminal_snr=True),
        DDPMSchedules(betas=torch.linspace(1e-3, 0.3, 20)),
        DDPMSchedules("flow", 50),
    ]
    spacings = [
        (spacing, n, extra)
        for spacing in ("trailing", "karras", "leading", "linspace")
        for n in (1, 2, 7, 16, 20)
        for extra in (False, True)
    ]
    answers = node("tables", schedules=[s.config for s in schedules], spacings=spacings)
    for s, answer in zip(schedules, answers):
        ours = DDPMSampler(s)
        np.testing.assert_allclose(answer["a"], ours.a[:-1], rtol=1e-9, atol=1e-12)
        for (spacing, n, extra), steps in zip(spacings, answer["steps"]):
            wanted = ours.steps(n, spacing, extra)
            assert steps == wanted, (s.config["schedule"], spacing, n, extra)


def test_the_noise_is_as_documented():
    found = node("normal", seed=2**40 + 3, index=5, count=4000)
    stream = Normal(2**40 + 3, 5)
    np.testing.assert_allclose(found, [stream.next() for _ in found], atol=1e-12)
    # the moments of a standard normal, to about four standard errors
    assert abs(np.mean(found)) < 0.065
    assert abs(np.var(found) - 1) < 0.09
    assert abs(np.mean(np.power(found, 4)) - 3) < 0.65
    other = node("normal", seed=2**40 + 3, index=6, count=4000)
    assert abs(np.corrcoef(found, other)[0, 1]) < 0.065


@pytest.fixture(scope="module")
def runtime():
    "The folder of onnxruntime-web"
    pytest.importorskip("onnx", reason="extra `onnx` is not installed")
    try:
        return str(onnxruntime_web.fetch())
    except onnxruntime_web.Unreachable as e:
        pytest.skip(f"onnxruntime-web: {e}")


class SameNoise:
    "Stands in for `PerImageNoise`: the noise of the JavaScript"

    def __init__(self, seed, start, n, device="cpu"):
        self.streams = [Normal(seed, i) for i in range(start, start + n)]

    def __call__(self, shape, dtype=torch.float32):
        count = math.prod(shape)
        rows = [[stream.next() for _ in range(count)] for stream in self.streams]
        return torch.tensor(rows, dtype=dtype).view(-1, *shape)


CASES = [
    dict(method="ddim", steps=5, label=[3, 7], guidance=2),
    dict(method="ddim", steps=4, label=[0, 10], eta=1, spacing="karras"),
    dict(method="dpmpp_2m", steps=6, label=[5, 9]),
    dict(method="dpmpp_2m", steps=4, label=[1, 8], eta=1, guidance=1.5, spacing="trailing"),
]


@pytest.mark.slow
def test_the_same_images(runtime, digits_onnx, monkeypatch):
    "From a given x_T, and from a seed with the same noise, to 1e-3"
    model, schedules = load_pretrained("mnist-cond")
    path = str(digits_onnx)
    x_T = torch.randn(2, 1, 32, 32, generator=torch.Generator().manual_seed(1))
    # the first case starts from a given x_T, the others from their seed
    cases = [case | dict(n=2, seed=11) for case in CASES]
    cases[0]["xT"] = x_T.flatten().tolist()
    found = node("sample", runtime=runtime, model=path, cases=cases)
    monkeypatch.setattr(sampler, "PerImageNoise", SameNoise)
    for case, numbers in zip(cases, found):
        images = DDPMSampler(schedules).sample(
            model,
            (2, 1, 32, 32),
            case["method"],
            num_steps=case["steps"],
            eta=case.get("eta", 0.0),
            y=torch.tensor(case["label"]),
            guidance_scale=case.get("guidance", 1),
            generator=11,
            x_T=x_T if "xT" in case else None,
            **({"spacing": case["spacing"]} if "spacing" in case else {}),
        )
        difference = (torch.tensor(numbers).view(images.shape) - images).abs().max().item()
        print(f"{case['method']}: largest difference {difference:.1g}")
        assert difference < 1e-3
        assert images.std() > 0.3


def test_the_straight_path_and_every_form(monkeypatch):
    "A network that predicts a third of what it sees, read as v or flow, on two paths"
    monkeypatch.setattr(sampler, "PerImageNoise", SameNoise)
    plain = dict(image_size=4, channels=1, num_classes=None, learn_sigma=False)
    cases = [
        (name, kind, dict(method=method, steps=6, eta=eta, n=2, seed=3, spacing="trailing"))
        for name in ("flow", "cosine")
        for kind in ("flow", "v")
        for method, eta in (("ddim", 0), ("ddim", 0.5), ("dpmpp_2m", 0), ("dpmpp_2m", 1))
    ]
    kinds = [dict(schedules=DDPMSchedules(s, 20).config, parameterization=k) for s, k, _ in cases]
    found = node("shrinking", cases=[(plain | k, c[2]) for k, c in zip(kinds, cases)])
    for (name, kind, how), numbers in zip(cases, found):
        images = DDPMSampler(DDPMSchedules(name, 20)).sample(
            lambda x, t: x / 3,
            (2, 1, 4, 4),
            how["method"],
            how["steps"],
            how["eta"],
            spacing="trailing",
            generator=3,
            parameterization=kind,
        )
        torch.testing.assert_close(torch.tensor(numbers), images.flatten(), atol=1e-4, rtol=0)


def test_rectangles(monkeypatch):
    "Height and width in the metadata, where squares have one number"
    monkeypatch.setattr(sampler, "PerImageNoise", SameNoise)
    schedules = DDPMSchedules("cosine", 20)
    metadata = dict(schedules=schedules.config, parameterization="v", image_size=[2, 5], channels=4)
    metadata |= dict(num_classes=None, learn_sigma=False)
    how = dict(method="ddim", steps=6, eta=0.5, n=2, seed=3, spacing="trailing")
    (numbers,) = node("shrinking", cases=[(metadata, how)])
    images = DDPMSampler(schedules).sample(
        lambda x, t: x / 3,
        (2, 4, 2, 5),
        "ddim",
        6,
        0.5,
        spacing="trailing",
        generator=3,
        parameterization="v",
    )
    torch.testing.assert_close(torch.tensor(numbers), images.flatten(), atol=1e-4, rtol=0)


def test_refused_in_a_sentence():
    plain = dict(
        schedules=DDPMSchedules("cosine", 20).config,
        parameterization="eps",
        image_size=4,
        channels=1,
        num_classes=None,
        learn_sigma=False,
    )
    labelled = plain | dict(num_classes=3)
    terminal = plain | dict(schedules=DDPMSchedules("cosine", 20, zero_terminal_snr=True).config)
    cases = [
        (plain, dict(), None),
        (plain, dict(label=3), "knows no classes"),
        (plain, dict(guidance=2), "knows no classes"),
        (labelled, dict(label=4), "expected 0 to 2"),
        (labelled, dict(label=3), None),
        (plain, dict(steps=0), "expected 1 to 20"),
        (plain, dict(steps=21), "expected 1 to 20"),
        (plain, dict(method="heun"), "expected ddim or dpmpp_2m"),
        (plain, dict(eta=-1), "Eta"),
        (plain, dict(seed=-1), "Seed"),
        (plain, dict(spacing="random"), "Spacing"),
        (plain, dict(xT=[0.0]), "expected 16"),
        (plain, dict(n=0), "expected 1 or more"),
        (terminal, dict(spacing="trailing"), "means nothing"),
        (labelled | dict(null_label=None), dict(), "needs a label"),
        (labelled | dict(null_label=None), dict(label=2, guidance=2), "without a null label"),
    ]
    files = [[], [255] * 12, [1, 2, 3], [58, 200, 1, 0]]
    messages = node("errors", cases=[(m, options) for m, options, _ in cases], files=files)
    for (_, options, wanted), message in zip(cases, messages):
        assert (wanted is None) == (message is None), (options, message)
        assert wanted is None or wanted in message, (options, message)
    for message in messages[len(cases) :]:
        assert "damaged" in message or "not written by ddpm_nb" in message


@pytest.mark.slow
def test_edits_are_those_of_python(runtime, digits_onnx, monkeypatch):
    "SDEdit from the same noise, RePaint with the same noise all along, to 1e-3"
    import ddpm_nb.editing as editing
    from ddpm_nb.data import load_mnist

    model, schedules = load_pretrained("mnist-cond")
    path = str(digits_onnx)
    image = load_mnist("test").batch(torch.tensor([0]))[0]
    known = torch.ones(1, 1, 32, 32)
    known[..., 16:] = 0
    shared = dict(image=image.flatten().tolist(), n=2, seed=5, steps=5, label=7)
    cases = [
        dict(task="edit", options=shared | dict(strength=0.6)),
        dict(task="inpaint", options=shared | dict(known=known.flatten().tolist(), resample=2)),
    ]
    edited, filled = node("edits", runtime=runtime, model=path, cases=cases)
    both, y = image.repeat(2, 1, 1, 1), torch.tensor([7, 7])
    monkeypatch.setattr(sampler, "PerImageNoise", SameNoise)
    # `edit` takes its first noise from a stream of its own, here from the seed's
    monkeypatch.setattr(editing, "PerImageNoise", lambda *_: SameNoise(5, 0, 2))
    ours = DDPMSampler(schedules)
    wanted = ours.edit(model, both, 0.6, 5, 5, y=y)
    assert (torch.tensor(edited).view(wanted.shape) - wanted).abs().max() < 1e-3
    wanted = ours.inpaint(model, both, known, 5, resample=2, generator=5, y=y)
    assert (torch.tensor(filled).view(wanted.shape) - wanted).abs().max() < 1e-3
    assert wanted[..., 16:].std() > 0.3


def test_the_two_moons_of_the_page():
    "The small network's gradients are finite differences'; the exact answer is the mixture's"
    points = [[0.3, -0.2, 0.8, 0.6], [-1.5, 1.0, 0.1, 0.995], [0.1, 0.1, 0.999, 0.045]]
    found = node("moons", points=points)
    for by_hand, measured in found["checks"]:
        assert abs(by_hand - measured) < 1e-6 * max(1, abs(measured))
    assert found["after"] < 0.05 * found["loss"]
    means = torch.tensor(found["centres"], dtype=torch.float64).view(-1, 2)
    variance = found["spread"] ** 2
    for (x, y, a, s), answer in zip(points, found["answers"]):
        xt = torch.tensor([x, y], dtype=torch.float64)
        whole = a**2 * variance + s**2
        weight = torch.softmax(-((xt - a * means) ** 2).sum(1) / (2 * whole), 0)
        each = means + a * variance / whole * (xt - a * means)
        wanted = (weight[:, None] * each).sum(0)
        assert (torch.tensor(answer, dtype=torch.float64) - wanted).abs().max() < 1e-9
