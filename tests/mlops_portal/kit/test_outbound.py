"""Calls to the outside: only to checked addresses, never further, and never for long."""

import ssl
import time

import pytest

from mlops_portal.kit import outbound
from mlops_portal.kit.addresses import AddressRefused, parse_openings
from mlops_portal.kit.outbound import NoAnswer
from tests.receivers import canary, certificate, drip, raw


def loopback(host, port):
    return ["127.0.0.1"]


@pytest.fixture
def receiver():
    with canary() as told:
        yield told


@pytest.fixture
def opened(settings, receiver):
    """The canary's port is opened by the operator, over http."""
    settings.PORTAL_OUTBOUND_HTTP = True
    settings.PORTAL_OUTBOUND_ALLOW = parse_openings(f"127.0.0.0/8:{receiver.port}")
    return receiver


def open_port(settings, port):
    settings.PORTAL_OUTBOUND_HTTP = True
    settings.PORTAL_OUTBOUND_ALLOW = parse_openings(f"127.0.0.0/8:{port}")
    return f"http://127.0.0.1:{port}/"


def test_an_opened_receiver_gets_the_bytes_and_answers(opened):
    opened.replies = [(202, {"Retry-After": "7", "X-A": "b"}, b"taken\x00\x1b[31m \xff")]

    answer = outbound.request("POST", opened.url("/hook?x=1"), body=b"{}", headers={"X-One": "1"})

    [taken] = opened.taken
    assert (taken.method, taken.path, taken.body, taken.headers["x-one"]) == ("POST", "/hook?x=1", b"{}", "1")
    assert taken.headers["host"] == f"127.0.0.1:{opened.port}"
    assert "cookie" not in taken.headers
    assert (answer.status, answer.is_success, answer.retry_after_s) == (202, True, 7)
    assert answer.excerpt == "taken [31m �"


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0"],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_this_machine_is_never_reached(receiver, settings, host, scheme):
    settings.PORTAL_OUTBOUND_HTTP = True
    settings.PORTAL_OUTBOUND_PORTS = (443, receiver.port)

    with pytest.raises(AddressRefused):
        outbound.request("POST", f"{scheme}://{host}:{receiver.port}/", body=b"")

    assert receiver.connections == 0


@pytest.mark.parametrize("found", [["10.0.0.5"], ["93.184.216.34", "127.0.0.1"], ["::ffff:127.0.0.1"], ["fe80::1"], []])
def test_every_address_of_a_name_has_to_be_public(receiver, settings, found):
    settings.PORTAL_OUTBOUND_HTTP = True
    settings.PORTAL_OUTBOUND_PORTS = (receiver.port,)

    with pytest.raises(AddressRefused):
        outbound.request("GET", receiver.url(host="hooks.example.org"), resolver=lambda *_: found)

    assert receiver.connections == 0


def test_a_name_is_resolved_once_so_that_it_cannot_turn_inside(opened):
    asked = []

    def turning(host, port):
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["10.0.0.1"]

    answer = outbound.request("GET", opened.url(host="turning.example.org"), resolver=turning)

    assert (answer.status, asked) == (200, ["turning.example.org"])
    assert opened.taken[0].headers["host"] == f"turning.example.org:{opened.port}"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_an_answer_and_no_success(opened, status):
    with canary() as inside:
        opened.replies = [(status, {"Location": inside.url("/secret")}, b"")]

        answer = outbound.request("POST", opened.url(), body=b"x")

        assert (answer.status, answer.is_success, inside.connections) == (status, False, 0)


def test_proxies_of_the_environment_are_not_used(opened, monkeypatch):
    with canary() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")

        outbound.request("GET", opened.url())

        assert (proxy.connections, len(opened.taken)) == (0, 1)


def test_a_cookie_is_not_kept(opened):
    opened.replies = [(200, {"Set-Cookie": "a=b"}, b"")]
    outbound.request("GET", opened.url())
    outbound.request("GET", opened.url())

    assert "cookie" not in opened.taken[1].headers


def test_a_huge_answer_is_read_up_to_its_limit(settings):
    sent = []

    def speak(connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(10_000):
            connection.sendall(b"x" * 65536)
            sent.append(65536)

    with raw(speak) as port:
        answer = outbound.request("GET", open_port(settings, port))

    assert (answer.status, len(answer.body), len(answer.excerpt)) == (200, 64 * 1024, 1024)
    assert sum(sent) < 64 * 1024 * 1024


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nX-Slow: ",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n",
    ],
    ids=["garbage", "in the head", "in the body", "in a counted body"],
)
def test_an_answer_that_drips_is_cut_off(settings, text):
    with raw(drip(text)) as port:
        started = time.monotonic()
        with pytest.raises(NoAnswer):
            outbound.request("GET", open_port(settings, port), total_s=0.4)
        assert time.monotonic() - started < 2


@pytest.mark.parametrize(
    "text",
    [
        b"HTTP/1.1 200 OK\r\nX-Long: " + b"a" * 1024 * 1024 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X-Many: a\r\n" * 20_000 + b"\r\n",
        b"not http at all\r\n\r\n",
        b"",
    ],
    ids=["one long header", "many headers", "another protocol", "nothing"],
)
def test_a_head_that_is_none_is_no_answer(settings, text):
    with raw(lambda connection: connection.sendall(text)) as port, pytest.raises(NoAnswer):
        outbound.request("GET", open_port(settings, port))


def test_closed_and_silent_ports_read_alike(settings):
    with raw(lambda connection: time.sleep(0.6)) as port, pytest.raises(NoAnswer) as silent:
        outbound.request("GET", open_port(settings, port), total_s=0.3)
    with pytest.raises(NoAnswer) as closed:
        outbound.request("GET", open_port(settings, port))
    with pytest.raises(NoAnswer) as nowhere:
        outbound.request("GET", "https://nowhere.invalid/", resolver=lambda *_: outbound.resolve("nowhere.invalid", 1))

    assert str(silent.value) == str(closed.value) == str(nowhere.value)


def test_the_next_address_is_tried_where_nothing_listens(opened):
    answer = outbound.request("GET", opened.url(host="two.example.org"), resolver=lambda *_: ["127.0.0.2", "127.0.0.1"])

    assert answer.status == 200


def test_the_certificate_has_to_be_that_of_the_name(tmp_path, settings, monkeypatch):
    tls, authority = certificate(tmp_path, "hooks.example.org")
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    with canary(tls) as told:
        settings.PORTAL_OUTBOUND_ALLOW = parse_openings(f"127.0.0.0/8:{told.port}")
        right, wrong = (told.url(host=f"{name}.example.org", scheme="https") for name in ("hooks", "other"))

        assert outbound.request("GET", right, resolver=loopback).status == 200
        with pytest.raises(NoAnswer, match=r"not valid for other\.example\.org"):
            outbound.request("GET", wrong, resolver=loopback)
        with pytest.raises(NoAnswer, match=r"not valid for 127\.0\.0\.1"):
            outbound.request("GET", told.url(scheme="https"))

        assert [taken.headers["host"] for taken in told.taken] == [f"hooks.example.org:{told.port}"]


def test_an_unknown_authority_is_no_answer(tmp_path, settings):
    tls, _ = certificate(tmp_path, "hooks.example.org")
    with canary(tls) as told:
        settings.PORTAL_OUTBOUND_ALLOW = parse_openings(f"127.0.0.0/8:{told.port}")

        with pytest.raises(NoAnswer, match="not valid"):
            outbound.request("GET", told.url(host="hooks.example.org", scheme="https"), resolver=loopback)

        assert told.taken == []


def test_http_needs_the_operators_word(receiver, settings):
    settings.PORTAL_OUTBOUND_ALLOW = parse_openings(f"127.0.0.0/8:{receiver.port}")

    with pytest.raises(AddressRefused):
        outbound.request("GET", receiver.url())

    assert receiver.connections == 0


def test_a_host_the_operator_names_is_called_wherever_it_is_but_never_a_metadata_service(receiver):
    assert outbound.request("GET", receiver.url(), is_trusted=True).status == 200

    with pytest.raises(AddressRefused):
        outbound.request("GET", "http://169.254.169.254/latest/meta-data/", is_trusted=True)


def test_a_check_calls_nobody_and_refuses_what_leads_nowhere(opened):
    outbound.check(opened.url())
    with pytest.raises(AddressRefused):
        outbound.check("https://nowhere.invalid/", resolver=lambda *_: outbound.resolve("nowhere.invalid", 443))

    assert opened.connections == 0


@pytest.mark.parametrize(
    ("given", "seconds"), [("", 0), ("120", 120), ("999999", 86_400), ("-1", 0), ("Wed, 21 Oct 2026 07:28:00 GMT", 0)]
)
def test_retry_after_is_at_most_a_day(given, seconds):
    assert outbound.Answer(503, {"retry-after": given}, b"").retry_after_s == seconds


def test_a_resolver_of_the_system_gives_each_address_once():
    assert outbound.resolve("127.0.0.1", 443) == ["127.0.0.1"]


def test_a_tls_receiver_that_says_nothing_is_no_answer(settings):
    with raw(lambda connection: time.sleep(1)) as port:
        settings.PORTAL_OUTBOUND_ALLOW = parse_openings(f"127.0.0.0/8:{port}")
        with pytest.raises(NoAnswer, match="gave no answer"):
            outbound.request("GET", f"https://127.0.0.1:{port}/", total_s=0.3)
    assert ssl.HAS_SNI


def test_a_resolver_that_takes_its_time_is_not_waited_for(opened):
    def slow(host, port):
        time.sleep(1)
        return ["127.0.0.1"]

    started = time.monotonic()
    with pytest.raises(NoAnswer):
        outbound.request("GET", opened.url(host="slow.example.org"), resolver=slow, total_s=0.2)

    assert (time.monotonic() - started < 0.8, opened.connections) == (True, 0)
