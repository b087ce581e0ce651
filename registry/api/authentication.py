"""Who calls the API: a program with a key, or a signed-in person's page."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.request import Request

from mlops_portal.kit import clock
from registry.permissions import KeyPrincipal, authenticate_key, key_from_request

REALM = 'Bearer realm="portal"'


class KeyAuthentication(BaseAuthentication):
    """An API key as bearer token, or as the password of Basic with any user name."""

    def authenticate(self, request: Request) -> tuple[KeyPrincipal, None] | None:
        """The key's principal; None if the request carries no key. Raises Unauthenticated for one that is not valid."""
        text = key_from_request(request._request)
        return None if text is None else (authenticate_key(text, clock.now()), None)

    def authenticate_header(self, request: Request) -> str:
        """What a 401 asks for."""
        return REALM


class PageSession(SessionAuthentication):
    """The session of a signed-in person, with the CSRF token on every method that writes."""


class KeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the schema describes keys."""

    target_class = KeyAuthentication
    name = "apiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        """HTTP bearer."""
        return {"type": "http", "scheme": "bearer", "bearerFormat": "mlp_<id>_<secret>_<check>"}


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the schema describes page sessions."""

    target_class = PageSession
    name = "pageSession"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        """The session cookie."""
        return {"type": "apiKey", "in": "cookie", "name": "session"}
