"""The store: what is saved is read back exactly, once, and by whoever may read it."""

from __future__ import annotations

import csv
import json
import math
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from small_runs import plain_record

import diffbench
from diffbench.errors import RunError
from diffbench.records.environment import environment, machine_id
from diffbench.records.export import export, safe
from diffbench.records.record import KEY, SCHEMA, Record, Sample
from diffbench.records.store import FILE, Store, columns, read
from diffbench.running import platform
from diffbench.study import StudyRow


def record(**facts: Any) -> Record:
    given = {"params": '{"n": 2}', "method": "reverse", "command": "diffbench run"}
    return plain_record(**{**given, **facts})


def sample(number: int, seconds: float = 0.1) -> Sample:
    return Sample(generation=0, round=number, kind="run", loops=4, seconds=seconds)


def test_the_columns_are_the_fields_with_plain_types() -> None:
    fields = columns(Record)
    assert list(fields) == list(Record.__struct_fields__)
    assert fields["n"] is fields["sweeps"] is int
    assert fields["run_s"] is float
    assert fields["status"] is fields["verdict"] is str


def test_records_and_samples_come_back_as_they_were(tmp_path: Path) -> None:
    first = record(run_s=0.1 + 0.2, error_max_rel=5e-324, reason="é\n=1")
    with Store(tmp_path) as store:
        store.save(first, [sample(0, 1 / 3), sample(1, 2 / 3)])
        assert store.records() == [first]
        assert [s for _, s in store.samples()] == [sample(0, 1 / 3), sample(1, 2 / 3)]


def test_the_same_key_replaces_and_another_adds(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.save(record(run_s=1.0), [sample(0)])
        store.save(record(run_s=2.0), [sample(1)])
        store.save(record(method="forward"))
        found = {r.method: r.run_s for r in store.records()}
        assert found == {"reverse": 2.0, "forward": None}
        assert len(list(store.samples())) == 2
    assert set(KEY) <= set(Record.__struct_fields__)


def test_a_transaction_is_all_or_nothing(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        with pytest.raises(TypeError):
            store.save_study("s", "ok", [StudyRow(study="s", key="a"), None])  # type: ignore[list-item]  # no row
        assert store.meta() == {}
        store.finish()
    assert diffbench.load(tmp_path).studies.empty


def test_what_was_acknowledged_is_there_without_finish(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.save(record())
        assert len(diffbench.load(tmp_path).records) == 1
    with Store(tmp_path) as store:
        assert len(store.records()) == 1


def test_a_finished_run_is_one_file_in_delete_mode(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.save(record())
        store.finish()
    assert [p.name for p in tmp_path.iterdir()] == [FILE]
    db = sqlite3.connect(tmp_path / FILE)
    assert db.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    db.close()


def test_a_study_is_replaced_whole(tmp_path: Path) -> None:
    rows = [StudyRow(study="s", key=k, value=v) for k, v in (("a", 1.0), ("b", math.inf))]
    with Store(tmp_path) as store:
        store.save_study("s", "failed", rows)
        store.save_study("s", "ok", rows[1:])
        assert store.meta() == {"study s": "ok"}
        store.finish()
    frame = diffbench.load(tmp_path).studies
    assert frame.key.tolist() == ["b"]
    assert frame.value.tolist() == [math.inf]


def test_frames_have_numbers_and_gaps(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.save(record(sweeps=1, run_s=0.5))
        store.save(record(method="zero", status="failed", reason="why"))
    run = diffbench.load(tmp_path)
    frame = run.records.set_index("method")
    assert str(frame.n.dtype) == "int64"
    assert frame.sweeps["reverse"] == 1
    assert math.isnan(frame.sweeps["zero"])
    assert math.isnan(frame.run_s["zero"])
    assert list(run.records.columns) == list(Record.__struct_fields__)
    assert run.samples.empty
    assert run.samples.columns[:3].tolist() == ["instance", "seed", "operator"]


def test_a_field_that_came_later_is_empty_in_an_older_run(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.save(record(library="diffbench", run_s=1.0), [sample(0)])
        store.finish()
    db = sqlite3.connect(tmp_path / FILE)
    for name in ("library", "sweeps"):
        db.execute(f"ALTER TABLE records DROP COLUMN {name}")
    db.execute(f"PRAGMA user_version = {SCHEMA - 1}")
    db.close()
    (row,) = diffbench.load(tmp_path).records.to_dict("records")
    assert set(row) == set(Record.__struct_fields__)
    assert (row["library"], row["run_s"]) == ("", 1.0)
    assert math.isnan(row["sweeps"])


def test_no_run_a_torn_run_and_a_newer_run_say_so(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no run in"):
        diffbench.load(tmp_path)
    (tmp_path / FILE).write_bytes(b"SQLite format 3\0" + b"torn" * 500)
    with pytest.raises(RunError, match="not readable as a run"):
        diffbench.load(tmp_path)
    with pytest.raises(RunError, match="cannot be used"):
        Store(tmp_path)
    (tmp_path / FILE).unlink()
    Store(tmp_path).close()
    db = sqlite3.connect(tmp_path / FILE)
    db.execute("PRAGMA user_version = 999")
    db.close()
    with pytest.raises(RunError, match="newer diffbench"):
        diffbench.load(tmp_path)


def test_reading_changes_nothing(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.save(record())
        store.finish()
    before = (tmp_path / FILE).read_bytes()
    diffbench.load(tmp_path).records.to_csv()
    assert (tmp_path / FILE).read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == [FILE]


# --- export ---------------------------------------------------------------------------------


def test_csv_numbers_read_back_bit_for_bit(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.save(record(run_s=0.1 + 0.2, digits=-1.5, reason="=cmd()"), [sample(0, 1e-300)])
        store.finish()
    names = [path.name for path in export(tmp_path)]
    assert names == ["records.csv", "samples.csv", "studies.csv"]
    with (tmp_path / "records.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert float(row["run_s"]) == 0.1 + 0.2
    assert row["digits"] == "-1.5"
    assert row["reason"] == "'=cmd()"
    assert row["sweeps"] == ""
    assert read(tmp_path, "records")[0] == list(row)


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@a", "\ta", "\ra"])
def test_texts_that_are_formulas_are_defused(text: str) -> None:
    assert safe(text) == f"'{text}"


@pytest.mark.parametrize(("value", "shown"), [(-1, -1), (-0.5, "-0.5"), (None, ""), ("a=1", "a=1")])
def test_numbers_and_plain_texts_stay(value: Any, shown: Any) -> None:
    assert safe(value) == shown


# --- environment ----------------------------------------------------------------------------


def test_the_environment_tells_versions_and_no_names() -> None:
    import os
    import platform

    facts = environment()
    assert facts["packages"]["numpy"]
    assert facts["machine"] == machine_id(facts)
    assert len(facts["machine"]) == 12
    text = json.dumps(facts)
    for private in (platform.node(), os.path.expanduser("~")):
        assert not private or len(private) < 4 or f'"{private}"' not in text
    assert machine_id({**facts, "load": [9.0], "kernel": "other"}) == facts["machine"]
    assert machine_id({**facts, "cpus": 999}) != facts["machine"]


# --- file systems ---------------------------------------------------------------------------

MOUNTS = """\
21 1 254:0 / / rw,relatime shared:1 - ext4 /dev/root rw
22 21 0:20 / /data rw shared:2 - nfs4 server:/data rw,vers=4.2
23 22 254:1 / /data/local rw - xfs /dev/sdb rw
24 21 0:21 / /mnt/two\\040words rw - {0} source rw
25 21 0:22 / /over rw - ext4 /dev/sdc rw
26 21 0:23 / /over rw - fuse.sshfs host:/ rw
27 21 0:24 / /databank rw - ext4 /dev/sdd rw
"""


@pytest.mark.parametrize(
    ("folder", "local"),
    [
        ("/srv/run", True),
        ("/data", False),
        ("/data/my/runs", False),
        ("/data/local/run", True),
        ("/databank/me", True),  # begins like /data, and lies elsewhere
        ("/mnt/two words/run", False),
        ("/over/run", False),  # the later mount hides the earlier one
    ],
)
def test_a_folder_is_local_by_its_longest_mount(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, local: bool
) -> None:
    (tmp_path / "mounts").write_text(MOUNTS.format("cifs"))
    monkeypatch.setattr(platform, "MOUNTS", tmp_path / "mounts")
    assert platform.local(Path(folder)) is local


@pytest.mark.parametrize(
    ("kind", "local"),
    [(name, False) for name in ("nfs", "nfs4", "cifs", "smb3", "9p", "lustre", "gpfs", "ceph")]
    + [(name, False) for name in ("beegfs", "beegfs_nodev", "afs", "fuse.sshfs", "fuse.glusterfs")]
    + [(name, True) for name in ("ext4", "tmpfs", "overlay", "fuseblk", "xfs", "zfs", "nfsd")],
)
def test_types_of_file_systems(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, local: bool
) -> None:
    (tmp_path / "mounts").write_text(MOUNTS.format(kind))
    monkeypatch.setattr(platform, "MOUNTS", tmp_path / "mounts")
    assert platform.local(Path("/mnt/two words")) is local
    monkeypatch.setattr(platform, "MOUNTS", tmp_path / "none")
    assert platform.local(Path("/data")) is True


def test_a_disk_elsewhere_has_no_log_in_shared_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {}
    for kind in ("ext4", "nfs4"):
        (tmp_path / kind).mkdir()
        (tmp_path / "mounts").write_text(f"1 0 0:1 / / rw - {kind} source rw\n")
        monkeypatch.setattr(platform, "MOUNTS", tmp_path / "mounts")
        with Store(tmp_path / kind) as store:
            store.save(record(), [sample(0)])
            found[kind] = {path.name for path in (tmp_path / kind).iterdir()}
            assert len(diffbench.load(tmp_path / kind).records) == 1
            store.finish()
        assert [path.name for path in (tmp_path / kind).iterdir()] == [FILE]
    assert found == {"ext4": {FILE, f"{FILE}-wal", f"{FILE}-shm"}, "nfs4": {FILE}}


# --- many cells -----------------------------------------------------------------------------


def test_many_cells_are_one_transaction(tmp_path: Path) -> None:
    made = [(record(method=name), [sample(i) for i in range(3)]) for name in "abc"]
    with Store(tmp_path) as store:
        store.save_cells(made)
        assert store.records() == [row for row, _ in made]
        assert len(list(store.samples())) == 9
        with pytest.raises(AttributeError):
            store.save_cells([(record(method="d"), []), (None, [])])  # type: ignore[list-item]  # no record
        assert len(store.records()) == 3


def test_cells_come_one_by_one_with_their_samples(tmp_path: Path) -> None:
    kinds = ("run", "own_primal")
    with Store(tmp_path) as store:
        for name in "ba":
            rows = [
                Sample(generation=g, round=0, kind=kind, loops=1, seconds=1.0)
                for g in (1, 0)
                for kind in kinds
            ]
            store.save(record(method=name), rows)
        store.save(record(method="c", status="failed"))
        found = {row.method: samples for _, row, samples in store.cells()}
        assert list(found) == ["a", "b"]
        assert [s.generation for s in found["a"]] == [0, 0, 1, 1]
        of, samples = next(store.sampled(("run",)))
        assert of == ("lecture[n=2]", 0, "gradient", "a", "m")
        assert [s.kind for s in samples] == ["run", "run"]
        assert store.machines() == ["m"]


def test_renewing_changes_the_fields_and_moves_no_row(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        for name in "ba":
            store.save(record(method=name), [sample(0)])
        store.renew(("run_s", "warnings"), ((2.0, "w", row) for row, _, _ in store.cells()))
        found = [(r.method, r.run_s, r.warnings, r.reason) for r in store.records()]
    assert found == [("b", 2.0, "w", ""), ("a", 2.0, "w", "")]


def test_a_draft_is_whole_once_it_is_finished(tmp_path: Path) -> None:
    with Store(tmp_path, draft=True) as store:
        store.save(record(), [sample(0)])
        store.finish()
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
    assert len(diffbench.load(tmp_path).samples) == 1
    db = sqlite3.connect(tmp_path / FILE)
    assert db.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    db.close()


def test_counts_are_made_in_the_database(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.save_cells([(record(method=name), []) for name in "abc"])
        store.save(record(method="d", status="failed", reason="why"))
        store.finish()
    assert diffbench.load(tmp_path).counts("status") == {("ok",): 3, ("failed",): 1}
    assert diffbench.load(tmp_path).counts("status", "method")[("ok", "a")] == 1


def test_the_csv_has_what_safe_makes_of_every_value(tmp_path: Path) -> None:
    texts = ["=1", "+1", "-1", "@a", "\ta", "a=1", "", "é", "'", '"']
    with Store(tmp_path) as store:
        for i, text in enumerate(texts):
            store.save(record(method=f"m{i}", reason=text, run_s=-0.5 if i % 2 else None))
        store.finish()
    export(tmp_path)
    names, rows = read(tmp_path, "records")
    with (tmp_path / "records.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [names, *([str(safe(v)) for v in row] for row in rows)]
