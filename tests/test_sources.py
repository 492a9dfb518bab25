"Images that are neither files in a folder nor shipped: arrays, tensors, tables"

import io
import json
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from ddpm_nb.app.recipes import build
from ddpm_nb.cli import main
from ddpm_nb.core import DDPMError
from ddpm_nb.data import ImageData
from ddpm_nb.engine.arrays import ArrayData, array_data
from ddpm_nb.engine.checkpoint import load_checkpoint
from ddpm_nb.engine.datasets import as_data, load_data
from ddpm_nb.engine.hub import TableData
from ddpm_nb.engine.same_run import data_fingerprint
from ddpm_nb.engine.streaming import StreamData

TINY = """--model.base_channels 8 --model.channel_mults 1,2 --model.attention_resolutions []
    --model.num_groups 4 --schedules.timesteps 20 --schedules.schedule cosine --device cpu
    --dataset.image_size 16 --model.image_size 16 --training.num_workers 0
    --training.validation.every_steps 2 --training.sampling.every_steps 0 --training.max_steps 2
    --batch_size 4""".split()


def images(n=24, *shape, seed=0):
    shape = shape or (20, 16, 3)
    return np.random.default_rng(seed).integers(0, 256, (n, *shape), dtype=np.uint8)


@pytest.fixture
def npz(tmp_path):
    path = tmp_path / "pets.npz"
    np.savez(path, x=images(), y=np.arange(24) % 2, names=["cat", "dog"])
    return path


@pytest.fixture
def run(tmp_path, capsys):
    def command(name, *args, code=0):
        given = [*map(str, args), "--output_dir", str(tmp_path / "out")]
        assert main([*name.split(), *given]) == code
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return err if code else out

    return command


def held(data):
    "The images of a set in memory"
    assert isinstance(data, ImageData)
    return data.images


def error(**how):
    with pytest.raises(DDPMError) as e:
        load_data("array", image_size=16, **how)
    assert "\n" not in str(e.value)
    return str(e.value)


# ---- arrays: what is understood, and what is asked for


def test_one_line_says_what_was_understood(npz, capsys):
    data = load_data("array", root=npz, image_size=16)
    assert capsys.readouterr().out == (
        "dataset: pets.npz: 24 images 20x16, 3 channels (NHWC), uint8 in [0, 255], "
        "2 classes by y, to be 16x16 (dataset.fit crop)\n"
    )
    assert (data.classes, data.image_shape, data.flip) == (["cat", "dog"], (3, 16, 16), False)
    held_out = load_data("array", "test", root=npz, image_size=16, val_fraction=0.25)
    assert held_out.labels.bincount().tolist() == [3, 3]
    assert load_data("array", root=npz, image_size=16, limit=6).labels.bincount().tolist() == [3, 3]


@pytest.mark.parametrize(
    "dtype, values, white",
    [
        ("uint8", (0, 255), 255),
        ("uint16", (0, 65535), 65535),
        ("int64", (0, 255), 255),
        ("bool", (0, 1), 1),
        ("float16", (0, 1), 1),
        ("float64", (-1, 1), 1),
        (">f4", (0, 255), 255),
    ],
)
def test_the_same_images_in_any_type_and_layout_are_the_same(dtype, values, white):
    pixels = (images(4, 16, 16, 2) > 127).astype(np.uint8) * 255
    lo, hi = values
    cast = (lo + (hi - lo) * (pixels / 255)).astype(dtype)
    wanted = torch.from_numpy(pixels).permute(0, 3, 1, 2)
    assert torch.equal(held(array_data(cast)), wanted), (dtype, white)
    assert torch.equal(held(array_data(np.moveaxis(cast, 3, 1))), wanted)


def test_what_could_be_misread_is_asked_for(tmp_path):
    x, y = images(), np.arange(24) % 2
    bad = x.astype(np.float32) / 255
    bad[5, 0, 0, 0] = np.nan
    for arrays, says in (
        (dict(x=images(9, 3, 32, 3)), "--dataset.layout"),
        (dict(x=bad), "image 5 has values that are NaN"),
        (dict(x=x.astype(np.float32) / 200), "--dataset.value_range"),
        (dict(x=(x // 16).astype(np.uint16) * 16), ""),
        (dict(x=x.astype(np.uint16) * 16), "between 0 and 4080"),
        (dict(x=x // 255), "between 0 and 1"),
        (dict(x=x, y=y[:-1]), "expected one label for each"),
        (dict(x=x, y=y + 1), "subtract 1"),
        (dict(x=x, y=y - 1), "label -1"),
        (dict(x=x, y=np.eye(24)), "argmax"),
        (dict(x=x, y=y, names=["cat"]), "1 names"),
        (dict(x=x[:0]), "no images"),
        (dict(x=x.reshape(24, -1)), "no array could be images"),
        (dict(a=x, b=x), "--dataset.image_column"),
        (dict(x=x, y=np.array([None] * 24)), "could run code"),
        (dict(x=x.astype(complex)), "complex128"),
    ):
        path = tmp_path / "a.npz"
        np.savez(path, **arrays)
        if says:
            assert says in error(root=path), (says, error(root=path))
        else:
            load_data("array", root=path, image_size=16)
    np.savez(path, a=x, b=x, fine=y, coarse=y)
    assert "no array 'c'" in error(root=path, image_column="c") and "fine int64 (24,)" in error(
        root=path, image_column="c"
    )
    data = load_data("array", root=path, image_size=16, image_column="b", label_column="fine")
    assert data.num_classes == 2


def test_twelve_bits_in_sixteen_once_it_is_said(tmp_path):
    np.save(tmp_path / "deep.npy", np.arange(256, dtype=np.uint16).reshape(1, 16, 16) * 16)
    how = dict(root=tmp_path / "deep.npy", val_fraction=0)
    assert "uint16 between 0 and 4080" in error(**how)
    data = load_data("array", image_size=16, value_range=[0, 4080], **how)
    assert held(data).flatten().tolist() == list(range(256))


def test_splits_as_keras_and_medmnist_name_them(tmp_path, capsys):
    x, y = images(12), np.arange(12)[:, None] % 3
    np.savez(tmp_path / "a.npz", x_train=x, y_train=y, x_test=x[:6], y_test=y[:6])
    names = dict(train_images=x, train_labels=y, val_images=x[:3], val_labels=y[:3])
    np.savez(tmp_path / "b.npz", **names, test_images=x[:6], test_labels=y[:6])
    for name, sizes in (("a", (12, 6, 6)), ("b", (12, 3, 6))):
        how = dict(root=tmp_path / f"{name}.npz", image_size=16)
        found = [load_data("array", s, **how) for s in ("train", "val", "test")]
        assert tuple(map(len, found)) == sizes
        assert found[2].labels.tolist() == y[:6, 0].tolist()
    assert "train 12, val 3, test 6" in capsys.readouterr().out


def test_a_large_file_is_read_as_it_is_needed(tmp_path, monkeypatch):
    folder = tmp_path / "big"
    folder.mkdir()
    np.save(folder / "x.npy", images())
    np.save(folder / "y.npy", np.arange(24) % 2)
    small = load_data("array", root=folder, image_size=16)
    monkeypatch.setattr(ArrayData, "cache_bytes", 0)
    large = load_data("array", root=folder, image_size=16)
    assert isinstance(small, ImageData) and isinstance(large, ArrayData)
    order = torch.randperm(len(large)).split(10)
    for a, b in zip(small.batches(order), large.batches(order, num_workers=2), strict=True):
        assert torch.equal(a[0], b[0]) and torch.equal(a[1], b[1])
    large.close()
    mark = data_fingerprint(large)
    other = images()
    other[:, 9] ^= 1
    np.save(folder / "x.npy", other)
    assert data_fingerprint(load_data("array", root=folder, image_size=16)) != mark


# ---- through the commands


@pytest.mark.slow
def test_every_command_that_reads_data_takes_arrays(npz, run, tmp_path):
    said = run(
        "train", "--dataset.name", "array", "--dataset.root", npz, "--model.num_classes", 2, *TINY
    )
    assert said.count("dataset: pets.npz: 24 images") == 1
    checkpoint = load_checkpoint(tmp_path / "out" / "ckpts" / "latest.pt")
    assert checkpoint["class_names"] == ["cat", "dog"]
    assert checkpoint["config"]["model"]["in_channels"] == 3
    few = ["--num_samples", 2, "--num_steps", 2]
    run("sample grid", *few, "--label", "dog")
    run("sample edit", "--num_samples", 1, "--num_steps", 2)
    run("sample inpaint", "--num_samples", 1, "--num_steps", 2, "--resample", 1)
    run("viz neighbours", *few)
    run(
        "eval",
        "--num_samples",
        4,
        "--num_steps",
        2,
        "--metrics",
        "fid_proxy,bits_per_dim",
        "--evaluation.num_bits",
        1,
    )
    results = json.loads((tmp_path / "out" / "logs" / "evaluation_results.json").read_text())
    assert "bits_per_dim" in json.dumps(results)
    resume = ["--resume", "latest", "--training.max_steps", 3]
    run("train", *resume)
    np.savez(npz, x=images(seed=1), y=np.arange(24) % 2, names=["cat", "dog"])
    assert "--allow_other_data" in run("train", *resume[:-1], 4, code=2)
    np.savez(npz, x=images(), y=np.arange(24) % 2, names=["dog", "cat"])
    assert "class 0 is dog here, but cat" in run("eval", *few, code=2)
    assert "name the file of arrays" in run("features train", "--dataset.name", "array", code=2)


def test_the_way_out_of_a_constant_stack_is_one(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((4, 20, 16), np.uint8))
    assert "--dataset.value_range 0,255" in error(root=tmp_path / "x.npy")
    assert len(load_data("array", root=tmp_path / "x.npy", image_size=16, value_range=[0, 255]))
    (tmp_path / "x.npy").write_text("no array")
    assert "is no .npy file" in error(root=tmp_path / "x.npy")


@pytest.mark.parametrize(
    "odd",
    [
        lambda x: x.to_sparse(),
        lambda x: torch.quantize_per_tensor(x.float(), 1.0, 0, torch.quint8),
        lambda x: x.float().to(torch.float8_e4m3fn),
        lambda x: x.to("meta"),
    ],
)
def test_tensors_that_numpy_cannot_take_are_refused(tmp_path, odd):
    torch.save(odd(torch.from_numpy(images(4))), tmp_path / "x.pt")
    assert "expected a dense one" in error(root=tmp_path / "x.pt")


def test_arrays_and_tensors_from_python(tmp_path):
    tiny = dict(
        model=dict(base_channels=8, channel_mults=[1], attention_resolutions=[], num_groups=4),
        training=dict(max_steps=1, batch_size=4),
    )
    pixels = images(8, 16, 16)

    def run(data):
        how = dict(progress=False, device="cpu", overwrite=True, output_dir=tmp_path)
        size = {"dataset.image_size": 16, "model.image_size": 16}
        return build("mnist_tiny", train_data=data, **tiny, **how, **size)

    a, b = run(pixels), run((torch.from_numpy(pixels)[:, None] / 255, torch.zeros(8)))
    a.trainer.train()
    b.trainer.train()
    assert torch.equal(held(a.train_data), held(b.train_data))
    assert a.trainer.loss_avg == b.trainer.loss_avg
    with pytest.raises(DDPMError, match="expected a data set"):
        run("pictures")


# ---- tables of Hugging Face


def png(value, mode="RGB"):
    file = io.BytesIO()
    Image.new(mode, (20, 16), value).save(file, "PNG")
    return dict(bytes=file.getvalue(), path=None)


def pets(n, start=0):
    "A table of `n` images, the i-th of colour (i, 0, 0)"
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        image=datasets.Image(),
        label=datasets.ClassLabel(names=["cat", "dog"]),
        id=datasets.Value("int64"),
    )
    which = range(start, start + n)
    rows = dict(image=[png((i, 0, 0)) for i in which], label=[i % 2 for i in which], id=which)
    return datasets.Dataset.from_dict(rows, features)


@pytest.fixture
def tables(tmp_path, monkeypatch):
    "A folder with two parquet files for training"
    config = pytest.importorskip("datasets").config
    monkeypatch.setattr(config, "HF_DATASETS_CACHE", tmp_path / "cache")
    folder = tmp_path / "pets"
    folder.mkdir()
    for k in range(2):
        pets(20, 20 * k).to_parquet(folder / f"train-{k}.parquet")
    return folder


def numbers(data):
    "Which of the pets a data set holds, in its order"
    x, _ = next(data.batches([torch.arange(len(data))], num_workers=0))
    return ((x[:, 0, 0, 0] + 1) * 127.5).round().int().tolist()


def table_error(root, **how):
    with pytest.raises(DDPMError) as e:
        load_data("huggingface", root=root, image_size=16, **how)
    assert "\n" not in str(e.value)
    return str(e.value)


@pytest.mark.slow
def test_parquet_by_file_folder_and_split(tables, capsys):
    data = load_data("huggingface", root=tables, image_size=16)
    assert (data.classes, data.image_shape, len(data)) == (["cat", "dog"], (3, 16, 16), 38)
    assert "dataset: pets: 40 images in image, RGB, 2 classes by label, to be 16x16" in (
        capsys.readouterr().out
    )
    assert isinstance(data, TableData)
    test = load_data("huggingface", "test", root=tables, image_size=16, files=data.scan)
    assert sorted(numbers(data) + numbers(test)) == list(range(40))
    assert test.labels.tolist() in ([0, 1], [1, 0])
    few = load_data("huggingface", root=tables / "train-1.parquet", image_size=16, limit=4)
    assert few.labels.bincount().tolist() == [2, 2] and min(numbers(few)) >= 20
    pets(6, 100).to_parquet(tables / "test-0.parquet")
    found = [load_data("huggingface", s, root=tables, image_size=16) for s in ("train", "val")]
    assert [numbers(d) for d in found] == [list(range(40)), list(range(100, 106))]
    saved = tables.parent / "saved"
    pets(4).save_to_disk(saved)
    assert numbers(load_data("huggingface", root=saved, image_size=8, val_fraction=0)) == [
        *range(4)
    ]


@pytest.mark.slow
def test_a_split_that_is_alone_is_said_to_be_all(tables, tmp_path, capsys):
    "What is called test is not trained on without a word"
    np.savez(tmp_path / "a.npz", x_test=images(), y_test=np.arange(24) % 2)
    alone = tables / "alone"
    alone.mkdir()
    pets(8).to_parquet(alone / "test-0.parquet")
    for how, name in (
        (dict(name="array", root=tmp_path / "a.npz"), "x_test"),
        (dict(name="huggingface", root=alone), "test"),
        (dict(name="huggingface", root=alone, streaming=True, stream_length=8), "test"),
    ):
        load_data(image_size=16, **how)
        said = f"all in {name}, of which dataset.val_fraction is held out"
        assert said in capsys.readouterr().out
    load_data("huggingface", root=tables / "train-0.parquet", image_size=16)
    assert "all in" not in capsys.readouterr().out


def test_columns_are_named_and_what_is_missing_is_said(tables):
    assert "there are image (image), label (class), id (int)" in table_error(
        tables, image_column="picture"
    )
    assert "did you mean label?" in table_error(tables, label_column="lable")
    by_id = load_data("huggingface", root=tables, image_size=16, label_column="id", val_fraction=0)
    assert (by_id.num_classes, by_id.classes) == (40, None)
    assert "does not exist" in table_error("nowhere/at/all.parquet")
    bad = tables / "bad.parquet"
    bad.write_text("no parquet")
    assert "Parquet magic bytes" in table_error(bad)


def test_without_a_network_a_hub_name_is_one_sentence(monkeypatch):
    datasets = pytest.importorskip("datasets")

    def unreachable(*args, **kwargs):
        raise ConnectionError("Couldn't reach 'nobody/pets' on the Hub (LocalEntryNotFoundError)")

    monkeypatch.setattr(datasets, "load_dataset", unreachable)
    said = table_error("nobody/pets")
    assert "Couldn't reach 'nobody/pets'" in said and "name a local folder" in said


def test_without_the_extra_one_line_says_how_to_get_it(monkeypatch, run, tmp_path):
    monkeypatch.setitem(sys.modules, "datasets", None)
    (tmp_path / "a.parquet").write_text("")
    how = ["--dataset.name", "huggingface", "--dataset.root", tmp_path / "a.parquet"]
    assert "pip install 'ddpm_nb[datasets]'" in run("train", *how, code=2)


def test_a_row_that_is_no_image_is_named_and_replaced(tables, capsys):
    datasets = pytest.importorskip("datasets")
    rows: dict = dict(image=[png(i, "L") for i in range(4)], label=["a", "b", "a", "b"])
    rows["image"][2] = dict(bytes=b"nonsense", path=None)
    features = datasets.Features(image=datasets.Image(), label=datasets.Value("string"))
    datasets.Dataset.from_dict(rows, features).to_parquet(tables / "grey.parquet")
    data = load_data("huggingface", root=tables / "grey.parquet", image_size=16, val_fraction=0)
    assert (data.image_shape[0], data.classes, numbers(data)) == (1, ["a", "b"], [0, 1, 3, 3])
    assert "image 2 can no longer be read (cannot identify" in capsys.readouterr().out


@pytest.mark.slow
def test_a_table_through_the_commands_and_from_python(tables, run):
    how = ["--dataset.name", "huggingface", "--dataset.root", tables, "--model.num_classes", 2]
    said = run("train", *how, *TINY)
    assert said.count("dataset: pets: 40 images") == 1
    run("sample edit", "--num_samples", 1, "--num_steps", 2, "--label", "dog")
    run("eval", "--num_samples", 2, "--num_steps", 2, "--metrics", "fid_proxy")
    run("train", "--resume", "latest", "--training.max_steps", 3)
    pets(20, 60).to_parquet(tables / "train-0.parquet")
    assert "--allow_other_data" in run("train", "--resume", "latest", code=2)
    data = as_data(pets(4), 16)
    assert (numbers(data), data.labels.tolist()) == ([0, 1, 2, 3], [0, 1, 0, 1])


# ---- streams


def stream_run(tables, out, **more):
    return build(
        "mnist_tiny",
        output_dir=out,
        device="cpu",
        progress=False,
        overwrite=True,
        resume=more.pop("resume", None),
        model=dict(base_channels=8, channel_mults=[1], attention_resolutions=[], num_groups=4)
        | dict(num_classes=2, image_size=8),
        dataset=dict(name="huggingface", root=str(tables), image_size=8, streaming=True)
        | dict(shuffle_buffer=10, stream_length=30, val_fraction=0.2)
        | more,
        training=dict(batch_size=8, max_steps=5, num_workers=2, log_every=1)
        | dict(validation=dict(every_steps=2), checkpoint=dict(every_steps=2)),
        **{"training.sampling.every_steps": 0},
    )


@pytest.mark.slow
def test_a_stream_goes_on_exactly_and_holds_out_what_it_validates_on(tables, tmp_path, capsys):
    whole = stream_run(tables, tmp_path / "a")
    data = whole.train_data
    assert isinstance(data, StreamData)
    seen, batches = [], data.batches

    def watched(*args, **how):
        for x, y in batches(*args, **how):
            seen.append(((x[:, 0, 0, 0] + 1) * 127.5).round().int().tolist())
            yield x, y

    setattr(data, "batches", watched)  # noqa: B010, a method
    whole.trainer.train()
    held_out = numbers(whole.val_data)
    assert sorted(held_out) == [4, 9, 14, 19, 24, 29, 34, 39]
    assert not {*held_out} & {*sum(seen, [])}
    assert len({*sum(seen[:3], [])}) == 24  # each image once in an epoch
    again = stream_run(tables, tmp_path / "b", resume=tmp_path / "a" / "ckpts" / "step_00000004.pt")
    again.trainer.train()
    assert "reading past 8 images of the stream" in capsys.readouterr().out
    for a, b in zip(whole.model.parameters(), again.model.parameters(), strict=True):
        assert torch.equal(a, b)
    with pytest.raises(DDPMError, match="dataset.shuffle_buffer is 11 here, but 10"):
        stream_run(
            tables, tmp_path / "c", resume=tmp_path / "a" / "ckpts" / "latest.pt", shuffle_buffer=11
        )


def test_processes_share_a_stream_and_a_limit_keeps_it_in_memory(tables):
    how = dict(root=tables, image_size=8, streaming=True, shuffle_buffer=10)
    assert "--dataset.stream_length" in table_error(tables, streaming=True)
    data = load_data("huggingface", stream_length=40, val_fraction=0, **how)
    assert isinstance(data, StreamData)
    order = data.epoch_order(8, seed=3, epoch=1)
    whole = [x for x, _ in data.batches(order, 0)]
    parts = [[x for x, _ in data.batches([i[k::2] for i in order], 2)] for k in range(2)]
    for both, a, b in zip(whole, *parts, strict=True):
        assert torch.equal(both[0::2], a) and torch.equal(both[1::2], b)
    few = load_data("huggingface", limit=12, val_fraction=0, **how)
    assert isinstance(few, ImageData) and len({*numbers(few)}) == 12
    short = dict(streaming=True, stream_length=40, split="test", val_fraction=0.02)
    assert "each 50th image of a file" in table_error(tables, **short)  # of 20; "no images"
    assert "only with dataset.streaming" in table_error(tables, stream_length=3)
    assert "has no names of classes" in table_error(
        tables, streaming=True, stream_length=9, label_column="id"
    )
