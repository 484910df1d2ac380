"""TLS of a client's connection."""

from dataclasses import dataclass
from pathlib import Path

import grpc


@dataclass(frozen=True, slots=True)
class ClientTls:
    """PEM files: the authorities that vouch for the gateway (None: the system's), and the caller's own certificate."""

    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None

    def credentials(self) -> grpc.ChannelCredentials:
        """Reads the files.

        Raises:
            OSError: one cannot be read.
        """
        files = (self.ca_file, self.key_file, self.cert_file)
        ca, key, cert = (None if file is None else file.read_bytes() for file in files)
        return grpc.ssl_channel_credentials(ca, key, cert)
