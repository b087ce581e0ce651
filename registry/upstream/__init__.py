"""What changed upstream of the models, and which of them it may explain. The only writer of ChangeEvent."""

from registry.upstream.affecting import Affected, affected_by
from registry.upstream.cloudevents import from_cloudevent
from registry.upstream.deploying import note_deployment
from registry.upstream.reporting import Change, change_of, may_report, report_change

__all__ = [
    "Affected",
    "Change",
    "affected_by",
    "change_of",
    "from_cloudevent",
    "may_report",
    "note_deployment",
    "report_change",
]
