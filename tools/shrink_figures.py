"""Make what notebooks store smaller: figures as PNGs of at most 128 colours, a cell's lines as one.

`shrink_figures.py [NOTEBOOK …]`, by default all; run it after notebooks were executed. A figure of
lines and digits has few colours, so that nothing is lost that an eye sees, and takes a third of the
space. What is small already is left as it is, so a second run changes nothing. Lines that a
kernel sent one by one are joined: the site would show each piece in a box of its own.
"""

import base64
import io
import json
import sys
from pathlib import Path

from PIL import Image

NBS = Path(__file__).resolve().parent.parent / "nbs"
COLORS = 128


def shrink(png: bytes) -> bytes:  # the same, where it has a palette already
    "A PNG with a palette, on white, its resolution kept"
    image = Image.open(io.BytesIO(png))
    if image.mode in ("P", "L", "1"):
        return png
    white = Image.new("RGBA", image.size, "white")
    flat = Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
    small = flat.quantize(COLORS, dither=Image.Dither.NONE)
    file = io.BytesIO()
    small.save(file, "PNG", optimize=True, dpi=image.info.get("dpi"))
    return file.getvalue()


def joined(outputs: list) -> list:
    "The same outputs, with neighbouring pieces of one stream put together"
    found = []
    for output in outputs:
        last = found[-1] if found else {}
        if output["output_type"] == "stream" and last.get("name") == output["name"]:
            text = "".join(last["text"]) + "".join(output["text"])
            found[-1] = last | dict(text=text.splitlines(keepends=True))
        else:
            found.append(output)
    return found


def shrink_notebook(path: Path) -> int:  # bytes saved
    "Shrink the figures of a notebook, and join what its cells printed"
    text = path.read_text(encoding="utf-8")
    nb = json.loads(text)
    for cell in nb["cells"]:
        if cell.get("outputs"):
            cell["outputs"] = joined(cell["outputs"])
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "image/png" in data:
                png = base64.b64decode("".join(data["image/png"]))
                small = shrink(png)
                if len(small) < len(png):
                    data["image/png"] = base64.b64encode(small).decode()
    new = json.dumps(nb, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    if len(new) < len(text):
        path.write_text(new, encoding="utf-8")
    return max(0, len(text) - len(new))


def main(names):
    paths = [Path(n) for n in names] or sorted(NBS.rglob("*.ipynb"))
    for path in paths:
        if saved := shrink_notebook(path):
            size = path.stat().st_size
            print(f"{path.name}: {saved / 1024:.0f} KB less, {size / 1024:.0f} KB left")


if __name__ == "__main__":
    main(sys.argv[1:])
