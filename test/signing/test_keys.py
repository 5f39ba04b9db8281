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

"""Keys: published vectors, files, and what is said of files that can't be used."""

from collections.abc import Callable
import os
from pathlib import Path
import pickle
import stat

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
import pytest

from ros_cloud_bridge.errors import LocalFault
from ros_cloud_bridge.signing.files import KeyFileError
from ros_cloud_bridge.signing.keys import fingerprint, kid_of, PrivateKey, PublicKey

# RFC 8032, section 7.1: secret key, public key, message, signature.
RFC_8032 = {
    'TEST 1': (
        '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
        'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
        '',
        'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e3970'
        '1cf9b46bd25bf5f0595bbe24655141438e7a100b',
    ),
    'TEST 2': (
        '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
        '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
        '72',
        '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613'
        'd0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
    ),
    'TEST 3': (
        'c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7',
        'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025',
        'af82',
        '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760'
        '984dc6594a7c15e9716ed28dc027beceea1ec40a',
    ),
    'TEST SHA(abc)': (
        '833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42',
        'ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf',
        'ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23'
        'a3feebbd454d4423643ce80e2a9ac94fa54ca49f',
        'dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c6'
        '6431e0303dca179c138ac17ad9bef1177331a704',
    ),
}
ORDER = 2**252 + 27742317777372353535851937790883648493
P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P
PEM, RAW = serialization.Encoding.PEM, serialization.Encoding.Raw
SPKI = serialization.PublicFormat.SubjectPublicKeyInfo
PKCS8 = serialization.PrivateFormat.PKCS8
OPEN = serialization.NoEncryption()


@pytest.mark.parametrize(
    ('secret', 'public', 'message', 'signature'), RFC_8032.values(), ids=RFC_8032
)
def test_published_vectors(secret: str, public: str, message: str, signature: str) -> None:
    key = PrivateKey.from_seed(bytes.fromhex(secret))
    text, made = bytes.fromhex(message), bytes.fromhex(signature)
    assert key.public_bytes.hex() == public
    assert key.sign(text) == made
    assert PublicKey(bytes.fromhex(public)).verify(made, text)
    assert not key.public.verify(made, text + b'\0')
    for place in range(len(made)):
        broken = bytearray(made)
        broken[place] ^= 1
        assert not key.public.verify(bytes(broken), text)


@pytest.mark.parametrize('size', [0, 1, 63, 65, 128])
def test_signatures_of_another_size_are_wrong(size: int) -> None:
    assert not PrivateKey.generate().public.verify(bytes(size), b'x')


def test_the_same_signature_in_another_form_is_wrong() -> None:
    # S + L instead of S (RFC 8032, 5.1.7): else anybody could make a second valid message of one.
    key = PrivateKey.generate()
    made = key.sign(b'x')
    other = int.from_bytes(made[32:], 'little') + ORDER
    assert other < 2**256
    assert not key.public.verify(made[:32] + other.to_bytes(32, 'little'), b'x')


def test_a_kid_is_the_beginning_of_the_digest() -> None:
    public = bytes.fromhex(RFC_8032['TEST 1'][1])
    assert kid_of(public).hex() == '21fe31dfa154a261'
    assert PublicKey(public).kid == kid_of(public)
    assert fingerprint(public) == 'SHA256:If4x36FUomFia/hUBG/SJxt77UtqvkWqWId+9H+XIbk'


def multiply(count: int, y: int, sign: int) -> tuple[int, int] | None:
    """Multiply the point with this y by a number; None where there is no such point."""
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * pow(2, (P - 1) // 4, P) % P
    if x * x % P != square:
        return None
    point, result = (x if x % 2 == sign else -x % P, y), (0, 1)
    for _ in range(count):
        (a, b), (c, d) = result, point
        product = D * a * b * c * d % P
        result = (
            (a * d + b * c) * pow(1 + product, -1, P) % P,
            (b * d + a * c) * pow(1 - product, -1, P) % P,
        )
    return result


def test_keys_of_small_order_are_refused() -> None:
    from ros_cloud_bridge.signing.keys import _SMALL_ORDER

    refused = set()
    for number in _SMALL_ORDER:
        for sign in (0, 1):
            # Eight times such a point is the neutral element.
            assert multiply(8, number % P, sign) == (0, 1)
            with pytest.raises(ValueError, match='small order'):
                PublicKey((number | sign << 255).to_bytes(32, 'little'))
        refused.add(number % P)
    assert len(refused) == 5  # y of the eight points; two have x = 0, six come in pairs


def test_a_key_of_small_order_would_let_anybody_sign() -> None:
    # What the check is for: cryptography takes such a key, and a signature without any secret.
    key = ed25519.Ed25519PublicKey.from_public_bytes((1).to_bytes(32, 'little'))
    key.verify((1).to_bytes(32, 'little') + bytes(32), b'any message at all')


@pytest.mark.parametrize('size', [0, 31, 33, 64])
def test_raw_keys_have_32_bytes(size: int) -> None:
    with pytest.raises(ValueError, match='32 bytes'):
        PublicKey(bytes(size))


def test_keys_are_equal_by_what_they_are() -> None:
    key, other = PrivateKey.generate(), PrivateKey.generate()
    assert key.public == PublicKey(key.public_bytes)
    assert key.public != other.public
    assert len({key.public, PublicKey(key.public_bytes), other.public}) == 2


def test_no_text_tells_the_secret(tmp_path: Path) -> None:
    seed = bytes.fromhex(RFC_8032['TEST 1'][0])
    key = PrivateKey.from_seed(seed)
    assert repr(key) == str(key) == f'PrivateKey(kid={key.kid.hex()})'
    assert repr(key.public) == f'PublicKey(kid={key.kid.hex()})'
    with pytest.raises(TypeError):
        pickle.dumps(key)


def test_private_keys_are_kept_secret_in_files(tmp_path: Path) -> None:
    key = PrivateKey.generate()
    path = tmp_path / 'new' / 'keys' / 'alice.key'
    before = os.umask(0)
    try:
        key.save(path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in path.parents[:2]] == [0o700] * 2
    assert PrivateKey.load(path).public == key.public
    assert path.read_text().startswith('-----BEGIN PRIVATE KEY-----')
    assert os.listdir(path.parent) == ['alice.key']


def test_public_keys_stand_in_files(tmp_path: Path) -> None:
    key = PrivateKey.generate().public
    path = tmp_path / 'alice.pub'
    key.save(path)
    assert PublicKey.load(path) == key
    assert path.read_text().startswith('-----BEGIN PUBLIC KEY-----')
    # As others write and read it.
    other = serialization.load_pem_public_key(path.read_bytes())
    assert isinstance(other, ed25519.Ed25519PublicKey)
    assert other.public_bytes(RAW, serialization.PublicFormat.Raw) == key.raw


@pytest.mark.parametrize('public', [False, True])
def test_keys_are_not_overwritten_unless_asked(tmp_path: Path, public: bool) -> None:
    first, second = PrivateKey.generate(), PrivateKey.generate()
    path = tmp_path / 'alice'
    save = {key: key.public.save if public else key.save for key in (first, second)}
    load: Callable[[Path], PublicKey] = (
        PublicKey.load if public else lambda path: PrivateKey.load(path).public
    )
    save[first](path)
    with pytest.raises(KeyFileError, match=f'{path}: stands there already'):
        save[second](path)
    assert load(path) == first.public
    save[second](path, overwrite=True)
    assert load(path) == second.public
    assert os.listdir(tmp_path) == ['alice']


def test_keys_are_not_written_through_links(tmp_path: Path) -> None:
    elsewhere, path = tmp_path / 'elsewhere', tmp_path / 'alice.key'
    path.symlink_to(elsewhere)
    with pytest.raises(KeyFileError, match='stands there already'):
        PrivateKey.generate().save(path)
    PrivateKey.generate().save(path, overwrite=True)
    assert not path.is_symlink()
    assert not elsewhere.exists()


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / 'file').write_text('')
    with pytest.raises(KeyFileError, match='cannot be written: Not a directory'):
        PrivateKey.generate().save(tmp_path / 'file' / 'alice.key')


def secret(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    path.chmod(0o600)
    return path


def private_pem(key: object, encryption: serialization.KeySerializationEncryption = OPEN) -> bytes:
    made: bytes = key.private_bytes(PEM, PKCS8, encryption)  # type: ignore[attr-defined]
    return made


OWN = ed25519.Ed25519PrivateKey.generate()
OWN_PUBLIC = OWN.public_key().public_bytes(PEM, SPKI)
P256 = ec.generate_private_key(ec.SECP256R1())
LOCKED = serialization.BestAvailableEncryption(b'a password')
NOT_PRIVATE = {
    'empty': (b'', 'is no private key in PEM; make one with'),
    'text': (b'hello', 'is no private key in PEM'),
    'binary': (bytes(range(256)), 'is no private key in PEM'),
    'truncated': (private_pem(OWN)[:60], 'is no private key in PEM'),
    'public': (OWN_PUBLIC, 'is a public key, and a private one is needed'),
    'encrypted': (private_pem(OWN, LOCKED), 'is encrypted'),
    'of OpenSSH': (
        OWN.private_bytes(PEM, serialization.PrivateFormat.OpenSSH, OPEN),
        'format of OpenSSH',
    ),
    'P-256': (private_pem(P256), 'is a private key, but not an Ed25519 one'),
    'Ed448': (private_pem(ed448.Ed448PrivateKey.generate()), 'not an Ed25519 one'),
    'RSA': (private_pem(rsa.generate_private_key(65537, 2048)), 'not an Ed25519 one'),
    'large': (private_pem(OWN) + b'#' * 20000, 'has more than 16384 bytes'),
}


@pytest.mark.parametrize(('data', 'text'), NOT_PRIVATE.values(), ids=NOT_PRIVATE)
def test_what_is_no_private_key_is_said_in_a_line(tmp_path: Path, data: bytes, text: str) -> None:
    path = secret(tmp_path / 'alice.key', data)
    with pytest.raises(KeyFileError) as caught:
        PrivateKey.load(path)
    assert str(caught.value).startswith(f'{path}: ')
    assert text in str(caught.value)
    assert '\n' not in str(caught.value)
    assert isinstance(caught.value, LocalFault)


NOT_PUBLIC = {
    'empty': (b'', 'is no public key in PEM; make one with'),
    'text': (b'ssh-ed25519 AAAA alice', 'is no public key in PEM'),
    'truncated': (OWN_PUBLIC[:50], 'is no public key in PEM'),
    'private': (private_pem(OWN), 'is a private key, and only its public half may be here'),
    'both': (OWN_PUBLIC + private_pem(OWN), 'is a private key'),
    'encrypted': (private_pem(OWN, LOCKED), 'is a private key'),
    'P-256': (P256.public_key().public_bytes(PEM, SPKI), 'but not an Ed25519 one'),
    'certificate': (b'-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n', 'certif'),
    'small order': (
        ed25519.Ed25519PublicKey.from_public_bytes(bytes(32)).public_bytes(PEM, SPKI),
        'is a key of small order',
    ),
    'large': (OWN_PUBLIC + b'#' * 20000, 'has more than 16384 bytes'),
}


@pytest.mark.parametrize(('data', 'text'), NOT_PUBLIC.values(), ids=NOT_PUBLIC)
def test_what_is_no_public_key_is_said_in_a_line(tmp_path: Path, data: bytes, text: str) -> None:
    path = tmp_path / 'alice.pub'
    path.write_bytes(data)
    with pytest.raises(KeyFileError) as caught:
        PublicKey.load(path)
    assert str(caught.value).startswith(f'{path}: ')
    assert text in str(caught.value)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize('mode', [0o640, 0o604, 0o620, 0o602, 0o610, 0o644, 0o666, 0o777])
def test_a_private_key_that_others_may_use_is_refused(tmp_path: Path, mode: int) -> None:
    path = secret(tmp_path / 'alice.key', private_pem(OWN))
    path.chmod(mode)
    with pytest.raises(KeyFileError, match=f'others may use it.*chmod 600 {path}'):
        PrivateKey.load(path)
    path.chmod(0o400)
    PrivateKey.load(path)


def test_a_public_key_that_anybody_may_change_is_refused(tmp_path: Path) -> None:
    path = tmp_path / 'alice.pub'
    path.write_bytes(OWN_PUBLIC)
    path.chmod(0o666)
    with pytest.raises(KeyFileError, match=f'anybody may write it: chmod o-w {path}'):
        PublicKey.load(path)


@pytest.mark.parametrize('load', [PrivateKey.load, PublicKey.load])
def test_what_is_no_file_is_said_in_a_line(tmp_path: Path, load: Callable[[Path], object]) -> None:
    target = secret(tmp_path / 'target', private_pem(OWN))
    places = {name: tmp_path / name for name in ('missing', 'link', 'dangling', 'pipe', 'folder')}
    places['link'].symlink_to(target)
    places['dangling'].symlink_to(tmp_path / 'nothing')
    os.mkfifo(places['pipe'], 0o600)
    places['folder'].mkdir(0o700)
    texts = {
        'missing': 'No such file or directory',
        'link': 'is a symbolic link',
        'dangling': 'is a symbolic link',
        'pipe': 'is no regular file',
        'folder': 'is no regular file',
    }
    for name, path in places.items():
        with pytest.raises(KeyFileError, match=f'^{path}: {texts[name]}'):
            load(path)
