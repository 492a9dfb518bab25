"Everything CI runs, one step after the other; stops at the first that fails. `run_all.py STEP …` runs only those."
import hashlib, json, os, re, shutil, subprocess, sys, tempfile, time
from pathlib import Path

root = Path(__file__).resolve().parent.parent.parent
BIN = Path(sys.executable).parent
ENV = dict(os.environ, OMP_NUM_THREADS='1', MPLBACKEND='Agg', PYTHONDONTWRITEBYTECODE='1', PIP_DISABLE_PIP_VERSION_CHECK='1', PATH=f'{BIN}:{os.environ["PATH"]}')
ORDER = sorted(p.stem for p in (root/'nbs').glob('[0-9]*.ipynb'))


def run(*cmd, cwd=root, **kw): subprocess.run([str(c) for c in cmd], cwd=cwd, env=ENV, check=True, **kw)


def hashes():
    "What export and clean may change, by content: works in a clean clone and in a working tree with edits"
    files = [*root.glob('nbs/*.ipynb'), *root.glob('ddpm_nb/*.py'), root/'settings.ini', root/'_quarto.yml']
    return {str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def unchanged(command, says):
    before = hashes(); run(BIN/command); after = hashes()
    bad = sorted(k for k in {*before, *after} if before.get(k) != after.get(k))
    if bad: sys.exit(f'{says}: {", ".join(bad)}')


def export(): unchanged('nbdev_export', 'package and notebooks differ; nbdev_export changed')
def clean(): unchanged('nbdev_clean', 'notebooks are not clean; nbdev_clean changed')


def imports():
    "A notebook imports only from those before it in the course"
    mods = [re.sub(r'^\d+_', '', n) for n in ORDER]; bad = []
    for i, nb in enumerate(ORDER):
        cells = json.loads((root/'nbs'/f'{nb}.ipynb').read_text(encoding='utf-8'))['cells']
        code = '\n'.join(''.join(c['source']) for c in cells if c['cell_type'] == 'code')
        for used in re.findall(r'^\s*(?:from|import) ddpm_nb\.(\w+)', code, re.M):
            if used not in mods or mods.index(used) > i: bad.append(f'{nb} imports the later {used}')
    if bad: sys.exit('\n'.join(bad))
    print(f'{len(mods)} modules import only earlier ones')


def notebooks(): run(BIN/'nbdev_test', '--timing', '--n_workers', '2')
def pytest(): run(sys.executable, '-m', 'pytest', '-q', '-p', 'no:cacheprovider', 'tests')
def readme(): run(sys.executable, 'tests/checks/build_readme.py', '--check')
def docs(): run(sys.executable, 'tests/checks/build_docs.py'); run(sys.executable, 'tests/checks/check_site.py')


def wheel():
    "Build the wheel, install it into an empty environment, and sample from another folder"
    with tempfile.TemporaryDirectory() as t:
        t = Path(t); src = t/'src'
        shutil.copytree(root, src, ignore=shutil.ignore_patterns('.venv', '.git', '_proc', '_docs', 'outputs', 'build', '*.egg-info', 'nbs'))
        run(sys.executable, '-m', 'build', '--wheel', '--outdir', t/'dist', src, stdout=subprocess.DEVNULL)
        whl = next((t/'dist').glob('*.whl')); print(f'{whl.name}, {whl.stat().st_size/2**20:.1f} MB')
        run(sys.executable, '-m', 'venv', t/'venv'); py = t/'venv'/'bin'
        torch = next(l for l in (root/'constraints.txt').read_text().split() if l.startswith('torch=='))
        run(py/'pip', 'install', '-q', torch); run(py/'pip', 'install', '-q', '-c', root/'constraints.txt', whl)
        (t/'elsewhere').mkdir(); os.environ.pop('PYTHONPATH', None)
        run(py/'ddpm-nb', 'sample.grid', '--pretrained', 'mnist', '--num_samples', '4', '--method', 'dpmpp_2m', '--num_steps', '5', cwd=t/'elsewhere')
        if not (t/'elsewhere'/'outputs'/'grids'/'samples.png').stat().st_size > 500: sys.exit('the installed wheel wrote no samples')
        run(py/'python', '-c', 'import sys; from ddpm_nb.all import *; assert "nbdev" not in sys.modules; assert len(load_mnist("test")) == 10000', cwd=t/'elsewhere')


STEPS = dict(export=export, clean=clean, imports=imports, readme=readme, notebooks=notebooks, pytest=pytest, docs=docs, wheel=wheel)

if __name__ == '__main__':
    times = {}
    for name in sys.argv[1:] or STEPS:
        print(f'== {name}', flush=True); t0 = time.time()
        try: STEPS[name]()
        except subprocess.CalledProcessError as e: sys.exit(f'FAILED: {name}: {" ".join(e.cmd)} exited with {e.returncode}')
        times[name] = time.time() - t0; print(f'   {name}: {times[name]:.0f} s', flush=True)
    print('\n' + '\n'.join(f'{n:12}{t:6.0f} s' for n, t in [*times.items(), ('all', sum(times.values()))]))
