"""Numbers and names as people read them: one way each."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

SAME = 1e-9
"""Shares, and ends of a price, closer than this are shown as one."""


def amount(value: float) -> str:
    """Two decimals where that is exact, else four significant digits: 0.20, 12.00, 0.1235, 3e-09."""
    is_exact = abs(value * 100 - round(value * 100)) < 1e-6 and (abs(value) >= 0.005 or abs(value) < 1e-12)
    return f"{value:.2f}" if is_exact else f"{value:.4g}"


def apart(value: float, other: float) -> str:
    """An amount with as many digits as it takes to tell it from `other`: 1.000000002 beside 1.00.

    >>> apart(1.2, 1.0), apart(1.0 + 2e-9, 1.0), apart(1.0003, 1.0)
    ('1.20', '1.000000002', '1.0003')
    """
    texts = (amount(value), *(f"{value:.{digits}g}" for digits in range(5, 17)))
    return next((text for text in texts if float(text) != float(amount(other))), texts[0])


def finite(value: Any) -> Any:
    """The value; None for a number that is not finite, which JSON does not have."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def typed(value: float) -> str:
    """A number to be typed: every digit it has, at least two decimals and no exponent.

    >>> typed(0.2), typed(0.03334), typed(3e-9), typed(12.0)
    ('0.20', '0.03334', '0.000000003', '12.00')
    """
    two = f"{value:.2f}"
    return two if float(two) == value else f"{Decimal(repr(float(value))):f}"


def share(value: float | None) -> str:
    """A share in a table: 0.250, 1.0e-04 where three decimals would show nothing, and nothing where it is not known."""
    if value is None:
        return ""
    return f"{value + 0.0:.3f}" if value == 0.0 or abs(value) >= 5e-4 else f"{value:.1e}"


def change(value: float) -> str:
    """A change of a share with its sign: +0.250, -1e-04, and nothing where there is none."""
    if abs(value) < SAME:
        return ""
    return f"{value:+.3f}" if abs(value) >= 5e-4 else f"{value:+.0e}"


def percent(part: float | None) -> str:
    """A part of a whole in percent: 25 %, 12.5 %, 98.33 %; nothing where it is not known."""
    return "" if part is None or part != part else f"{round(part * 100, 6) + 0.0:.4g} %"


def usd(value: float, *, sign: bool = False) -> str:
    """USD with as many digits as the size needs: 12,345.60, 12.35, 0.0034; `sign` puts a plus before a gain.

    >>> usd(12.345), usd(0.0034), usd(-1e-15), usd(0.25, sign=True), usd(48_397)
    ('12.35', '0.0034', '0', '+0.25', '48,397.00')
    """
    value = 0.0 if abs(value) < 1e-12 else value + 0.0
    text = f"{value:,.2f}" if abs(value) >= 10.0 else f"{value:.4g}"
    return f"+{text}" if sign and value > 0.0 else text


def count(number: int, word: str) -> str:
    """1 move, 2 moves."""
    return f"{number} {word}{'' if number == 1 else 's'}"


def shown(name: str) -> str:
    """A name as it is, or escaped where it would move the cursor or hide."""
    return name if name.isprintable() else ascii(name)[1:-1]


def listed(parts: list[str], word: str = "or") -> str:
    """a, b or c."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} {word} {parts[-1]}"
