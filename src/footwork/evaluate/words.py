"""Words that the findings share: numbers as text, and what the endings of titles mean."""

from footwork.records import Estimate, Floors

# How a title ends where the contract was broken on purpose, and what was fed then.
BROKEN = {
    " [unit-range]": "pixels in [0, 1] instead of its own range",
    " [right-then-divided]": "its own inputs divided by 255",
}


def broken(title: str) -> str:
    """Return the ending of a title whose contract was broken on purpose, or ''."""
    return next((end for end in BROKEN if title.endswith(end)), "")


def reference(floors: Floors) -> float:
    """Return the macro-F1 that an entry's interval must lie above to beat guessing.

    It is the expected score of the better floor: an interval is about the expected score of an
    entry and already carries the luck of these photos, so the upper end of the range of
    guessing would count that luck twice.
    """
    return max(floors.largest_class_macro_f1, floors.guessing.value)


def covers_zero(difference: Estimate) -> bool:
    return difference.low <= 0 <= difference.high


def difference_in_words(difference: Estimate) -> str:
    """'0.03 (-0.05 to +0.11)'."""
    low, high = two(difference.low, sign=True), two(difference.high, sign=True)
    return f"{two(difference.value)} ({low} to {high})"


def two(value: float, sign: bool = False) -> str:
    """Two decimals; with `sign` a plus before what is above 0; never '-0.00'."""
    rounded = round(value, 2) + 0.0
    return f"{rounded:+.2f}" if sign and rounded else f"{rounded:.2f}"


def two_digits(value: float) -> int:
    """Round a positive number to two significant digits."""
    return round(float(f"{value:.2g}"))


def listed(names: list[str], most: int = 8) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
