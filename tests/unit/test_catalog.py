"""The catalog's files: versions, tombstones, adoption, several writers."""

from __future__ import annotations

from multiprocessing import get_context
from typing import TYPE_CHECKING

import pytest

from sqlshell.errors import AnalysisError
from sqlshell.storage.catalog import RELATION, Catalog, CatalogConflict, CatalogObject

if TYPE_CHECKING:
    from pathlib import Path


def catalog(tmp_path: Path) -> Catalog:
    return Catalog(str(tmp_path / "warehouse"))


def test_nothing_is_created_by_looking(tmp_path: Path) -> None:
    c = catalog(tmp_path)
    assert c.get(RELATION, ("default", "t")) is None
    assert c.schemas() == ["default"]
    assert c.list_objects(RELATION, "default") == []
    assert not (tmp_path / "warehouse").exists()


def test_versions_and_case(tmp_path: Path) -> None:
    c = catalog(tmp_path)
    first = c.put("view", ("Default", "Sales"), {"text": "SELECT 1"})
    second = c.put("view", ("default", "SALES"), {"text": "SELECT 2"}, first.version)
    found = c.get(RELATION, ("DEFAULT", "sAlEs"))
    assert found is not None
    assert (found.version, found.payload) == (second.version, {"text": "SELECT 2"})
    assert second.time_ms > first.time_ms
    old = c.get("view", ("default", "sales"), as_of_ms=first.time_ms)
    assert old is not None
    assert old.payload == {"text": "SELECT 1"}
    assert c.get("view", ("default", "sales"), as_of_ms=first.time_ms - 1) is None
    assert c.get("table", ("default", "sales")) is None
    assert [o.name for o in c.list_objects("view", "default")] == ["sales"]
    assert c.list_objects("table", "default") == []


def test_kinds_have_their_own_names(tmp_path: Path) -> None:
    c = catalog(tmp_path)
    c.put("view", ("default", "f"), {})
    c.put("function", ("default", "f"), {"body": "x + 1"})
    c.put("model", ("default", "f"), {"family": "linear"})
    assert [o.kind for o in c.list_objects(RELATION, "default")] == ["view"]
    assert [o.payload for o in c.list_objects("function", "default")] == [{"body": "x + 1"}]
    found = c.get("model", ("default", "f"))
    assert found is not None
    assert found.payload == {"family": "linear"}


def test_drop_and_undrop(tmp_path: Path) -> None:
    c = catalog(tmp_path)
    name = ("default", "v")
    made = c.put("view", name, {"text": "SELECT 1"})
    dropped = c.drop("view", name, made.version)
    assert c.get("view", name) is None
    back = c.undrop("view", name)
    assert (back.kind, back.payload, back.version) == ("view", {"text": "SELECT 1"}, dropped.version + 1)
    with pytest.raises(AnalysisError, match="no dropped view"):
        c.undrop("view", name)
    assert [o.kind for o in c.versions("view", name)] == ["view", "tombstone", "view"]


def test_bare_log_is_a_table(tmp_path: Path) -> None:
    c = catalog(tmp_path)
    log = tmp_path / "warehouse" / "Lake" / "Orders" / "_delta_log"
    log.mkdir(parents=True)
    assert c.get(RELATION, ("lake", "orders")) is None
    (log / "00000000000000000000.json").write_text("{}")
    found = c.get(RELATION, ("lake", "orders"))
    assert found is not None
    assert found.kind == "table"
    assert c.location(found) == str(tmp_path / "warehouse" / "Lake" / "Orders")
    assert c.schemas() == ["default", "lake"]
    c.drop("table", ("lake", "orders"), found.version)
    assert c.get(RELATION, ("lake", "orders")) is None
    assert c.undrop("table", ("lake", "orders")).payload["location"] == "Lake/Orders"


def test_new_locations_never_meet(tmp_path: Path) -> None:
    c = catalog(tmp_path)
    name = ("default", "t")
    assert c.new_location(name) == str(tmp_path / "warehouse" / "default" / "t")
    made = c.put("table", name, {"provider": "delta", "location": "default/t"})
    c.drop("table", name, made.version)
    assert c.new_location(name) != c.new_location(name)
    assert c.new_location(name).startswith(str(tmp_path / "warehouse" / "default" / "t" / "_table2-"))


@pytest.mark.parametrize("name", ["a.b", "a/b", "_hidden", ".dot", "100%", "grün", "a b", "%5Fx", "a\\b"])
def test_odd_names(tmp_path: Path, name: str) -> None:
    c = catalog(tmp_path)
    c.put("view", ("s", name), {"n": name})
    found = c.get("view", ("S", name.upper()))
    assert found is not None
    assert found.payload == {"n": name}
    assert [o.name for o in c.list_objects("view", "s")] == [name.lower()]


def _race(directory: str, worker: int) -> list[int]:
    c = Catalog(directory)
    won = []
    while len(won) < 20:
        head: CatalogObject | None = c.head("view", ("default", "v"))
        try:
            won.append(c.put("view", ("default", "v"), {"by": worker}, head.version if head else 0).version)
        except CatalogConflict:
            continue
    return won


def test_writers_never_overwrite_each_other(tmp_path: Path) -> None:
    directory = str(tmp_path / "warehouse")
    with get_context("spawn").Pool(2) as pool:
        won = pool.starmap(_race, [(directory, 0), (directory, 1)])
    assert sorted(won[0] + won[1]) == list(range(1, 41))
    assert [o.version for o in Catalog(directory).versions("view", ("default", "v"))] == list(range(1, 41))
