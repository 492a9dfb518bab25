"Packaging, read from settings.ini; version, dependencies and extras are stated there"
from configparser import ConfigParser
from pathlib import Path

from setuptools import find_namespace_packages, setup

cfg = ConfigParser(delimiters=['='], interpolation=None)
cfg.read(Path(__file__).parent / 'settings.ini', encoding='utf-8')
cfg = cfg['DEFAULT']
suffix = '_requirements'
extras = {k.removesuffix(suffix): v.split() for k, v in cfg.items() if k.endswith(suffix)}

setup(
    name=cfg['lib_name'], version=cfg['version'], description=cfg['description'], keywords=cfg['keywords'],
    author=cfg['author'], author_email=cfg['author_email'],
    license='Apache-2.0', license_files=['LICENSE', 'ddpm_nb/assets/mnist/LICENSE.md'],
    long_description=(Path(__file__).parent / 'README.md').read_text(encoding='utf-8'), long_description_content_type='text/markdown',
    packages=find_namespace_packages(include=['ddpm_nb', 'ddpm_nb.*'], exclude=['*.__pycache__']), include_package_data=True,
    package_data={'ddpm_nb': ['assets/*/*']},
    python_requires=f">={cfg['min_python']}", install_requires=cfg['requirements'].split(), extras_require=extras,
    entry_points={'console_scripts': [s for s in cfg['console_scripts'].splitlines() if s.strip()], 'nbdev': [f"{cfg['lib_name']}={cfg['lib_name']}._modidx:d"]},
    classifiers=['Programming Language :: Python :: 3', 'License :: OSI Approved :: Apache Software License', 'Topic :: Scientific/Engineering :: Artificial Intelligence'],
    zip_safe=False,
)
