"""Pages of the inventory."""

from django.urls import path

from registry.views import endpoints, features, models, serving, teams, versions

app_name = "registry"

urlpatterns = [
    path("models/", models.model_list, name="model-list"),
    path("models/export.csv", models.model_export, name="model-export"),
    path("models/new/", models.model_create, name="model-create"),
    path("models/<str:slug>/", models.model_detail, name="model-detail"),
    path("models/<str:slug>/edit/", models.model_edit, name="model-edit"),
    path("models/<str:slug>/delete/", models.model_delete, name="model-delete"),
    path("models/<str:slug>/features/", features.feature_list, name="feature-list"),
    path("models/<str:slug>/features/new/", features.feature_create, name="feature-create"),
    path("models/<str:slug>/features/<uuid:feature_id>/", features.feature_edit, name="feature-edit"),
    path("models/<str:slug>/features/<uuid:feature_id>/remove/", features.feature_remove, name="feature-remove"),
    path("models/<str:slug>/versions/", versions.version_list, name="version-list"),
    path("models/<str:slug>/versions/new/", versions.version_create, name="version-create"),
    path("models/<str:slug>/versions/<int:number>/", versions.version_detail, name="version-detail"),
    path("models/<str:slug>/versions/<int:number>/block/", versions.version_block, name="version-block"),
    path("models/<str:slug>/versions/<int:number>/unblock/", versions.version_unblock, name="version-unblock"),
    path("models/<str:slug>/endpoints/new/", endpoints.endpoint_create, name="endpoint-create"),
    path("endpoints/", serving.endpoint_list, name="endpoint-list"),
    path("endpoints/<str:slug>/", serving.endpoint_detail, name="endpoint-detail"),
    path("endpoints/<str:slug>/activate/", serving.endpoint_activate, name="endpoint-activate"),
    path("endpoints/<str:slug>/roll-back/", serving.endpoint_roll_back, name="endpoint-roll-back"),
    path("endpoints/<str:slug>/switch-off/", serving.endpoint_switch_off, name="endpoint-switch-off"),
    path("endpoints/<str:slug>/edit/", endpoints.endpoint_edit, name="endpoint-edit"),
    path("endpoints/<str:slug>/retire/", endpoints.endpoint_retire, name="endpoint-retire"),
    path("teams/", teams.team_list, name="team-list"),
    path("teams/new/", teams.team_create, name="team-create"),
    path("teams/<str:slug>/", teams.team_detail, name="team-detail"),
    path("teams/<str:slug>/edit/", teams.team_edit, name="team-edit"),
    path("teams/<str:slug>/members/add/", teams.member_add, name="member-add"),
    path("teams/<str:slug>/members/<str:username>/", teams.member_change, name="member-change"),
    path("teams/<str:slug>/members/<str:username>/remove/", teams.member_remove, name="member-remove"),
    path("teams/<str:slug>/keys/issue/", teams.key_issue, name="key-issue"),
    path("teams/<str:slug>/keys/<str:key_id>/rotate/", teams.key_rotate, name="key-rotate"),
    path("teams/<str:slug>/keys/<str:key_id>/revoke/", teams.key_revoke, name="key-revoke"),
]
