"""TLS by this server itself: for everybody at `port`, and with the caller's certificate at `mtls_port`.

The certificate is asked for and never demanded, and whoever made it, the connection stands: that its private key is the
caller's is proven by the handshake, and who vouches for it is looked at here, once a connection (keys.x509), by the same
rules as for one that a proxy forwards. Python's own TLS breaks a connection off whose certificate no authority signed,
and so cannot serve clients that registered theirs themselves (RFC 8705 section 2.2): here OpenSSL is reached through
pyOpenSSL, behind the interface that event loops expect of `ssl`.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from OpenSSL import SSL
from OpenSSL.crypto import FILETYPE_ASN1, dump_certificate

from base.certificates import extension
from base.settings import UnsafeSettings
from keys.x509 import MAX_CHAIN, Anchors
from regie.protocol import BoundedProtocol

T = TypeVar("T")

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2; those of 1.3 are all good (NCSC-NL, FAPI 2.0 Security Profile section 5.2.2)."""
_READ = 64 * 1024


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """For callers who show nothing of themselves. UnsafeSettings when the files do not fit."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    try:
        context.load_cert_chain(certificate, key)
    except (ssl.SSLError, OSError) as error:
        raise UnsafeSettings("REGIE_TLS_CERTIFICATE and REGIE_TLS_KEY are not a certificate and its key.") from error
    return context


class MutualContext(ssl.SSLContext):
    """A context whose connections ask for a certificate, and accept any or none."""

    def __new__(cls, *_arguments: object) -> MutualContext:  # noqa: PYI034 - ssl's own signature
        return super().__new__(cls, ssl.PROTOCOL_TLS_SERVER)

    def __init__(self, certificate: Path, key: Path, anchors: Anchors | None) -> None:
        """UnsafeSettings when the files do not fit."""
        self.anchors = anchors
        self._openssl = SSL.Context(SSL.TLS_SERVER_METHOD)
        self._openssl.set_min_proto_version(SSL.TLS1_2_VERSION)
        self._openssl.set_cipher_list(CIPHERS.encode())
        # A resumed session would carry a certificate that nobody showed on this connection.
        self._openssl.set_options(SSL.OP_NO_TICKET)
        self._openssl.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        self._openssl.set_verify(SSL.VERIFY_PEER, lambda *_: True)
        try:
            self._openssl.use_certificate_chain_file(str(certificate))
            self._openssl.use_privatekey_file(str(key))
            self._openssl.check_privatekey()
        except SSL.Error as error:
            raise UnsafeSettings(
                "REGIE_TLS_CERTIFICATE and REGIE_TLS_KEY are not a certificate and its key."
            ) from error

    def wrap_bio(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, *_: Any, **__: Any) -> Any:
        """What the event loop drives instead of an ssl.SSLObject."""
        return Mutual(SSL.Connection(self._openssl), incoming, outgoing, self.anchors)


class Mutual:
    """One connection: the part of ssl.SSLObject that event loops use, over pyOpenSSL."""

    def __init__(
        self, connection: SSL.Connection, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, anchors: Anchors | None
    ) -> None:
        self._connection = connection
        self._connection.set_accept_state()
        self._incoming = incoming
        self._outgoing = outgoing
        self._anchors = anchors

    def do_handshake(self) -> None:
        self._do(self._connection.do_handshake)

    def read(self, size: int) -> bytes:
        """What came in; nothing when the caller has closed."""
        try:
            return self._do(lambda: self._connection.recv(min(size, _READ)))
        except ssl.SSLZeroReturnError:
            return b""

    def write(self, data: Any) -> int:
        return self._do(lambda: self._connection.send(data))

    def pending(self) -> int:
        """Not nothing, when `read` has something to say: bytes, the end, or what is wrong.

        OpenSSL alone knows, since what came in was handed to it whole: the event loop asks nowhere else, and bytes that
        arrive with the last of the handshake would wait for ever.
        """
        try:
            self._do(lambda: self._connection.recv(1, socket.MSG_PEEK))
        except ssl.SSLWantReadError:
            return 0
        except ssl.SSLError:
            return 1
        return 1

    def unwrap(self) -> None:
        """Say goodbye, and not wait for the answer: an idle caller would hold up the end of the server."""
        self._do(self._connection.shutdown)

    def getpeercert(self) -> dict[str, Any]:
        """Nothing in this form: see `shown`."""
        return {}

    def cipher(self) -> tuple[str | None, str, int | None]:
        connection = self._connection
        return connection.get_cipher_name(), connection.get_protocol_version_name(), connection.get_cipher_bits()

    def compression(self) -> None:
        """Never."""

    def shown(self, now: datetime) -> dict[str, Any] | None:
        """What the caller showed, as extensions of an ASGI scope; None for no certificate."""
        # At a server's end OpenSSL's chain lacks the caller's own certificate.
        leaf = self._connection.get_peer_certificate()
        if leaf is None:
            return None
        # Bytes: whether they can be read as a certificate is for others to find out.
        sent = self._connection.get_peer_cert_chain() or []
        own, *rest = (dump_certificate(FILETYPE_ASN1, one) for one in (leaf, *sent))
        others = [one for one in rest if one != own]
        chain = [own, *others][:MAX_CHAIN]
        return {"tls": extension(chain, trusted=self._anchors is not None and self._anchors.accept(chain, now))}

    def _do(self, act: Callable[[], T]) -> T:
        """Hand over what came in, act, and hand out what must leave, also of an alert."""
        waiting = self._incoming.read()
        while waiting:
            waiting = waiting[self._connection.bio_write(waiting) :]
        try:
            return act()
        except SSL.WantReadError:
            raise ssl.SSLWantReadError from None
        except SSL.ZeroReturnError:
            raise ssl.SSLZeroReturnError from None
        except SSL.Error as error:
            raise ssl.SSLError(str(error)) from None
        finally:
            self._flush()

    def _flush(self) -> None:
        try:
            while True:
                self._outgoing.write(self._connection.bio_read(_READ))
        except SSL.WantReadError:
            return


class MutualProtocol(BoundedProtocol):
    """uvicorn's protocol, telling the application about the certificate; looked at once a connection, not a request."""

    _shown: dict[str, Any] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        super().connection_made(transport)
        self._shown = transport.get_extra_info("ssl_object").shown(datetime.now(UTC))

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._shown is not None:
            self.scope["extensions"] = dict(self._shown)
