"""Revisions as changes: what a new revision looks like among everything else that may explain an alert."""

from datetime import datetime

from registry.models import ChangeEvent, Deployment

ORIGIN = "portal"


def note_deployment(deployment: Deployment, title: str, *, at: datetime) -> ChangeEvent:
    """Write the change event of a revision; audit entry and message are those of the revision itself."""
    endpoint = deployment.endpoint
    return ChangeEvent.objects.create(
        team=endpoint.model.team,
        kind=ChangeEvent.Kind.DEPLOY,
        title=title[:256],
        origin=ORIGIN,
        event_id=f"deployment:{deployment.pk}",
        model=endpoint.model,
        endpoint=endpoint,
        started_at=at,
        actor=deployment.created_by[:128],
        payload={"revision": deployment.revision, "sha256": deployment.sha256},
        created_at=at,
        created_by=deployment.created_by,
    )
