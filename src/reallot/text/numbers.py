"""Numbers and names as people read them."""

from __future__ import annotations


def amount(value: float) -> str:
    """Two decimals where that is exact, else four significant digits: 0.20, 12.00, 0.1235."""
    return f"{value:.2f}" if abs(value * 100 - round(value * 100)) < 1e-6 else f"{value:.4g}"


def percent(share: float) -> str:
    """A share in percent: 25 %, 12.5 %."""
    return f"{round(share * 100, 6):.4g} %"


def usd(value: float) -> str:
    """USD with as many digits as the size needs: 12.35, 0.0034; dust from rounding is 0."""
    value = 0.0 if abs(value) < 1e-12 else value
    return f"{value:.2f}" if abs(value) >= 10.0 else f"{value + 0.0:.4g}"


def shown(name: str) -> str:
    """A name as it is, or escaped where it would move the cursor or hide."""
    return name if name.isprintable() else ascii(name)[1:-1]


def listed(parts: list[str], word: str = "or") -> str:
    """a, b or c."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} {word} {parts[-1]}"
