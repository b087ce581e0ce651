import pytest

from mlops_portal.kit.errors import Conflict, Refused
from mlops_portal.kit.ruling import YES, not_now, refused


def test_yes_is_true_and_requires_nothing() -> None:
    assert YES
    YES.require()


@pytest.mark.parametrize(
    ("ruling", "error", "status"), [(refused("No."), Refused, 403), (not_now("Later."), Conflict, 409)]
)
def test_a_no_is_false_and_raises_its_own_sentence(ruling, error, status) -> None:
    assert not ruling
    with pytest.raises(error) as raised:
        ruling.require()
    assert raised.value.detail == ruling.reason
    assert raised.value.status == status
