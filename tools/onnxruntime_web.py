"""onnxruntime for browsers and Node, from npm: pinned by version and hash, kept in a cache.

`onnxruntime_web.py` fetches it and prints where it is. Nothing of it is committed."""

import base64
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

VERSION = "1.30.0"
SHA512 = "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
# the ES module for one thread or several without GPU, and what it loads
MODULE, WASM = "ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"
# the same for a GPU, in browsers whose WebAssembly can wait for it
GPU_MODULE, GPU_WASM = "ort.jspi.bundle.min.mjs", "ort-wasm-simd-threaded.jspi.wasm"
FILES = (MODULE, WASM, GPU_MODULE, GPU_WASM)


class Unreachable(Exception):
    "npm or the package is not within reach; the message says which"


def cache() -> Path:
    "The folder that holds the files once they are fetched"
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "ddpm_nb" / f"onnxruntime-web-{VERSION}"


def download(folder: Path) -> Path:
    "The package's archive, as npm gives it out, its hash checked"
    npm = shutil.which("npm")
    if not npm:
        raise Unreachable("no npm here")
    pack = [npm, "pack", f"onnxruntime-web@{VERSION}", "--silent"]
    try:
        subprocess.run(pack, cwd=folder, check=True, capture_output=True, timeout=300)
    except (OSError, subprocess.SubprocessError) as e:
        raise Unreachable(f"npm could not fetch onnxruntime-web {VERSION}") from e
    archive = next(folder.glob("*.tgz"))
    digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if digest != SHA512:
        sys.exit(f"onnxruntime-web {VERSION}: the archive's hash is {digest}, not the pinned one")
    return archive


def fetch() -> Path:
    "The folder with `FILES`; raises `Unreachable`"
    folder = cache()
    if all((folder / name).is_file() for name in FILES):
        return folder
    with tempfile.TemporaryDirectory() as tmp:
        with tarfile.open(download(Path(tmp))) as archive:
            for name in FILES:
                member = archive.extractfile(f"package/dist/{name}")
                assert member, name
                (Path(tmp) / name).write_bytes(member.read())
        folder.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            # complete or not at all, whoever else fetches meanwhile
            part = folder / f"{name}.{os.getpid()}"
            shutil.copy(Path(tmp) / name, part)
            part.replace(folder / name)
    return folder


if __name__ == "__main__":
    try:
        print(fetch())
    except Unreachable as e:
        sys.exit(str(e))
