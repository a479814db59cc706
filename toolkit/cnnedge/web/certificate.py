"""A certificate of our own, made on the spot: cameras open on pages that came over https alone.

The names and addresses of this machine enter; two files leave, certificate and key, kept in the
cache folder and used again for as long as they fit. Nobody vouches for it, so a phone warns once.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ..files import cache_root, whole
from .addresses import Address

# Apple's longest for what a person trusts is 825 days.
_DAYS = 365
_LEFT_DAYS = 14


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """One file that holds key and certificate. fingerprint: of the certificate, SHA-256."""

    path: Path
    fingerprint: str


def certificate_for(names: Sequence[str], addresses: Sequence[Address]) -> Certificate:
    """The one that is kept where it fits these, a new one elsewhere. Raises CnnedgeError."""
    path = cache_root() / "web" / "certificate.pem"
    now = datetime.datetime.now(datetime.timezone.utc)
    found = _kept(path)
    if found is None or not _fits(found, names, addresses, now):
        found = _made(path, names, addresses, now)
    digest = found.fingerprint(hashes.SHA256()).hex(":").upper()
    return Certificate(path=path, fingerprint=digest)


def _kept(path: Path) -> x509.Certificate | None:
    try:
        content = path.read_bytes()
        key = serialization.load_pem_private_key(content, None)
        found = x509.load_pem_x509_certificate(content)
    except (OSError, ValueError, TypeError):
        return None
    return found if key.public_key() == found.public_key() else None


def _fits(
    found: x509.Certificate,
    names: Sequence[str],
    addresses: Sequence[Address],
    now: datetime.datetime,
) -> bool:
    try:
        said = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return False
    has_names = set(names) <= set(said.get_values_for_type(x509.DNSName))
    has_addresses = set(addresses) <= set(said.get_values_for_type(x509.IPAddress))
    left = found.not_valid_after_utc - now
    return has_names and has_addresses and left > datetime.timedelta(days=_LEFT_DAYS)


def _made(
    path: Path, names: Sequence[str], addresses: Sequence[Address], now: datetime.datetime
) -> x509.Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "cnnedge demo on this machine")])
    alternatives = x509.SubjectAlternativeName(
        [*(x509.DNSName(name) for name in names), *(x509.IPAddress(a) for a in addresses)]
    )
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=_DAYS))
        .add_extension(alternatives, critical=False)
        # No authority: who trusts it trusts this one server.
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    with whole(path) as temporary:
        os.chmod(temporary, 0o600)
        temporary.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + made.public_bytes(serialization.Encoding.PEM)
        )
    return made
