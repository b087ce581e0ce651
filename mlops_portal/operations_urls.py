"""URLs of operations: what machines ask, and the jobs people look at."""

from django.urls import path

from mlops_portal import health, jobs_pages

urlpatterns = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", health.metrics, name="metrics"),
    path("jobs/", jobs_pages.job_list, name="job-list"),
    path("jobs/<uuid:job_id>/", jobs_pages.job_detail, name="job-detail"),
    path("jobs/<uuid:job_id>/retry/", jobs_pages.job_retry, name="job-retry"),
    path("jobs/<uuid:job_id>/cancel/", jobs_pages.job_cancel, name="job-cancel"),
]
