"""Pages of monitoring."""

from django.urls import path

from monitoring.views import alerts, models, references, runs, set_aside

app_name = "monitoring"
urlpatterns = [
    path("alerts/", alerts.alert_list, name="alert-list"),
    path("alerts/<uuid:alert_id>/", alerts.alert_detail, name="alert-detail"),
    path("alerts/<uuid:alert_id>/acknowledge/", alerts.alert_acknowledge, name="alert-acknowledge"),
    path("alerts/<uuid:alert_id>/unacknowledge/", alerts.alert_unacknowledge, name="alert-unacknowledge"),
    path("runs/", runs.run_list, name="run-list"),
    path("runs/<uuid:run_id>/", runs.run_detail, name="run-detail"),
    path("runs/<uuid:run_id>/measurements.csv", runs.run_csv, name="run-csv"),
    path("runs/<uuid:run_id>/again/", runs.run_again, name="run-again"),
    path("models/<slug:slug>/health/", models.model_health, name="model-health"),
    path("models/<slug:slug>/alerts/", models.model_alerts, name="model-alerts"),
    path("models/<slug:slug>/inputs/", models.model_inputs, name="model-inputs"),
    path("models/<slug:slug>/inputs/<path:feature>/", models.model_feature, name="model-feature"),
    path("models/<slug:slug>/set-aside/", set_aside.set_aside_list, name="set-aside-list"),
    path("models/<slug:slug>/set-aside/replay/", set_aside.set_aside_replay, name="set-aside-replay"),
    path("models/<slug:slug>/references/", references.reference_upload, name="reference-upload"),
    path(
        "models/<slug:slug>/references/<uuid:reference_id>/make-primary/",
        references.reference_make_primary,
        name="reference-make-primary",
    ),
]
