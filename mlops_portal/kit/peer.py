"""The address of the machine a request comes from."""

from django.conf import settings
from django.http import HttpRequest


def address(request: HttpRequest) -> str:
    """The address of the client, seen through as many proxies as the setting TRUSTED_PROXIES says and no more.

    Whatever stands further left in X-Forwarded-For was written by the client and is not believed.
    """
    direct = str(request.META.get("REMOTE_ADDR", ""))
    hops = settings.TRUSTED_PROXIES
    if not hops:
        return direct
    forwarded = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",") if part.strip()]
    # Fewer entries than proxies: the request went around them, and what it says of itself is not believed.
    return forwarded[-hops] if len(forwarded) >= hops else direct
