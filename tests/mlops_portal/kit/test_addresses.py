"""Which addresses may be called: the forms of a URL, and the networks behind a name."""

import ipaddress
import re

import pytest

from mlops_portal.kit import addresses
from mlops_portal.kit.addresses import AddressRefused, parse_openings

PORTS = (443, 8443)


@pytest.mark.parametrize(
    ("url", "host", "port", "path"),
    [
        ("https://hooks.example.org/a?b=c", "hooks.example.org", 443, "/a?b=c"),
        ("https://Hooks.Example.ORG.", "hooks.example.org", 443, "/"),
        ("HTTPS://93.184.216.34:8443/x", "93.184.216.34", 8443, "/x"),
        ("https://[2606:4700::1111]/x", "2606:4700::1111", 443, "/x"),
        ("https://bücher.example/x", "xn--bcher-kva.example", 443, "/x"),
        ("https://under_score.example/", "under_score.example", 443, "/"),
    ],
)
def test_a_plain_address_is_read_in_one_form(url, host, port, path):
    place = addresses.parse(url)

    assert (place.host, place.port, place.path) == (host, port, path)


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.org/",
        "file:///etc/passwd",
        "ftp://example.org/",
        "gopher://example.org/",
        "unix:///var/run/docker.sock",
        "data:text/plain,x",
        "//example.org/",
        "example.org/hook",
        "",
        "https://",
        "https:///hook",
        "https://user@example.org/",
        "https://user:secret@example.org/",
        "https://example.org\\@inside/",
        "https://example.org/a b",
        "https://example.org/a\tb",
        "https://example.org/\r\nHost: inside",
        "https://example.org/\x00",
        "https://example.org/#fragment",
        "https://exa mple.org/",
        "https://example.org:0/",
        "https://example.org:99999/",
        "https://example.org:x/",
        "https://-example.org/",
        "https://exam..ple.org/",
        "https://exa%6dple.org/",
        "https://example.org/ü",
        "https://" + "a" * 64 + ".org/",
        "https://" + "a." * 130 + "org/",
        "https://example.org/" + "a" * 2048,
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0x7f.1/",
        "https://017700000001/",
        "https://0177.0.0.1/",
        "https://127.1/",
        "https://1.2.3/",
        "https://[fe80::1%25lo]/",
        "https://[::1/",
        "https://xn--a/" + "\u202e",
    ],
)
def test_every_other_form_is_refused(url):
    with pytest.raises(AddressRefused, match="not allowed"):
        addresses.parse(url)


def test_wide_digits_are_the_address_they_look_like():
    assert addresses.parse("https://１２７.０.０.１/").host == "127.0.0.1"


def test_the_header_names_a_port_only_where_it_is_unusual():
    assert addresses.parse("https://example.org/").host_header == "example.org"
    assert addresses.parse("https://[2606:4700::1]:8443/").host_header == "[2606:4700::1]:8443"


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.9.9.9",
        "::1",
        "::",
        "0.0.0.0",  # noqa: S104
        "10.1.2.3",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "100.64.0.1",
        "100.100.100.200",
        "198.18.0.1",
        "192.0.2.1",
        "169.254.169.254",
        "168.63.129.16",
        "192.0.0.192",
        "192.88.99.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "fd00:ec2::254",
        "fd12::1",
        "fe80::1",
        "fec0::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::808:808",
        "64:ff9b:1::1",
        "2002:7f00:1::1",
        "2001:0:808:808::1",
        "2001:db8::1",
        "3fff::1",
        "5f00::1",
    ],
)
def test_what_is_not_one_public_machine_is_refused(address):
    with pytest.raises(AddressRefused):
        addresses.check([address], 443, (), ports=PORTS)
    with pytest.raises(AddressRefused):
        addresses.check(["93.184.216.34", address], 443, (), ports=PORTS)


@pytest.mark.parametrize("address", ["93.184.216.34", "8.8.8.8", "2606:4700::1111", "::ffff:93.184.216.34"])
def test_a_public_machine_is_allowed(address):
    [found] = addresses.check([address], 443, (), ports=PORTS)

    assert addresses.is_public(found)


@pytest.mark.parametrize("port", [22, 25, 80, 5432, 6379, 9200])
def test_ports_of_other_services_are_refused(port):
    with pytest.raises(AddressRefused):
        addresses.check(["93.184.216.34"], port, (), ports=PORTS)


def test_a_name_that_leads_nowhere_is_refused():
    with pytest.raises(AddressRefused):
        addresses.check([], 443, (), ports=PORTS)


def test_the_operator_opens_a_network_with_one_port():
    openings = parse_openings("10.1.0.0/16:9000, [fd00::/8]:443")

    assert addresses.check(["10.1.2.3", "::ffff:10.1.2.4"], 9000, openings, ports=PORTS)
    assert addresses.check(["fd12::1"], 443, openings, ports=PORTS)
    for address, port in (("10.1.2.3", 443), ("10.2.0.1", 9000), ("fd00:ec2::254", 443)):
        with pytest.raises(AddressRefused):
            addresses.check([address], port, openings, ports=PORTS)


def test_no_opening_reaches_a_metadata_service():
    everything = parse_openings("0.0.0.0/0:80,::/0:80")

    for address in ("169.254.169.254", "fd00:ec2::254", "fe80::1", "168.63.129.16", "100.100.100.200"):
        with pytest.raises(AddressRefused):
            addresses.check([address], 80, everything, ports=PORTS)
    assert addresses.check(["127.0.0.1"], 80, everything, ports=PORTS) == [ipaddress.ip_address("127.0.0.1")]


@pytest.mark.parametrize("text", ["10.0.0.0/8", "10.0.0.1/8:80", "host:80", "10.0.0.0/8:0", "169.254.0.0/16:80"])
def test_an_opening_that_cannot_be_read_is_named(text):
    with pytest.raises(ValueError, match=re.escape(text.split("/")[0])):
        parse_openings(text)
