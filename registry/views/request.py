"""The request of a person who has signed in."""

from mlops_portal.kit.htmx import HtmxRequest
from registry.models import User


class SignedInRequest(HtmxRequest):
    """What a view behind `login_required` receives."""

    user: User
