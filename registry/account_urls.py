"""Addresses of one's own account; their names have no namespace."""

from django.urls import path

from registry.views import account

urlpatterns = [
    path("sign-in/", account.sign_in, name="sign-in"),
    path("sign-out/", account.sign_out, name="sign-out"),
    path("claim/<str:token>/", account.claim, name="claim"),
    path("me/", account.me, name="me"),
    path("me/password/", account.password_change, name="password-change"),
    path("me/look/", account.look_change, name="look-change"),
]
