"""Metrics against other implementations; evaluation from the command line

Where real weights would have to be downloaded, random ones of the same form are used.
"""

import hashlib
import json
import math
import shutil
import warnings
from unittest import mock

import numpy as np
import pytest
import torch
from PIL import Image

from ddpm_nb.app.report_tables import results_text
from ddpm_nb.cli import main
from ddpm_nb.core import DDPMError, to_float, to_uint8
from ddpm_nb.data import ImageData, load_mnist
from ddpm_nb.denoising import psnr, ssim
from ddpm_nb.engine import external
from ddpm_nb.engine.compat import import_torchvision
from ddpm_nb.engine.datasets import load_data
from ddpm_nb.engine.evaluate import check_metrics, evaluate
from ddpm_nb.engine.external import InceptionFeatures, load_lpips, lpips_distance
from ddpm_nb.engine.features import load_features, reference_stats
from ddpm_nb.engine.folders import FolderData
from ddpm_nb.errors import DDPMWarning
from ddpm_nb.eval import (
    FeatureStats,
    distance_name,
    distance_result,
    diversity,
    extract_features,
    fid_proxy,
    frechet_distance,
    kid,
    nearest_neighbours,
    perceptual_proxy,
    precision_recall,
)
from ddpm_nb.pretrained import FeatureNet
from ddpm_nb.run_settings import DEFAULT_METRICS
from ddpm_nb.sampler import DDPMSampler
from ddpm_nb.schedules import DDPMSchedules
from helpers.commands import NO_GRIDS, SMALL, refused, results, train


def G(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def offline(monkeypatch, tmp_path):
    "No network, and an empty cache of torch's"

    def gone(*a, **k):
        raise OSError("no network")

    monkeypatch.setattr(torch.hub, "download_url_to_file", gone)
    old = torch.hub.get_dir()
    torch.hub.set_dir(str(tmp_path / "hub"))
    yield tmp_path / "hub" / "checkpoints"
    torch.hub.set_dir(old)


@pytest.fixture(scope="module")
def inception_file(tmp_path_factory):
    "Random weights in the form of Inception's ported ones"
    import_torchvision()
    F = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")
    C = F.FeatureExtractorInceptionV3
    with (
        mock.patch.object(F, "load_state_dict_from_url", return_value={}),
        mock.patch.object(C, "load_state_dict"),
    ):
        sd = C("inception-v3-compat", ["2048"]).state_dict()
    for v in sd.values():
        if v.ndim == 4:
            v.copy_(torch.randn(v.shape, generator=G(v[0].numel())) * (2 / v[0].numel()) ** 0.5)
    p = tmp_path_factory.mktemp("w") / "inc.pth"
    torch.save(sd, p)
    return p


@pytest.fixture
def standard(inception_file, monkeypatch):
    "Let the random weights count as the ported ones"
    monkeypatch.setattr(
        external, "INCEPTION_HASH", hashlib.sha256(inception_file.read_bytes()).hexdigest()[:8]
    )


# Fréchet distance


@pytest.mark.parametrize("n", [5, 40, 400])
def test_frechet_of_samples_with_n_below_and_above_d(n):
    "tr(Σ₁Σ₂)^½ is the nuclear norm of XYᵀ over n-1, with X and Y centred; also for singular Σ"
    d = 30
    X, Y = (
        torch.randn(n, d, generator=G(1)).double(),
        torch.randn(n, d, generator=G(2)).double() @ torch.randn(d, d, generator=G(3)).double(),
    )
    a, b = (FeatureStats(d).add(z).result() for z in (X, Y))
    Xc, Yc = X - X.mean(0), Y - Y.mean(0)
    want = (
        ((a[0] - b[0]) ** 2).sum()
        + a[1].trace()
        + b[1].trace()
        - 2 * torch.linalg.matrix_norm(Xc @ Yc.T, "nuc") / (n - 1)
    )
    assert frechet_distance(*a, *b) == pytest.approx(want.item(), rel=1e-5)


def test_frechet_against_scipy_and_torch_fidelity():
    from scipy.linalg import sqrtm

    A, B = torch.randn(2, 12, 12, generator=G(0)).double()
    A, B, m = A @ A.T, B @ B.T, torch.randn(12, generator=G(1)).double()
    root = np.asarray(sqrtm((A @ B).numpy()))
    want = (m**2).sum() + A.trace() + B.trace() - 2 * np.trace(np.real(root))
    assert frechet_distance(m, A, 0 * m, B) == pytest.approx(want.item(), rel=1e-8)
    import_torchvision()
    fid = pytest.importorskip("torch_fidelity.metric_fid")
    theirs = fid.fid_statistics_to_metric(
        dict(mu=m.numpy(), sigma=A.numpy()), dict(mu=0 * m.numpy(), sigma=B.numpy()), False
    )
    assert frechet_distance(m, A, 0 * m, B) == pytest.approx(
        theirs["frechet_inception_distance"], rel=1e-8
    )


def test_frechet_closed_form_where_everything_commutes():
    s, t = torch.tensor([0.0, 1, 4, 9, 0]), torch.tensor([0.0, 9, 4, 0, 1])
    assert frechet_distance(
        torch.zeros(5), torch.diag(s), torch.ones(5), torch.diag(t)
    ) == pytest.approx(5 + ((s**0.5 - t**0.5) ** 2).sum().item(), rel=1e-9)
    with pytest.raises(DDPMError, match="NaN"):
        frechet_distance(
            torch.full((1,), torch.nan), torch.ones(1, 1), torch.zeros(1), torch.ones(1, 1)
        )


# Inception


class Pics(torch.utils.data.Dataset):
    def __init__(self, x):
        self.x = x

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        return self.x[i]


@pytest.fixture(scope="module")
def two_sets():
    real, fake = ((torch.rand(k, 3, 32, 32, generator=G(k)) * 255).byte() for k in (5, 4))
    fake[:, :, :16] //= 3
    return real, fake


@pytest.mark.slow
def test_fid_is_torch_fidelitys_and_torchmetrics(inception_file, standard, two_sets):
    import_torchvision()
    tf, real, fake = pytest.importorskip("torch_fidelity"), *two_sets
    net = load_features(inception_file)
    # one from bytes, one from floats
    ref, st = (FeatureStats(2048).add(extract_features(z, net)) for z in (real, to_float(fake)))
    ours = distance_result(st, net, ref.result())
    assert (net.name, distance_name(net)) == ("inception", "fid")
    assert "fewer than 2049" in ours["note"]
    theirs = tf.calculate_metrics(
        input1=Pics(real),
        input2=Pics(fake),
        fid=True,
        cuda=False,
        cache=False,
        verbose=False,
        save_cpu_ram=True,
        feature_extractor="inception-v3-compat",
        feature_extractor_weights_path=str(inception_file),
        batch_size=5,
    )["frechet_inception_distance"]
    assert ours["value"] == pytest.approx(theirs, rel=1e-3)
    FID = pytest.importorskip("torchmetrics.image.fid").FrechetInceptionDistance
    tm = FID(2048, feature_extractor_weights_path=str(inception_file), antialias=False).set_dtype(
        torch.float64
    )
    tm.update(real, True)
    tm.update(fake, False)
    assert ours["value"] == pytest.approx(tm.compute().item(), rel=1e-3)


@pytest.mark.slow
def test_inception_takes_grey_and_floats(inception_file):
    net = InceptionFeatures(inception_file)
    grey = (torch.rand(2, 1, 40, 40, generator=G()) * 255).byte()
    want = net.net(grey.expand(-1, 3, -1, -1))[0]
    for x in (grey, to_float(grey)):
        assert torch.allclose(extract_features(x, net), want, atol=1e-5)


@pytest.mark.slow
def test_only_the_ported_weights_make_it_fid(inception_file):
    net = load_features(inception_file)
    assert distance_name(net) == "fid_proxy"
    assert net.name.startswith("inception-")
    with pytest.raises(DDPMError, match="--evaluation.features inception"):
        check_metrics(["fid"], net)


def test_inception_file_that_would_run_code(tmp_path):
    import os

    class Evil:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path}/owned",)

    torch.save(dict(x=Evil()), tmp_path / "evil.pth")
    with pytest.raises(DDPMError, match="does not hold"):
        InceptionFeatures(tmp_path / "evil.pth")
    assert not (tmp_path / "owned").exists()


def says_zero(x, t):
    "A network that always predicts no noise"
    return torch.zeros_like(x)


says_zero.parameterization = "eps"


@pytest.mark.slow
def test_evaluate_calls_it_fid(inception_file, standard):
    net = load_features(inception_file)
    data = ImageData(load_mnist("test").images[:4], name="mnist")
    s = DDPMSchedules("cosine", 20)
    r = evaluate(
        says_zero,
        s,
        data,
        num_steps=1,
        num_samples=3,
        metrics=["fid_proxy", "kid", "classes"],
        net=net,
    )
    assert set(r["metrics"]) == {"fid", "kid"}
    assert r["metrics"]["fid"]["features"] == "inception"
    assert r["features"]["card"]["sha256"]
    assert r["reference"]["split"] == "held-out"
    assert json.dumps(r, allow_nan=False)


def few_samples(data, **kwargs):
    "An evaluation that is over at once"
    s = DDPMSchedules("cosine", 20)
    quick: dict = dict(num_steps=1, num_samples=4, metrics=["fid_proxy", "classes"])
    return evaluate(says_zero, s, data, **quick | kwargs)


def test_the_name_of_a_data_set_decides_nothing(tmp_path):
    "Reference and classes belong to MNIST's images, not to whatever is called mnist"
    digits = load_mnist("test").images
    r = few_samples(ImageData(digits[:40], name="some digits"))
    assert r["reference"] == dict(data="some digits", split="train", n=60000)
    assert "classes" in r["metrics"]
    noise = (torch.rand(40, 1, 32, 32, generator=G()) * 255).byte()
    one_alien = torch.cat([digits[:39], noise[:1]])
    (tmp_path / "mnist").mkdir()
    for i, image in enumerate(noise):
        Image.fromarray(image[0].numpy()).save(tmp_path / "mnist" / f"{i}.png")
    folder = load_data("folder", root=str(tmp_path / "mnist"), channels=1, val_fraction=0.5)
    assert folder.name == "mnist"
    for data in (ImageData(noise, name="mnist"), ImageData(one_alien, name="mnist"), folder):
        r = few_samples(data)
        assert (r["reference"]["split"], r["reference"]["n"]) == ("held-out", len(data))
        assert "classes" not in r["metrics"]
        # with the training images at hand, these are the reference
        r = few_samples(data, train=folder)
        assert (r["reference"]["split"], r["reference"]["n"]) == ("train", len(folder))
        assert "classes" not in r["metrics"]


def test_old_words_are_taken_and_the_new_ones_named():
    data = ImageData(load_mnist("test").images[:40], name="mnist")
    with pytest.warns(DeprecationWarning, match="keep is now max_features"):
        r = few_samples(data, metrics=["kid"], keep=3)
    assert r["kept"] == 3


# KID, precision and recall, pictures


def test_kid_and_precision_recall_are_torch_fidelitys():
    import_torchvision()
    K, P = (pytest.importorskip(f"torch_fidelity.metric_{m}") for m in ("kid", "prc"))
    real, fake = (
        torch.rand(90, 20, generator=G(1)).double(),
        torch.rand(90, 20, generator=G(2)).double() * 0.8,
    )
    ours = kid(real, fake)
    theirs = K.kid_features_to_metric(real, fake, kid_subsets=1, kid_subset_size=90, verbose=False)
    assert ours["value"] == pytest.approx(theirs["kernel_inception_distance_mean"], rel=1e-9)
    pr = precision_recall(real, fake)
    theirs = P.prc_features_to_metric(fake, real, verbose=False)
    assert (pr["precision"], pr["recall"]) == pytest.approx(
        (theirs["precision"], theirs["recall"]), abs=1e-6
    )
    assert 0 < pr["recall"] < pr["precision"]


@pytest.mark.parametrize("shift", [0, 0.5])
def test_kid_is_unbiased_and_its_error_is_right(shift):
    "Over many draws the mean does not depend on n, and the spread is as each draw estimates it"

    def many(n):
        return [
            kid(
                *torch.randn(2, n, 5, generator=G(i)) + torch.tensor([0.0, shift]).view(2, 1, 1),
                seed=i,
            )
            for i in range(150)
        ]

    small, large = many(40), many(160)
    mean, sd = ([f([k["value"] for k in ks]) for ks in (small, large)] for f in (np.mean, np.std))
    assert abs(mean[0] - mean[1]) < 3 * (sd[0] ** 2 + sd[1] ** 2) ** 0.5 / 150**0.5
    assert (shift > 0) == (mean[1] > 5 * sd[1] / 150**0.5)
    # too large where the two are one, never too small
    for s, ks in zip(sd, (small, large)):
        assert 0.75 < np.sqrt(np.mean([k["standard_error"] ** 2 for k in ks])) / s < 1.7


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", ["uint8", "float"])
def test_psnr_and_ssim_are_scikit_images(channels, kind):
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity

    a, b = (torch.rand(2, 3, channels, 24, 24, generator=G()) * 255).byte()
    x, y = (a, b) if kind == "uint8" else (to_float(a), to_float(b))
    for i in range(3):
        p, q = (z[i].permute(1, 2, 0).numpy() for z in (a, b))
        p, q = (p[..., 0], q[..., 0]) if channels == 1 else (p, q)
        assert psnr(x, y)[i].item() == pytest.approx(
            peak_signal_noise_ratio(p, q, data_range=255), abs=1e-4
        )
        want = structural_similarity(
            p, q, data_range=255, channel_axis=None if channels == 1 else 2
        )
        assert ssim(x, y)[i].item() == pytest.approx(want, abs=1e-5)


@pytest.mark.parametrize("channels", [1, 3])
def test_lpips_is_the_packages(channels, offline):
    "Loaded as real weights are: from a file in torch's cache"
    import_torchvision()
    import lpips
    import torchvision.models as M

    offline.mkdir(parents=True)
    torch.manual_seed(0)
    net = M.squeezenet1_1(weights=None)
    torch.save(net.state_dict(), offline / "squeezenet1_1-b8a52dc0.pth")
    ours = load_lpips("squeeze")
    a, b = (torch.rand(2, 3, channels, 40, 40, generator=G()) * 255).byte()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = lpips.LPIPS(net="squeeze", verbose=False)
    want = theirs(*(to_float(z).expand(-1, 3, -1, -1) for z in (a, b))).detach().flatten()
    assert (want > 0).all()
    for x, y in ((a, b), (to_float(a), to_float(b))):
        assert torch.allclose(lpips_distance(x, y, model=ours), want, atol=1e-5)


# Evaluate: memory, batches, cache


@pytest.mark.slow
def test_many_samples_in_bounded_memory(monkeypatch):
    "However many samples: at most two batches of images alive, and as many features as asked for"
    import weakref

    live, most_alive, sizes = set(), [], []
    sample = DDPMSampler.sample

    def counted(self, model, shape, *a, **k):
        sizes.append(shape[0])
        out = sample(self, model, shape, *a, **k)
        key = len(sizes)
        live.add(key)
        most_alive.append(len(live))
        weakref.finalize(out, live.discard, key)
        return out

    monkeypatch.setattr(DDPMSampler, "sample", counted)
    r = evaluate(
        says_zero,
        DDPMSchedules("cosine", 20),
        load_mnist("test"),
        num_steps=1,
        num_samples=3010,
        batch_size=100,
        max_features=150,
        metrics=["fid_proxy", "kid", "precision_recall", "diversity"],
    )
    assert max(most_alive) <= 2
    assert max(sizes) == 100
    assert sum(sizes) == 3010
    assert r["kept"] == r["metrics"]["precision_recall"]["n"] == 150
    assert r["metrics"]["fid_proxy"]["n"] == 3010


def test_bits_per_dim_of_many_images_a_few_at_a_time():
    seen = []

    def counted(x, t):
        seen.append(len(x))
        return torch.zeros_like(x)

    counted.parameterization = "eps"
    r = evaluate(
        counted,
        DDPMSchedules("cosine", 10),
        load_mnist("test"),
        num_steps=1,
        num_samples=2,
        metrics=["bits_per_dim"],
        num_images=50,
        num_bpd_images=40,
    )
    b = r["metrics"]["bits_per_dim"]
    assert b["n"] == 40
    assert max(seen) == 16
    assert b["standard_error"] > 0
    assert set(r["metrics"]) == {"bits_per_dim"}


def test_statistics_of_folders_are_never_stale(tmp_path):
    (tmp_path / "im").mkdir()
    rng = np.random.default_rng(0)
    for i in range(8):
        Image.fromarray(rng.integers(0, 255, (40, 40, 3), dtype=np.uint8)).save(
            tmp_path / "im" / f"{i}.png"
        )

    def load(**k):
        return load_data("folder", root=str(tmp_path / "im"), image_size=32, **k)

    net = load_features()
    c = tmp_path / "cache"
    first = reference_stats(load(), net, c)
    kept = list(c.iterdir())
    again = reference_stats(load(), net, c)
    assert len(kept) == 1
    assert torch.equal(first[1], again[1])
    assert list(c.iterdir()) == kept
    reference_stats(load(channels=1), net, c)
    reference_stats(load(limit=5), net, c)
    assert len(list(c.iterdir())) == 3
    folder = load()
    assert isinstance(folder, FolderData)
    Image.new("RGB", (40, 40), "red").save(folder.files[0])
    before = set(c.iterdir())
    changed = reference_stats(load(), net, c)
    (current,) = set(c.iterdir()) - before
    assert not torch.equal(changed[0], first[0])
    other = FeatureNet()
    reference_stats(load(), other.eval(), c)
    assert len(list(c.iterdir())) == 5
    # neither half a file nor another's under its name is believed, and each is written anew
    whole = current.read_bytes()
    for wrong in (whole[:100], kept[0].read_bytes()):
        current.write_bytes(wrong)
        assert torch.equal(reference_stats(load(), net, c)[0], changed[0])
        assert current.read_bytes() == whole
    assert len(list(c.iterdir())) == 5


def test_a_file_under_anothers_name_is_not_believed(tmp_path):
    a, b = (ImageData(load_mnist("test").images[k : k + 20], name="d") for k in (0, 20))
    net = FeatureNet().eval()
    reference_stats(a, net, tmp_path)
    (fa,) = tmp_path.iterdir()
    want = reference_stats(b, net, tmp_path)
    (fb,) = set(tmp_path.iterdir()) - {fa}
    shutil.copy(fa, fb)
    assert torch.equal(reference_stats(b, net, tmp_path)[0], want[0])


# From the command line


def run_eval(out, metrics, *more):
    "Evaluate a few samples of a run; what was written"
    args = ["--output_dir", out, "--num_samples", 8, "--num_steps", 2, "--metrics", metrics, *more]
    assert main(["eval", *map(str, args)]) == 0
    return results(out)


@pytest.mark.slow
def test_a_result_says_all_about_itself(run):
    of_samples = "fid_proxy,kid,precision_recall,diversity,classes"
    of_the_model = "psnr,ssim,perceptual_proxy,bits_per_dim,calibration"
    subsets = ["--evaluation.num_images", 6, "--evaluation.num_bits", 4]
    j = run_eval(run, f"{of_samples},{of_the_model}", *subsets)
    r, m = j["results"][0], j["results"][0]["metrics"]
    assert r["n"] == 8
    assert r["seed"] == 0
    assert len(r["checkpoint_sha256"]) == len(r["model_hash"]) == 64
    assert j["config"]["evaluation"]["num_images"] == 6
    assert r["reference"] == dict(data="mnist", split="train", n=64)
    assert r["features"]["name"] == "mnist-cnn"
    assert r["seconds_per_image"] > 0
    assert m["psnr"]["t"] == [5, 10, 15]
    assert m["psnr"]["n"] == m["calibration"]["n"] == 6
    assert m["bits_per_dim"]["n"] == 4
    assert m["perceptual_proxy"]["features"] == "mnist-cnn"
    assert sum(m["classes"]["share"]) == pytest.approx(1)
    # statistics of the 64 images it was trained on, not those packaged
    assert list((run / "features").glob("mnist-mnist-cnn-*.safetensors"))
    assert j["evolution"][0]["step"] == 4
    assert j["evolution"][0]["fid_proxy"] == m["fid_proxy"]["value"]


@pytest.mark.slow
def test_what_is_not_a_number_is_null(run, tmp_path, monkeypatch, capsys):
    "A metric that came out as NaN is written as null, and curves and report cope with it"
    shutil.copytree(run, tmp_path / "run")
    not_a_number = dict(value=math.nan, floor=math.inf, ratio=None, features="mnist-cnn", n=8)
    monkeypatch.setattr("ddpm_nb.engine.measures.distance_result", lambda *a: not_a_number)
    broken = dict(value=-math.inf, standard_error=math.nan, n=8)
    monkeypatch.setattr("ddpm_nb.engine.measures.kid", lambda *a, **k: broken)
    calibrated = dict(t=[0, 9], eps_mse=[1.0, math.inf], x0_mse=[math.nan, 1.0], n=8, seed=0)
    calibrated |= dict(psnr=[math.nan, 3.0], ssim=[0.5, math.nan])
    monkeypatch.setattr("ddpm_nb.engine.measures.calibration", lambda *a, **k: calibrated)
    d = tmp_path / "run"
    few = ["--evaluation.num_images", 4]
    run_eval(d, "fid_proxy,kid,calibration", *few)
    j = run_eval(d, "fid_proxy,kid,calibration", *few, "--num_steps", 3)
    m = j["results"][-1]["metrics"]
    assert m["fid_proxy"]["value"] is m["fid_proxy"]["floor"] is m["kid"]["value"] is None
    assert m["calibration"]["psnr"] == [None, 3.0]
    assert j["evolution"][-1]["fid_proxy"] is None
    assert main(["viz.curves", "--output_dir", str(d)]) == 0
    assert main(["report", "--output_dir", str(d)]) == 0
    # and a file as 0.1 wrote it
    path = d / "logs" / "evaluation_results.json"
    path.write_text(path.read_text().replace("null", "NaN"))
    with pytest.raises(ValueError, match="NaN is not JSON"):
        results(d)
    assert main(["viz.curves", "--output_dir", str(d)]) == 0
    assert main(["report", "--output_dir", str(d)]) == 0
    run_eval(d, "diversity", *few)


def test_few_samples_are_labelled(run, capsys):
    run_eval(run, "fid_proxy")
    out = capsys.readouterr().out
    assert "note: fid_proxy: 8 samples are fewer than 65" in out
    assert "--num_samples 65" in out
    assert "kid" in out


def test_lpips_from_the_command_line(run, offline):
    import_torchvision()
    import torchvision.models as M

    offline.mkdir(parents=True)
    torch.save(M.squeezenet1_1(weights=None).state_dict(), offline / "squeezenet1_1-b8a52dc0.pth")
    squeeze = ["--evaluation.lpips", "squeeze", "--evaluation.num_images", 3]
    m = run_eval(run, "lpips,diversity", *squeeze)["results"][-1]["metrics"]
    assert m["lpips"]["backbone"] == m["diversity"]["lpips_backbone"] == "squeeze"
    assert len(m["lpips"]["value"]) == 3


@pytest.mark.slow
def test_missing_weights_without_network(run, capsys, offline):
    run_eval(run, "diversity")
    before = (run / "logs" / "evaluation_results.json").read_bytes()
    few = ["eval", "--output_dir", run, "--num_samples", 4, "--num_steps", 2]
    inception = [*few, "--evaluation.features", "inception"]
    ways_out = ["alexnet-owt-7be5be79.pth", str(offline), "perceptual_proxy"]
    refused(capsys, ways_out, *few, "--metrics", "lpips")
    file = "pt_inception-2015-12-05-6726825d.pth"
    refused(capsys, [file, str(offline), "--evaluation.features mnist-cnn"], *inception)
    offline.mkdir(parents=True, exist_ok=True)
    (offline / file).write_bytes(b"x")
    with mock.patch.dict("sys.modules", {"torch_fidelity.feature_extractor_inceptionv3": None}):
        ways_out = ["pip install 'ddpm_nb[fid]'", "--evaluation.features mnist-cnn"]
        refused(capsys, ways_out, *inception)
    refused(capsys, "damaged", *few, "--evaluation.features", offline / file)
    for junk in (b"junk", b"c\xfc", b"\x81B"):  # each another exception of the unpickler
        (offline / "junk.pth").write_bytes(junk)
        refused(capsys, "damaged", *few, "--evaluation.features", offline / "junk.pth")
    assert (run / "logs" / "evaluation_results.json").read_bytes() == before


def test_bad_evaluations(run, tmp_path, capsys):
    few = ["eval", "--output_dir", run, "--num_samples", 4, "--num_steps", 2]
    refused(
        capsys,
        ["features", "ddpm-nb features.train"],
        *few,
        "--evaluation.features",
        tmp_path / "no.safetensors",
    )
    refused(
        capsys, ["fid", "--evaluation.features inception", "fid_proxy"], *few, "--metrics", "fid"
    )
    refused(capsys, "evaluation.metrics", *few, "--metrics", "fd")
    refused(capsys, "evaluation.num_samples", *few[:3], "--num_samples", 1)
    refused(capsys, "evaluation.lpips", *few, "--evaluation.lpips", "resnet")
    (tmp_path / "bad.safetensors").write_bytes(b"x" * 99)
    refused(capsys, "damaged", *few, "--evaluation.features", tmp_path / "bad.safetensors")


def test_a_diverged_model_is_named(run, tmp_path, capsys):
    (tmp_path / "ckpts").mkdir()
    ck = torch.load(run / "ckpts" / "ema.pt", weights_only=True)
    for weights in ck["model"].values():
        if weights.is_floating_point():
            weights.fill_(torch.nan)
    torch.save(ck, tmp_path / "ckpts" / "ema.pt")
    refused(capsys, "NaN", "eval", "--output_dir", tmp_path, "--num_samples", 4, "--num_steps", 2)
    assert not (tmp_path / "logs" / "evaluation_results.json").exists()


@pytest.mark.parametrize(
    "f, says",
    [
        (lambda x: fid_proxy(x[:, :, :16, :16]), "fit_image"),
        (lambda x: fid_proxy(x[:0]), "2 or more"),
        (lambda x: fid_proxy(x * torch.nan), "NaN"),
        (lambda x: precision_recall(torch.rand(9, 4), torch.rand(8, 4)), "first 8"),
        (lambda x: kid(torch.rand(9, 4), torch.rand(1, 4)), "2 or more"),
        (lambda x: diversity(x[:1]), "2 or more"),
        (lambda x: psnr(x, x * torch.nan), "NaN"),
        (lambda x: ssim(x, x[:, :, :16]), "differ"),
        (lambda x: nearest_neighbours(x, to_uint8(x)[..., :16]), "fit_image"),
        (lambda x: perceptual_proxy(x[:0], x[:0]), "non-empty"),
    ],
)
def test_bad_images_are_refused_in_words(f, says):
    with pytest.raises(DDPMError, match=says):
        f(torch.zeros(4, 1, 32, 32))


@pytest.mark.slow
def test_features_of_a_colour_folder(tmp_path, capsys):
    "Any labelled set: train a net, evaluate with it, on its own training images as reference"
    rng = np.random.default_rng(0)
    for i in range(48):
        (tmp_path / "im" / "ab"[i % 2]).mkdir(parents=True, exist_ok=True)
        a = rng.integers(0, 90, (24, 24, 3), dtype=np.uint8)
        a[..., 2 * (i % 2)] += 120  # red or blue
        Image.fromarray(a).save(tmp_path / "im" / "ab"[i % 2] / f"{i}.png")
    data = ["--dataset.name", "folder", "--dataset.root", str(tmp_path / "im")]
    data += ["--dataset.val_fraction", ".25", "--dataset.image_size", "16"]
    out = tmp_path / "o"
    quick = ["--epochs", "6", "--batch_size", "12", "--output_dir", str(out)]
    assert main(["features.train", *data, *quick]) == 0
    p = out / "features" / "im-cnn.safetensors"
    says = capsys.readouterr().out
    assert "test accuracy" in says
    assert f"--evaluation.features {p}" in says
    net = load_features(str(p))
    assert net.in_channels == 3
    assert float(net.card["test_accuracy"]) > 0.9
    assert net.card["num_classes"] == 2
    small = [a for a in SMALL if a not in ("--dataset.limit", "64")]
    colour = ["--model.in_channels", "3", "--model.image_size", "16"]
    two_steps = ["--training.max_steps", "2", "--training.num_workers", "0"]
    args = [*small, *NO_GRIDS, *data, *colour, *two_steps, "--output_dir", str(out)]
    assert main(["train", *args]) == 0
    default = ",".join(DEFAULT_METRICS)
    r = run_eval(out, default, "--evaluation.features", p)["results"][0]
    assert r["features"]["name"] == "im-cnn"
    assert r["reference"] == dict(data="im", split="train", n=36)
    assert r["metrics"]["classes"]["classifier_accuracy"] > 0.9
    # its own statistics were used
    assert [q.name for q in (out / "features").iterdir()] == ["im-cnn.safetensors"]


def test_features_need_labels(tmp_path, capsys):
    (tmp_path / "im").mkdir()
    for i in range(4):
        Image.new("RGB", (20, 20)).save(tmp_path / "im" / f"{i}.png")
    folder = ["--dataset.name", "folder", "--dataset.root", tmp_path / "im"]
    says = ["no labels", "--evaluation.features inception"]
    refused(capsys, says, "features.train", *folder, "--output_dir", tmp_path / "o")


@pytest.mark.slow
def test_all_methods_stops_and_goes_on(run, capsys, monkeypatch):
    # of another n, so that the advice has to say which ones it compares
    run_eval(run, "fid_proxy", "--num_steps", 3)
    a = ["eval", "--output_dir", str(run), "--num_samples", "70", "--metrics", "fid_proxy"]
    a += ["--all_methods", "--evaluation.methods", "[ddim, dpmpp_2m]"]
    a += ["--evaluation.steps", "[2, 4]", "--seed", "3"]
    calls = []

    def third_fails(*args, **kwargs):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return evaluate(*args, **kwargs)

    monkeypatch.setattr("ddpm_nb.app.command_eval.evaluate", third_fails)
    assert main(a) == 130
    two = [r["name"] for r in results(run)["results"]]
    assert {"ddim-2", "ddim-4"} <= set(two)
    assert "dpmpp_2m-2" not in two
    assert main(a) == 0
    assert len(calls) == 5  # the two that were missing
    out = capsys.readouterr().out
    assert "Smallest fid_proxy of those with n=70" in out
    for head in "sampler steps s/image fid_proxy floor KID precision recall".split():
        assert head in out
    mine = [r for r in results(run)["results"] if r["how"]["seed"] == 3]
    assert {r["name"] for r in mine} == {"ddim-2", "ddim-4", "dpmpp_2m-2", "dpmpp_2m-4"}
    for r in mine:
        assert r["seed"] == 3
        assert r["checkpoint_sha256"]


@pytest.mark.slow
def test_metrics_of_later_checkpoints_become_a_curve(tmp_path):
    assert train(tmp_path, "--training.max_steps", 2) == 0
    run_eval(tmp_path, "fid_proxy")
    assert train(tmp_path, "--resume", "latest", "--training.max_steps", 4) == 0
    j = run_eval(tmp_path, "fid_proxy")
    assert [e["step"] for e in j["evolution"]] == [2, 4]
    assert len(j["results"]) == 1
    assert main(["viz.curves", "--output_dir", str(tmp_path)]) == 0
    assert (tmp_path / "curves" / "speed_quality.png").is_file()


# Numbers that mean what they say


def test_floats_in_0_to_1_are_noticed():
    x = load_mnist("test").batch(torch.arange(100))[0]
    wrong = "samples.*\\[0,1\\]|images.*\\[0,1\\]"
    with pytest.warns(DDPMWarning, match=wrong):
        fid_proxy((x + 1) / 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fid_proxy(x)
    sampler = DDPMSampler(DDPMSchedules("cosine", 20))
    with pytest.warns(DDPMWarning, match="image: all values are in \\[0,1\\]"):
        sampler.edit(lambda a, t: a * 0, (x[:2] + 1) / 2, 0.2, num_steps=4, parameterization="eps")


def test_features_of_other_images_say_so(tmp_path):
    "In the JSON of the result, at the terminal, in the report"
    g = G(3)
    images = (torch.rand(40, 3, 1, 1, generator=g) * 255).byte().expand(-1, -1, 32, 32).contiguous()
    data = ImageData(images, name="colours")
    net = load_features()
    s = DDPMSchedules("cosine", 20)

    def model(x, t):
        return x

    r = evaluate(
        model, s, data, "ddim", 2, 8, ["fid_proxy", "kid"], net=net, parameterization="eps"
    )
    for name in ("fid_proxy", "kid"):
        note = r["metrics"][name]["note"]
        assert "features of mnist-cnn are for mnist, not for colours" in note
        assert "features.train" in note
    assert "colour images in grey" in r["metrics"]["fid_proxy"]["note"]
    text = results_text([r | dict(how={})])
    assert "not for colours" in text
    mnist = load_mnist("test")
    r = evaluate(
        lambda x, t: x[:, :1], s, mnist, "ddim", 2, 70, ["kid"], net=net, parameterization="eps"
    )
    assert "note" not in r["metrics"]["kid"]
