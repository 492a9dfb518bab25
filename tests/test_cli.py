"The command line as a stranger meets it: bad input, exit codes, kill and resume"
import json, os, pickle, signal, subprocess, sys, time
from pathlib import Path

import pytest, torch
from PIL import Image

from ddpm_nb.cli import main

SMALL = '--dataset.limit 64 --model.base_channels 8 --model.channel_mults [1,2] --model.attention_resolutions [] --model.num_groups 4 --schedules.timesteps 20 --batch_size 8 --training.validation.num_images 16 --training.sampling.every_steps 0'.split()
ENV = dict(os.environ, OMP_NUM_THREADS='1')


def proc(*a, **kw): return subprocess.run([sys.executable, '-m', 'ddpm_nb.cli', *map(str, a)], capture_output=True, text=True, env=ENV, **kw)
def train(out, *a): return ['train', '--config', 'mnist_tiny', '--device', 'cpu', '--output_dir', str(out), *SMALL, *map(str, a)]


@pytest.fixture(scope='module')
def run(tmp_path_factory):
    d = tmp_path_factory.mktemp('run'); assert main(train(d, '--training.max_steps', 4)) == 0
    return d


def refused(capsys, says, *a):
    "One line on stderr, exit code 2"
    assert main([str(x) for x in a]) == 2
    err = [l for l in capsys.readouterr().err.replace('\r', '\n').split('\n') if l.strip()]
    assert len([l for l in err if l.startswith('ddpm-nb: error: ')]) == 1 and err[-1].startswith('ddpm-nb: error: ') and 'Traceback' not in '\n'.join(err), err
    assert says in err[-1], err[-1]


def test_help_imports_nothing_heavy():
    code = "import sys; from ddpm_nb.cli import main; main(['--help']); main(['train', '--help']); print(sorted({'torch', 'numpy', 'matplotlib', 'yaml'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, '-c', code], capture_output=True, text=True).stdout.strip().endswith('[]')


@pytest.mark.parametrize('says, args', [
    ('neither a packaged config', ['--config', 'mnits']), ('did you mean training.learning_rate?', ['--training.learning_ratee', '1']), ('training.batch_size', ['--batch_size', 'many']),
    ('cannot be halved', ['--model.image_size', '33', '--dataset.image_size', '33']), ('model.num_groups', ['--model.base_channels', '10']), ('schedules.timesteps', ['--schedules.timesteps', '1']),
    ('model.parameterization', ['--model.parameterization', 'noise']), ('dataset.name', ['--dataset.name', 'minst']), ('training.scheduler.name', ['--training.scheduler.name', 'cosin']), ('device', ['--device', 'gpu']),
    ('training.ema.decay', ['--training.ema.decay', '1.5']), ('loss.type', ['--loss.type', 'l3']), ('mirrored digit', ['--dataset.flip', 'true']), ('unknown flag', ['--confg', 'x']), ('needs model.parameterization', ['--schedules.zero_terminal_snr', 'true', '--model.parameterization', 'eps'])])
def test_bad_training_input(tmp_path, capsys, says, args):
    out = tmp_path/'o'; refused(capsys, says, *train(out), *args)
    assert not list(out.rglob('*.pt')) if out.exists() else True


def test_exit_code_and_one_line_in_a_real_process():
    r = proc('train', '--config', 'mnits'); assert r.returncode == 2 and r.stdout == '' and len(r.stderr.strip().split('\n')) == 1
    assert proc('trian').returncode == 2


def test_bad_checkpoints(tmp_path, capsys, run):
    good = (run/'ckpts'/'ema.pt').read_bytes()
    class Evil:
        def __reduce__(self): return os.system, (f'touch {tmp_path}/owned',)
    (tmp_path/'cut.pt').write_bytes(good[:len(good)//2]); torch.save(dict(format='ddpm_nb', model=Evil()), tmp_path/'evil.pt'); torch.save({'state_dict': torch.zeros(2)}, tmp_path/'foreign.pt')
    (tmp_path/'old.pt').write_bytes(pickle.dumps(Evil())); (tmp_path/'folder.pt').mkdir()
    for name, says in (('cut', 'damaged'), ('evil', 'could run code'), ('foreign', 'not written by ddpm_nb'), ('old', 'refused'), ('missing', 'does not exist'), ('folder', 'does not exist')):
        refused(capsys, says, 'sample.grid', '--output_dir', tmp_path/'o', '--checkpoint', tmp_path/f'{name}.pt')
    assert not (tmp_path/'owned').exists() and not (tmp_path/'o').exists()


def test_bit_flips_never_load_silently(tmp_path, run):
    from ddpm_nb.core import DDPMError
    from ddpm_nb.trainer import load_checkpoint
    good = bytearray((run/'ckpts'/'ema.pt').read_bytes())
    for at in (10, 2000, len(good)//3, len(good) - 30):
        bad = bytearray(good); bad[at] ^= 0x55; (tmp_path/'b.pt').write_bytes(bad)
        try: ck = load_checkpoint(tmp_path/'b.pt')
        except DDPMError: continue
        assert ck['format'] == 'ddpm_nb' # padding between records may change without harm


def test_folders(tmp_path, capsys):
    (tmp_path/'empty').mkdir(); folder = ['--dataset.name', 'folder', '--model.in_channels', '3', '--dataset.limit', '8']
    refused(capsys, 'no readable images', *train(tmp_path/'o'), *folder, '--dataset.root', tmp_path/'empty')
    refused(capsys, 'not a folder', *train(tmp_path/'o'), *folder, '--dataset.root', tmp_path/'nowhere')
    (tmp_path/'im').mkdir(); [Image.new('RGB', (40, 50), (20*i, 0, 0)).save(tmp_path/'im'/f'{i}.png') for i in range(12)]; (tmp_path/'im'/'x.png').write_text('no')
    assert main(train(tmp_path/'p', *folder, '--dataset.root', tmp_path/'im', '--training.max_steps', 2, '--training.num_workers', 0)) == 0
    assert 'skipping x.png' in capsys.readouterr().out


def test_unwritable_output(tmp_path, capsys):
    (tmp_path/'file').write_text(''); refused(capsys, '--output_dir', *train(tmp_path/'file'/'o'))


def test_a_run_is_not_overwritten(capsys, run):
    before = (run/'ckpts'/'latest.pt').read_bytes(); refused(capsys, '--resume latest', *train(run)); assert (run/'ckpts'/'latest.pt').read_bytes() == before


def test_resume_into_another_model(capsys, run): refused(capsys, 'model.dropout', *train(run, '--resume', 'latest', '--model.dropout', '0.5'))


def test_bad_sampling_input(capsys, run):
    for says, args in (('method', ['--method', 'euler']), ('num_steps', ['--num_steps', '21']), ('eta', ['--eta', '-1']), ('knows no classes', ['--guidance_scale', '3']), ('spacing', ['--sampling.spacing', 'log']), ('sampling.label', ['--label', '3']), ('num_samples', ['--num_samples', '0'])):
        refused(capsys, says, 'sample.grid', '--output_dir', run, '--num_steps', '4', *args)
    refused(capsys, 'evaluation.metrics', 'eval', '--output_dir', run, '--metrics', 'fid'); refused(capsys, 'expected one of', 'sample.grid', '--pretrained', 'cats')


def test_seed_checkpoint_and_names(run, tmp_path):
    def grid(*a): assert main(['sample.grid', '--output_dir', str(run), '--num_samples', '4', '--num_steps', '3', '--output_name', 'g', *a]) == 0; return (run/'grids'/'g.png').read_bytes()
    assert grid('--seed', '1') == grid('--seed', '1') != grid('--seed', '2')
    assert grid('--checkpoint', str(run/'ckpts'/'best.pt')) and grid('--checkpoint', 'latest', '--sampling.weights', 'raw') != grid('--checkpoint', 'latest')


def test_every_sampling_command(run):
    for cmd, out in (('sample.interpolate', 'grids/interpolate.png'), ('sample.inpaint', 'grids/inpaint.png'), ('sample.edit', 'grids/edit.png'), ('sample.traj', 'animations/trajectory.gif')):
        assert main([cmd, '--output_dir', str(run), '--num_samples', '3', '--num_steps', '4']) == 0 and (run/out).stat().st_size > 100
    for cmd, out in (('viz.curves', 'curves/training_curves.png'), ('viz.schedules', 'curves/snr.png')): assert main([cmd, '--output_dir', str(run)]) == 0 and (run/out).is_file()


def test_eval_all_methods_goes_on(run, capsys):
    args = ['eval', '--output_dir', str(run), '--num_samples', '8', '--metrics', 'kid', '--all_methods', '--evaluation.methods', '[ddim, heun]', '--evaluation.steps', '[2, 3]']
    assert main(args) == 0; f = run/'logs'/'evaluation_results.json'; first = json.loads(f.read_text())['results']
    assert [r['name'] for r in first] == ['ddim-2', 'ddim-3', 'heun-2', 'heun-3'] and all(r['n'] == 8 and r['checkpoint_sha256'] for r in first)
    assert main(args) == 0 and json.loads(f.read_text())['results'] == first # nothing was done twice: times are the same


@pytest.mark.parametrize('sig, code', [(signal.SIGKILL, -9), (signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_killed_and_resumed_is_as_if_never_killed(tmp_path, sig, code):
    steps = ['--training.max_steps', 60, '--training.checkpoint.every_steps', 3, '--training.validation.every_steps', 0, '--training.log_every', 5]
    assert proc(*train(tmp_path/'whole', *steps)).returncode == 0
    p = subprocess.Popen([sys.executable, '-m', 'ddpm_nb.cli', *train(tmp_path/'cut', *steps)], env=ENV, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    latest = tmp_path/'cut'/'ckpts'/'latest.pt'
    while not latest.exists() and p.poll() is None: time.sleep(.005)
    p.send_signal(sig); assert p.wait() == code
    assert proc(*train(tmp_path/'cut', *steps, '--resume', 'latest')).returncode == 0
    a, b = (torch.load(tmp_path/d/'ckpts'/'latest.pt', weights_only=True) for d in ('whole', 'cut'))
    assert all(torch.equal(v, b['model'][k]) for k, v in a['model'].items()) and all(torch.equal(v, b['ema']['shadow'][k]) for k, v in a['ema']['shadow'].items())
    la, lb = ([(s['step'], s['loss']) for s in json.loads((tmp_path/d/'logs'/'training_metrics.json').read_text())['steps']] for d in ('whole', 'cut'))
    assert la == lb and b['history']['resumes'] and b['step'] == 60
