"""Export the notebooks into the package (`nbdev_export`), and write the stubs beside its modules.

export.py            both
export.py --stubs    the stubs alone
export.py --check    change nothing; fail where a stub is not what would be written
"""

import subprocess
import sys
from pathlib import Path

import stubs


def main(args):
    if "--check" in args:
        wanted = stubs.stubs()
        there = set(stubs.PACKAGE.rglob("*.pyi"))
        wrong = [p for p, text in wanted.items() if not p.is_file() or p.read_text("utf-8") != text]
        wrong += sorted(there - set(wanted))
        if wrong:
            names = ", ".join(str(p.relative_to(stubs.ROOT)) for p in wrong)
            sys.exit(f"stubs are not what the modules say: {names}; run: make export")
        return
    if "--stubs" not in args:
        nbdev = Path(sys.executable).parent / "nbdev_export"
        subprocess.run([str(nbdev)], cwd=stubs.ROOT, check=True)
    for path in stubs.write():
        print(path.relative_to(stubs.ROOT))


if __name__ == "__main__":
    main(sys.argv[1:])
