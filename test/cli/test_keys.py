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

"""``ros-cloud-bridge keys``: files as an operator and a robot's owner handle them."""

from collections.abc import Callable, Iterator
import io
import os
from pathlib import Path
import stat
import sys

import pytest

from ros_cloud_bridge.cli.keys_robot import key_in
from ros_cloud_bridge.cli.main import main
from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.mqtt.events import Connected, Outgoing, Received, SessionEvent
from ros_cloud_bridge.mqtt.session import Session
from ros_cloud_bridge.signing.keys import PrivateKey, PublicKey
from ros_cloud_bridge.signing.ring import KeyRing
from ros_cloud_bridge.values import MqttConfig
from ros_cloud_bridge.wire.announce import decode_ask, encode_json
from support.broker import Broker, free_port
from support.waiting import wait_until

Run = Callable[..., tuple[int, str, str]]
ROBOT_KEY, OTHER_KEY = PrivateKey.from_seed(bytes(32)), PrivateKey.from_seed(bytes(range(32)))


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Give a function that runs the subcommand: exit status, stdout and stderr."""

    def call(*arguments: object) -> tuple[int, str, str]:
        try:
            status = main(['keys', *map(str, arguments)])
        except SystemExit as exit_:  # argparse
            status = int(str(exit_.code))
        said = capsys.readouterr()
        return status, said.out, said.err

    return call


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the user's own keys out of it."""
    monkeypatch.setenv('XDG_CONFIG_HOME', str(tmp_path / 'config'))
    return tmp_path / 'config' / 'ros_cloud_bridge' / 'keys'


def test_a_pair_is_made_and_shown(run: Run, home: Path) -> None:
    status, out, _ = run('new', 'alice')
    assert status == 0
    key = PrivateKey.load(home / 'alice.key')
    assert PublicKey.load(home / 'alice.pub') == key.public
    assert stat.S_IMODE((home / 'alice.key').stat().st_mode) == 0o600
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    for name in ('alice', home / 'alice.key', home / 'alice.pub'):
        status, shown, _ = run('show', name)
        assert status == 0
        for text in (out, shown):
            assert f'kid          {key.kid.hex()}\n' in text
            assert f'fingerprint  {key.public.fingerprint}\n' in text
        kind = 'public' if str(name).endswith('.pub') else 'private'
        assert f'kind         {kind} key\n' in shown
    secret = (home / 'alice.key').read_text().splitlines()[1]
    assert secret not in out + shown


def test_a_key_is_not_made_anew_by_accident(run: Run, tmp_path: Path) -> None:
    assert run('new', 'alice', '--dir', tmp_path)[0] == 0
    before = (tmp_path / 'alice.key').read_bytes(), (tmp_path / 'alice.pub').read_bytes()
    status, _, err = run('new', 'alice', '--dir', tmp_path)
    assert status == 2
    assert 'stands there already' in err
    (tmp_path / 'alice.pub').unlink()
    status, _, err = run('new', 'alice', '--dir', tmp_path)
    assert (status, 'alice.key: stands there already' in err) == (2, True)
    (tmp_path / 'alice.pub').write_bytes(before[1])
    assert ((tmp_path / 'alice.key').read_bytes(), (tmp_path / 'alice.pub').read_bytes()) == before


@pytest.mark.parametrize('name', ['', 'a/b', '../a', 'a.b', 'a b', 'ä', 'a' * 65, '.'])
def test_names_that_are_no_level_of_a_topic_are_refused(run: Run, name: str, home: Path) -> None:
    status, _, err = run('new', name)
    assert status == 2
    assert 'NAME' in err
    assert not home.exists()


@pytest.mark.parametrize('name', ['nobody', '/nothing/there.pub', 'x' * 300])
def test_a_key_that_is_not_there_is_said(run: Run, name: str) -> None:
    status, _, err = run('show', name)
    assert status == 2
    assert err.startswith(f'ros-cloud-bridge: {name}: ')
    assert len(err.splitlines()) == 1


def test_a_granted_key_is_good_until_it_is_revoked(run: Run, tmp_path: Path, home: Path) -> None:
    operators = tmp_path / 'etc' / 'operators'
    run('new', 'alice')
    ring = KeyRing(operators)
    status, out, _ = run('grant', 'alice', '--pub', home / 'alice.pub', '--operators', operators)
    assert status == 0
    kid = PublicKey.load(home / 'alice.pub').kid
    assert f'kid          {kid.hex()}\n' in out
    assert stat.S_IMODE(operators.stat().st_mode) & 0o755 == 0o755
    ring.look(0.0)
    assert set(ring.keys_of('alice')) == {kid}
    status, out, err = run('revoke', home / 'alice.pub', '--operators', operators)
    assert (status, out) == (0, f'revoked {kid.hex()}  # alice.pub\n')
    ring.look(1.0)
    assert not ring.keys_of('alice')
    assert ring.problems == ()
    status, out, _ = run('revoke', kid.hex(), '--operators', operators)
    assert (status, out) == (0, f'{kid.hex()} is revoked already\n')
    status, _, err = run('grant', 'alice', '--pub', home / 'alice.pub', '--operators', operators)
    assert status == 1
    assert f'{kid.hex()} is revoked there' in err


def test_an_operator_may_have_several_keys(run: Run, tmp_path: Path) -> None:
    operators = tmp_path / 'operators'
    for number in '12':
        run('new', f'k{number}', '--dir', tmp_path)
    grant = ('grant', 'alice', '--operators', operators, '--pub')
    assert run(*grant, tmp_path / 'k1.pub')[0] == 0
    status, _, err = run(*grant, tmp_path / 'k2.pub')
    assert (status, 'alice.pub: is another key; give --label' in err) == (2, True)
    assert run(*grant, tmp_path / 'k1.pub')[0] == 0, 'the same one again'
    assert run(*grant, tmp_path / 'k2.pub', '--label', 'laptop')[0] == 0
    assert sorted(os.listdir(operators)) == ['alice.laptop.pub', 'alice.pub']
    ring = KeyRing(operators)
    ring.look(0.0)
    assert len(ring.keys_of('alice')) == 2
    assert run(*grant, tmp_path / 'k2.pub', '--label', 'a.b')[0] == 2


def test_a_private_key_is_not_granted(run: Run, tmp_path: Path) -> None:
    run('new', 'alice', '--dir', tmp_path)
    operators = tmp_path / 'operators'
    status, _, err = run(
        'grant', 'alice', '--pub', tmp_path / 'alice.key', '--operators', operators
    )
    assert status == 2
    assert 'alice.key: is a private key' in err
    assert not operators.exists()


def test_what_stands_in_revoked_is_kept(run: Run, tmp_path: Path) -> None:
    (tmp_path / 'revoked').write_text('# ours\n0011223344556677 # old')
    (tmp_path / 'revoked').chmod(0o640)
    status, _, err = run('revoke', 'AABBCCDDEEFF0011', '--operators', tmp_path)
    assert status == 0
    assert 'no key aabbccddeeff0011 stands in' in err
    assert (tmp_path / 'revoked').read_text() == (
        '# ours\n0011223344556677 # old\naabbccddeeff0011\n'
    )
    assert stat.S_IMODE((tmp_path / 'revoked').stat().st_mode) == 0o640


def test_what_can_not_be_revoked_is_said(run: Run, tmp_path: Path) -> None:
    assert run('revoke', '0011', '--operators', tmp_path)[0] == 2
    status, _, err = run('revoke', '0011223344556677', '--operators', tmp_path / 'none')
    assert (status, 'none is no directory' in err) == (2, True)
    (tmp_path / 'revoked').symlink_to(tmp_path / 'elsewhere')
    status, _, err = run('revoke', '0011223344556677', '--operators', tmp_path)
    assert (status, 'revoked: is a symbolic link' in err) == (2, True)


# Trust: what the robot's info says, over a real broker.


class Robot:
    """Says an ``info``: retained, or when asked."""

    def __init__(self, broker: Broker, document: dict[str, object], *, retain: bool) -> None:
        self._document = encode_json({'version': 1, 'boot_id': '0' * 16, **document})
        self._retain = retain
        self.asked = 0
        self.ready = False
        self._session = Session(
            MqttConfig(host=broker.host, port=broker.port),
            client_id='robot',
            subscriptions=['rcb/v1/rover/ask/+'],
            on_event=self._on_event,
        )

    def __enter__(self) -> 'Robot':
        self._session.start()
        wait_until(lambda: self.ready and self._session.in_flight == 0, what='the robot')
        return self

    def __exit__(self, *_: object) -> None:
        gone = [Outgoing(topic='rcb/v1/rover/info', payload=b'', retain=True)]
        self._session.stop(5.0, gone if self._session.connected else [])

    def _say(self) -> None:
        self._session.publish(
            Outgoing(topic='rcb/v1/rover/info', payload=self._document, retain=self._retain)
        )

    def _on_event(self, event: SessionEvent) -> None:
        if isinstance(event, Connected):
            self.ready = True
            if self._retain:
                self._say()
        elif isinstance(event, Received):
            assert decode_ask(event.payload).info
            self.asked += 1
            if not self._retain:
                self._say()


@pytest.fixture(scope='module')
def broker() -> Iterator[Broker]:
    with Broker() as broker:
        yield broker


def info(key: PrivateKey) -> dict[str, object]:
    return {'key': key.public_bytes.hex(), 'kid': key.kid.hex()}


@pytest.fixture
def trust(run: Run, broker: Broker) -> Run:
    def call(*arguments: object) -> tuple[int, str, str]:
        return run('trust', 'rover', '--host', broker.host, '--port', broker.port, *arguments)

    return call


FINGERPRINT = ROBOT_KEY.public.fingerprint


@pytest.mark.parametrize('retain', [True, False], ids=['retained', 'asked'])
@pytest.mark.parametrize(
    'how', [['--fingerprint', FINGERPRINT], ['--fingerprint', FINGERPRINT[7:]], ['--yes']]
)
def test_a_robots_key_is_pinned(
    trust: Run, broker: Broker, home: Path, how: list[str], retain: bool
) -> None:
    with Robot(broker, info(ROBOT_KEY), retain=retain) as robot:
        status, out, _ = trust(*how)
        assert status == 0
        assert retain or robot.asked == 1
    assert f'fingerprint  {FINGERPRINT}\n' in out
    assert PublicKey.load(home / 'robots' / 'rover.pub') == ROBOT_KEY.public


def test_a_script_must_say_that_it_trusts(trust: Run, broker: Broker, home: Path) -> None:
    with Robot(broker, info(ROBOT_KEY), retain=True):
        status, out, err = trust()
    assert status == 1
    assert FINGERPRINT in out
    assert 'give --fingerprint, or --yes' in err
    assert not home.exists()


@pytest.mark.parametrize(
    ('word', 'agreed'), [('y', True), ('Yes', True), ('', False), ('n', False)]
)
def test_on_a_terminal_one_is_asked(
    trust: Run,
    broker: Broker,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    word: str,
    agreed: bool,
) -> None:
    terminal = io.StringIO(word + '\n')
    monkeypatch.setattr(terminal, 'isatty', lambda: True)
    monkeypatch.setattr(sys, 'stdin', terminal)
    with Robot(broker, info(ROBOT_KEY), retain=True):
        status, out, _ = trust()
    question = "Is this what the robot's log, or 'keys show' there, says? [y/N] "
    assert out.index(FINGERPRINT) < out.index(question)
    assert status == (0 if agreed else 1)
    assert (home / 'robots' / 'rover.pub').exists() is agreed


def test_a_key_of_another_fingerprint_is_not_trusted(
    trust: Run, broker: Broker, home: Path
) -> None:
    with Robot(broker, info(OTHER_KEY), retain=True):
        status, _, err = trust('--fingerprint', FINGERPRINT, '--yes')
    assert (status, 'not the key of that fingerprint' in err) == (1, True)
    assert not home.exists()


def test_another_key_than_the_pinned_one_needs_its_fingerprint(
    trust: Run, broker: Broker, home: Path
) -> None:
    path = home / 'robots' / 'rover.pub'
    OTHER_KEY.public.save(path)
    with Robot(broker, info(ROBOT_KEY), retain=True):
        status, _, err = trust('--yes')
        assert status == 1
        assert 'ANOTHER KEY' in err
        assert OTHER_KEY.public.fingerprint in err
        assert PublicKey.load(path) == OTHER_KEY.public
        assert trust('--fingerprint', FINGERPRINT)[0] == 0
        assert PublicKey.load(path) == ROBOT_KEY.public
        status, _, err = trust()
        assert (status, 'trusted already' in err) == (0, True)


@pytest.mark.parametrize(
    ('document', 'text'),
    [
        ({}, 'its info holds no key'),
        ({'key': 'xyz', 'kid': ''}, 'key in info: not 64 hexadecimal digits'),
        ({**info(ROBOT_KEY), 'kid': OTHER_KEY.kid.hex()}, 'kid in info: not that of its key'),
        ({'key': ROBOT_KEY.public_bytes.hex()}, 'kid in info: not that of its key'),
        ({'key': '00' * 32, 'kid': '0' * 16}, 'small order'),
    ],
)
def test_an_info_without_a_good_key_is_said(
    trust: Run, broker: Broker, document: dict[str, object], text: str
) -> None:
    with Robot(broker, document, retain=True):
        status, _, err = trust('--yes', '--timeout', '0.7')
    assert status == 1
    assert text in err


def test_a_robot_that_is_not_there_is_said(trust: Run) -> None:
    status, _, err = trust('--yes', '--timeout', '0.7')
    assert (status, 'no key of robot rover: it says nothing' in err) == (1, True)


def test_a_broker_that_is_not_there_is_said(run: Run) -> None:
    status, _, err = run(
        'trust', 'rover', '--host', '127.0.0.1', '--port', free_port(), '--timeout', '0.7', '--yes'
    )
    assert (status, 'broker not reachable' in err) == (1, True)


@pytest.mark.parametrize('robot', ['*', 'a/b', '+', '..', ''])
def test_one_robot_is_trusted_at_a_time(run: Run, robot: str) -> None:
    status, _, err = run('trust', robot, '--yes')
    assert (status, 'ROBOT' in err) == (2, True)


@pytest.mark.parametrize('payload', [b'', b'[]', b'{', b'\xff', b'{"key": 1}', b'{"key": []}'])
def test_hostile_infos_are_refused(payload: bytes) -> None:
    with pytest.raises(ProtocolError):
        key_in(payload)
