"""Pages of decisions."""

from django.urls import path

from review.views import intents

app_name = "review"

urlpatterns = [
    path("decisions/intent/<uuid:intent_id>/", intents.decision_intent, name="decision-intent"),
]
