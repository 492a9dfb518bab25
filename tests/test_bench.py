"What the benchmarks write, and how two such files are compared"

import json
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent.parent / "benchmarks"))
import records


def test_a_record_says_where_it_was_measured_and_keeps_the_one_before(tmp_path):
    path = tmp_path / "bench" / "step.json"
    records.save(path, {"ours": dict(seconds=2.0, ratio=1.2)}, "× diffusers")
    first = json.loads(path.read_text())
    assert first["machine"]["cpu"] and first["machine"]["threads"] >= 1
    assert first["versions"]["torch"] and first["rows"]["ours"]["ratio"] == 1.2
    records.save(path, {"ours": dict(seconds=1.0, ratio=1.5)}, "× diffusers")
    assert json.loads(path.with_suffix(".old.json").read_text()) == first


def test_old_beside_new(tmp_path, capsys):
    path = tmp_path / "step.json"
    records.save(path, {"ours": dict(ratio=1.2), "gone": dict(ratio=1.0)}, "× diffusers")
    assert records.main([str(tmp_path)]) == 1  # nothing older
    records.save(path, {"ours": dict(ratio=1.5), "fresh": dict(ratio=0.9)}, "× diffusers")
    old = json.loads(path.with_suffix(".old.json").read_text())
    old["versions"]["torch"] = "1.0"
    path.with_suffix(".old.json").write_text(json.dumps(old))
    capsys.readouterr()
    assert records.main([str(tmp_path)]) == 0
    out = capsys.readouterr().out
    lines = {line.split("  ")[0]: line.split() for line in out.splitlines()}
    assert lines["ours"][1:] == ["1.200", "1.500", "+25.0%"]
    assert lines["gone"][1:] == ["1.000", "–"] and lines["fresh"][1:] == ["–", "0.900"]
    assert "not comparable without thought: torch was 1.0" in out


@pytest.mark.parametrize("script", ["train_step", "sampling", "trainer_overhead"])
def test_the_benchmarks_write_records(script):
    text = (Path(records.__file__).parent / f"{script}.py").read_text()
    assert "records.save(a.json" in text and '"--json"' in text
