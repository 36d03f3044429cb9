"""Objects in `s3://`, `gs://`, `az://` stores: list, look at, read, and put-if-absent, by obstore.

Loaded only when a statement names such a location. Errors say what to do and show neither credentials nor the
server's whole answer, which may quote them.
"""

from __future__ import annotations

import os
import re
import time
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlshell.errors import (
    AnalysisError,
    Error,
    NotSupportedError,
    OperationalError,
    SourceNotFound,
    did_you_mean,
)
from sqlshell.records import dataclass
from sqlshell.storage import secrets
from sqlshell.storage.uri import is_hidden, is_remote

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

KINDS = {"s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs", "az": "az", "abfs": "az", "abfss": "az"}
KNOWN_SECONDS = 2.0
"""For so long the size and time seen in a listing stand for another look: one statement's planning."""
RETRY_SECONDS = 15


@dataclass(frozen=True)
class Found:
    """A file: its path, time (ns) and size."""

    path: str
    modified_ns: int
    size: int
    tag: str = ""
    """The store's name for this content (ETag)."""


def normal(uri: str) -> str:
    """The one spelling of a location: the scheme's usual name, no slash at the end."""
    scheme, _, rest = uri.partition("://")
    bucket, _, key = rest.partition("/")
    if not bucket:
        raise AnalysisError(
            f"'{uri}' names no bucket", condition="INVALID_URI", hint=f"{scheme}://bucket/path"
        )
    scheme = {"s3a": "s3", "gcs": "gs"}.get(scheme.lower(), scheme.lower())
    return f"{scheme}://{bucket}/{key}".rstrip("/")


def parts(path: str) -> tuple[str, str]:
    """(`scheme://bucket`, key) of a normal path."""
    scheme, _, rest = path.partition("://")
    bucket, _, key = rest.partition("/")
    return f"{scheme}://{bucket}", key


def kind(path: str) -> str:
    """s3, gs or az."""
    return KINDS[path.partition("://")[0]]


def storage_options(path: str) -> dict[str, str]:
    """What Polars needs to open a path."""
    found = secrets.configuration(kind(path), path)
    if found.get("aws_endpoint_url", "").startswith("http:"):
        found["aws_allow_http"] = "true"
    return found


def scan_options(paths: list[str]) -> dict[str, Any]:
    """The arguments of a Polars scan of these objects, which must share their credentials."""
    told = {p: storage_options(f"{p}/") for p in {parts(path)[0] for path in paths}}
    if len(told) > 1 or any(s.scope.count("/") > 2 for s in secrets.in_force()):
        told = {path: storage_options(path) for path in paths}
    options = next(iter(told.values()))
    if any(o != options for o in told.values()):
        raise NotSupportedError("one scan reads objects that need different credentials")
    return {"storage_options": options, "credential_provider": None}


@lru_cache(maxsize=64)
def _store(root: str, told: tuple[tuple[str, str], ...]) -> Any:
    try:
        from obstore import store
    except ImportError:
        raise OperationalError(
            f"reading {root} needs the package obstore", condition="MISSING_PACKAGE",
            hint="pip install 'sqlshell-analytics[s3]'",
        ) from None  # fmt: skip
    from datetime import timedelta

    try:
        opened: Any = store.from_url  # its overloads know one kind of store each
        return opened(
            root,
            config=dict(told),
            client_options={"allow_http": True, "connect_timeout": "5s"},
            retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=RETRY_SECONDS)},
        )
    except Exception as e:
        raise translated(e, root) from None


def _opened(path: str) -> tuple[Any, str]:
    """The store of a path, and the key in it."""
    root, key = parts(path)
    return _store(root, tuple(sorted(secrets.configuration(kind(path), path).items()))), key


# -- looking

_known: dict[str, tuple[float, Found]] = {}


def _found(root: str, meta: Any) -> Found:
    modified = int(meta["last_modified"].timestamp() * 1000) * 1_000_000
    found = Found(f"{root}/{meta['path']}", modified, meta["size"], meta["e_tag"] or "")
    if len(_known) > 100_000:
        _known.clear()
    _known[found.path] = (time.monotonic(), found)
    return found


def look(path: str) -> Found | None:
    """An object's time and size, as they are now; None when there is none."""
    import obstore

    store, key = _opened(path)
    if not key:
        return None
    try:
        return _found(parts(path)[0], obstore.head(store, key))
    except FileNotFoundError:  # a HEAD has no body: a missing bucket looks the same
        return None
    except Exception as e:
        raise translated(e, path) from None


def version(path: str) -> Found:
    """As `look`, or what a listing told a moment ago. Raises PATH_NOT_FOUND."""
    known = _known.get(path)
    if known is not None and time.monotonic() - known[0] < KNOWN_SECONDS:
        return known[1]
    found = look(path)
    if found is None:
        raise SourceNotFound(f"the file '{path}' is gone")
    return found


def below(path: str) -> Iterator[Found]:
    """All objects below a directory, in order of their names; markers of directories are left out."""
    import obstore

    store, key = _opened(path)
    root = parts(path)[0]
    try:
        for batch in obstore.list(store, key or None, chunk_size=1000):
            for meta in batch:
                if not (meta["size"] == 0 and meta["path"].endswith("/")):
                    yield _found(root, meta)
    except Exception as e:
        raise translated(e, path) from None


def names(path: str) -> list[str]:
    """Names directly in a directory, of objects and of directories."""
    import obstore

    store, key = _opened(path)
    try:
        listed = obstore.list_with_delimiter(store, key or None)
    except Exception as e:
        raise translated(e, path) from None
    inside = [*(m["path"] for m in listed["objects"]), *listed["common_prefixes"]]
    return [n.rstrip("/").rpartition("/")[2] for n in inside]


def is_glob(path: str) -> bool:
    """Whether a path has the signs of a pattern."""
    return re.search(r"[*?\[]", path) is not None


def find(path: str, uri: str) -> list[Found]:
    """The objects a normal path, directory or glob names, hidden ones left out. Raises PATH_NOT_FOUND."""
    key = parts(path)[1]
    if is_glob(path):
        return _matching(path, uri)
    found = look(path) if key else None
    if found is not None:
        return [found]
    inside = [f for f in below(path) if not _is_hidden(f.path, path)]
    if inside:
        return inside
    head, _, last = path.rpartition("/")
    near = names(head) if key else []
    raise SourceNotFound(f"there is no file or directory '{uri}'", hint=did_you_mean(last, near))


def _matching(path: str, uri: str) -> list[Found]:
    start = re.match(r"[^*?\[]*/", path)
    assert start is not None
    pattern = re.compile(_pattern(path[start.end() :]) + r"(?P<rest>/.*)?")
    found = []
    for f in below(start[0].rstrip("/")):
        match = pattern.fullmatch(f.path[start.end() :])
        if match and not _is_hidden(f.path, start[0].rstrip("/")):
            found.append(f)
    if not found:
        raise SourceNotFound(f"no file matches '{uri}'")
    return found


def _pattern(text: str) -> str:
    """A glob as a regular expression: `**` is any number of directories."""
    out = []
    for sign in re.findall(r"\*\*/?|\*|\?|\[[^\]]+\]|.", text):
        if sign.startswith("**"):
            out.append("(?:.*/)?" if sign.endswith("/") else ".*")
        elif sign == "*":
            out.append("[^/]*")
        elif sign == "?":
            out.append("[^/]")
        elif len(sign) > 1:
            inner = sign[1:-1].replace("\\", r"\\")
            out.append(f"[{'^' + inner[1:] if inner.startswith('!') else inner}]")
        else:
            out.append(re.escape(sign))
    return "".join(out)


def _is_hidden(path: str, root: str) -> bool:
    return any(is_hidden(p) for p in path[len(root) :].strip("/").split("/"))


# -- reading and writing


def read(path: str) -> bytes:
    """A whole object. Raises PATH_NOT_FOUND."""
    import obstore

    store, key = _opened(path)
    try:
        return bytes(obstore.get(store, key).bytes())
    except FileNotFoundError as e:
        error = translated(e, path)
        raise (
            error if error.condition != "PATH_NOT_FOUND" else SourceNotFound(f"the file '{path}' is gone")
        ) from None
    except Exception as e:
        raise translated(e, path) from None


def put(path: str, data: bytes, *, create: bool = False) -> bool:
    """Write a whole object; with `create` False, and nothing changed, when it is there already."""
    import obstore
    from obstore.exceptions import AlreadyExistsError

    store, key = _opened(path)
    _known.pop(path, None)
    try:
        obstore.put(store, key, data, mode="create" if create else "overwrite")
    except AlreadyExistsError:
        return False
    except Exception as e:
        raise translated(e, path) from None
    return True


def copy(source: str, target: str, *, replace: bool = False) -> bool:
    """Make `target` the same object or local file; False, and nothing changed, when it is there already.

    One of the two is in a store. Inside a bucket the store copies by itself; else the bytes stream through here.
    """
    import obstore

    if not is_remote(target):
        if os.path.exists(target):
            return False
        os.makedirs(os.path.dirname(target), exist_ok=True)
        return _download(source, target)
    if not replace and look(target) is not None:
        return False
    store, key = _opened(target)
    _known.pop(target, None)
    try:
        if not is_remote(source):
            obstore.put(store, key, Path(source))
        elif parts(source)[0] == parts(target)[0]:
            obstore.copy(store, parts(source)[1], key)
        else:
            held, name = _opened(source)
            obstore.put(store, key, obstore.get(held, name))
    except Exception as e:
        raise translated(e, target) from None
    return True


def _download(source: str, target: str) -> bool:
    import obstore

    store, key = _opened(source)
    try:
        with open(target, "xb") as f:
            for chunk in obstore.get(store, key):
                f.write(chunk)
    except OSError:
        raise
    except Exception as e:
        raise translated(e, source) from None
    return True


def delete(path: str) -> bool:
    """Remove an object; False when it was not there."""
    import obstore

    if look(path) is None:
        return False
    store, key = _opened(path)
    _known.pop(path, None)
    try:
        obstore.delete(store, key)
    except Exception as e:
        raise translated(e, path) from None
    return True


class _Reader:
    """An object as a file that pyarrow can read: one request per read, no more bytes than asked for."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._store, self._key = _opened(path)
        self._size = version(path).size
        self._at = 0
        self.closed = False

    def read(self, count: int = -1) -> bytes:
        import obstore

        left = self._size - self._at
        count = left if count < 0 else min(count, left)
        if count <= 0:
            return b""
        try:
            data = bytes(obstore.get_range(self._store, self._key, start=self._at, length=count))
        except Exception as e:
            raise translated(e, self.path) from None
        self._at += len(data)
        return data

    def seek(self, to: int, whence: int = 0) -> int:
        self._at = to + {0: 0, 1: self._at, 2: self._size}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def size(self) -> int:
        return self._size

    def close(self) -> None:
        self.closed = True


def open_input(path: str) -> pa.PythonFile:
    """The object as a file for pyarrow."""
    import pyarrow as pa

    return pa.PythonFile(_Reader(path), mode="r")


# -- errors

_CODE = re.compile(r"<Code>(\w+)</Code>")
_STATUS = re.compile(r"status code: (\d{3})")


def translated(exc: BaseException, path: str) -> Error:
    """The typed error for what obstore or Polars raised about an object."""
    return exc if isinstance(exc, Error) else explain(str(exc), path)


def explain(text: str, path: str) -> Error:
    """The typed error for what an object store's client says."""
    code, status = _CODE.search(text), _STATUS.search(text)
    name = code[1] if code else ""
    number = int(status[1]) if status else 0
    bucket = parts(path)[0]
    if name == "NoSuchBucket" or "ContainerNotFound" in text:
        return SourceNotFound(f"there is no bucket '{bucket}'", condition="BUCKET_NOT_FOUND")
    if "169.254.169.254" in text or "metadata.google" in text or "Account must be specified" in text:
        return OperationalError(
            f"no credentials for '{bucket}'", condition="NO_CREDENTIALS",
            hint="CREATE SECRET s (TYPE s3, KEY_ID '...', SECRET '...'), AWS_PROFILE, or AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY in the environment" if kind(path) == "s3" else "use CREATE SECRET",
        )  # fmt: skip
    if name in _REFUSED or number in {401, 403}:
        said = f" ({name})" if name else ""
        return OperationalError(
            f"access to '{path}' was denied{said}", condition="ACCESS_DENIED",
            hint="the credentials are wrong or may not do this: SHOW SECRETS tells which are in use",
        )  # fmt: skip
    if number == 404 or "not found" in text.lower():
        return SourceNotFound(f"there is no file '{path}'")
    if "HTTP error" in text or "error sending request" in text or "timed out" in text:
        return OperationalError(
            f"the object store of '{bucket}' does not answer", condition="NETWORK_ERROR",
            hint="check the network, the region and the ENDPOINT; the statement can be run again",
        )  # fmt: skip
    said = name or (f"status {number}" if number else text.strip().split("\n", 1)[0].split(":", 1)[0])
    return OperationalError(f"the object store refused '{path}': {said}", condition="OBJECT_STORE_ERROR")


_REFUSED = {"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken"}
