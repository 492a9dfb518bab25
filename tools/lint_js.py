"""Check the package's JavaScript with biome, rules and format; `lint_js.py --write` mends it.

npm fetches the pinned version into its own cache; where there is no node, a line says so."""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIOME = "@biomejs/biome@2.6.8"  # as in biome.json beside this file


def main(args):
    npx = shutil.which("npx")
    if not npx:
        print("skipped: no node here, so the JavaScript was not checked")
        return 0
    check = ["check", "--write"] if "--write" in args else ["ci"]
    flags = ["--config-path=tools", "--error-on-warnings", "ddpm_nb/assets/js"]
    return subprocess.run([npx, "--yes", BIOME, *check, *flags], cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
