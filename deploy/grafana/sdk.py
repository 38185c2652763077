"""What is used of Grafana's foundation SDK.

It warns as it is imported that a second form of dashboards exists. The first is written here, because every Grafana that runs
today can read it.
"""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from grafana_foundation_sdk.builders import common as options
    from grafana_foundation_sdk.builders import dashboard as boards
    from grafana_foundation_sdk.builders import heatmap, stat, statetimeline, table, timeseries
    from grafana_foundation_sdk.builders.prometheus import Dataquery
    from grafana_foundation_sdk.cog.builder import Builder
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.models import common, dashboard
    from grafana_foundation_sdk.models.prometheus import PromQueryFormat

__all__ = [
    "Builder",
    "Dataquery",
    "JSONEncoder",
    "PromQueryFormat",
    "boards",
    "common",
    "dashboard",
    "heatmap",
    "options",
    "stat",
    "statetimeline",
    "table",
    "timeseries",
]
