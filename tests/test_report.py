"The report: whatever is missing, whole and self-contained; and as a browser shows it"

import html
import html.parser
import importlib.util
import io
import itertools
import json
import os
import re
import shutil
from urllib.parse import unquote

import numpy as np
import pytest
import torch

import browser
from ddpm_nb.app.report import make_report
from ddpm_nb.cli import main
from ddpm_nb.engine.animation import save_gif, save_grid, save_mp4

PARTS = dict(
    log="logs/training_metrics.json",
    ev="logs/evaluation_results.json",
    grid="grids/samples.png",
    animation="animations/trajectory.gif",
    near="grids/neighbours.png",
    walk="grids/interpolate.png",
    ckpt="ckpts/ema.pt",
    config="logs/config.yaml",
)
ODD = "a|b *c* `d` <i>&amp;"  # a value full of mark-up, which is not to act as such


def evaluation():
    def fp(v):
        return dict(value=v, features="mnist-cnn", n=500, floor=1.5, ratio=v / 1.5)

    cal = dict(
        t=[0, 10, 19],
        eps_mse=[0.5, 0.1, 0.01],
        x0_mse=[0.01, 0.1, 0.9],
        psnr=[30.0, 20, 9],
        ssim=[0.9, 0.5, 0.1],
        n=8,
        seed=0,
    )

    def r(m, n, v):
        return dict(
            name=f"{m}-{n}",
            method=m,
            num_steps=n,
            n=500,
            seed=0,
            seconds_per_image=n / 1000,
            checkpoint_sha256="ab" * 32,
            weights="ema",
            features=dict(name="mnist-cnn", hash="cd" * 8),
            reference=dict(data="mnist", split="train", n=60000),
            metrics=dict(
                fid_proxy=fp(v),
                kid=dict(value=0.1, standard_error=0.01, n=100, features="mnist-cnn"),
                calibration=cal,
                precision_recall=dict(precision=0.8, recall=0.7, k=3, n=500, features="mnist-cnn"),
                psnr=dict(t=[5, 10], value=[20.0, 12.0], n=8, seed=0),
            ),
        )

    return dict(
        results=[
            r(m, n, 2 + 50 / n + (m == "ddpm"))
            for m in ("ddpm", "ddim", "dpmpp_2m")
            for n in (10, 20, 50)
        ],
        evolution=[dict(name="ddim-50", step=s, fid_proxy=9 / s) for s in (2, 4)],
        config=dict(dataset=dict(name="mnist"), seed=0),
    )


def training():
    def row(i):
        return dict(
            step=i,
            epoch=i / 10,
            loss=1 / i,
            lr=0.1,
            grad_norm=1.0,
            ema_decay=0.5,
            images_per_s=100.0,
            seconds=float(i),
        )

    config = dict(
        seed=0,
        dataset=dict(name="mnist", root=ODD),
        schedules=dict(schedule="cosine", timesteps=20),
        model=dict(image_size=32),
    )
    return dict(
        config=config,
        model_config=dict(image_size=32, attention_resolutions=[4]),
        num_params=1234,
        total_steps=4,
        finished=True,
        device="cpu",
        amp="torch.float32",
        steps=[row(i) for i in (1, 2, 3, 4)],
        val=[dict(step=4, epoch=0.4, loss_raw=0.5, loss_ema=0.4)],
        resumes=[2],
        skipped=[],
    )


def make(d, parts):
    x = torch.linspace(-1, 1, 16 * 32 * 32).view(16, 1, 32, 32)
    for k in parts:
        p = d / PARTS[k]
        p.parent.mkdir(parents=True, exist_ok=True)
        if k in ("log", "ev"):
            p.write_text(json.dumps(training() if k == "log" else evaluation()))
        elif k == "animation":
            save_gif([np.full((64, 128, 3), v, np.uint8) for v in (0, 99, 200)], p)
        elif k in ("ckpt", "config"):
            p.write_text("x")
        else:
            save_grid(x, p, scale=2)
    if "ckpt" in parts:
        os.utime(d / PARTS["ckpt"], (1, 1))
    return d


class Page(html.parser.HTMLParser):
    "Collects references and texts; every tag that opens must close"

    VOID = {"meta", "img", "br", "hr"}

    def __init__(self):
        super().__init__()
        self.stack, self.refs, self.alts, self.heads = [], [], [], []

    def handle_starttag(self, tag, attrs):
        a = dict(attrs)
        self.refs += [a[k] for k in ("src", "href", "srcset", "action", "poster") if k in a]
        if tag == "img":
            self.alts.append(a.get("alt"))
        if tag not in self.VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag

    def handle_data(self, s):
        self.heads += [s] if self.stack and self.stack[-1] in ("h1", "h2", "h3") else []


def check(d):
    md, page = (p.read_text() for p in make_report(d))
    q = Page()
    q.feed(page)
    q.close()
    assert not q.stack
    assert page.startswith("<!doctype html>")
    assert all(r.startswith("data:") for r in q.refs)
    assert all(q.alts)
    assert not re.search(r"https?://|@import|url\(", page)
    links = re.findall(r"!?\[[^\]]*\]\(([^)]*)\)", md)
    assert len(links) == len(q.refs)
    for l in links:
        assert not re.match(r"/|\w+:", l) and (d / "reports" / unquote(l)).resolve().is_file(), l
    assert q.heads == [
        l.lstrip("# ")
        for l in re.sub(r"```.*?```", "", md, flags=re.S).split("\n")
        if l.startswith("#")
    ]
    return md, page


@pytest.mark.slow
def test_whatever_is_missing_is_said(tmp_path, monkeypatch):
    "All 256 subsets of the inputs; the curves are tiny here, drawing them is tested elsewhere"
    from ddpm_nb.app import report as R

    def dot(d, *names):
        return [save_grid(torch.zeros(1, 1, 8, 8), d / f"{n}.png") for n in names]

    monkeypatch.setattr(
        R,
        "save_all_curves",
        lambda logs, out: dot(
            out,
            *["training_curves"] * (logs / "training_metrics.json").is_file(),
            *["speed_quality", "calibration"] * (logs / "evaluation_results.json").is_file(),
        ),
    )
    monkeypatch.setattr(R, "save_schedule_plots", lambda s, out: dot(out, "schedules", "snr"))
    full = make(tmp_path / "full", PARTS)
    says = dict(
        log="No training log yet",
        ev="No evaluation yet",
        grid="No sample grid yet",
        animation="No reverse trajectory yet",
        near="No figure of nearest",
        walk="No interpolation yet",
    )
    for n in range(len(PARTS) + 1):
        for there in itertools.combinations(PARTS, n):
            d = tmp_path / "d"
            shutil.rmtree(d, ignore_errors=True)
            d.mkdir()
            for k in there:
                (d / PARTS[k]).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(full / PARTS[k], d / PARTS[k])
            md, _ = check(d)
            assert {k for k in says if says[k] in md} == set(says) - set(there), there


@pytest.mark.parametrize("only", ["", "log", "ev", "ckpt"])
@pytest.mark.slow
def test_alone_it_is_a_report_too(tmp_path, only):
    check(make(tmp_path, [only] if only else []))


@pytest.mark.slow
def test_the_whole_report(tmp_path):
    md, page = check(make(tmp_path, PARTS))
    heads = [l[3:] for l in md.split("\n") if l.startswith("## ")]
    assert heads[0] == "Samplers"
    assert {
        "Samples",
        "From noise to picture",
        "Speed and quality",
        "Is it memorising?",
        "Training curves",
        "Schedule",
        "Model",
        "Config",
        "Files",
        "Reproduce",
    } <= set(heads)
    assert md.index("| sampler |") < md.index("## Samples\n")
    assert md.count("\n| dd") == 6
    assert "Smallest fid_proxy" in md
    for says in (
        "floor",
        "not comparable with published FID",
        "features mnist-cnn (cdcdcdcd)",
        "against 60,000 train images of mnist",
        "abababababab",
        "1,234 parameters",
        "20 dB at t=5",
        "resumed at",
    ):
        assert says in md, says
    # no mark-up from values
    assert f"<td><code>{html.escape(ODD)}</code></td>" in page
    assert "| `` a\\|b *c* `d` <i>&amp; `` |" in md
    assert page.count("<img") == 9
    assert len(page) < 2e6


@pytest.mark.slow
def test_stale_and_odd_names(tmp_path):
    make(tmp_path, PARTS)
    os.utime(tmp_path / PARTS["ckpt"], (2e9, 2e9))
    shutil.move(tmp_path / PARTS["grid"], tmp_path / "grids" / "my grid (2).png")
    md, _ = check(tmp_path)
    assert md.count("Older than the checkpoint") >= 4
    assert "my%20grid%20%282%29.png" in md


def test_only_an_animation_in_mp4(tmp_path):
    pytest.importorskip("imageio_ffmpeg")
    make(tmp_path, ["grid"])
    save_mp4([np.zeros((32, 32, 3), np.uint8)] * 3, tmp_path / "animations" / "t.mp4")
    md, page = check(tmp_path)
    assert "\n[reverse trajectory](../animations/t.mp4)" in md
    assert "<video controls" in page
    assert "data:video/mp4" in page


def test_neighbours_are_no_samples(tmp_path):
    md, _ = check(make(tmp_path, ["near", "walk"]))
    assert "No sample grid yet" in md
    assert "neighbours.png" in md


@pytest.mark.slow
def test_from_the_command_line(tmp_path, capsys):
    make(tmp_path / "a b", PARTS)
    report = ["report", "--output_dir", str(tmp_path / "a b")]
    # a config that is none
    assert main(report) == 2
    assert PARTS["config"] in capsys.readouterr().err
    (tmp_path / "a b" / PARTS["config"]).write_text("seed: 3\n")
    assert main(report) == 0
    (tmp_path / "a b" / PARTS["config"]).unlink()
    assert main(report) == 0
    # commands can be pasted
    md = (tmp_path / "a b" / "reports" / "report.md").read_text()
    assert f"--output_dir '{tmp_path}/a b'" in md
    (tmp_path / "a b" / PARTS["ev"]).write_text("{")
    assert main(report) == 2
    assert "evaluation_results.json is not valid JSON" in capsys.readouterr().err


@pytest.mark.slow
def test_a_template_of_ones_own(tmp_path, capsys):
    make(tmp_path / "run", PARTS)
    (tmp_path / "run" / PARTS["config"]).unlink()
    own = tmp_path / "own"
    report = ["report", "--output_dir", str(tmp_path / "run"), "--template", str(own)]
    assert main(report) == 2
    assert f"--template: {own} is not a folder" in capsys.readouterr().err
    assert not (tmp_path / "run" / "reports").exists()
    own.mkdir()
    assert main(report) == 2
    assert "holds no report.md.jinja and no report.html.jinja" in capsys.readouterr().err
    # one form changed, the other as it was
    (own / "report.html.jinja").write_text(
        "{% extends 'ddpm_nb/report.html.jinja' %}{% block samplers %}<p>Mine</p>{% endblock %}"
    )
    assert main(report) == 0
    page = (tmp_path / "run" / "reports" / "report.html").read_text()
    assert "<p>Mine</p>" in page
    assert "<h2>Samplers</h2>" not in page
    assert "<h2>Training</h2>" in page
    md = (tmp_path / "run" / "reports" / "report.md").read_text()
    assert "## Samplers" in md
    # a fault has its line, and leaves the last report alone
    (own / "report.html.jinja").write_text("<p>\n{{ report.tilte }}")
    assert main(report) == 2
    assert "report.html.jinja, line 2: " in capsys.readouterr().err
    assert (tmp_path / "run" / "reports" / "report.html").read_text() == page


# In a browser
# --------------------------------------------------------------------------------------------------

needs_browser = pytest.mark.skipif(
    not browser.find() or not importlib.util.find_spec("playwright"),
    reason="needs Chromium (on Debian: apt-get install chromium) and playwright",
)

MEASURE = """() => {
    const images = [...document.images], root = document.documentElement;
    const right = e => e.getBoundingClientRect().right;
    const size = e => parseFloat(getComputedStyle(e).fontSize);
    return {
        images: images.length,
        drawn: images.filter(i => i.complete && i.naturalWidth > 0).length,
        scroll: root.scrollWidth,
        width: root.clientWidth,
        wide: [...document.querySelectorAll('body > *')]
            .filter(e => right(e) > root.clientWidth + 1).length,
        small: Math.min(...[...document.querySelectorAll('p, td')].map(size)),
    }
}"""


@pytest.fixture(scope="module")
def chromium():
    with browser.chromium() as b:
        yield b


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    "The address of a report with all its parts"
    folder = tmp_path_factory.mktemp("whole")
    check(make(folder, PARTS))
    return (folder / "reports" / "report.html").as_uri()


@pytest.mark.slow
@needs_browser
@pytest.mark.parametrize("width", [390, 800, 1200])
def test_in_a_browser(chromium, whole, width):
    "No image broken, nothing wider than the screen, text readable, nothing asked from elsewhere"
    page = chromium.new_page(viewport=dict(width=width, height=900))
    errors = browser.collect_errors(page)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(whole)
    got = page.evaluate(MEASURE)
    page.close()
    assert got["images"] == got["drawn"] == 9, got
    assert got["scroll"] <= got["width"] == width, got
    assert got["wide"] == 0, got
    assert got["small"] >= 13, got
    assert errors == []
    assert [url[:60] for url in asked[1:] if not url.startswith("data:")] == []


@pytest.mark.slow
@needs_browser
def test_screenshot(chromium, whole):
    from PIL import Image

    page = chromium.new_page(viewport=dict(width=1200, height=1600))
    page.goto(whole)
    shot = page.screenshot()
    page.close()
    with Image.open(io.BytesIO(shot)) as im:
        a = np.asarray(im.convert("L"))
        assert im.size == (1200, 1600)
        assert a.std() > 20
