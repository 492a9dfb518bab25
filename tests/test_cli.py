"The command line as a stranger meets it: bad input, exit codes, kill and resume"

import errno
import json
import os
import pickle
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from PIL import Image

from ddpm_nb.app.arguments import parse
from ddpm_nb.app.config import load_config
from ddpm_nb.app.recipes import build
from ddpm_nb.cli import main
from ddpm_nb.engine.checkpoint import load_checkpoint, load_model
from ddpm_nb.engine.run import DDPMTrainer
from ddpm_nb.run_settings import Config
from ddpm_nb.sampler import DDPMSampler
from ddpm_nb.sections import all_settings
from helpers.commands import ENV, cli, files, python, refused, start, train_args


@pytest.mark.parametrize("args", [[], ["--help"], ["train", "--help"], ["config", "schema"]])
def test_help_imports_nothing_heavy(args):
    code = (
        "import sys; from ddpm_nb.cli import main; main(sys.argv[1:]); "
        "print(sorted({'torch', 'numpy', 'matplotlib', 'yaml'} & set(sys.modules)))"
    )
    out = python("-c", code, *args)
    assert out.stdout.strip().endswith("[]"), out


@pytest.mark.parametrize("args", [["--help"], ["train", "--help"]])
def test_help_is_quick(args):
    "Under half a second: of processor time, so that other work does not count"
    resource = pytest.importorskip("resource", reason="needs POSIX limits")
    seconds = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert cli(*args).returncode == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        seconds.append(used)
    assert min(seconds) < 0.5, seconds


def test_help_shows_every_key_with_type_range_and_default(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "1000")
    assert main(["train", "--help"]) == 0
    lines = {}
    # a long name has its help on the next line
    for line in re.sub(r"\n {20,}", " ", capsys.readouterr().out).split("\n"):
        for word in line.replace(",", " ").split():
            if word.startswith("--"):
                lines[word] = line
    for path, setting in all_settings(Config):
        line = lines[f"--{path}"]
        assert setting.help in line, path
        assert setting.allowed_text in line, path
        assert "default: " in line, path
        kinds = {bool: "BOOL", int: "INT", float: "FLOAT", str: "TEXT"}
        types = setting.items if list in setting.types else setting.types
        assert any(kinds[t] in line for t in types), path
    assert main(["sample.grid", "--help"]) == 0
    out = capsys.readouterr().out
    assert "--sampling.spacing" in out and "--sampling.fps" not in out and "--model." not in out


def test_a_boolean_key_without_value_is_true(capsys, tmp_path):
    for words, says in (
        (["--training.compile"], "  compile: true "),
        (["--training.compile", "false"], "  compile: false "),
        (["--training.compile=false"], "  compile: false "),
        (["--deterministic", "--seed", "3"], "deterministic: true "),
    ):
        assert main(["train", *words, "--print_config"]) == 0
        assert says in capsys.readouterr().out


def test_words_with_a_space_name_a_command_too(capsys):
    assert main(["sample", "grid", "--help"]) == 0
    first = capsys.readouterr().out.split("\n")[0]
    assert first == "usage: ddpm-nb sample.grid [flags]"
    assert main(["help", "eval"]) == 0
    assert capsys.readouterr().out.startswith("usage: ddpm-nb eval")


@pytest.mark.parametrize(
    "typed, message",
    [
        ("trian", "'trian' is not a command; did you mean train?"),
        ("cook", "'cook' is not a command; expected one of train, sample.grid, "),
        ("train --confg x", "--confg: unknown flag; did you mean --config?"),
        ("train --config mnits", "nor a file; did you mean mnist?"),
        (
            "train --training.learning_ratee 1",
            "training.learning_ratee: unknown key; did you mean training.learning_rate?",
        ),
        ("train --learning_rat 1", "--learning_rat: unknown flag; did you mean --learning_rate?"),
        ("train --num_timesteps 9", "unknown flag; did you mean --schedules.timesteps?"),
        ("train --batch_size many", "training.batch_size: 'many' is of type str; expected int"),
        ("train --batch_size 0", "training.batch_size: 0; expected 1 or more"),
        ("train --fps 3", "--fps: train has no use for it; see: ddpm-nb train --help"),
        ("train --seed", "--seed: expected a value"),
        ("train --seed --config mnist", "--seed: expected a value"),
        ("train x", "'x': expected a flag, such as --config NAME; train --help lists them"),
        ("train --overwrite=false", "--overwrite=false: it takes no value"),
        ("train --training.scheduler.name cosin", "did you mean cosine?"),
        ("train --dataset.name minst", "dataset.name: 'minst'; expected mnist, fashion_mnist"),
        ("train --training.ema.decay 1.5", "training.ema.decay: 1.5; expected 0 <= decay < 1"),
        ("train --model.channel_mults [1", "--model.channel_mults, line 1: expected ',' or ']'"),
        ("train --seed.x 1", "seed.x: unknown key; seed is not a section"),
        ("train --trainin.epochs 1", "trainin.epochs: unknown key; did you mean training?"),
        ("train --resume latest --overwrite", "--resume, --overwrite: both given"),
        (
            "sample.grid --model.base_channels 8",
            "--model.base_channels: sample.grid has no use for it; the checkpoint decides it",
        ),
        ("sample.grid --pretrained mnist --method rk4", "'rk4'; expected ddpm, ddim, dpmpp_2m"),
        ("sample.grid --checkpoint nowhere.pt", "nowhere.pt does not exist; train first, or name"),
        ("sample.inpaint --method ddpm", "--method: sample.inpaint has no use for it"),
        ("eval --pretrained mnist --metrics fidd", "did you mean fid?"),
        ("report --sampling.fps 3", "--sampling.fps: report has no use for it"),
        ("completion tcsh", "completion: 'tcsh'; expected bash, zsh, fish"),
        ("completion", "completion: missing; expected bash, zsh, fish"),
    ],
)
def test_typing_errors_name_the_way_out(capsys, tmp_path, monkeypatch, typed, message):
    monkeypatch.chdir(tmp_path)
    refused(capsys, message, *typed.split())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "says, args",
    [
        ("neither a packaged config", ["--config", "mnits"]),
        ("did you mean training.learning_rate?", ["--training.learning_ratee", "1"]),
        ("training.batch_size", ["--batch_size", "many"]),
        ("cannot be halved", ["--model.image_size", "33", "--dataset.image_size", "33"]),
        ("model.num_groups", ["--model.base_channels", "10"]),
        ("schedules.timesteps", ["--schedules.timesteps", "1"]),
        ("model.parameterization", ["--model.parameterization", "noise"]),
        ("dataset.name", ["--dataset.name", "minst"]),
        ("training.scheduler.name", ["--training.scheduler.name", "cosin"]),
        ("device", ["--device", "gpu"]),
        ("training.ema.decay", ["--training.ema.decay", "1.5"]),
        ("loss.type", ["--loss.type", "l3"]),
        ("mirrored digit", ["--dataset.flip", "true"]),
        ("unknown flag", ["--confg", "x"]),
        (
            "needs model.parameterization",
            ["--schedules.zero_terminal_snr", "true", "--model.parameterization", "eps"],
        ),
    ],
)
def test_bad_training_input(tmp_path, capsys, says, args):
    out = tmp_path / "o"
    refused(capsys, says, *train_args(out), *args)
    assert not list(tmp_path.rglob("*.pt"))


@pytest.mark.parametrize(
    "error", [RuntimeError("can't start new thread"), BlockingIOError(errno.EAGAIN, "unavailable")]
)
def test_a_limit_on_processes_is_named(capsys, monkeypatch, error):
    def limited(request):
        raise error

    monkeypatch.setattr("ddpm_nb.cli.dispatch", limited)
    refused(capsys, ["ulimit -u", "--pids-limit"], "train")


@pytest.mark.slow
def test_exit_code_and_one_line_in_a_real_process():
    r = python("-m", "ddpm_nb.cli", "train", "--config", "mnits")
    assert r.returncode == 2 and r.stdout == "" and len(r.stderr.strip().split("\n")) == 1
    assert cli("trian").returncode == 2


@pytest.mark.slow
def test_bad_checkpoints(tmp_path, capsys, run):
    good = (run / "ckpts" / "ema.pt").read_bytes()

    class Evil:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path}/owned",)

    (tmp_path / "cut.pt").write_bytes(good[: len(good) // 2])
    torch.save(dict(format="ddpm_nb", model=Evil()), tmp_path / "evil.pt")
    torch.save({"state_dict": torch.zeros(2)}, tmp_path / "foreign.pt")
    (tmp_path / "old.pt").write_bytes(pickle.dumps(Evil()))
    (tmp_path / "folder.pt").mkdir()
    for name, says in (
        ("cut", "damaged"),
        ("evil", "could run code"),
        ("foreign", "not written by ddpm_nb"),
        ("old", "refused"),
        ("missing", "does not exist"),
        ("folder", "does not exist"),
    ):
        refused(
            capsys,
            says,
            "sample.grid",
            "--output_dir",
            tmp_path / "o",
            "--checkpoint",
            tmp_path / f"{name}.pt",
        )
    assert not (tmp_path / "owned").exists() and not (tmp_path / "o").exists()


@pytest.mark.slow
def test_folders(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    folder = ["--dataset.name", "folder", "--model.in_channels", "3", "--dataset.limit", "8"]
    refused(
        capsys,
        "no readable images",
        *train_args(tmp_path / "o"),
        *folder,
        "--dataset.root",
        tmp_path / "empty",
    )
    refused(
        capsys,
        "not a folder",
        *train_args(tmp_path / "o"),
        *folder,
        "--dataset.root",
        tmp_path / "nowhere",
    )
    (tmp_path / "im").mkdir()
    [
        Image.new("RGB", (40, 50), (20 * i, 0, 0)).save(tmp_path / "im" / f"{i}.png")
        for i in range(12)
    ]
    (tmp_path / "im" / "x.png").write_text("no")
    assert (
        main(
            train_args(
                tmp_path / "p",
                *folder,
                "--dataset.root",
                tmp_path / "im",
                "--training.max_steps",
                2,
                "--training.num_workers",
                0,
            )
        )
        == 0
    )
    assert "skipping x.png" in capsys.readouterr().out


def test_unwritable_output(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    refused(capsys, "--output_dir", *train_args(tmp_path / "file" / "o"))


def test_a_run_is_not_overwritten(capsys, run):
    before = (run / "ckpts" / "latest.pt").read_bytes()
    refused(capsys, "--resume latest", *train_args(run))
    assert (run / "ckpts" / "latest.pt").read_bytes() == before


def test_resume_into_another_model(capsys, run):
    refused(
        capsys, "model.dropout", *train_args(run, "--resume", "latest", "--model.dropout", "0.5")
    )


def test_bad_sampling_input(capsys, run):
    for says, args in (
        ("method", ["--method", "rk4"]),
        ("num_steps", ["--num_steps", "21"]),
        ("eta", ["--eta", "-1"]),
        ("knows no classes", ["--guidance_scale", "3"]),
        ("spacing", ["--sampling.spacing", "log"]),
        ("sampling.label", ["--label", "3"]),
        ("num_samples", ["--num_samples", "0"]),
    ):
        refused(capsys, says, "sample.grid", "--output_dir", run, "--num_steps", "4", *args)
    refused(capsys, "evaluation.metrics", "eval", "--output_dir", run, "--metrics", "fid")
    refused(capsys, "expected one of", "sample.grid", "--pretrained", "cats")


@pytest.mark.slow
def test_seed_checkpoint_and_names(run, tmp_path):
    def grid(*a):
        assert (
            main(
                [
                    "sample.grid",
                    "--output_dir",
                    str(run),
                    "--num_samples",
                    "4",
                    "--num_steps",
                    "3",
                    "--output_name",
                    "g",
                    *a,
                ]
            )
            == 0
        )
        return (run / "grids" / "g.png").read_bytes()

    assert grid("--seed", "1") == grid("--seed", "1") != grid("--seed", "2")
    assert grid("--checkpoint", str(run / "ckpts" / "best.pt")) and grid(
        "--checkpoint", "latest", "--sampling.weights", "raw"
    ) != grid("--checkpoint", "latest")


@pytest.mark.slow
def test_every_sampling_command(run):
    for cmd, out in (
        ("sample.interpolate", "grids/interpolate.png"),
        ("sample.inpaint", "grids/inpaint.png"),
        ("sample.edit", "grids/edit.png"),
        ("sample.traj", "animations/trajectory.gif"),
    ):
        assert (
            main([cmd, "--output_dir", str(run), "--num_samples", "3", "--num_steps", "4"]) == 0
            and (run / out).stat().st_size > 100
        )
    for cmd, out in (
        ("viz.curves", "curves/training_curves.png"),
        ("viz.schedules", "curves/snr.png"),
    ):
        assert main([cmd, "--output_dir", str(run)]) == 0 and (run / out).is_file()


@pytest.mark.slow
def test_eval_all_methods_goes_on(run, capsys):
    args = [
        "eval",
        "--output_dir",
        str(run),
        "--num_samples",
        "8",
        "--metrics",
        "kid",
        "--all_methods",
        "--evaluation.methods",
        "[ddim, heun]",
        "--evaluation.steps",
        "[2, 3]",
    ]
    assert main(args) == 0
    f = run / "logs" / "evaluation_results.json"
    first = json.loads(f.read_text())["results"]
    assert [r["name"] for r in first] == ["ddim-2", "ddim-3", "heun-2", "heun-3"] and all(
        r["n"] == 8 and r["checkpoint_sha256"] for r in first
    )
    # nothing was done twice: times are the same
    assert main(args) == 0 and json.loads(f.read_text())["results"] == first


def test_the_readme_trains_what_the_command_trains(tmp_path, monkeypatch):
    "Its Python example, up to the training, builds the trainer of `ddpm-nb train --config mnist`"
    monkeypatch.chdir(tmp_path)
    text = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    (code,) = (c for c in text.split("```") if c.startswith("python\n") and "DDPMTrainer(" in c)
    names = {}
    exec(code.removeprefix("python\n").split("trainer.train()")[0], names)
    a, b = names["trainer"], build("mnist", output_dir=tmp_path, device="cpu").trainer
    assert a.cfg == b.cfg and a.total_steps == b.total_steps and a.model.config == b.model.config
    assert (
        a.loss.type == b.loss.type
        and torch.equal(a.loss.weights["v"], b.loss.weights["v"])
        and len(a.data) == len(b.data) == 60_000
    )


def test_training_deletes_only_what_training_wrote(tmp_path, capsys):
    ck = tmp_path / "ckpts"
    ck.mkdir()
    for n in ("mine.pt", "best.pt", "step_00000003.pt", "ema.pt"):
        (ck / n).write_text(n)
    refused(capsys, f"go on with --resume {ck / 'best.pt'}", *train_args(tmp_path))
    assert sorted(p.name for p in ck.iterdir()) == [
        "best.pt",
        "ema.pt",
        "mine.pt",
        "step_00000003.pt",
    ]
    assert (
        main(
            train_args(
                tmp_path, "--overwrite", "--training.max_steps", 2, "--training.checkpoint.keep", 0
            )
        )
        == 0
    )
    assert (
        sorted(p.name for p in ck.iterdir()) == ["best.pt", "ema.pt", "latest.pt", "mine.pt"]
        and (ck / "mine.pt").read_text() == "mine.pt"
    )
    assert load_checkpoint(ck / "best.pt")["step"] == 2


def test_a_finished_run_may_move(tmp_path, run, capsys):
    "Resumed into another folder, it is saved there; never over another run"
    src, out = run / "ckpts" / "latest.pt", tmp_path / "o"
    n = load_checkpoint(src)["step"]
    assert main(train_args(out, "--resume", src, "--training.max_steps", n)) == 0
    for f in capsys.readouterr().out.split("wrote ")[1:]:
        assert Path(f.split()[0]).is_file()
    assert load_checkpoint(out / "ckpts" / "latest.pt")["step"] == n
    refused(capsys, "of another run", *train_args(out, "--resume", src))


def test_demo_hands_on_what_each_part_uses(tmp_path, monkeypatch):
    "Also where the training was done before: its config is not the one of today's command line"
    seen = {}

    def note(request):
        seen[request.command] = request.overrides
        return []

    parts = ("train", "sample_guidance", "sample_grid", "sample_trajectory")
    for name in (*parts, "evaluate_run", "report"):
        monkeypatch.setattr(f"ddpm_nb.app.commands.{name}", note)
    assert (
        main(
            [
                "demo",
                "--output_dir",
                str(tmp_path),
                "--sampling.num_steps",
                "7",
                "--evaluation.num_samples",
                "33",
                "--seed",
                "3",
            ]
        )
        == 0
    )
    assert len(seen) == 6
    assert seen["sample.grid"]["sampling.num_steps"] == seen["eval"]["sampling.num_steps"] == "7"
    assert seen["eval"]["evaluation.num_samples"] == "33"
    assert (
        all(o["output.dir"] == str(tmp_path) and o["seed"] == "3" for o in seen.values())
        and "evaluation.num_samples" not in seen["sample.grid"]
    )


@pytest.mark.slow
def test_training_starts_from_trained_weights(tmp_path, run, capsys):
    src, out = run / "ckpts" / "ema.pt", tmp_path / "o"
    theirs = load_model(src)[0].state_dict()
    c = load_config(
        "mnist_tiny", parse(train_args(out, "--init_from", src, "--model.dropout", 0.1))[2]
    )
    ours = build(c, output_dir=out, device="cpu").model.state_dict()
    assert all(torch.equal(v, theirs[k]) for k, v in ours.items())
    assert main(train_args(out, "--init_from", src, "--training.max_steps", 2)) == 0
    ck = load_checkpoint(out / "ckpts" / "latest.pt")
    assert ck["config"]["init_from"] == str(src) and ck["step"] == 2

    # two steps away, not elsewhere
    def moved(k):
        return (ck["model"][k] - theirs[k]).abs().max()

    assert 0 < max(map(moved, theirs)) < 0.05
    refused(
        capsys,
        "init_from: mnist has model.base_channels 16, this run 8",
        *train_args(tmp_path / "p", "--init_from", "mnist"),
    )
    refused(capsys, "'nothing'", *train_args(tmp_path / "p", "--init_from", "nothing"))
    assert not list(tmp_path.glob("p/**/*.pt"))
    src.rename(tmp_path / "gone.pt")  # what a run began with is not needed to go on
    try:
        assert main(train_args(out, "--resume", "latest", "--training.max_steps", 3)) == 0
    finally:
        (tmp_path / "gone.pt").rename(src)


STEPS = [
    "--training.max_steps",
    24,
    "--training.checkpoint.every_steps",
    3,
    "--training.validation.every_steps",
    0,
    "--training.log_every",
    5,
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    d = tmp_path_factory.mktemp("whole")
    assert cli(*train_args(d, *STEPS)).returncode == 0
    return d


def wait_for_a_signal():
    "In the child: stay at step 12 until the signal is there, however late that is"
    step = DDPMTrainer.train_step

    def train_step(self, x, y=None):
        while self.step == 12 and self.stop is None:
            time.sleep(0.01)
        return step(self, x, y)

    DDPMTrainer.train_step = train_step


@pytest.mark.slow
@pytest.mark.parametrize("sig, code", [("SIGKILL", -9), ("SIGTERM", 143), ("SIGINT", 130)])
def test_killed_and_resumed_is_as_if_never_killed(tmp_path, whole, sig, code):
    p = start(*train_args(tmp_path / "cut", *STEPS), before=wait_for_a_signal)
    latest = tmp_path / "cut" / "ckpts" / "latest.pt"
    while not latest.exists() and p.poll() is None:
        time.sleep(0.005)
    p.send_signal(getattr(signal, sig))
    assert p.wait() == code
    assert cli(*train_args(tmp_path / "cut", *STEPS, "--resume", "latest")).returncode == 0
    a, b = (
        torch.load(d / "ckpts" / "latest.pt", weights_only=True) for d in (whole, tmp_path / "cut")
    )
    assert all(torch.equal(v, b["model"][k]) for k, v in a["model"].items()) and all(
        torch.equal(v, b["ema"]["shadow"][k]) for k, v in a["ema"]["shadow"].items()
    )
    la, lb = (
        [
            (s["step"], s["loss"])
            for s in json.loads((d / "logs" / "training_metrics.json").read_text())["steps"]
        ]
        for d in (whole, tmp_path / "cut")
    )
    assert la == lb and b["history"]["resumes"] and b["step"] == 24


def test_what_a_command_would_ignore_is_refused(run, capsys):
    for cmd, args, says in (
        ("sample.grid", ["--model.base_channels", "8"], "the checkpoint decides it"),
        ("sample.grid", ["--fps", "3"], "sample.grid has no use for it"),
        ("sample.inpaint", ["--method", "ddpm"], "sample.inpaint has no use for it"),
        ("eval", ["--label", "3"], "eval has no use for it"),
        ("sample.traj", ["--batch_size", "2"], "sample.traj has no use for it"),
        ("report", ["--sampling.fps", "3"], "report has no use for it"),
        ("eval", ["--all_methods", "--method", "ddim"], "--all_methods"),
        ("eval", ["--method", "heun", "--num_steps", "4", "--eta", "1"], "has no eta"),
        ("train", ["--resume", "latest", "--overwrite"], "both given"),
        ("sample.grid", ["--pretrained", "mnist", "--checkpoint", "best"], "both given"),
    ):
        refused(capsys, says, cmd, "--output_dir", run, *args)


@pytest.mark.slow
def test_output_dir_in_the_config_file_is_found_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.yaml").write_text(
        "output: {dir: runs/own}\n"
        "model: {base_channels: 8, channel_mults: [1, 2], attention_resolutions: [], "
        "num_groups: 4}\n"
        "schedules: {timesteps: 20}\n"
        "dataset: {limit: 32, image_size: 16}\n"
        "training: {max_steps: 2, batch_size: 8}"
    )
    assert (
        main(["train", "--config", "own.yaml", "--device", "cpu"]) == 0
        and (tmp_path / "runs/own/ckpts/ema.pt").is_file()
    )
    assert (
        main(["sample.grid", "--config", "own.yaml", "--num_samples", "2", "--num_steps", "2"]) == 0
        and (tmp_path / "runs/own/grids/samples.png").is_file()
    )
    assert not (tmp_path / "outputs").exists()


@pytest.mark.slow
def test_resume_needs_no_config(tmp_path):
    d = tmp_path / "r"
    assert main(train_args(d, "--training.max_steps", 2)) == 0
    assert (
        main(["train", "--output_dir", str(d), "--resume", "latest", "--training.max_steps", "4"])
        == 0
    )
    assert torch.load(d / "ckpts" / "latest.pt", weights_only=True)["step"] == 4 and json.loads(
        (d / "logs" / "training_metrics.json").read_text()
    )["resumes"] == [2]


def test_another_config_than_the_checkpoints(run, capsys):
    refused(capsys, "leave --config out", "sample.grid", "--output_dir", run, "--config", "mnist")


def test_print_config_is_a_config(run, tmp_path, capsys):
    assert main(["sample.grid", "--output_dir", str(run), "--eta", ".5", "--print_config"]) == 0
    text = capsys.readouterr().out
    (tmp_path / "c.yaml").write_text(text)
    from ddpm_nb.app.config import load_config

    c = load_config(tmp_path / "c.yaml")
    assert (
        c["sampling"]["eta"] == 0.5
        and c["model"]["base_channels"] == 8
        and c["output"]["dir"] == str(run)
    )
    assert (run / "logs" / "config.yaml").read_text().startswith("seed: 0") and load_config(
        run / "logs" / "config.yaml"
    )["model"] == c["model"]


@pytest.mark.parametrize("text", ["{", "[]", '{"results": [{}]}', ""])
def test_damaged_results_are_named(run, tmp_path, capsys, text):
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "evaluation_results.json").write_text(text)
    refused(
        capsys,
        "damaged",
        "eval",
        "--output_dir",
        tmp_path,
        "--checkpoint",
        run / "ckpts" / "ema.pt",
        "--num_samples",
        "2",
        "--num_steps",
        "2",
    )
    assert (tmp_path / "logs" / "evaluation_results.json").read_text() == text


def test_a_changed_setting_is_measured_again(run):
    args = [
        "eval",
        "--output_dir",
        str(run),
        "--num_samples",
        "8",
        "--metrics",
        "kid",
        "--all_methods",
        "--evaluation.methods",
        "ddim",
        "--evaluation.steps",
        "2",
    ]
    f = run / "logs" / "evaluation_results.json"

    def get():
        return {r["name"]: r for r in json.loads(f.read_text())["results"]}

    assert main(args) == 0
    a = get()["ddim-2"]
    assert main([*args, "--sampling.spacing", "leading"]) == 0
    b = get()["ddim-2"]
    assert (
        a["metrics"] != b["metrics"]
        and a["how"]["spacing"] == "trailing"
        and b["how"]["spacing"] == "leading"
    )
    assert main([*args, "--eta", "1"]) == 0 and {"ddim-2", "ddim-2-eta1"} <= set(get())


def test_unwritable_is_found_before_computing(run, tmp_path, capsys, monkeypatch):
    (tmp_path / "file").write_text("")
    ck = ["--checkpoint", run / "ckpts" / "ema.pt", "--output_dir", tmp_path / "file" / "o"]

    def boom(*a, **k):
        return pytest.fail("computed first")

    monkeypatch.setattr("ddpm_nb.sampler.DDPMSampler.sample", boom)
    monkeypatch.setattr("ddpm_nb.app.command_eval.evaluate", boom)
    for cmd in ("sample.grid", "sample.traj", "eval"):
        refused(capsys, "--output_dir", cmd, *ck)
    for name in ("../x", "/x.png", "a/b", "x.jpg"):
        refused(capsys, "--output_name", "sample.grid", "--output_dir", run, "--output_name", name)
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "grids").write_text("")
    refused(
        capsys,
        "not a folder",
        "sample.grid",
        "--checkpoint",
        run / "ckpts" / "ema.pt",
        "--output_dir",
        tmp_path / "d",
    )


def test_checkpoints_that_lie(run, tmp_path, capsys):
    ck = torch.load(run / "ckpts" / "ema.pt", weights_only=True)
    for i, (bad, says) in enumerate(
        (
            (dict(version=9), "version"),
            (dict(model_config={**ck["model_config"], "base_channels": 16}), "does not fit"),
            (dict(config={"nonsense": 1}), "nonsense"),
        )
    ):
        torch.save(ck | bad, tmp_path / f"{i}.pt")
        refused(
            capsys,
            says,
            "sample.grid",
            "--output_dir",
            tmp_path / "o",
            "--checkpoint",
            tmp_path / f"{i}.pt",
        )
    assert not (tmp_path / "o").exists()


def test_our_own_bugs_keep_their_traceback(run, monkeypatch):
    def bug(*a, **k):
        raise ZeroDivisionError("ours")

    monkeypatch.setattr("ddpm_nb.sampler.DDPMSampler.sample", bug)
    with pytest.raises(ZeroDivisionError, match="ours"):
        main(["sample.grid", "--output_dir", str(run)])


def announce_sampling():
    "In the child: say so when the network is first asked"
    denoise = DDPMSampler.denoise

    def announced(self, *args, **kwargs):
        print("sampling has begun", file=sys.stderr, flush=True)
        return denoise(self, *args, **kwargs)

    DDPMSampler.denoise = announced


def test_sigterm_while_sampling_leaves_nothing_half_written(run):
    before = files(run)
    flags = "--num_samples 20000 --num_steps 20 --output_name never".split()
    p = start("sample.grid", "--output_dir", run, *flags, before=announce_sampling)
    while "sampling has begun" not in p.stderr:
        assert p.poll() is None
        time.sleep(0.005)
    p.send_signal(signal.SIGTERM)
    assert p.wait() == 143
    assert files(run) == before


@pytest.mark.slow
def test_a_reader_that_stops_early():
    "As `ddpm-nb … | head -1` is once head has left: nothing on standard error, status 141"
    p = subprocess.Popen(
        [sys.executable, "-m", "ddpm_nb.cli", "train", "--print_config"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENV,
    )
    p.stdout.close()  # before anything is written, so the first write fails
    assert p.stderr.read() == b""
    assert p.wait() == 141


@pytest.mark.slow
def test_classes(tmp_path, capsys):
    d = tmp_path / "c"
    assert main(train_args(d, "--model.num_classes", "10", "--training.max_steps", 2)) == 0

    def grid(*a):
        return main(
            ["sample.grid", "--output_dir", str(d), "--num_samples", "3", "--num_steps", "2", *a]
        )

    assert grid("--label", "7", "--guidance_scale", "2") == 0 and grid() == 0
    refused(capsys, "sampling.label", "sample.grid", "--output_dir", d, "--label", "11")
    for cmd in ("sample.interpolate", "sample.inpaint", "sample.edit", "sample.traj"):
        assert main([cmd, "--output_dir", str(d), "--num_samples", "2", "--num_steps", "2"]) == 0
    assert (
        main(
            [
                "eval",
                "--output_dir",
                str(d),
                "--num_samples",
                "8",
                "--num_steps",
                "2",
                "--metrics",
                "classes",
            ]
        )
        == 0
    )
    (r,) = json.loads((d / "logs" / "evaluation_results.json").read_text())["results"]
    assert "accuracy" in r["metrics"]["classes"]


@pytest.mark.slow
def test_demo_is_the_whole_path(tmp_path, capsys):
    a = [
        "demo",
        *train_args(
            tmp_path / "d",
            "--training.max_steps",
            2,
            "--sampling.num_steps",
            2,
            "--sampling.num_samples",
            4,
            "--evaluation.num_samples",
            8,
            "--evaluation.metrics",
            "fid_proxy",
        )[1:],
    ]
    assert main(a) == 0
    out = capsys.readouterr().out
    made = files(tmp_path / "d")
    for f in (
        "ckpts/ema.pt",
        "ckpts/latest.pt",
        "grids/samples.png",
        "animations/trajectory.gif",
        "logs/evaluation_results.json",
        "reports/report.md",
        "reports/report.html",
    ):
        assert f in made and f"wrote {tmp_path / 'd' / f}" in out, f
    assert all(
        f"\n{n} " in out for n in ("train", "sample.grid", "sample.traj", "eval", "report", "all")
    )
    assert main(a) == 0  # again: goes on from the end, and makes the rest anew


def test_features_train(tmp_path, capsys):
    assert (
        main(
            [
                "features.train",
                "--output_dir",
                str(tmp_path),
                "--dataset.limit",
                "64",
                "--epochs",
                "1",
                "--batch_size",
                "32",
            ]
        )
        == 0
    )
    from ddpm_nb.engine.features import load_features

    net = load_features(str(tmp_path / "features" / "mnist-cnn.safetensors"))
    assert (
        net.card["epochs"] == 1
        and net.card["batch_size"] == 32
        and "features.train" in net.card["command"]
    )


@pytest.mark.slow
def test_tensorboard(tmp_path, capsys):
    ev = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    d = tmp_path / "t"
    assert (
        main(
            train_args(
                d,
                "--training.max_steps",
                4,
                "--training.log_every",
                2,
                "--logging.tensorboard",
                "true",
            )
        )
        == 0
    )
    acc = ev.EventAccumulator(str(d / "logs" / "tensorboard"))
    acc.Reload()
    got = [(s.step, round(s.value, 5)) for s in acc.Scalars("train/loss")]
    assert (
        got
        == [
            (s["step"], round(s["loss"], 5))
            for s in json.loads((d / "logs" / "training_metrics.json").read_text())["steps"]
        ]
        and len(got) == 2
        and {
            "val/loss_ema",
            "train/grad_norm",
            "train/images_per_s",
            "train/seconds_left",
            "train/peak_memory_mib",
        }
        <= set(acc.Tags()["scalars"])
    )


@pytest.mark.slow
def test_export_and_import(run, tmp_path):
    pytest.importorskip("diffusers")
    o = ["--output_dir", str(run)]
    assert (
        main(["export", *o, "--output_name", str(tmp_path / "dif")]) == 0
        and main(
            [
                "import",
                "--source",
                str(tmp_path / "dif"),
                "--output_name",
                str(tmp_path / "back.safetensors"),
            ]
        )
        == 0
    )
    small = ["--num_samples", "2", "--num_steps", "3"]
    assert (
        main(["sample.grid", *o, *small, "--output_name", "a"]) == 0
        and main(
            [
                "sample.grid",
                *o,
                *small,
                "--output_name",
                "b",
                "--pretrained",
                str(tmp_path / "back.safetensors"),
            ]
        )
        == 0
    )
    import numpy as np
    from PIL import Image

    a, b = (np.asarray(Image.open(run / "grids" / f"{n}.png")).astype(int) for n in "ab")
    assert abs(a - b).max() <= 1


def records_of(log: bytes):
    "The records of a log as LevelDB writes it, which W&B's offline files are, behind 7 bytes"
    block, at, parts = 32768, 7, []
    while at + 7 <= len(log):
        if block - at % block < 7:  # no room for another head
            at += block - at % block
            continue
        length, kind = int.from_bytes(log[at + 4 : at + 6], "little"), log[at + 6]
        parts.append(log[at + 7 : at + 7 + length])
        at += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield b"".join(parts)
            parts = []


def steps_in_wandb(run):
    "The steps of the points that an offline run of W&B holds"
    from wandb.proto import wandb_internal_pb2

    (path,) = run.glob("*.wandb")
    parse = getattr(wandb_internal_pb2, "Record").FromString
    records = [parse(r) for r in records_of(path.read_bytes())]
    return [r.history.step.num for r in records if r.WhichOneof("record_type") == "history"]


@pytest.mark.slow
def test_wandb_offline(tmp_path, monkeypatch):
    "A resumed run goes on under the same id, each step once; a new one in its place gets another"
    pytest.importorskip("wandb", reason="extra `track` is not installed")
    monkeypatch.setenv("WANDB_SILENT", "true")
    wandb = ["--logging.wandb", "true", "--logging.wandb_mode", "offline"]

    def train(*flags):
        before = {*(tmp_path / "logs").glob("wandb/offline-run-*")}
        flags = ["--training.log_every", 1, *flags]
        assert main(train_args(tmp_path, *wandb, *flags)) == 0
        (run,) = {*(tmp_path / "logs").glob("wandb/offline-run-*")} - before
        return run.name.split("-")[-1], steps_in_wandb(run)

    first, steps = train("--training.max_steps", 2)
    assert steps == [1, 2]
    again, steps = train("--training.max_steps", 4, "--resume", "latest")
    assert (again, steps) == (first, [3, 4])
    other, steps = train("--training.max_steps", 1, "--overwrite")
    assert other != first
    assert steps == [1]


@pytest.mark.slow
def test_a_machine_does_not_travel_in_a_checkpoint(run, tmp_path, capsys):
    "Device, output folder and trackers of the training decide nothing where it is sampled"
    foreign = dict(
        device="cuda",
        output=dict(dir=str(tmp_path / "elsewhere")),
        logging=dict(tensorboard=True, wandb=True),
    )
    (tmp_path / "o" / "ckpts").mkdir(parents=True)
    for name in ("ema", "latest"):
        ck = torch.load(run / "ckpts" / f"{name}.pt", weights_only=True)
        ck["config"] = ck["config"] | foreign
        torch.save(ck, tmp_path / "o" / "ckpts" / f"{name}.pt")
    out = ["--output_dir", str(tmp_path / "o")]
    small = ["--num_samples", "2", "--num_steps", "2"]
    assert main(["sample.grid", *out, *small]) == 0
    assert main(["eval", *out, "--num_samples", "4", "--num_steps", "2", "--metrics", "kid"]) == 0
    capsys.readouterr()
    for command in ("sample.grid", "train --resume latest"):
        assert main([*command.split(), *out, "--print_config"]) == 0
        (tmp_path / "shown.yaml").write_text(capsys.readouterr().out)
        shown = load_config(tmp_path / "shown.yaml")
        assert shown["device"] == "auto"
        assert shown["output"]["dir"] == str(tmp_path / "o")
        assert not shown["logging"]["tensorboard"] and not shown["logging"]["wandb"]
    assert main(["train", "--resume", "latest", *out, "--training.max_steps", "5"]) == 0
    assert not (tmp_path / "elsewhere").exists()
    assert not (tmp_path / "o" / "logs" / "tensorboard").exists()


@pytest.mark.slow
def test_a_run_keeps_its_trackers_where_it_is(tmp_path):
    pytest.importorskip("tensorboard")
    two = ["--training.max_steps", 2, "--training.log_every", 1]
    assert main(train_args(tmp_path, *two, "--logging.tensorboard", "true")) == 0
    files = set((tmp_path / "logs" / "tensorboard").iterdir())
    more = ["--resume", "latest", "--training.max_steps", "4"]
    assert main(["train", "--output_dir", str(tmp_path), *more]) == 0
    assert set((tmp_path / "logs" / "tensorboard").iterdir()) > files


@pytest.mark.slow
def test_one_of_several_averages_is_chosen_when_sampling(tmp_path, capsys):
    assert (
        main(
            train_args(
                tmp_path,
                "--training.max_steps",
                4,
                "--training.ema.decay",
                "0.9",
                "--training.ema.extra_decays",
                "[0.0, 0.5]",
                "--training.ema.warmup",
                "false",
            )
        )
        == 0
    )

    def grid(*a):
        assert (
            main(
                [
                    "sample.grid",
                    "--output_dir",
                    str(tmp_path),
                    "--num_samples",
                    "4",
                    "--num_steps",
                    "3",
                    *a,
                ]
            )
            == 0
        )
        return (tmp_path / "grids" / "samples.png").read_bytes()

    a, b, c = grid(), grid("--sampling.weights", "ema:0.5"), grid("--sampling.weights", "ema:0.0")
    assert len({a, b, c}) == 3
    # decay 0 is a copy of the weights
    assert c == grid("--checkpoint", "latest", "--sampling.weights", "raw")
    refused(
        capsys,
        "it holds ema, ema:0.0, ema:0.5",
        "sample.grid",
        "--output_dir",
        tmp_path,
        "--sampling.weights",
        "ema:0.7",
    )
    refused(
        capsys,
        "sampling.weights",
        "sample.grid",
        "--output_dir",
        tmp_path,
        "--sampling.weights",
        "mean",
    )


@pytest.mark.slow
def test_early_stopping_from_the_command_line(tmp_path):
    assert (
        main(
            train_args(
                tmp_path,
                "--training.max_steps",
                50,
                "--training.validation.every_steps",
                2,
                "--training.early_stop.patience",
                2,
                "--training.early_stop.min_delta",
                9,
            )
        )
        == 0
    )
    log = json.loads((tmp_path / "logs" / "training_metrics.json").read_text())
    assert log["finished"] and [v["step"] for v in log["val"]] == [2, 4, 6]
    assert (
        main(["train", "--output_dir", str(tmp_path), "--resume", "latest"]) == 0
        and torch.load(
            tmp_path / "ckpts" / "latest.pt",
            # it
            # is
            # still
            # over
            weights_only=True,
        )["step"]
        == 6
    )


@pytest.mark.slow
def test_guidance_needs_classes_and_makes_one_row_for_each_scale(run, tmp_path, capsys):
    refused(capsys, "knows no classes", "sample.guidance", "--output_dir", run)
    flags = ["--output_dir", tmp_path, "--method", "ddim", "--num_steps", 2]
    assert main([*map(str, ["sample.guidance", "--pretrained", "mnist-cond", *flags])]) == 0
    with Image.open(tmp_path / "grids" / "guidance.png") as image:
        width, height = image.size
    assert 2.3 < width / height < 2.6  # ten columns, four rows
