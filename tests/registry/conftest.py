"""What tests of messages to the outside share."""

import pytest

from mlops_portal.kit.addresses import parse_openings
from tests.receivers import canary


@pytest.fixture
def receiver(settings):
    """A receiver on this machine, which the operator has opened."""
    with canary() as told:
        settings.PORTAL_OUTBOUND_HTTP = True
        settings.PORTAL_OUTBOUND_ALLOW = parse_openings(f"127.0.0.0/8:{told.port}")
        yield told
