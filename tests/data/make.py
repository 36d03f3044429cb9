"""Make the small files that tests/slt/sources.slt reads: `python tests/data/make.py`. Same bytes every time."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.feather
import pyarrow.orc
import pyarrow.parquet

HERE = Path(__file__).parent

TEXTS = {
    "people.csv": (
        "id,name,born,score,active\n1,Ann,1990-05-01,1.5,true\n2,Bob,,2.25,false\n"
        '3,"Cid, the third",1985-12-31,,true\n'
    ),
    "no_header.csv": "1,x,2.5\n2,y,3.5\n3,,4.5\n",
    "semicolon.csv": "k;v\na;1,5\nb;2,5\n",
    "tabs.tsv": "k\tv\na\t1\nb\t2\n",
    "quotes.csv": 'id,text\n1,"said ""hi"""\n2,"two\nlines"\n3,\'single\'\n4,""\n5,\n',
    "types.csv": (
        "i,big,d,b,dt,ts,s\n1,3000000000,1.5,true,2024-01-01,2024-01-01 10:00:00,a\n"
        "-2,-3000000000,2e3,FALSE,2024-02-29,2024-02-29T23:59:59,007\n,,,,,,\n"
    ),
    "mixed.csv": "a,b\n1,2024-01-01\n2.5,x\n,\n",
    "dirty.csv": (
        "id,amount,day\n1,1.5,2024-01-01\n2,oops,2024-01-02\n3,3.5,\n4,4.5,2024-01-04,extra\n"
        "5,5.5,never\n6,6.5,2024-01-06\n"
    ),
    "comment.csv": "# made by hand\nid|v\n1|x\n# between\n2|NA\n",
    "empty.csv": "",
    "header_only.csv": "a,b\n",
    "accents.csv": "näme,Größe\nJörg,1\nZoë,2\n",
    "lines.jsonl": (
        '{"id": 1, "tags": ["a", "b"], "at": {"x": 1.5, "y": null}}\n{"id": 2, "tags": [], "extra": true}\n\n'
        '{"id": 3, "at": {"x": 2, "z": "q"}}\n'
    ),
    "array.json": json.dumps([{"id": 1, "v": "a"}, {"id": 2, "v": None}, {"id": 3}], indent=1) + "\n",
    "object.json": json.dumps({"id": 7, "inner": {"list": [{"p": 1}, {"p": 2}]}}, indent=2) + "\n",
    "dirty.jsonl": '{"id": 1, "v": "a"}\n{"id": 2, "v": \n{"id": "three", "v": "c"}\n{"id": 4, "v": "d"}\n',
    "notes.txt": "first line\n\nthird line, with a comma\nlast",
    "parts/a.csv": "id,v\n1,x\n2,y\n",
    "parts/b.csv": "id,v\n3,z\n",
    "parts/_hidden.csv": "id,v\n99,hidden\n",
    "parts/.dot.csv": "id,v\n98,dot\n",
    "parts/more/c.csv": "id,v\n4,deep\n",
    "days/year=2024/month=1/a.csv": "id,v\n1,10\n2,20\n",
    "days/year=2024/month=2/a.csv": "id,v\n3,30\n",
    "days/year=2025/month=1/a.csv": "id,v\n4,40\n",
    "days/year=__HIVE_DEFAULT_PARTITION__/month=3/a.csv": "id,v\n5,50\n",
    "blobs/one.bin": "\x00\x01\x02",
    "blobs/two.txt": "plain",
}


def main() -> None:
    """Write everything."""
    for name, text in TEXTS.items():
        path = HERE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    for name in ("people.csv", "lines.jsonl", "notes.txt"):
        (HERE / f"{name}.gz").write_bytes(gzip.compress(TEXTS[name].encode(), mtime=0))
    table = pa.table(
        {
            "id": pa.array([1, 2, 3, None], pa.int32()),
            "small": pa.array([1, -1, None, 127], pa.int8()),
            "price": pa.array(
                [Decimal("1.50"), Decimal("-2.25"), None, Decimal("99999.99")], pa.decimal128(10, 2)
            ),
            "name": pa.array(["a", None, "c", ""]),
            "day": pa.array([date(2024, 1, 1), None, date(1969, 7, 20), date(2024, 2, 29)]),
            "at": pa.array(
                [datetime(2024, 1, 1, 10, tzinfo=UTC), None, None, datetime(1969, 7, 20, tzinfo=UTC)]
            ),
            "raw": pa.array([b"\x00\xff", None, b"", b"x"]),
            "flag": pa.array([True, False, None, True]),
            "list": pa.array([[1, None], [], None, [3]], pa.list_(pa.int64())),
            "pair": pa.array([{"x": 1, "y": "p"}, {"x": None, "y": None}, None, {"x": 4, "y": "s"}]),
            "map": pa.array(
                [[("k", 1)], [], None, [("a", 2), ("b", None)]], pa.map_(pa.string(), pa.int32())
            ),
        }
    )
    pa.parquet.write_table(table, HERE / "all_types.parquet", row_group_size=2)
    pa.feather.write_feather(table, HERE / "all_types.arrow", compression="uncompressed")
    pa.orc.write_table(table.drop_columns(["small", "at"]), HERE / "all_types.orc")
    for year, ids in ((2023, [1, 2]), (2024, [3])):
        folder = HERE / f"by_year/year={year}"
        folder.mkdir(parents=True, exist_ok=True)
        rows = pa.table({"id": pa.array(ids, pa.int64()), "v": [f"v{i}" for i in ids]})
        pa.parquet.write_table(rows, folder / "part.parquet")
    for i, rows in enumerate((pa.table({"id": [1], "a": ["x"]}), pa.table({"id": [2], "b": [2.5]}))):
        (HERE / "evolved").mkdir(exist_ok=True)
        pa.parquet.write_table(rows, HERE / f"evolved/{i}.parquet")


if __name__ == "__main__":
    main()
