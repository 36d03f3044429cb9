"""SQLAlchemy's test plugin with our dialect, for `pytest -p`; `python -m tests.sqlalchemy_suite` starts it."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy.dialects import registry
from sqlalchemy.testing import provision
from sqlalchemy.testing.plugin.pytestplugin import *  # noqa: F403
from sqlalchemy.testing.plugin.pytestplugin import (
    pytest_collection_modifyitems as _modify,
)

registry.register("sqlshell", "sqlshell.connect.alchemy", "dialect")
registry.register("sqlshell.sqlshell", "sqlshell.connect.alchemy", "dialect")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(session: Any, config: Any, items: list[Any]) -> None:
    """The suite's own ordering, less what `requirements.DESELECTED` lists."""
    from tests.sqlalchemy_suite.requirements import DESELECTED

    _modify(session, config, items)
    names = [(item, f"{item.cls.__name__.partition('_sqlshell')[0]}::{item.name}") for item in items]
    left_out = [item for item, name in names if name.startswith(tuple(DESELECTED))]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


@provision.post_configure_engine.for_db("sqlshell")
def _make_schema(url: object, engine: Any, follower_ident: object) -> None:
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE SCHEMA IF NOT EXISTS test_schema")


@provision.temp_table_keyword_args.for_db("sqlshell")
def _temporary(cfg: object, eng: object) -> dict[str, object]:
    return {"prefixes": ["TEMPORARY"]}
