"""Where we connect to at a stranger's word (R-11, T-10): judged before anything is resolved, and again after."""

from __future__ import annotations

import pytest

from base import outbound
from base.outbound import Refused

ACCEPTED = [
    "https://agency.example/jwks",
    "https://agency.example:443/jwks?x=1",
    "https://agency.example:8443/",
    "https://a-b.c1.example",
    "https://93.184.216.34/jwks",
    "https://[2606:2800:220:1:248:1893:25c8:1946]/jwks",
    "https://xn--mnchen-3ya.example/",
]
REFUSED = [
    "", "/jwks", "agency.example/jwks", "http://agency.example/jwks", "ftp://agency.example/", "file:///etc/passwd",
    "gopher://agency.example/", "https://", "https:///jwks", "https://agency.example/a b", "https://agency.example/\n",
    "https://agency.example/#x", "https://user@agency.example/", "https://user:x@agency.example/",
    "https://agency.example\\@127.0.0.1/", "https://agency.example:22/", "https://agency.example:25/",
    "https://agency.example:80/", "https://agency.example:0/", "https://agency.example:99999/",
    "https://agency.example:x/", "https://agency%2eexample/", "https://agency.example./", "https://-a.example/",
    "https://agency_x.example/", "https://ágency.example/", "https://a..example/", "https://" + "a" * 64 + ".example/",
    "https://agency.example/" + "x" * 2_000,
    # names of nobody, or of our own network
    "https://localhost/", "https://router/", "https://db.internal/", "https://printer.local/", "https://x.localhost/",
    "https://metadata.google.internal/", "https://nas.lan/", "https://x.home.arpa/", "https://x.corp/",
    # numbers that are not public, in every spelling
    "https://127.0.0.1/", "https://127.1/", "https://2130706433/", "https://0x7f000001/", "https://0177.0.0.1/",
    "https://127.0.0.0x1/", "https://0.0.0.0/", "https://10.0.0.1/", "https://172.16.0.1/", "https://192.168.0.1/",
    "https://169.254.169.254/latest/meta-data/", "https://100.100.100.200/", "https://168.63.129.16/",
    "https://192.0.0.192/", "https://198.18.0.1/", "https://203.0.113.1/", "https://224.0.0.1/",
    "https://255.255.255.255/", "https://[::]/", "https://[::1]/", "https://[fe80::1]/", "https://[fd00:ec2::254]/",
    "https://[::ffff:127.0.0.1]/", "https://[::ffff:8.8.8.8]/", "https://[64:ff9b::7f00:1]/", "https://[2002:7f00:1::]/",
    "https://[2001:0:7f00:1::]/", "https://[2001:db8::1]/", "https://[ff02::1]/", "https://[fe80::1%25eth0]/",
]  # fmt: skip


@pytest.mark.parametrize("url", ACCEPTED)
def test_a_public_address_is_accepted(url: str) -> None:
    assert outbound.parsed(url, development=False).scheme == "https"


@pytest.mark.parametrize("url", REFUSED)
def test_t10_what_is_not_public_or_not_plain_is_refused_unresolved(url: str) -> None:
    with pytest.raises(Refused):
        outbound.parsed(url, development=False)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "169.254.169.254",
        "100.64.0.1",
        "::1",
        "fe80::1",
        "fe80::1%eth0",
        "::ffff:10.0.0.1",
        "fd00::1",
        "no address",
    ],
)
def test_t10_a_name_that_leads_there_is_refused(address: str) -> None:
    with pytest.raises(Refused):
        outbound.check_address(address, development=False)


class TestDevelopment:
    """This machine alone: a developer's server is nobody's way into his network either."""

    @pytest.mark.parametrize("url", ["http://localhost:9/x", "https://127.0.0.1:9/x", "http://[::1]/x"])
    def test_this_machine_is_accepted(self, url: str) -> None:
        assert outbound.parsed(url, development=True)

    @pytest.mark.parametrize("url", ["https://agency.example/", "http://10.0.0.1/", "http://169.254.169.254/"])
    def test_nothing_else_is(self, url: str) -> None:
        with pytest.raises(Refused):
            outbound.parsed(url, development=True)
        with pytest.raises(Refused):
            outbound.check_address("93.184.216.34", development=True)
