"""TLS of the gRPC port: certificates that can be replaced while the gateway serves, and who must show one.

New connections get the newest certificate that was found to be good; connections that stand stay as they are. Does not
know when files change.
"""

import ssl
from dataclasses import dataclass

import grpc

from gateway.config.groups import CertificateFiles
from gateway.errors import TlsError


@dataclass(frozen=True, slots=True)
class Certificates:
    """The gateway's certificate chain with its key, and the authorities that vouch for callers (None: any caller)."""

    chain: bytes
    key: bytes
    client_ca: bytes | None = None


def read(files: CertificateFiles) -> Certificates:
    """The content of `files`, found to fit together.

    Raises:
        TlsError: a file cannot be read, is not PEM, or the key is not the certificate's.
    """
    certificates = _content(files)
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(files.cert, files.key, password=_no_password)
        if files.client_ca is not None:
            context.load_verify_locations(files.client_ca)
    except (ssl.SSLError, OSError) as error:
        names = ", ".join(map(str, files.paths))
        raise TlsError(f"tls: {names}: {error}; they must be PEM, and the key the certificate's") from None
    if certificates != _content(files):
        raise TlsError(f"tls: {files.cert} changed while it was read")
    return certificates


class ServerTls:
    """Server credentials whose certificates can be replaced."""

    def __init__(self, certificates: Certificates, files: CertificateFiles) -> None:
        """`certificates` are the content of `files`."""
        self._newest = certificates
        self._files = files
        self._contexts: list[ssl.SSLContext] = []

    def replace(self, certificates: Certificates) -> None:
        """New connections get `certificates`, at every port."""
        self._newest = certificates
        for context in self._contexts:
            context.load_cert_chain(self._files.cert, self._files.key, password=_no_password)

    def context(self) -> ssl.SSLContext:
        """The same for a port that Python serves."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self._files.cert, self._files.key, password=_no_password)
        if self._files.client_ca is not None:
            context.load_verify_locations(self._files.client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
        self._contexts.append(context)
        return context

    def credentials(self) -> grpc.ServerCredentials:
        """For one port: callers must show a certificate if there are authorities to judge it."""
        in_use = self._newest

        def changed() -> grpc.ServerCertificateConfiguration | None:
            """Asked by grpc before each handshake; None: nothing new for this port."""
            nonlocal in_use
            if in_use is self._newest:
                return None
            in_use = self._newest
            return _configuration(in_use)

        return grpc.dynamic_ssl_server_credentials(
            _configuration(in_use),
            changed,  # type: ignore[arg-type]  # grpc documents None for no change
            require_client_authentication=in_use.client_ca is not None,
        )


def _configuration(certificates: Certificates) -> grpc.ServerCertificateConfiguration:
    pairs = [(certificates.key, certificates.chain)]
    return grpc.ssl_server_certificate_configuration(pairs, certificates.client_ca)


def _content(files: CertificateFiles) -> Certificates:
    try:
        client_ca = None if files.client_ca is None else files.client_ca.read_bytes()
        return Certificates(files.cert.read_bytes(), files.key.read_bytes(), client_ca)
    except OSError as error:
        raise TlsError(f"tls: {error.filename} cannot be read: {error.strerror}") from None


def _no_password() -> str:
    """Instead of OpenSSL asking on the terminal; a key with a password is refused."""
    return ""
