"""Idempotency keys, ETags and the address of the peer."""

import pytest
from django.test import RequestFactory
from rest_framework.parsers import JSONParser
from rest_framework.request import Request

from mlops_portal.kit import conditions, peer
from mlops_portal.kit.errors import Malformed, Stale, Unconditional


def request(body="{}", **headers):
    plain = RequestFactory().post("/", body, content_type="application/json", headers=headers)
    return Request(plain, parsers=[JSONParser()])


@pytest.mark.parametrize("header", ['"7"', 'W/"7"', "7", ' "7" '])
def test_a_tag_of_ours_is_read(header):
    assert conditions.if_match(request(**{"If-Match": header})) == 7


@pytest.mark.parametrize("header", ["*", '"x"', '"7", "8"', '"12345678901234567890"'])
def test_another_tag_is_stale(header):
    with pytest.raises(Stale):
        conditions.if_match(request(**{"If-Match": header}))


def test_a_missing_tag_is_asked_for_where_it_is_needed():
    with pytest.raises(Unconditional):
        conditions.if_match(request())
    assert conditions.if_match_given(request()) is None


def test_the_same_body_in_another_order_is_the_same_intent():
    first = conditions.once(request('{"a": 1, "b": [2]}', **{"Idempotency-Key": "k"}))
    second = conditions.once(request('{ "b": [2],\n"a": 1 }', **{"Idempotency-Key": "k"}))
    third = conditions.once(request('{"a": 1, "b": [2.5]}', **{"Idempotency-Key": "k"}))

    assert first == second
    assert first.body_sha256 != third.body_sha256


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 256, "ä"])
def test_a_key_has_1_to_255_visible_ascii_characters(key):
    with pytest.raises(Malformed):
        conditions.once(request(**{"Idempotency-Key": key}))


@pytest.mark.parametrize(
    ("hops", "forwarded", "seen"),
    [
        (0, "9.9.9.9", "127.0.0.1"),
        (1, "", "127.0.0.1"),
        (1, "9.9.9.9", "9.9.9.9"),
        (1, "6.6.6.6, 9.9.9.9", "9.9.9.9"),
        (2, "6.6.6.6, 9.9.9.9, 10.0.0.1", "9.9.9.9"),
        (2, "9.9.9.9", "127.0.0.1"),
    ],
)
def test_the_peer_is_seen_through_as_many_proxies_as_are_trusted(settings, hops, forwarded, seen):
    settings.TRUSTED_PROXIES = hops

    assert peer.address(RequestFactory().get("/", headers={"X-Forwarded-For": forwarded})) == seen
