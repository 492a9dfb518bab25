"""Packaging, read from settings.ini; version, dependencies and extras are stated there"""

import shutil
from configparser import ConfigParser
from pathlib import Path

from setuptools import find_namespace_packages, setup
from setuptools.command.build_py import build_py

here = Path(__file__).parent
cfg = ConfigParser(delimiters=["="], interpolation=None)
cfg.read(here / "settings.ini", encoding="utf-8")
cfg = cfg["DEFAULT"]
suffix = "_requirements"
extras = {k.removesuffix(suffix): v.split() for k, v in cfg.items() if k.endswith(suffix)}
name = cfg["lib_name"]


class WithNotebooks(build_py):
    "Also writes the course into the package, for `ddpm-nb notebooks`; an editable install has it"

    def run(self):
        super().run()
        if self.editable_mode:
            return
        for kind in ("*.ipynb", "lib/*.ipynb", "images/*"):
            for path in sorted((here / "nbs").glob(kind)):
                target = Path(self.build_lib, name, "notebooks", path.relative_to(here / "nbs"))
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)


setup(
    cmdclass={"build_py": WithNotebooks},
    name=name,
    version=cfg["version"],
    description=cfg["description"],
    keywords=cfg["keywords"],
    author=cfg["author"],
    author_email=cfg["author_email"],
    license="Apache-2.0",
    license_files=["LICENSE", "ddpm_nb/assets/mnist/LICENSE.md"],
    long_description=(here / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    packages=find_namespace_packages(include=[name, f"{name}.*"], exclude=["*.__pycache__"]),
    include_package_data=True,
    package_data={name: ["py.typed", "*.pyi", "*/*.pyi", "assets/*/*", "assets/*/*/*"]},
    python_requires=f">={cfg['min_python']}",
    install_requires=cfg["requirements"].split(),
    extras_require=extras,
    entry_points={
        "console_scripts": [s for s in cfg["console_scripts"].splitlines() if s.strip()],
        "nbdev": [f"{name}={name}._modidx:d"],
    },
    classifiers=[
        "Programming Language :: Python :: 3",
        "License :: OSI Approved :: Apache Software License",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
    zip_safe=False,
)
