"Which program renders the site"

import os
import shutil
import sys

import build_docs
import folding


def stand_in(folder, name):
    "A program that writes down what it was called with, and a page"
    folder.mkdir()
    path = folder / name
    path.write_text(
        "#!/bin/sh\n"
        f'echo "$PWD" "$@" > "{folder}/called"\n'
        'for last in "$@"; do [ -d "$last" ] && at=$last; done\n'
        'mkdir -p "$at/_docs" && echo page > "$at/_docs/index.html"\n'
    )
    path.chmod(0o755)
    return path


def test_quarto_renders_where_it_is(tmp_path, monkeypatch, capsys):
    stand_in(tmp_path / "bin", "quarto")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    (tmp_path / "_proc").mkdir()
    build_docs.render(tmp_path / "_proc", tmp_path / "_docs")
    called = (tmp_path / "bin" / "called").read_text().split()
    assert called[:3] == [str(tmp_path), "render", "_proc"]
    assert "--no-execute" in called
    assert (tmp_path / "_docs" / "index.html").is_file()
    assert "rendered by quarto" in capsys.readouterr().out


def test_smalldocs_renders_where_quarto_is_not(tmp_path, monkeypatch, capsys):
    smalldocs = stand_in(tmp_path / "bin", "smalldocs")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python"))
    monkeypatch.setattr(shutil, "which", lambda name: None)
    (tmp_path / "_proc").mkdir()
    assert build_docs.render_command(tmp_path / "_proc")[0] == str(smalldocs)
    build_docs.render(tmp_path / "_proc", tmp_path / "_docs")
    called = (tmp_path / "bin" / "called").read_text().split()
    assert called[1:] == ["render", "--quiet", "--strict", "_proc"]
    assert "rendered by smalldocs" in capsys.readouterr().out


def test_exported_code_is_folded_where_its_cell_says_so():
    cell = dict(cell_type="code", source="#| export\n#| folded\ndef f(): ...")
    assert folding.is_folded(cell)
    page = build_docs.shown(build_docs.exported(cell), True)
    assert page.startswith("<details") and "#|" not in page and "def f()" in page
    assert not folding.is_folded(dict(cell, source="#| export\ndef f(): ...  # folded"))
    assert "<details" not in build_docs.shown("def f(): ...", False)
