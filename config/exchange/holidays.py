"""Holidays out of an iCalendar file, RFC 5545: the days that its events cover.

An event that repeats is followed for some years.  What an event says of the time of day does not
matter: a holiday is a whole day.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Any, Final

from dateutil.rrule import rrulestr
from icalendar import Calendar

from config.model.fields import HOLIDAYS_LIMIT

FILE_LIMIT: Final = 4 * 1024 * 1024  # octets: a country has a few hundred lines a year
YEARS: Final = 10  # for which a repeated event is followed after its first day
LONGEST: Final = 366  # days of one event


class BadCalendar(Exception):
    """A file that is no calendar of holidays; says why."""


def dates(octets: bytes) -> list[str]:
    """Find the days, in their order.

    Raises:
        BadCalendar: the file cannot be used, and nothing of it is to be.
    """
    if len(octets) > FILE_LIMIT:
        raise BadCalendar(f"it is larger than {FILE_LIMIT // 1024 // 1024} MiB")
    try:
        calendar = Calendar.from_ical(octets)
        found = sorted({day for event in calendar.walk("VEVENT") for day in _days(event)})
    except BadCalendar:
        raise
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise BadCalendar(
            f"it is no iCalendar file ({str(error).splitlines()[0][:80]}); right begins with"
            " BEGIN:VCALENDAR"
        ) from error
    if not found:
        raise BadCalendar("it has no event (BEGIN:VEVENT) with a DTSTART")
    if len(found) > HOLIDAYS_LIMIT:
        raise BadCalendar(f"it has more than {HOLIDAYS_LIMIT} days")
    return [day.isoformat() for day in found]


def _days(event: Any) -> Iterator[date]:
    if "DTSTART" not in event:
        raise BadCalendar(f"the event {str(event.get('SUMMARY', ''))[:40]!a} has no DTSTART")
    first = _date(event.decoded("DTSTART"))
    length = _length(event, first)
    left_out = set(_listed(event, "EXDATE"))
    starts = {first, *_listed(event, "RDATE")}
    if "RRULE" in event:
        rule = event["RRULE"].to_ical().decode()
        start = datetime.combine(first, time())
        end = datetime.combine(first + timedelta(days=366 * YEARS), time())
        # An UNTIL in UTC cannot be compared to a day without a zone.
        repeated = rrulestr(rule.replace("Z", ""), dtstart=start)
        for number, moment in enumerate(repeated.xafter(start, inc=True)):
            if moment > end:
                break
            if number > HOLIDAYS_LIMIT:
                raise BadCalendar(f"an event repeats more than {HOLIDAYS_LIMIT} times")
            starts.add(moment.date())
    for start_day in starts - left_out:
        for number in range(length):
            yield start_day + timedelta(days=number)


def _length(event: Any, first: date) -> int:
    """Count the days of an event; a DTEND that is a date is the day after the last."""
    if "DTEND" in event:
        end = event.decoded("DTEND")
        days = (_date(end) - first).days
        if isinstance(end, datetime) and end.time() != time():
            days += 1
    elif "DURATION" in event:
        days = -(-event.decoded("DURATION") // timedelta(days=1))
    else:
        days = 1
    if days > LONGEST:
        raise BadCalendar(f"an event of {first} is longer than {LONGEST} days")
    return max(1, days)


def _listed(event: Any, name: str) -> Iterator[date]:
    found = event.get(name, [])
    for one in found if isinstance(found, list) else [found]:
        for value in one.dts:
            yield _date(value.dt)


def _date(value: Any) -> date:
    if isinstance(value, tuple):
        value = value[0]
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    raise BadCalendar("an event has a start that is no date")
