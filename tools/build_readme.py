"README.md from the prose of nbs/index.ipynb and the tables that it computes; quarto is not needed"

import sys
from pathlib import Path

root = Path(__file__).resolve().parent.parent


def readme() -> str:
    "The README as Markdown; links to notebooks lead into nbs/"
    import json
    import re

    cells = json.loads((root / "nbs" / "index.ipynb").read_text(encoding="utf-8"))["cells"]

    def prose(c):  # a text, or the table that a cell computed
        if c["cell_type"] == "markdown":
            return ["".join(c["source"])]
        return [
            "".join(o["data"]["text/markdown"])
            for o in c["outputs"]
            if "text/markdown" in o.get("data", {})
        ]

    text = "\n\n".join(p for c in cells for p in prose(c))
    text = re.sub(r"\]\(((?:lib/)?\w+\.ipynb|images/)", r"](nbs/\1", text)
    return (
        "<!-- written by `make readme` from nbs/index.ipynb; edit that instead -->\n\n"
        + re.sub(r"\n{3,}", "\n\n", text).strip()
        + "\n"
    )


if __name__ == "__main__":
    new, path = readme(), root / "README.md"
    if "--check" in sys.argv:
        if path.read_text(encoding="utf-8") != new:
            sys.exit("README.md is not what nbs/index.ipynb says; run: make readme")
    else:
        path.write_text(new, encoding="utf-8")
