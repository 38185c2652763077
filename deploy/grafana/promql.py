"""Expressions in Prometheus' language: how the metrics of Paceline are to be read.

Gauges of the state come from the exporter. They are read with ``max by (their labels)`` first, so that a second exporter, as
there is for a moment while one replaces the other, doubles nothing. Counters come from workers and are summed.
"""

from collections.abc import Callable
from typing import Final

# 0 while the exporter reads the state, nothing while it does not: "none" must not be shown by one who cannot know.
KNOWN_ZERO: Final = "max(paceline_state_up == 1) * 0"

# The sum of the accounts without a series of their own is not an account: it has no place among the largest.
NAMED: Final = 'account!="other"'


# How finely Grafana looks for annotations; its own step, 60 s, would miss short ones.
ANNOTATION_STEP: Final = "10s"


def select(metric: str, where: str = "") -> str:
    """A metric, or those of its series to which the matchers apply."""
    return f"{metric}{{{where}}}" if where else metric


def each(metric: str, *labels: str, where: str = "", offset: str = "") -> str:
    """A gauge of the state by these labels, whoever exported it; without labels the largest value there is."""
    by = f" by ({', '.join(labels)})" if labels else ""
    return f"max{by} ({select(metric, where)}{offset})"


def total(metric: str, *labels: str, by: str = "", where: str = "") -> str:
    """The sum of a gauge of the state.

    Args:
        metric: its name.
        labels: all labels it has.
        by: the label to keep; else one number.
        where: matchers.
    """
    kept = f" by ({by})" if by else ""
    return f"sum{kept} ({each(metric, *labels, where=where)})"


def or_zero(expr: str) -> str:
    """0 where the state was read and has none."""
    return f"{expr} or {KNOWN_ZERO}"


def rate(counter: str, *labels: str, where: str = "") -> str:
    """Events a minute on all workers; without labels 0 where none was ever counted."""
    by = f" by ({', '.join(labels)})" if labels else ""
    summed = f"sum{by} (rate({select(counter, where)}[$__rate_interval])) * 60"
    return or_none(summed, labels[0]) if labels else f"{summed} or vector(0)"


def or_none(expr: str, label: str) -> str:
    """A single 0 named "none" in place of no series at all."""
    return f'{expr} or on () label_replace(vector(0), "{label}", "none", "", "")'


def quantile(share: float, histogram: str, *labels: str, where: str = "") -> str:
    """A quantile of what was observed on all workers; no value, and never NaN, where nothing was."""
    by = ", ".join(("le", *labels))
    buckets = select(f"{histogram}_bucket", where)
    return f"histogram_quantile({share}, sum by ({by}) (rate({buckets}[$__rate_interval]))) >= 0"


def begins(expr: Callable[[str], str]) -> str:
    """1 at the moment from which something holds, so that an annotation is a line and not a band.

    Args:
        expr: Given an offset for its selectors ("" or " offset 10s"), the expression that is above zero while it holds.
    """
    return f"{holds(expr(''))} unless {holds(expr(f' offset {ANNOTATION_STEP}'))}"


def top(number: int, expr: str) -> str:
    """The largest few."""
    return f"topk({number}, {expr})"


def holds(expr: str) -> str:
    """1 where it is above zero, else no value: what an annotation is drawn from."""
    return f"({expr} > bool 0) == 1"
