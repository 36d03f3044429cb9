"""Safe mode's rule for paths: which files a session may read and write, and whether at all.

A policy is in force for a whole process (`confine`: a worker, the command line; it cannot be taken back) or for what a
block of the session's own code does (`within`). `storage/uri.py` asks `check` about every path, at the moment it is
used and as the file system resolves it, links and `..` included.
"""

from __future__ import annotations

import contextlib
import os
from contextvars import ContextVar
from typing import TYPE_CHECKING

from sqlshell.errors import SafeModeError
from sqlshell.records import dataclass, replace

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

VARIABLE = "SQLSHELL_POLICY"
"""How workers get theirs."""


@dataclass(frozen=True)
class Policy:
    """What a safe session may touch: real local directories or files (`roots`), prefixes in object stores
    (`remote`), its own spill folders (`scratch`); nothing is written outside these unless `writes`.
    """

    roots: tuple[str, ...]
    remote: tuple[str, ...] = ()
    writes: bool = False
    scratch: tuple[str, ...] = ()

    def check(self, path: str, *, write: bool = False) -> None:
        """Raises SAFE_MODE unless `path` (absolute, or an object's normal URI) may be used."""
        if "://" in path:
            allowed = any(path == r or path.startswith(r + "/") for r in self.remote)
            if not allowed or ".." in path.split("/"):
                raise SafeModeError(
                    f"safe mode has no network: '{path}' is not allowed", hint=f"start with --allow {path}"
                )
        else:
            real = os.path.realpath(path)
            if any(_inside(real, root) for root in self.scratch):
                return
            if not any(_inside(real, root) for root in self.roots):
                shown = f"'{path}'" if real == path else f"'{path}' (really '{real}')"
                raise SafeModeError(
                    f"safe mode does not allow the path {shown}",
                    hint="allowed: "
                    + (", ".join(self.roots) or "no paths")
                    + "; start with --allow PATH to add one",
                )
        if write and not self.writes:
            raise SafeModeError(
                f"safe mode writes nothing: '{path}'", hint="start with --allow-writes to allow it"
            )

    def with_scratch(self, folders: Iterable[str]) -> Policy:
        """The same with the folders that spill goes to."""
        return replace(self, scratch=tuple(os.path.realpath(f) for f in folders))

    def packed(self) -> str:
        """As text, for `VARIABLE`."""
        import json

        return json.dumps([self.roots, self.remote, self.writes, self.scratch])


def _inside(real: str, root: str) -> bool:
    return root in (real, "/") or real.startswith(root + "/")


def unpacked(text: str) -> Policy:
    """What `packed` wrote."""
    import json

    roots, remote, writes, scratch = json.loads(text)
    return Policy(tuple(roots), tuple(remote), bool(writes), tuple(scratch))


def make(allow: Iterable[str], *, warehouse: str, writes: bool = False) -> Policy:
    """The policy of a session: paths and object stores it may use (none: the working directory), and its warehouse."""
    from sqlshell.storage.uri import is_remote, resolve

    local, remote = [], []
    for path in (*(tuple(allow) or (os.getcwd(),)), warehouse):
        found = resolve(path, remote=True)
        if is_remote(found):
            remote.append(found)
        else:
            local.append(os.path.realpath(found))
    return Policy(tuple(dict.fromkeys(local)), tuple(dict.fromkeys(remote)), writes)


_process: Policy | None = None
_block: ContextVar[Policy | None] = ContextVar("policy", default=None)


def confine(policy: Policy) -> None:
    """Put a policy in force for the rest of this process. Raises when another one is."""
    global _process
    if _process is not None and _process != policy:
        raise SafeModeError("safe mode is on and cannot be changed")
    _process = policy


@contextlib.contextmanager
def within(policy: Policy | None) -> Iterator[None]:
    """Put a session's policy in force while its code runs in this thread; None changes nothing."""
    if policy is None:
        yield
        return
    token = _block.set(policy)
    try:
        yield
    finally:
        _block.reset(token)


def active() -> bool:
    """Whether any policy is in force here."""
    return _process is not None or _block.get() is not None


def check(path: str, *, write: bool = False) -> None:
    """Raises SAFE_MODE unless what is in force here allows the path."""
    if _process is not None:
        _process.check(path, write=write)
    here = _block.get()
    if here is not None:
        here.check(path, write=write)
