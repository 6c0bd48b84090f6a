"""Numbers and values as people read them."""


def percent(share: float) -> str:
    """Return a share as a percentage that keeps the difference from 0% and from 100%."""
    if share in (0, 1):
        return f"{share:.0%}"
    if 0 < share < 0.0005:
        return "<0.1%"
    if 0.9995 <= share < 1:
        return ">99.9%"
    return f"{share:.1%}"


def compact(number: int) -> str:
    """Return a large number in three digits: 1,600,000 is 1.6 M."""
    if number < 10_000:
        return f"{number:,}"
    for unit in ("k", "M", "G"):
        number_in_unit = number / 1000 ** (" kMG".index(unit))
        if number_in_unit < 999.5:
            return f"{number_in_unit:.3g} {unit}"
    return f"{number / 1e12:.3g} T"


def printable(text: str, length: int) -> str:
    """Return a text for the terminal: control characters escaped, long ones cut."""
    escaped = "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )
    return escaped if len(escaped) <= length else escaped[: length - 1] + "…"
