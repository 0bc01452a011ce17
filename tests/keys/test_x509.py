"""Certificates: what is read of them, how names compare, who vouches for them (RFC 5280, RFC 8705 section 2.1.2)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any

import pytest
from cryptography import x509 as library
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from keys import x509
from keys.certificate_names import MEMBERS, prepared
from keys.errors import InvalidCertificate
from keys.x509 import Anchors
from tests.fixtures.certificates import Authority, self_signed, subject

NOW = datetime.now(UTC)
DAMAGED = Authority("Another").issue(subject(common_name="x"), library.DNSName("api.agency.example"))
AGENCY = subject(country_name="NL", organization_name="Gemeente Duinstad, Zuid", common_name="api")


@pytest.fixture(scope="module")
def root() -> Authority:
    return Authority()


class TestSubject:
    """RFC 8705 section 2.1.2, tls_client_auth_subject_dn: an RFC 4514 string, compared as RFC 5280 section 7.1 has it."""

    @pytest.mark.parametrize(
        "registered",
        [
            "CN=api,O=Gemeente Duinstad\\, Zuid,C=NL",
            "cn=API,o=gemeente  duinstad\\, zuid,c=nl",
            "2.5.4.3=api,2.5.4.10=Gemeente Duinstad\\2C Zuid,2.5.4.6=NL",
        ],
    )
    def test_the_same_name_is_recognised_however_it_is_spelled(self, root: Authority, registered: str) -> None:
        certificate = x509.parse(root.issue(AGENCY).der)

        assert certificate.is_named("tls_client_auth_subject_dn", registered)

    @pytest.mark.parametrize(
        "registered",
        [
            "CN=api",
            "C=NL,O=Gemeente Duinstad\\, Zuid,CN=api",
            "CN=api,O=Gemeente Duinstad,C=NL",
            "CN=api,OU=x,O=Gemeente Duinstad\\, Zuid,C=NL",
            "CN=api+O=Gemeente Duinstad\\, Zuid,C=NL",
            "CN=api2,O=Gemeente Duinstad\\, Zuid,C=NL",
            "O=api,CN=Gemeente Duinstad\\, Zuid,C=NL",
        ],
    )
    def test_another_name_is_not(self, root: Authority, registered: str) -> None:
        certificate = x509.parse(root.issue(AGENCY).der)

        assert not certificate.is_named("tls_client_auth_subject_dn", registered)

    def test_the_oin_in_a_serial_number_counts(self, root: Authority) -> None:
        """PKIoverheid carries the OIN of an agency there."""
        name = subject(country_name="NL", common_name="api", serial_number="00000001003214345000")
        certificate = x509.parse(root.issue(name).der)

        assert certificate.is_named("tls_client_auth_subject_dn", "serialNumber=00000001003214345000,CN=api,C=NL")
        assert not certificate.is_named("tls_client_auth_subject_dn", "serialNumber=00000001003214345001,CN=api,C=NL")

    @pytest.mark.parametrize(
        "registered", ["", "CN=", "api", "/C=NL/CN=api", "CN=#0c0161", "CN=api,", "C=NL, CN=api", "CN=" + "a" * 600]
    )
    def test_what_is_no_distinguished_name_is_refused(self, registered: str) -> None:
        with pytest.raises(InvalidCertificate):
            prepared("tls_client_auth_subject_dn", registered)

    @given(st.text(max_size=60))
    def test_any_text_is_a_name_or_refused(self, text: str) -> None:
        for member in MEMBERS:
            try:
                prepared(member, text)
            except InvalidCertificate:
                continue

    def test_a_certificate_without_a_subject_matches_no_subject(self, root: Authority) -> None:
        certificate = x509.parse(root.issue([], library.DNSName("api.agency.example")).der)

        assert not certificate.is_named("tls_client_auth_subject_dn", "")
        assert certificate.is_named("tls_client_auth_san_dns", "api.agency.example")


class TestAlternativeNames:
    """RFC 8705 section 2.1.2: tls_client_auth_san_dns, _uri, _ip, _email."""

    NAMES = (
        library.DNSName("api.agency.example"),
        library.DNSName("*.wild.example"),
        library.UniformResourceIdentifier("spiffe://agency.example/api"),
        library.IPAddress(ip_address("2001:db8::1")),
        library.RFC822Name("Beheer@agency.example"),
    )

    @pytest.mark.parametrize(
        ("member", "value"),
        [
            ("dns", "api.agency.example"),
            ("dns", "API.Agency.Example"),
            ("uri", "spiffe://agency.example/api"),
            ("ip", "2001:db8::1"),
            ("ip", "2001:0DB8:0:0:0:0:0:1"),
            ("email", "Beheer@agency.example"),
            ("email", "Beheer@AGENCY.example"),
        ],
    )
    def test_its_own_names(self, root: Authority, member: str, value: str) -> None:
        certificate = x509.parse(root.issue(AGENCY, *self.NAMES).der)

        assert certificate.is_named(f"tls_client_auth_san_{member}", value)

    @pytest.mark.parametrize(
        ("member", "value"),
        [
            ("dns", "agency.example"),
            ("dns", "x.wild.example"),
            ("dns", "*.wild.example"),
            ("dns", "api"),
            ("dns", "api.agency.example."),
            ("uri", "spiffe://agency.example/API"),
            ("uri", "spiffe://agency.example/api/"),
            ("uri", "api.agency.example"),
            ("ip", "2001:db8::2"),
            ("ip", "api.agency.example"),
            ("email", "beheer@agency.example"),
            ("email", "agency.example"),
        ],
    )
    def test_no_others(self, root: Authority, member: str, value: str) -> None:
        certificate = x509.parse(root.issue(AGENCY, *self.NAMES).der)

        assert not certificate.is_named(f"tls_client_auth_san_{member}", value)

    def test_the_subjects_common_name_is_no_dns_name(self, root: Authority) -> None:
        certificate = x509.parse(root.issue(subject(common_name="api.agency.example")).der)

        assert not certificate.is_named("tls_client_auth_san_dns", "api.agency.example")


class TestReading:
    @pytest.mark.parametrize("raw", [b"", b"x", b"\x30\x82\x01\x00" + b"\0" * 256, b"\x30" * 9_000])
    def test_what_is_no_certificate_is_refused(self, raw: bytes) -> None:
        with pytest.raises(InvalidCertificate):
            x509.parse(raw)

    @given(st.lists(st.tuples(st.integers(0, 2_000), st.integers(0, 255)), min_size=1, max_size=4), st.integers(0, 3))
    def test_any_damage_is_refused_or_makes_another_certificate(
        self, root: Authority, damage: list[tuple[int, int]], cut: int
    ) -> None:
        raw = bytearray(DAMAGED.der)
        for at, value in damage:
            raw[at % len(raw)] = value
        anchors, der = Anchors(root.pem), bytes(raw[: len(raw) - cut])

        assert not anchors.accept([der], NOW)
        try:
            x509.parse(der)
        except InvalidCertificate:
            return

    def test_a_short_rsa_key_is_refused(self) -> None:
        with pytest.raises(InvalidCertificate):
            x509.parse(self_signed(AGENCY, bits=1024).der)

    def test_its_thumbprint_is_the_digest_of_its_der(self, root: Authority) -> None:
        """RFC 8705 section 3.1."""
        made = root.issue(AGENCY)

        assert x509.parse(made.der).thumbprint == made.x5t
        assert len(made.x5t) == 43


class TestAnchors:
    """RFC 5280 section 6."""

    def test_a_path_to_an_anchor_is_accepted(self, root: Authority) -> None:
        assert Anchors(root.pem).accept([root.issue(AGENCY).der], NOW)

    def test_another_authority_of_the_same_name_is_not(self, root: Authority) -> None:
        assert not Anchors(root.pem).accept([Authority().issue(AGENCY).der], NOW)

    def test_the_authority_between_may_be_sent_along_or_be_an_anchor(self, root: Authority) -> None:
        between = Authority("Between", root)
        made = between.issue(AGENCY)
        sent = [made.der, *(one.public_bytes(Encoding.DER) for one in made.above)]

        assert Anchors(root.pem).accept(sent, NOW)
        assert not Anchors(root.pem).accept([made.der], NOW)
        assert Anchors(root.pem + between.pem).accept([made.der], NOW)

    @pytest.mark.parametrize(
        "changes",
        [
            {"days": (-30, -1)},
            {"days": (1, 30)},
            {"usage": ExtendedKeyUsageOID.SERVER_AUTH},
        ],
        ids=["expired", "not yet valid", "for servers"],
    )
    def test_what_a_client_may_not_show(self, root: Authority, changes: dict[str, Any]) -> None:
        assert not Anchors(root.pem).accept([root.issue(AGENCY, **changes).der], NOW)

    def test_a_client_is_no_authority(self, root: Authority) -> None:
        """Whoever has a certificate from an anchor must not be able to make another."""
        client = root.issue(AGENCY)
        forger = Authority.__new__(Authority)
        forger.identity, forger._above = client, (client.certificate,)
        forged = forger.issue(subject(country_name="NL", common_name="another agency"))

        assert not Anchors(root.pem).accept([forged.der, client.der], NOW)

    def test_a_path_found_is_valid_no_longer_than_its_parts(self, root: Authority) -> None:
        anchors, made = Anchors(root.pem), root.issue(AGENCY, days=(-1, 2))
        assert anchors.accept([made.der], NOW)

        assert not anchors.accept([made.der], NOW + timedelta(days=3))
        assert not anchors.accept([made.der], NOW - timedelta(days=3))

    def test_a_self_signed_one_is_not_accepted(self, root: Authority) -> None:
        assert not Anchors(root.pem).accept([self_signed(AGENCY).der], NOW)

    def test_the_memory_is_bounded(self, root: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(x509, "_REMEMBERED", 2)
        anchors = Anchors(root.pem)
        for _ in range(4):
            assert anchors.accept([root.issue(AGENCY).der], NOW)

        assert len(anchors._known) == 2

    @pytest.mark.parametrize(
        "pem", [b"", b"nothing", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
    )
    def test_a_file_without_an_authority_is_refused(self, pem: bytes) -> None:
        with pytest.raises(InvalidCertificate):
            Anchors(pem)
