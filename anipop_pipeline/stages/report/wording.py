"""Numbers as words: the same rounding everywhere.

Belongs here: how one number or one list becomes text. Does not: what is said about it.
"""

from collections.abc import Sequence

NONE = "–"
DIGITS = {  # decimals that a metric is quoted with
    "mean_squared_error": 3,
    "root_mean_squared_error": 3,
    "mean_absolute_error": 3,
    "mean_absolute_percentage_error": 1,
    "unit_mean_squared_error": 4,
    "unit_mean_absolute_error": 4,
}
SCORE_DIGITS = 3


def number(value: float | None, digits: int = 2) -> str:
    """Return a number with a true minus sign; a dash where there is none.

    >>> number(-0.1234), number(12345.6, 0), number(None), number(-0.0001)
    ('−0.12', '12,346', '–', '0.00')
    """
    if value is None:
        return NONE
    text = f"{value:,.{digits}f}"
    return text.removeprefix("-") if float(text.replace(",", "")) == 0 else text.replace("-", "−")


def figure(value: float | None, metric: str) -> str:
    """Return a metric's value with the decimals that it is quoted with."""
    return number(value, DIGITS.get(metric, SCORE_DIGITS))


def interval(low: float | None, high: float | None, metric: str) -> str:
    """Return an interval in brackets, or nothing; its ends need no more than two decimals, save on the scale 0..1.

    >>> interval(0.1, 0.25, "r2_score"), interval(None, None, "r2_score")
    ('[0.10, 0.25]', '')
    """
    digits = DIGITS[metric] if metric.startswith("unit_") else min(2, DIGITS.get(metric, SCORE_DIGITS))
    return "" if low is None or high is None else f"[{number(low, digits)}, {number(high, digits)}]"


def percent(share: float) -> str:
    """Return a share in percent, with one decimal where it is small.

    >>> percent(0.187), percent(0.0345), percent(-0.02), percent(0.997)
    ('19 %', '3.5 %', '−2.0 %', '99.7 %')
    """
    small = abs(share) < 0.095 or 0.99 <= share < 1
    return f"{number(100 * share, 1 if small else 0)} %"


def p_value(p: float) -> str:
    """Return a p-value as it is usually written.

    >>> p_value(0.0004), p_value(0.0312), p_value(1.0)
    ('p < 0.001', 'p = 0.031', 'p = 1')
    """
    if p < 0.001:
        return "p < 0.001"
    return "p = 1" if p >= 0.9995 else f"p = {p:.3f}"


def count(amount: int, one: str, many: str = "") -> str:
    """Return an amount with its noun.

    >>> count(1, "title"), count(1200, "title"), count(2, "anime", "anime")
    ('1 title', '1,200 titles', '2 anime')
    """
    return f"{amount:,} {one if amount == 1 else many or one + 's'}"


def listed(names: Sequence[str]) -> str:
    """Return names as a sentence lists them.

    >>> listed(["a"]), listed(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else ""


def plain(name: str) -> str:
    """Return a name from a table as words.

    >>> plain("no_main_character")
    'no main character'
    """
    return name.replace("_", " ")
