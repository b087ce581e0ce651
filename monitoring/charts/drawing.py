"""From any chart contract to its geometry."""

from typing import assert_never

from monitoring.charts.data import Bullet, Chart, Histogram, Panel, Spark, Timeline, Whisker
from monitoring.charts.gauges import DrawnBullet, DrawnWhisker, draw_bullet, draw_whisker
from monitoring.charts.histogram import DrawnHistogram, draw_histogram
from monitoring.charts.spark import DrawnSpark, draw_spark
from monitoring.charts.timeline import DrawnTimeline, draw_panel, draw_timeline

Drawn = DrawnSpark | DrawnTimeline | DrawnHistogram | DrawnBullet | DrawnWhisker


def drawn(chart: Chart) -> Drawn:
    """The geometry of the chart, for the template of its kind."""
    match chart:
        case Spark():
            return draw_spark(chart)
        case Panel():
            return draw_panel(chart)
        case Timeline():
            return draw_timeline(chart)
        case Histogram():
            return draw_histogram(chart)
        case Bullet():
            return draw_bullet(chart)
        case Whisker():
            return draw_whisker(chart)
        case _:
            assert_never(chart)
