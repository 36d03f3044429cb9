"""The files of a table's version by key: those of a checkpoint stay columns, and become actions when asked for.

A table of 10,000 files would otherwise be 10,000 records per statement that opens it, of which a query needs a few.
"""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from sqlshell.expr.tree import cached_property
from sqlshell.storage.delta.actions import Add, DeletionVector, Remove, file_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

A = TypeVar("A", Add, Remove)

VECTOR_AT = {Add: 7, Remove: 6}
"""Where the record has its deletion vector."""
FIELD_AT = {name: i for i, name in enumerate(Add.__match_args__)}


MANY_LATER = 500
"""Statistics of later files are parsed for every version."""


class Columns(Generic[A]):
    """Actions of a checkpoint as columns in the order of the record's fields; deletion vectors as tuples."""

    def __init__(self, kind: type[A], columns: Sequence[list[Any]]) -> None:
        self.kind: type[A] = kind
        self.columns = columns
        self._vectors = columns[VECTOR_AT[kind]]
        self.made: dict[int, A] = {}
        """The records made so far."""
        self.derived: dict[str, Any] = {}
        """What others keep for all rows (parsed statistics), computed once for all versions on top of it."""

    @classmethod
    def of(cls, actions: list[A]) -> Columns[A]:
        """Columns of records."""
        kind: Any = type(actions[0])
        made = cls(kind, [[getattr(a, name) for a in actions] for name in kind.__match_args__])
        made.made = dict(enumerate(actions))
        return made

    def __len__(self) -> int:
        return len(self.columns[0])

    @cached_property
    def keys(self) -> list[str]:
        """Path and deletion vector of each action."""
        if not any(self._vectors):
            return self.columns[0]
        return [file_key(p, _vector(v)) for p, v in zip(self.columns[0], self._vectors, strict=True)]

    @cached_property
    def where(self) -> dict[str, int]:
        """The row of each key."""
        return dict(zip(self.keys, range(len(self)), strict=True))

    def vector(self, row: int) -> DeletionVector | None:
        """The deletion vector of a row."""
        return _vector(self._vectors[row])

    def action(self, row: int) -> A:
        """The record of a row."""
        found = self.made.get(row)
        if found is None:
            values = [c[row] for c in self.columns]
            values[VECTOR_AT[self.kind]] = self.vector(row)
            found = self.made[row] = self.kind(*values)
        return found


def _vector(values: DeletionVector | tuple[Any, ...] | None) -> DeletionVector | None:
    return DeletionVector(*values) if isinstance(values, tuple) else values


class Files(MutableMapping[str, A]):
    """Actions by key, those of the checkpoint first."""

    def __init__(self, base: Columns[A] | None = None) -> None:
        self.base: Columns[A] | None = base
        self._dead: set[int] = set()
        self._later: dict[str, A] = {}

    def copy(self) -> Files[A]:
        """An independent copy (actions are shared), in columns again when much has come since the checkpoint."""
        if len(self._later) > MANY_LATER:
            return Files(Columns.of(list(self.values())))
        other = Files(self.base)
        other._dead, other._later = self._dead.copy(), self._later.copy()
        return other

    def _row(self, key: str) -> int | None:
        if self.base is None:
            return None
        row = self.base.where.get(key)
        return None if row is None or row in self._dead else row

    def rows(self) -> Sequence[int]:
        """The rows of the checkpoint that still count."""
        if self.base is None:
            return ()
        every = range(len(self.base))
        return [i for i in every if i not in self._dead] if self._dead else every

    def later(self) -> tuple[A, ...]:
        """Actions since the checkpoint."""
        return tuple(self._later.values())

    def __len__(self) -> int:
        return (0 if self.base is None else len(self.base) - len(self._dead)) + len(self._later)

    def __contains__(self, key: object) -> bool:
        return key in self._later or (isinstance(key, str) and self._row(key) is not None)

    def __iter__(self) -> Iterator[str]:
        base = self.base
        old = () if base is None else (base.keys[i] for i in self.rows())
        return chain(old, self._later)

    def __getitem__(self, key: str) -> A:
        if key in self._later:
            return self._later[key]
        row = self._row(key)
        if row is None or self.base is None:
            raise KeyError(key)
        return self.base.action(row)

    def __setitem__(self, key: str, action: A) -> None:
        row = self._row(key)
        if row is not None:
            self._dead.add(row)
        self._later[key] = action

    def __delitem__(self, key: str) -> None:
        if self._later.pop(key, None) is None:
            row = self._row(key)
            if row is None:
                raise KeyError(key)
            self._dead.add(row)

    def discard(self, key: str) -> None:
        """Take a key out if it is there, without making its record."""
        if key in self:
            del self[key]


class AddList(Sequence[Add]):
    """The live files of a version in log order; records are made when asked for."""

    def __init__(self, files: Files[Add]) -> None:
        self.base: Columns[Add] | None = files.base
        self.rows = files.rows()
        self.later: tuple[Add, ...] = files.later()

    @classmethod
    def of(cls, adds: Iterable[Add]) -> AddList:
        """Some records as such a list."""
        made: Files[Add] = Files()
        made.update((str(i), a) for i, a in enumerate(adds))
        return cls(made)

    def __len__(self) -> int:
        return len(self.rows) + len(self.later)

    @overload
    def __getitem__(self, index: int) -> Add: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Add, ...]: ...
    def __getitem__(self, index: int | slice) -> Add | tuple[Add, ...]:
        if isinstance(index, slice):
            return tuple([self[i] for i in range(*index.indices(len(self)))])
        if index < 0:
            index += len(self)
        old = len(self.rows)
        if index >= old:
            return self.later[index - old]
        assert self.base is not None
        return self.base.action(self.rows[index])

    def __iter__(self) -> Iterator[Add]:
        if self.base is not None:
            yield from map(self.base.action, self.rows)
        yield from self.later

    def vector(self, index: int) -> DeletionVector | None:
        """A file's deletion vector."""
        old = len(self.rows)
        if index >= old or self.base is None:
            return self.later[index - old].deletion_vector
        return self.base.vector(self.rows[index])

    def column(self, name: str, of: Callable[[Add], Any]) -> list[Any]:
        """A field of every file; `of` takes it from a record."""
        at = FIELD_AT[name]
        return self.merged(None if self.base is None else self.base.columns[at], map(of, self.later))

    def merged(self, old: list[Any] | None, new: Any) -> list[Any]:
        """Values of all rows of the checkpoint, those that still count, then those of later files."""
        if old is None:
            return list(new)
        if not self.later and len(self.rows) == len(old):
            return old
        found = [old[i] for i in self.rows]
        found.extend(new)
        return found
