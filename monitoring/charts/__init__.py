"""Charts as numbers: what a page asks for (`data`), and the geometry the templates draw.

Pure and without Django. `drawn(chart)` turns a contract of `data` into a view-ready object; the template tag
`{% chart thing %}` draws it with `templates/components/charts/<kind>.html`. x is a share of the width, y is in pixels,
so text keeps its size at any width. A missing value breaks a line; nothing is interpolated or smoothed.
"""

from monitoring.charts.data import (
    Bullet,
    Chart,
    Event,
    Histogram,
    Limit,
    Panel,
    Point,
    Revision,
    Series,
    Spark,
    Timeline,
    Whisker,
)
from monitoring.charts.drawing import drawn
from monitoring.charts.findings import panel_finding
from monitoring.charts.tooltips import values_table

__all__ = [
    "Bullet",
    "Chart",
    "Event",
    "Histogram",
    "Limit",
    "Panel",
    "Point",
    "Revision",
    "Series",
    "Spark",
    "Timeline",
    "Whisker",
    "drawn",
    "panel_finding",
    "values_table",
]
