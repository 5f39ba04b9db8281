# Copyright 2026 The ros_cloud_bridge authors
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.

"""Ed25519 keys (RFC 8032) and the files that they stand in (RFC 8410, PEM)."""

import base64
import hashlib
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    load_pem_private_key,
    load_pem_public_key,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from ros_cloud_bridge.signing.files import KeyFileError, read_file, write_file
from ros_cloud_bridge.wire.cose import KID_BYTES

PUBLIC_BYTES = 32
_MAKE = "make one with 'ros-cloud-bridge keys new'"
# Points of small order (without their sign bit): signatures by such a key can be had without any
# secret, for nearly any message. RFC 8032 lets them pass, and so does OpenSSL.
_P = 2**255 - 19
_SMALL_ORDER = frozenset(
    {
        0,
        1,
        0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826,
        0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7,
        _P - 1,
        _P,
        _P + 1,
    }
)


def kid_of(public: bytes) -> bytes:
    """
    Name a key.

    :param public: raw public key, 32 bytes
    :returns: key id, the first 8 bytes of its SHA-256
    """
    return hashlib.sha256(public).digest()[:KID_BYTES]


def fingerprint(public: bytes) -> str:
    """
    Write a key as people compare it.

    :param public: raw public key, 32 bytes
    :returns: ``SHA256:`` and base64 without padding, in the manner of ssh
    """
    digest = hashlib.sha256(public).digest()
    return 'SHA256:' + base64.b64encode(digest).decode().rstrip('=')


class PublicKey:
    """
    Checks signatures.

    :param raw: raw public key, 32 bytes
    :raises ValueError: when it is none, or one for which anybody can sign
    """

    __slots__ = ('_key', 'kid', 'raw')

    def __init__(self, raw: bytes) -> None:
        if len(raw) != PUBLIC_BYTES:
            raise ValueError(f'an Ed25519 public key has {PUBLIC_BYTES} bytes, not {len(raw)}')
        if int.from_bytes(raw, 'little') & (2**255 - 1) in _SMALL_ORDER:
            raise ValueError('a key of small order, for which anybody can sign')
        self.raw = bytes(raw)
        self.kid = kid_of(self.raw)
        self._key: Any = Ed25519PublicKey.from_public_bytes(self.raw)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PublicKey) and self.raw == other.raw

    def __hash__(self) -> int:
        return hash(self.raw)

    def __repr__(self) -> str:
        return f'PublicKey(kid={self.kid.hex()})'

    @property
    def fingerprint(self) -> str:
        """As people compare it."""
        return fingerprint(self.raw)

    def verify(self, signature: bytes, message: bytes) -> bool:
        """
        Check a signature.

        :param signature: 64 bytes
        :param message: what is said to be signed
        :returns: whether it is this key's
        """
        try:
            self._key.verify(signature, message)
        except InvalidSignature:
            return False
        return True

    def pem(self) -> bytes:
        """
        Write the key as SubjectPublicKeyInfo.

        :returns: PEM
        """
        made: bytes = self._key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return made

    def save(self, path: Path, *, overwrite: bool = False) -> None:
        """
        Write the key to a file, readable for all.

        :param path: the file
        :param overwrite: whether it may stand there already
        :raises KeyFileError: when it stands there already, or can't be written
        """
        write_file(path, self.pem(), mode=0o644, overwrite=overwrite)

    @classmethod
    def load(cls, path: Path) -> 'PublicKey':
        """
        Read a key from a PEM file.

        :param path: the file
        :returns: the key
        :raises KeyFileError: when it can't be read or holds no such key
        """
        data = read_file(path)
        if b'PRIVATE KEY-----' in data:
            raise KeyFileError(path, 'is a private key, and only its public half may be here')
        if b'-----BEGIN CERTIFICATE-----' in data:
            raise KeyFileError(path, 'is a certificate, not an Ed25519 public key')
        try:
            key: Any = load_pem_public_key(data)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise KeyFileError(path, f'is no public key in PEM; {_MAKE}') from None
        if not isinstance(key, Ed25519PublicKey):
            raise KeyFileError(path, f'is a public key, but not an Ed25519 one; {_MAKE}')
        try:
            return cls(key.public_bytes(Encoding.Raw, PublicFormat.Raw))
        except ValueError as error:
            raise KeyFileError(path, f'is {error}') from None


class PrivateKey:
    """
    Signs; keeps its secret out of every text.

    :param key: cryptography's key
    """

    __slots__ = ('_key', 'public')

    def __init__(self, key: Any) -> None:
        self._key = key
        self.public = PublicKey(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))

    def __repr__(self) -> str:
        return f'PrivateKey(kid={self.kid.hex()})'

    @property
    def public_bytes(self) -> bytes:
        """Raw public key, 32 bytes."""
        return self.public.raw

    @property
    def kid(self) -> bytes:
        """Key id."""
        return self.public.kid

    def sign(self, message: bytes) -> bytes:
        """
        Sign a message.

        :param message: any bytes
        :returns: signature, 64 bytes
        """
        signature: bytes = self._key.sign(message)
        return signature

    def save(self, path: Path, *, overwrite: bool = False) -> None:
        """
        Write the key to a file that only its owner can read.

        :param path: the file
        :param overwrite: whether it may stand there already
        :raises KeyFileError: when it stands there already, or can't be written
        """
        pem = self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        write_file(path, pem, mode=0o600, overwrite=overwrite)

    @classmethod
    def generate(cls) -> 'PrivateKey':
        """
        Make a new key.

        :returns: the key
        """
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_seed(cls, seed: bytes) -> 'PrivateKey':
        """
        Make the key of a seed, as RFC 8032 calls its 32 secret bytes.

        :param seed: 32 bytes
        :returns: the key
        :raises ValueError: when it has another length
        """
        return cls(Ed25519PrivateKey.from_private_bytes(seed))

    @classmethod
    def load(cls, path: Path) -> 'PrivateKey':
        """
        Read a key from a PEM file that nobody else can read.

        :param path: the file
        :returns: the key
        :raises KeyFileError: when it can't be read, is open to others or holds no such key
        """
        data = read_file(path, secret=True)
        if b'-----BEGIN OPENSSH PRIVATE KEY-----' in data:
            raise KeyFileError(path, f'is a key in the format of OpenSSH, not PKCS8; {_MAKE}')
        if b'PRIVATE KEY-----' not in data and b'PUBLIC KEY-----' in data:
            raise KeyFileError(path, 'is a public key, and a private one is needed')
        try:
            key: Any = load_pem_private_key(data, None)
        except TypeError:
            raise KeyFileError(
                path, 'is encrypted; store it unencrypted (openssl pkey), with mode 600'
            ) from None
        except (ValueError, UnsupportedAlgorithm):
            raise KeyFileError(path, f'is no private key in PEM; {_MAKE}') from None
        if not isinstance(key, Ed25519PrivateKey):
            raise KeyFileError(path, f'is a private key, but not an Ed25519 one; {_MAKE}')
        return cls(key)
