"""Time zones as functions take them: region names, Java's short names, offsets."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sqlshell.functions.common import failure, refuse
from sqlshell.functions.registry import Function

if TYPE_CHECKING:
    from collections.abc import Callable

SHORT = {
    "ACT": "Australia/Darwin", "AET": "Australia/Sydney", "AGT": "America/Argentina/Buenos_Aires",
    "ART": "Africa/Cairo", "AST": "America/Anchorage", "BET": "America/Sao_Paulo", "BST": "Asia/Dhaka",
    "CAT": "Africa/Harare", "CNT": "America/St_Johns", "CST": "America/Chicago", "CTT": "Asia/Shanghai",
    "EAT": "Africa/Addis_Ababa", "ECT": "Europe/Paris", "IET": "America/Indiana/Indianapolis",
    "IST": "Asia/Kolkata", "JST": "Asia/Tokyo", "MIT": "Pacific/Apia", "NET": "Asia/Yerevan",
    "NST": "Pacific/Auckland", "PLT": "Asia/Karachi", "PNT": "America/Phoenix", "PRT": "America/Puerto_Rico",
    "PST": "America/Los_Angeles", "SST": "Pacific/Guadalcanal", "VST": "Asia/Ho_Chi_Minh",
    "EST": "-05:00", "MST": "-07:00", "HST": "-10:00", "Z": "UTC", "GMT": "UTC", "UT": "UTC",
}  # fmt: skip
_OFFSET = re.compile(r"^(?:UTC|GMT|UT)?([+-])(\d{1,2})(?::?(\d{2}))?(?::?(\d{2}))?$")


def resolve(name: str) -> int | str | None:
    """A zone as its offset in microseconds, or as a region name; None when it is neither."""
    known = SHORT.get(name, name)
    found = _OFFSET.match(known)
    if found is not None:
        sign, hours, minutes, seconds = found.groups()
        total = int(hours) * 3600 + int(minutes or 0) * 60 + int(seconds or 0)
        return (-total if sign == "-" else total) * 1_000_000 if total <= 18 * 3600 else None
    return known if _is_region(known) else None


def _is_region(name: str) -> bool:
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


def _invalid(name: str) -> tuple[str, str]:
    return (
        "INVALID_TIMEZONE",
        f"The timezone: {name} is invalid: it is a region like 'America/Los_Angeles' or an offset",
    )


def zone_wall(k: Any, instant: Any, zone: int | str) -> Any:
    """An instant as the wall clock of a zone."""
    pl = k.pl
    if isinstance(zone, int):
        return instant.dt.replace_time_zone(None) + pl.lit(zone, dtype=pl.Int64).cast(pl.Duration("us"))
    return instant.dt.convert_time_zone(zone).dt.replace_time_zone(None)


def wall_instant(k: Any, wall: Any, zone: int | str) -> Any:
    """A wall clock of a zone as an instant."""
    pl = k.pl
    if isinstance(zone, int):
        return (wall - pl.lit(zone, dtype=pl.Int64).cast(pl.Duration("us"))).dt.replace_time_zone("UTC")
    return k.wall_in_zone(wall, zone)


def in_zone(k: Any, i: int, value: Any, zone: Any, f: Callable[[Any, int | str], Any], dtype: Any) -> Any:
    """`f(value, zone)` for the zone named by argument `i`, constant or not."""
    pl = k.pl
    if k.is_literal(i):
        name = k.literal(i)
        if name is None:
            return pl.lit(None, dtype=dtype)
        known = resolve(name)
        if known is None:
            raise refuse(k, *_invalid(name))
        return f(value, known)

    def run(s: Any) -> Any:
        rows = s.struct.unnest().with_row_index("_i")
        parts = []
        for part in rows.partition_by("_zone"):
            name = part["_zone"][0]
            known = None if name is None else resolve(name)
            if name is not None and known is None:
                raise failure(k, *_invalid(name))
            out = pl.lit(None, dtype=dtype) if known is None else f(pl.col("_value"), known)
            parts.append(part.select("_i", out.alias("_r")))
        return pl.concat(parts).sort("_i")["_r"]

    pair = pl.struct(value.alias("_value"), zone.alias("_zone"))
    return pair.map_batches(run, return_dtype=dtype, is_elementwise=True)


def _from_utc(k: Any, instant: Any, zone: Any) -> Any:
    def shift(e: Any, z: int | str) -> Any:
        return zone_wall(k, e, z).dt.replace_time_zone("UTC")

    return in_zone(k, 1, instant, zone, shift, k.pl.Datetime("us", "UTC"))


def _to_utc(k: Any, instant: Any, zone: Any) -> Any:
    def shift(e: Any, z: int | str) -> Any:
        return wall_instant(k, e.dt.replace_time_zone(None), z)

    return in_zone(k, 1, instant, zone, shift, k.pl.Datetime("us", "UTC"))


def _convert_timezone(k: Any, *args: Any) -> Any:
    pl = k.pl
    kind = pl.Datetime("us")
    value = args[-1]
    if len(args) == 3:
        instant = in_zone(k, 0, value, args[0], lambda e, z: wall_instant(k, e, z), pl.Datetime("us", "UTC"))
    else:
        instant = k.from_wall(value)
    return in_zone(k, len(args) - 2, instant, args[-2], lambda e, z: zone_wall(k, e, z), kind)


# fmt: off
ROWS = (
    Function("from_utc_timestamp", "timestamp, string -> timestamp",
             "A timestamp read as UTC, shown as the wall clock of a zone.",
             "from_utc_timestamp('2016-08-31', 'Asia/Seoul')", lower=_from_utc, fallible=True),
    Function("to_utc_timestamp", "timestamp, string -> timestamp",
             "A timestamp read as the wall clock of a zone, shown as UTC.",
             "to_utc_timestamp('2016-08-31', 'Asia/Seoul')", lower=_to_utc, fallible=True),
    Function("convert_timezone",
             "string, timestamp_ntz -> timestamp_ntz | string, string, timestamp_ntz -> timestamp_ntz",
             "A wall clock of one zone (the session's) as that of another.",
             "convert_timezone('Europe/Brussels', 'America/Los_Angeles', timestamp_ntz'2021-12-06 00:00:00')",
             lower=_convert_timezone, fallible=True),
)
# fmt: on
