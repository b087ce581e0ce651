"""Routes of traffic, measurements and alerts below /api/v1/; without trailing slashes."""

from django.urls import path

from monitoring.api import alerts, erasures, ingest, measurements, references, runs, set_aside

app_name = "monitoring-api"

urlpatterns = [
    path("models/<str:slug>/predictions", ingest.predictions, name="prediction-take"),
    path("models/<str:slug>/outcomes", ingest.outcomes, name="outcome-take"),
    path("batches/<uuid:batch_id>", ingest.batch, name="batch-detail"),
    path("models/<str:slug>/erasures", erasures.ErasureList.as_view(), name="erasure-list"),
    path("models/<str:slug>/set-aside", set_aside.SetAsideList.as_view(), name="set-aside-list"),
    path("models/<str:slug>/set-aside/replay", set_aside.SetAsideReplay.as_view(), name="set-aside-replay"),
    path("models/<str:slug>/references", references.ReferenceList.as_view(), name="reference-list"),
    path("references/<uuid:reference_id>", references.ReferenceDetail.as_view(), name="reference-detail"),
    path(
        "references/<uuid:reference_id>/make-primary",
        references.ReferenceMakePrimary.as_view(),
        name="reference-make-primary",
    ),
    path("models/<str:slug>/runs", runs.RunList.as_view(), name="run-list"),
    path("runs/<uuid:run_id>", runs.RunDetail.as_view(), name="run-detail"),
    path("models/<str:slug>/measurements", measurements.MeasurementList.as_view(), name="measurement-list"),
    path("models/<str:slug>/measurements/export", measurements.MeasurementExport.as_view(), name="measurement-export"),
    path("models/<str:slug>/alerts", alerts.AlertList.as_view(), name="alert-list"),
    path("alerts/<uuid:alert_id>", alerts.AlertDetail.as_view(), name="alert-detail"),
    path("alerts/<uuid:alert_id>/acknowledge", alerts.AlertAcknowledge.as_view(), name="alert-acknowledge"),
]
