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

"""``ros-cloud-bridge keys``: make keys, grant and revoke them at a robot, trust a robot's."""

import argparse
from collections.abc import Callable
import fcntl
import os
from pathlib import Path
import re
import stat
import sys

from ros_cloud_bridge.cli.consuming import say
from ros_cloud_bridge.cli.keys_robot import ask_for_key, NoRobotKey
from ros_cloud_bridge.cli.mqtt_options import add_mqtt_arguments, mqtt_config
from ros_cloud_bridge.cloud.checks import check_root
from ros_cloud_bridge.errors import ConfigError, LocalFault
from ros_cloud_bridge.signing.files import KeyFileError, read_file, write_file
from ros_cloud_bridge.signing.keys import kid_of, PrivateKey, PublicKey
from ros_cloud_bridge.signing.places import (
    keys_directory,
    operator_key_path,
    pinned_path,
    robots_directory,
)
from ros_cloud_bridge.signing.ring import MOST_REVOKED_BYTES, parse_revoked, REVOKED

_NAME = re.compile('[A-Za-z0-9_-]{1,64}')
_KID = re.compile('[0-9A-Fa-f]{16}')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """
    Add the subcommand's arguments.

    :param parser: the subcommand's parser
    """
    actions = parser.add_subparsers(dest='action', metavar='ACTION', required=True)

    def add(name: str, act: Callable[[argparse.Namespace], int], text: str) -> _Parser:
        action = actions.add_parser(name, help=text, description=text)
        action.set_defaults(act=act)
        return action

    new = add('new', _new, 'make a key pair: NAME.key stays secret, NAME.pub goes to robots')
    new.add_argument('name', metavar='NAME', help='the operator')
    _add_dir(new)
    show = add('show', _show, 'show what a key file holds, never its secret')
    show.add_argument('key', metavar='FILE|NAME', help='a key file, or whose')
    _add_dir(show)
    grant = add('grant', _grant, "put an operator's public key among those that a robot knows")
    grant.add_argument('name', metavar='NAME', help="the operator, as in the channels' lists")
    grant.add_argument(
        '--pub', required=True, type=Path, metavar='FILE', help="the operator's public key"
    )
    grant.add_argument(
        '--label', default='', metavar='L', help='tells apart several keys of one operator'
    )
    _add_operators(grant)
    revoke = add('revoke', _revoke, 'let a robot refuse a key from now on')
    revoke.add_argument('key', metavar='KID|FILE', help="the key's id, or a file that holds it")
    _add_operators(revoke)
    trust = add('trust', _trust, "pin a robot's public key, by which its answers are checked")
    trust.add_argument('robot', metavar='ROBOT', help='robot id')
    trust.add_argument(
        '--fingerprint',
        default='',
        metavar='F',
        help="the key's fingerprint, as the robot's own log says it; no other key is taken",
    )
    trust.add_argument('--yes', action='store_true', help='take the key without a question')
    trust.add_argument(
        '--timeout', type=_seconds, default=10.0, metavar='S', help='seconds (%(default)s)'
    )
    _add_dir(trust)
    add_mqtt_arguments(trust)


def run(args: argparse.Namespace) -> int:
    """
    Do what was asked for.

    :param args: the parsed arguments
    :returns: exit status; 1 when a robot's key is not there or not the expected one
    :raises BridgeError: when an argument or a file can't be used
    """
    status: int = args.act(args)
    return status


_Parser = argparse.ArgumentParser


def _add_dir(parser: _Parser) -> None:
    parser.add_argument(
        '--dir',
        type=Path,
        default=None,
        metavar='DIR',
        help='directory of keys (~/.config/ros_cloud_bridge/keys)',
    )


def _add_operators(parser: _Parser) -> None:
    parser.add_argument(
        '--operators',
        required=True,
        type=Path,
        metavar='DIR',
        help="the robot's directory of operators' keys, its operator_keys",
    )


def _new(args: argparse.Namespace) -> int:
    directory = args.dir or keys_directory()
    _check(args.name, 'NAME')
    secret = operator_key_path(directory, args.name)
    public = secret.with_suffix('.pub')
    if os.path.lexists(public):
        raise KeyFileError(public, 'stands there already; it is not overwritten')
    key = PrivateKey.generate()
    key.save(secret)
    key.public.save(public)
    _print_key(key.public, 'private key', secret)
    print(f'public key   {public}')
    return 0


def _show(args: argparse.Namespace) -> int:
    path = _find(args.key, args.dir or keys_directory())
    key, kind = _load_any(path)
    _print_key(key, kind, path)
    return 0


def _grant(args: argparse.Namespace) -> int:
    _check(args.name, 'NAME')
    if args.label:
        _check(args.label, '--label')
    key = PublicKey.load(args.pub)
    directory: Path = args.operators
    try:
        # Unlike other folders of keys: the robot's bridge may be another user.
        directory.mkdir(mode=0o755, parents=True, exist_ok=True)
    except OSError as error:
        raise LocalFault(f'{directory}: {error.strerror}') from None
    path = directory / f'{args.name}{args.label and "."}{args.label}.pub'
    if os.path.lexists(path):
        if PublicKey.load(path) != key:
            raise KeyFileError(path, 'is another key; give --label, or remove the file')
        say(f'{path} holds this key already')
    else:
        key.save(path)
    _print_key(key, 'public key', path)
    if key.kid in _read_revoked(directory / REVOKED)[1]:
        say(f'the key {key.kid.hex()} is revoked there: it stays without effect')
        return 1
    return 0


def _revoke(args: argparse.Namespace) -> int:
    directory: Path = args.operators
    if _KID.fullmatch(args.key):
        kid = bytes.fromhex(args.key)
    else:
        kid = _load_any(Path(args.key))[0].kid
    if not directory.is_dir():
        raise ConfigError('--operators', f'{directory} is no directory')
    held = [path.name for path in sorted(directory.glob('*.pub')) if _kid_of_file(path) == kid]
    handle = os.open(directory, os.O_RDONLY)
    try:
        # Two at a time must not lose one's line.
        fcntl.flock(handle, fcntl.LOCK_EX)
        _append_revoked(directory / REVOKED, kid, held)
    finally:
        os.close(handle)
    if not held:
        say(f'no key {kid.hex()} stands in {directory}')
    return 0


def _append_revoked(path: Path, kid: bytes, held: list[str]) -> None:
    text, revoked = _read_revoked(path)
    if kid in revoked:
        print(f'{kid.hex()} is revoked already')
        return
    if text and not text.endswith(b'\n'):
        text += b'\n'
    note = f'  # {", ".join(held)}' if held else ''
    mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o644
    data = text + f'{kid.hex()}{note}\n'.encode()
    if len(data) > MOST_REVOKED_BYTES:
        raise KeyFileError(path, f'would have more than {MOST_REVOKED_BYTES} bytes')
    write_file(path, data, mode=mode, overwrite=True)
    print(f'revoked {kid.hex()}{note}')


def _trust(args: argparse.Namespace) -> int:
    _check(args.robot, 'ROBOT')
    check_root(args.root)
    path = pinned_path(robots_directory(args.dir or keys_directory()), args.robot)
    before = PublicKey.load(path) if os.path.lexists(path) else None
    try:
        key = ask_for_key(mqtt_config(args), args.root, args.robot, args.timeout)
    except (LocalFault, NoRobotKey) as error:
        say(str(error))
        return 1
    _print_key(key, f'public key of robot {args.robot}', path)
    if args.fingerprint and not _same(args.fingerprint, key):
        say('this is not the key of that fingerprint: not trusted')
        return 1
    if before == key:
        say('trusted already')
        return 0
    if before is not None and not args.fingerprint:
        say(
            f'ANOTHER KEY is trusted so far, {before.fingerprint}. Either the robot was set up '
            'anew, or somebody answers in its place. To trust the new one give its --fingerprint '
            'as the robot itself says it'
        )
        return 1
    if not (args.fingerprint or args.yes or _agreed()):
        say('not trusted')
        return 1
    key.save(path, overwrite=before is not None)
    print(f'trusted      {path}')
    return 0


def _agreed() -> bool:
    if not sys.stdin.isatty():
        say('give --fingerprint, or --yes to trust whatever the broker says')
        return False
    question = "Is this what the robot's log, or 'keys show' there, says? [y/N] "
    print(question, end='', flush=True)
    return sys.stdin.readline().strip().lower() in ('y', 'yes')


def _same(text: str, key: PublicKey) -> bool:
    return text.removeprefix('SHA256:').rstrip('=') == key.fingerprint.removeprefix('SHA256:')


def _find(name: str, directory: Path) -> Path:
    path = Path(name)
    if os.path.lexists(path) or not re.fullmatch('[A-Za-z0-9_.-]+', name):
        return path
    places = [directory / f'{name}.key', directory / f'{name}.pub']
    places.append(pinned_path(robots_directory(directory), name))
    return next((place for place in places if os.path.lexists(place)), path)


def _load_any(path: Path) -> tuple[PublicKey, str]:
    if b'PRIVATE KEY-----' in read_file(path):
        return PrivateKey.load(path).public, 'private key'
    return PublicKey.load(path), 'public key'


def _kid_of_file(path: Path) -> bytes:
    try:
        return kid_of(PublicKey.load(path).raw)
    except KeyFileError:
        return b''


def _read_revoked(path: Path) -> tuple[bytes, frozenset[bytes]]:
    if not os.path.lexists(path):
        return b'', frozenset()
    data = read_file(path, most_bytes=MOST_REVOKED_BYTES)
    return data, parse_revoked(data.decode('utf-8', 'replace'))[0]


def _print_key(key: PublicKey, kind: str, path: Path) -> None:
    print(f'kind         {kind}')
    print(f'kid          {key.kid.hex()}')
    print(f'fingerprint  {key.fingerprint}')
    print(f'file         {path}')


def _check(name: str, what: str) -> None:
    if not _NAME.fullmatch(name):
        raise ConfigError(what, f'{name!r} must be 1 to 64 characters out of A-Z a-z 0-9 _ -')


def _seconds(text: str) -> float:
    value = float(text)
    if not 0.0 < value <= 600.0:
        raise argparse.ArgumentTypeError(f'must be a number above 0, not {text!r}')
    return value
