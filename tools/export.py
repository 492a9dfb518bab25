"""Export the notebooks into the package (`nbdev_export`), and write what follows from it.

That is: the stubs beside the modules, the changelog's table of names that moved, and in the
notebooks themselves what hides the code of folded cells in Jupyter.

export.py            all of it
export.py --stubs    without the export
export.py --check    change nothing; fail where something is not what would be written
"""

import subprocess
import sys
from pathlib import Path

import folding
import moved_table
import stubs


def main(args):
    if "--check" in args:
        wanted = stubs.stubs()
        there = set(stubs.PACKAGE.rglob("*.pyi"))
        wrong = [p for p, text in wanted.items() if not p.is_file() or p.read_text("utf-8") != text]
        wrong += sorted(there - set(wanted))
        text = moved_table.CHANGELOG.read_text("utf-8")
        wrong += folding.unfolded()
        wrong += [moved_table.CHANGELOG] if moved_table.with_table(text) != text else []
        if wrong:
            names = ", ".join(str(p.relative_to(stubs.ROOT)) for p in wrong)
            sys.exit(f"not what the modules say: {names}; run: make export")
        return
    if "--stubs" not in args:
        nbdev = Path(sys.executable).parent / "nbdev_export"
        subprocess.run([str(nbdev)], cwd=stubs.ROOT, check=True)
    for path in folding.write() + stubs.write() + moved_table.write():
        print(path.relative_to(stubs.ROOT))


if __name__ == "__main__":
    main(sys.argv[1:])
