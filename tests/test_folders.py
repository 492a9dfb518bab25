"Folders of images as they lie on disks, and images as cameras, scanners and phones write them"

import io
import os
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch
from PIL import Image

from ddpm_nb.app.command_sample import read_user_image
from ddpm_nb.app.panels_editor import uploaded
from ddpm_nb.cli import main
from ddpm_nb.core import DDPMError
from ddpm_nb.data import ImageData, pick_images
from ddpm_nb.engine.checkpoint import config_of_checkpoint, load_checkpoint
from ddpm_nb.engine.datasets import load_data
from ddpm_nb.engine.features import data_hash
from ddpm_nb.engine.folders import FolderData
from ddpm_nb.engine.images import UnreadableImage, check_image, image_endings, read_image
from helpers.commands import ENV, results
from helpers.tiny import tiny_data, tiny_model, tiny_trainer

# ---- images, by every caller


def put(folder, *names, size=(40, 40), color="red"):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size, color).save(folder / name)


def files_of(data) -> list:
    "The files of a folder's data"
    assert isinstance(data, FolderData)
    return data.files


def by_folder(path):
    "The data of one image, as a folder reads it; in [0,255]"
    data = FolderData(path.parent, 32, 1, files=[path])
    return (data.batch(torch.tensor([0]))[0][0, 0] + 1) * 127.5


def by_flag(path):
    return (read_user_image("image", path, 1, 32)[0, 0] + 1) * 127.5


def by_upload(path):
    # bright on dark as it was drawn, where the edge is dark
    return uploaded(path.read_bytes()).float()


READERS = [by_folder, by_flag, by_upload]
UNDO = {3: 3, 2: 2, 4: 4, 5: 5, 6: 8, 7: 7, 8: 6}
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def drawing():
    "White on black: a large square above left, a small one above right; no turn leaves it alike"
    im = Image.new("L", (32, 32))
    im.paste(255, (4, 4, 18, 18))
    im.paste(255, (22, 4, 28, 10))
    return im


@pytest.mark.parametrize("reader", READERS)
def test_pictures_are_upright_whichever_way_the_camera_was_held(tmp_path, reader):
    wanted = torch.from_numpy(np.array(drawing())).float()
    for orientation in range(1, 9):
        stored = drawing()
        if orientation > 1:
            stored = stored.transpose(TURNS[UNDO[orientation]])
        exif = Image.Exif()
        exif[0x0112] = orientation
        for ending in ("png", "jpg", "webp"):
            path = tmp_path / f"{orientation}.{ending}"
            how = dict(lossless=True) if ending == "webp" else dict(quality=95)
            stored.save(path, exif=exif, **how)
            difference = (reader(path) - wanted).abs().mean()
            assert difference < 8, (orientation, ending, difference)


def modes(folder):
    "The same drawing in many forms: name -> path"
    im, grey = drawing(), np.array(drawing())
    alpha = Image.fromarray(255 - grey)
    clear = Image.merge("LA", [Image.new("L", (32, 32)), alpha])  # black, shown on white
    forms = {
        "grey.png": im,
        "bits.png": im.convert("1"),
        "palette.gif": im.convert("P"),
        "rgb.bmp": im.convert("RGB"),
        "inks.tif": im.convert("RGB").convert("CMYK"),
        "inks.jpg": im.convert("RGB").convert("CMYK"),
        "lab.tif": Image.merge("LAB", [im, *[Image.new("L", (32, 32), 128)] * 2]),
        "deep.png": Image.fromarray(grey.astype(np.uint16) * 257),
        "deep.tif": Image.fromarray(grey.astype(np.uint16) * 257),
        "alpha.png": clear,
        "targa.tga": im,
        "jp.jp2": im,
        "odd.jfif": im,
    }
    for name, form in forms.items():
        path = folder / name
        if name.endswith("jfif"):
            form.save(path, format="JPEG", quality=95)
        else:
            form.save(path)
    return [folder / name for name in forms]


@pytest.mark.parametrize("reader", READERS)
def test_every_form_of_one_drawing_is_that_drawing(tmp_path, reader):
    wanted = torch.from_numpy(np.array(drawing())).float()
    for path in modes(tmp_path):
        assert check_image(path) == ""
        difference = (reader(path) - wanted).abs().mean()
        assert difference < 8, (path.name, difference)


def bad_files(folder):
    "Files that must be refused: name -> part of the reason"
    grey = np.array(drawing()).astype(np.uint16)
    jpeg = io.BytesIO()
    Image.effect_noise((64, 64), 60).save(jpeg, "JPEG")
    png = io.BytesIO()
    Image.effect_noise((64, 64), 60).save(png, "PNG")
    flipped = bytearray(png.getvalue())
    flipped[len(flipped) // 2] ^= 255
    bomb = io.BytesIO()
    Image.new("1", (20000, 20000)).save(bomb, "PNG")
    Image.fromarray(grey * 16).save(folder / "twelve.tif")
    Image.fromarray(grey * 4).save(folder / "ten.png")
    Image.fromarray(grey.astype(np.float32) / 255).save(folder / "float.tif")
    Image.fromarray(grey.astype(np.int32)).save(folder / "int.tif")
    for name, content in (
        ("cut.jpg", jpeg.getvalue()[:900]),
        ("flipped.png", bytes(flipped)),
        ("empty.png", b""),
        ("text.png", b"not a picture"),
        ("bomb.png", bomb.getvalue()),
    ):
        (folder / name).write_bytes(content)
    return dict.fromkeys(("twelve.tif", "ten.png"), "none above") | {
        "float.tif": "32 bits",
        "int.tif": "32 bits",
        "cut.jpg": "truncated",
        "flipped.png": "",
        "empty.png": "cannot identify",
        "text.png": "cannot identify",
        "bomb.png": "exceeds limit",
    }


@pytest.mark.slow
def test_what_cannot_be_read_right_is_refused_at_the_start_by_what_reads(tmp_path):
    for name, says in bad_files(tmp_path).items():
        path = tmp_path / name
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            why = check_image(path)
            assert why and says in why and str(tmp_path) not in why, (name, why)
            with pytest.raises(UnreadableImage):
                read_image(path, 32, 1)
            with pytest.raises(DDPMError, match="--mask"):
                read_user_image("mask", path, 1, 32)
            with pytest.raises(DDPMError, match="upload"):
                uploaded(path.read_bytes())
    put(tmp_path, "good.png")
    assert len(FolderData(tmp_path, 32)) == 1


def test_a_photograph_gets_no_frame_unless_asked(tmp_path):
    for size in ((48, 64), (56, 56), (63, 63), (20, 90)):
        Image.new("RGB", size, "white").save(tmp_path / "a.png")
        assert read_image(tmp_path / "a.png", 64).min() == 255, size
        padded = read_image(tmp_path / "a.png", 64, fit="pad")
        assert padded.max() == 255 and padded.min() == 0
    whole = load_data("folder", root=tmp_path, image_size=64, fit="pad")
    cut = load_data("folder", root=tmp_path, image_size=64)
    assert whole.batch(torch.tensor([0]))[0].min() == -1
    assert cut.batch(torch.tensor([0]))[0].min() == 1


MEMORY = """
import resource, sys
from ddpm_nb.engine.images import read_image
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
before = peak()
for path in sys.argv[1:]:
    read_image(path, 64)
print((peak() - before) // 1024)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss has other units")
def test_memory_is_bounded_by_what_is_wanted(tmp_path):
    Image.new("L", (9000, 6000), 90).save(tmp_path / "a.jpg")  # 54 MB and more if decoded whole
    Image.new("RGB", (1, 20000)).save(tmp_path / "b.png")  # 1 GB if resized before it is cropped
    Image.new("RGB", (3, 30000)).save(tmp_path / "c.png")
    cmd = [sys.executable, "-c", MEMORY, *map(str, sorted(tmp_path.iterdir()))]
    out = subprocess.run(cmd, env=ENV, capture_output=True, text=True, check=True).stdout
    assert int(out) < 40, f"{out.strip()} MB"


# ---- the walk


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs POSIX files")
def test_what_is_hidden_linked_or_made_by_systems(tmp_path, capsys):
    im = tmp_path / "im"
    put(im, "cat/0.png", "cat/._1.jpg", ".ipynb_checkpoints/0-checkpoint.png", ".Trash-1/1.png")
    put(im, "cat/@eaDir/0.png/THUMB_M.jpg", "__MACOSX/cat/0.png", "cat/Thumbs/t.jpg")
    put(tmp_path, "store/0.png")
    (im / "dog").symlink_to(tmp_path / "store")
    (im / "cat" / "up").symlink_to(im)
    (im / "gone.png").symlink_to(tmp_path / "nowhere.png")
    os.mkfifo(im / "cat" / "pipe.png")  # would be waited for for ever
    (im / "notes.txt").write_text("")
    f = FolderData(im, 32)
    assert (len(f), f.classes) == (2, ["cat", "dog"])
    out = capsys.readouterr().out
    assert out.count("dataset: ") == 1
    for words in (
        "2 images in 2 classes (cat 1, dog 1); left out: ",
        "2 in hidden folders",
        "3 in system folders",
        "1 hidden files",
        "1 broken links (gone.png)",
        "1 no regular files (pipe.png 1)",
        "1 of other kinds (.txt 1)",
    ):
        assert words in out, (words, out)


def test_links_that_lead_to_themselves_are_broken_links(tmp_path, capsys):
    put(tmp_path, "cat/0.png", "dog/0.png")
    (tmp_path / "around").symlink_to("around")
    (tmp_path / "cat" / "self.png").symlink_to("self.png")
    f = FolderData(tmp_path, 32)
    assert (len(f), f.classes) == (2, ["cat", "dog"])
    assert "1 broken links (self.png)" in capsys.readouterr().out


def test_a_stray_image_is_named_and_takes_no_labels_away(tmp_path, capsys):
    put(tmp_path, "cat/0.png", "dog/0.png", "cover.png")
    f = FolderData(tmp_path, 32)
    assert (f.classes, len(f), f.labels.tolist()) == (["cat", "dog"], 2, [0, 1])
    assert "1 beside the class folders (cover.png)" in capsys.readouterr().out
    # where most lie beside, there are no classes, and nothing is lost
    put(tmp_path, *(f"{i}.png" for i in range(5)))
    assert (FolderData(tmp_path, 32).classes, len(FolderData(tmp_path, 32))) == (None, 8)


def test_folders_called_train_and_test_are_splits(tmp_path, capsys):
    for split, n in (("train", 4), ("Val", 2), ("test", 3)):
        put(tmp_path, *(f"{split}/{c}/{i}.png" for c in ("cat", "dog") for i in range(n)))

    def load(split):
        return load_data("folder", split, 32, root=tmp_path)

    sizes = {split: len(load(split)) for split in ("train", "val", "test")}
    assert sizes == dict(train=8, val=4, test=6)
    assert load("train").classes == ["cat", "dog"]
    assert {p.relative_to(tmp_path).parts[0] for p in files_of(load("test"))} == {"test"}
    assert "split as its folders say" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["test", "Val", "train"])
def test_a_split_that_is_alone_is_all_images(tmp_path, capsys, name):
    "A folder that held test alone was one class called test"
    put(tmp_path, *(f"{name}/{c}/{i}.png" for c in ("cat", "dog") for i in range(4)))
    train, test = (load_data("folder", s, 32, root=tmp_path) for s in ("train", "test"))
    assert train.classes == ["cat", "dog"]
    assert len(train) + len(test) == 8
    assert not set(files_of(train)) & set(files_of(test))
    said = f"all in {name}, of which dataset.val_fraction is held out"
    assert said in capsys.readouterr().out


def test_splits_to_measure_with_are_not_trained_on(tmp_path):
    put(tmp_path, "test/cat/0.png", "val/cat/0.png")
    with pytest.raises(DDPMError, match=r"holds test and val, but no folder called train; .*/test"):
        load_data("folder", "train", 32, root=tmp_path)


def test_folders_inside_the_only_class_are_pointed_at(tmp_path, capsys):
    "An archive unpacked into a folder of its own"
    put(tmp_path, *(f"pets/{c}/{i}.png" for c in ("cat", "dog") for i in range(2)))
    assert FolderData(tmp_path, 32).classes == ["pets"]
    way = f"to take the folders in it for classes or splits: --dataset.root {tmp_path / 'pets'}"
    assert way in capsys.readouterr().out
    put(tmp_path, *(f"{c}/{s}/0.png" for c in ("cat", "dog") for s in ("train", "test")))
    FolderData(tmp_path, 32)
    assert "test and train inside the classes are no splits" in capsys.readouterr().out


@pytest.mark.parametrize(
    "name, says",
    [
        ("train.npy", ".npy is read with --dataset.name array; looked"),
        ("train.npz", "--dataset.name array and the file as dataset.root"),
        ("train-0.parquet", "--dataset.name huggingface"),
        ("a/data.arrow", "--dataset.name huggingface"),
        ("images.zip", "(.zip 1); looked for"),
    ],
)
def test_a_folder_of_another_source_says_how_that_is_read(tmp_path, name, says):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(DDPMError) as e:
        load_data("folder", root=tmp_path)
    assert says in str(e.value)
    if "/" not in name and ".zip" not in name:  # and so does the file itself
        with pytest.raises(DDPMError, match="is not a folder; .* is read with --dataset.name"):
            load_data("folder", root=tmp_path / name)


def test_endings_of_all_kinds(tmp_path, capsys):
    put(tmp_path, "a.png", "b.JPG", "c.avif", "d.jp2", "e.tga", "f.dib", "g.ico")
    for name in ("h.jfif", "i.jpe"):
        Image.new("RGB", (40, 40)).save(tmp_path / name, format="JPEG")
    (tmp_path / "j.pdf").write_bytes(b"")
    readable = len([p for p in tmp_path.iterdir() if p.suffix.lower() in image_endings()])
    assert len(FolderData(tmp_path, 32)) == readable >= 8
    assert "1 of other kinds (.pdf 1)" in capsys.readouterr().out


def test_pictures_of_iphones(tmp_path):
    heif = pytest.importorskip("pillow_heif")
    heif.register_heif_opener()
    Image.new("RGB", (40, 40), "white").save(tmp_path / "a.heic")
    assert read_image(tmp_path / "a.heic", 32).float().mean() > 250


# ---- classes, and subsets over them


def test_names_of_classes_in_natural_order(tmp_path):
    put(tmp_path, *(f"{k}/0.png" for k in range(1, 13)))
    assert FolderData(tmp_path, 32).classes == [str(k) for k in range(1, 13)]


def test_a_label_that_is_a_number_and_a_name_is_the_name(tmp_path, capsys, monkeypatch):
    "Folders 1 to 12: the class called 2 is number 1, from the command line to the sampler"
    model = tiny_model(num_classes=12)
    names = [str(k) for k in range(1, 13)]
    state = tiny_trainer(tmp_path / "run", net=dict(num_classes=12), data=tiny_data()).state_dict()
    state |= dict(model=model.state_dict(), ema=dict(shadow=model.state_dict()), class_names=names)
    torch.save(state, tmp_path / "m.pt")
    asked = []
    monkeypatch.setattr(
        "ddpm_nb.sampler.DDPMSampler.sample",
        lambda self, model, shape, y=None, **kw: (asked.append(y.tolist()), torch.zeros(shape))[1],
    )
    for label in ("2", "12"):
        words = ["--checkpoint", tmp_path / "m.pt", "--output_dir", tmp_path, "--label", label]
        assert (
            main(["sample.grid", *map(str, words), "--num_samples", "1", "--num_steps", "2"]) == 0
        )
    assert asked == [[1], [11]]
    assert "label 2: the class of that name, number 1" in capsys.readouterr().out


def test_a_limit_a_split_and_a_validation_see_all_classes(tmp_path):
    put(tmp_path, *(f"{c}/{i:03}.png" for c in "abc" for i in range(40)), size=(8, 8))

    def load(**k):
        return load_data("folder", image_size=8, root=tmp_path, **k)

    limited = load(limit=30)
    assert limited.labels.bincount().tolist() == [10, 10, 10]
    held_out = load(split="test", val_fraction=0.1)
    assert held_out.labels.bincount().tolist() == [4, 4, 4]
    assert set(held_out.labels[:3].tolist()) == {0, 1, 2}
    assert not {*files_of(held_out)} & {*files_of(load(val_fraction=0.1))}
    assert load_data("mnist", "test", limit=20).labels.bincount().tolist() == [2] * 10


def test_the_validation_loss_is_of_all_classes(tmp_path):
    pixels = torch.zeros(60, 1, 8, 8, dtype=torch.uint8)
    val = ImageData(pixels, torch.arange(60) // 20)
    seen = []
    batch = val.batch

    def watched(i):
        return (seen.extend(val.labels[i].tolist()), batch(i))[1]

    setattr(val, "batch", watched)  # noqa: B010, the type checker knows no such attribute
    trainer = tiny_trainer(tmp_path, val=val)
    trainer.val_loss(9)
    assert sorted(seen) == [0] * 3 + [1] * 3 + [2] * 3
    # a run of 0.1 keeps the images that its curve began with
    state = trainer.state_dict()
    del state["rules"]
    trainer.load_state_dict(state)
    assert pick_images(val, 9).tolist() == list(range(9))


@pytest.mark.slow
def test_best_is_chosen_on_all_classes_from_the_command_line(tmp_path, monkeypatch):
    "A folder whose classes lie one after the other, validated on fewer images than are held out"
    im, seen = tmp_path / "im", []
    put(im, *(f"{c}/{i:02}.png" for c in "abc" for i in range(20)), size=(8, 8))
    read = FolderData.batch

    def watched(self, idx):
        seen.append(self.labels[idx].bincount(minlength=3).tolist())
        return read(self, idx)

    monkeypatch.setattr(FolderData, "batch", watched)
    words = f"""--config folder --auto false --dataset.root {im}
        --dataset.image_size 8 --model.image_size 8 --dataset.val_fraction 0.5
        --device cpu --schedules.timesteps 20 --batch_size 8
        --model.base_channels 8 --model.channel_mults [1,2] --model.attention_resolutions []
        --model.num_groups 4 --training.num_workers 0 --training.max_steps 4
        --training.validation.every_steps 2 --training.validation.num_images 6
        --training.sampling.every_steps 0 --output_dir {tmp_path / "run"}"""
    assert main(["train", *words.split()]) == 0
    assert seen and all(counts == [2, 2, 2] for counts in seen)
    best = load_checkpoint(tmp_path / "run" / "ckpts" / "best.pt")
    val = load_checkpoint(tmp_path / "run" / "ckpts" / "latest.pt")["history"]["val"]
    assert best["step"] == min(val, key=lambda v: v["loss_ema"])["step"]


def test_checkpoints_of_0_1_keep_its_choice_of_images(tmp_path):
    put(tmp_path, *(f"{k}/{i}.png" for k in (1, 2, 10) for i in range(8)), size=(8, 8))
    old = config_of_checkpoint(dict(config=dict(dataset=dict(name="folder"))))["dataset"]
    assert old["rules"] == 1
    data = load_data(image_size=8, root=tmp_path, limit=5, **old)
    assert data.classes == ["1", "10", "2"]
    assert [p.parent.name for p in files_of(data)] == ["1"] * 5
    assert len(load_data(image_size=8, root=tmp_path, split="test", **old)) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's file names")
def test_names_that_are_no_text(tmp_path):
    put(tmp_path, "a.png", "b.png", "c.png")
    (tmp_path / "b.png").rename(tmp_path / "two\nlines #1 100%.png")
    os.rename(tmp_path / "c.png", os.fsencode(tmp_path) + b"/caf\xe9.png")
    data = FolderData(tmp_path, 32)
    assert len(data) == 3 and len(data_hash(data)) == 64
    assert [data.name_of(i).encode() for i in range(3)]


# ---- all of it at once

TINY = """--model.base_channels 8 --model.channel_mults [1,2] --model.attention_resolutions []
    --model.num_groups 4 --schedules.timesteps 20 --device cpu --model.image_size 16
    --dataset.image_size 16 --training.num_workers 0
    --training.sampling.every_steps 0 --batch_size 8""".split()


def everything(root):
    "A folder as people have them: 12 classes, and all that lies around"
    names = [*(str(k) for k in range(1, 11)), "Ünïcode cat", "日本"]
    rng = np.random.default_rng(0)
    for name in names:
        for i in range(4):
            (root / name).mkdir(parents=True, exist_ok=True)
            exif = Image.Exif()
            exif[0x0112] = i + 5
            pixels = rng.integers(0, 255, (30, 40, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / name / f"img {i}.JPG", exif=exif)
    Image.new("CMYK", (30, 30)).save(root / "1" / "inks.jpg")
    Image.fromarray(np.full((30, 30), 40000, np.uint16)).save(root / "2" / "deep.png")
    Image.fromarray(np.full((30, 30), 1, np.float32)).save(root / "2" / "float.tif")
    put(root, "cover.png", "3/@eaDir/x.jpg", ".ipynb_checkpoints/y.png", "4/._img 0.jpg")
    (root / "5" / "broken.png").write_bytes(b"\x89PNG")
    (root / "6" / "loop").symlink_to(root)
    put(root.parent, "elsewhere/far.png")
    (root / "7" / "far.png").symlink_to(root.parent / "elsewhere" / "far.png")
    put(root, "8/x.png")
    os.rename(root / "8" / "x.png", os.fsencode(root / "8") + b"/caf\xe9\n#1.png")
    return names


@pytest.mark.slow
def test_a_folder_that_holds_everything_from_training_to_report(tmp_path, capsys):
    names = everything(tmp_path / "im")
    out = tmp_path / os.fsdecode(b"run \xe9 #1 100%")

    def run(command, *args, code=0):
        assert main([command, *map(str, args), "--output_dir", str(out)]) == code
        return capsys.readouterr()

    folder = ["--config", "folder", "--dataset.root", tmp_path / "im", "--model.num_classes", 12]
    short = ["--training.max_steps", 2, "--training.validation.every_steps", 2]
    said = run("train", *folder, *TINY, *short).out
    assert "52 images in 12 classes (1 5, 2 5, " in said
    for words in ("2 unreadable", "(cover.png)", "skipping 5/broken.png", "in hidden folders"):
        assert words in said, (words, said)
    checkpoint = load_checkpoint(out / "ckpts" / "latest.pt")
    assert checkpoint["class_names"] == names
    few = ["--num_samples", 2, "--num_steps", 2]
    run("sample.grid", *few, "--label", "日本")
    assert "label 3: the class of that name, number 2" in run("sample.grid", *few, "--label", 3).out
    assert (
        "did you mean Ünïcode cat?"
        in run("sample.grid", *few, "--label", "unicode cat", code=2).err
    )
    run("sample.edit", *few)
    said = run("eval", "--num_samples", 4, "--num_steps", 2, "--metrics", "fid_proxy").out
    assert said.count("dataset: 52 images") == 1
    assert results(out)
    run("report")
    assert "11 日本" in (out / "reports" / "report.md").read_text(encoding="utf-8")
    run("train", "--resume", "latest", "--training.max_steps", 3)
    (tmp_path / "im" / "日本").rename(tmp_path / "im" / "aa")
    for command in (["train", "--resume", "latest", "--training.max_steps", 4], ["eval", *few]):
        said = run(*command, code=2).err
        assert "class 10 is aa here, but Ünïcode cat" in said
