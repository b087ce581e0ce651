"""Strict bodies."""

import pytest
from rest_framework.exceptions import ValidationError

from mlops_portal.kit.body import Real, StrictSerializer, Text, Truth, Whole, Word


class Shape(StrictSerializer):
    text = Text(required=False)
    whole = Whole(required=False)
    real = Real(required=False)
    truth = Truth(required=False)
    word = Word([("a", "A")], required=False)
    shown = Text(read_only=True)


@pytest.mark.parametrize(
    "body", [{"text": " a "}, {"text": ""}, {"whole": 7}, {"real": 7}, {"real": 0.5}, {"truth": False}, {"word": "a"}]
)
def test_a_value_of_its_type_comes_through_as_it_is(body):
    read = Shape(data=body)

    assert read.is_valid()
    assert read.validated_data == body


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"text": 7}, "wrong_type"),
        ({"text": None}, "null"),
        ({"whole": "7"}, "wrong_type"),
        ({"whole": True}, "wrong_type"),
        ({"whole": 7.0}, "wrong_type"),
        ({"real": "0.5"}, "wrong_type"),
        ({"real": True}, "wrong_type"),
        ({"real": 10**400}, "not_finite"),
        ({"truth": 1}, "wrong_type"),
        ({"truth": "true"}, "wrong_type"),
        ({"word": "b"}, "invalid_choice"),
        ({"word": ["a"]}, "wrong_type"),
        ({"other": 1}, "unknown_field"),
        ({"shown": "x"}, "unknown_field"),
    ],
)
def test_nothing_is_coerced_and_nothing_unknown_is_taken(body, code):
    read = Shape(data=body)

    with pytest.raises(ValidationError) as raised:
        read.is_valid(raise_exception=True)
    [[detail]] = raised.value.get_full_details().values()
    assert detail["code"] == code
