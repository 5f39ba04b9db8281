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

"""The ring of operators' keys: what it takes, what it says, and how it follows its directory."""

import os
from pathlib import Path

import pytest

from ros_cloud_bridge.signing.keys import PrivateKey, PublicKey
from ros_cloud_bridge.signing.ring import KeyRing, MOST_KEYS, parse_revoked


def made(path: Path) -> PublicKey:
    """Put a new key there."""
    key = PrivateKey.generate().public
    key.save(path, overwrite=True)
    return key


def look(directory: Path) -> KeyRing:
    ring = KeyRing(directory)
    ring.look(0.0)
    return ring


def test_keys_belong_to_the_operator_of_their_name(tmp_path: Path) -> None:
    alice = [made(tmp_path / name) for name in ('alice.pub', 'alice.laptop.pub', 'alice.2.pub')]
    bob = made(tmp_path / 'bob_-9.pub')
    ring = look(tmp_path)
    assert dict(ring.keys_of('alice')) == {key.kid: key for key in alice}
    assert dict(ring.keys_of('bob_-9')) == {bob.kid: bob}
    assert ring.operators == ('alice', 'bob_-9')
    assert ring.problems == ()
    for other in ('', 'alice.laptop', 'alice.pub', 'Alice', 'bob', '*', '..'):
        assert not ring.keys_of(other)


def test_one_key_under_two_names_is_said_and_good_for_both(tmp_path: Path) -> None:
    key = made(tmp_path / 'alice.pub')
    key.save(tmp_path / 'alice.laptop.pub')
    ring = look(tmp_path)
    assert not ring.problems, 'one operator may have it twice'
    key.save(tmp_path / 'bob.pub')
    problem = (
        f'{tmp_path}: alice, bob have one key, {key.kid.hex()}: whoever holds it commands under '
        'each of these names'
    )
    assert ring.look(2.0) == (problem,)
    assert not ring.look(4.0), 'said once'
    assert ring.problems == (problem,)
    assert dict(ring.keys_of('alice')) == dict(ring.keys_of('bob')) == {key.kid: key}
    (tmp_path / 'revoked').write_text(key.kid.hex())
    ring.look(6.0)
    assert not ring.problems


def test_before_the_first_look_there_is_no_key(tmp_path: Path) -> None:
    made(tmp_path / 'alice.pub')
    assert not KeyRing(tmp_path).keys_of('alice')


def test_keys_come_and_go_and_change_without_a_restart(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path)
    assert ring.look(10.0) == ()
    first = made(tmp_path / 'alice.pub')
    ring.look(10.9)
    assert not ring.keys_of('alice'), 'looks once a second at most'
    ring.look(11.0)
    assert dict(ring.keys_of('alice')) == {first.kid: first}
    second = made(tmp_path / 'alice.new.pub')
    ring.look(12.0)
    assert set(ring.keys_of('alice')) == {first.kid, second.kid}
    (tmp_path / 'alice.pub').unlink()
    ring.look(13.0)
    assert dict(ring.keys_of('alice')) == {second.kid: second}
    third = made(tmp_path / 'alice.new.pub')
    ring.look(14.0)
    assert dict(ring.keys_of('alice')) == {third.kid: third}
    (tmp_path / 'alice.new.pub').unlink()
    ring.look(15.0)
    assert not ring.keys_of('alice')
    assert ring.operators == ()


def test_a_change_within_one_tick_of_the_clock_is_seen(tmp_path: Path) -> None:
    path = tmp_path / 'alice.pub'
    made(path)
    ring = look(tmp_path)
    times = path.stat().st_mtime_ns, path.stat().st_mtime_ns
    second = PrivateKey.generate().public
    # Written into the same file, of the same size, and with the same time stamp; st_ctime_ns can't
    # be set, so this is as near as a test comes.
    path.write_bytes(second.pem())
    os.utime(path, ns=times)
    ring.look(1.0)
    assert dict(ring.keys_of('alice')) == {second.kid: second}


def test_an_unchanged_directory_is_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(tmp_path / 'alice.pub')
    (tmp_path / 'bob.pub').write_text('no key')
    (tmp_path / 'revoked').write_text('00' * 8 + '\n')
    ring = KeyRing(tmp_path)
    for now in range(3):
        ring.look(float(now))

    def fail(*_: object) -> None:
        raise AssertionError('reads a file that has not changed')

    before, problems = dict(ring.keys_of('alice')), ring.problems
    monkeypatch.setattr(os, 'open', fail)
    assert ring.look(3.0) == ()
    assert dict(ring.keys_of('alice')) == before
    assert ring.problems == problems
    assert len(problems) == 1


def test_a_revoked_key_is_none_from_the_next_look_on(tmp_path: Path) -> None:
    first, second = made(tmp_path / 'alice.pub'), made(tmp_path / 'alice.2.pub')
    ring = look(tmp_path)
    (tmp_path / 'revoked').write_text(f'# stolen\n\n  {first.kid.hex().upper()}  # laptop\n')
    ring.look(1.0)
    assert dict(ring.keys_of('alice')) == {second.kid: second}
    with (tmp_path / 'revoked').open('a') as file:
        file.write(second.kid.hex())
    ring.look(2.0)
    assert not ring.keys_of('alice')
    (tmp_path / 'revoked').write_text('')
    ring.look(3.0)
    assert len(ring.keys_of('alice')) == 2


def test_a_key_is_revoked_under_every_name(tmp_path: Path) -> None:
    key = made(tmp_path / 'alice.pub')
    key.save(tmp_path / 'bob.pub')
    (tmp_path / 'revoked').write_text(key.kid.hex())
    assert look(tmp_path).operators == ()


def test_a_line_that_is_no_key_id_is_said_and_the_others_hold(tmp_path: Path) -> None:
    key = made(tmp_path / 'alice.pub')
    (tmp_path / 'revoked').write_bytes(b'0123\n\xff\xfe\n' + key.kid.hex().encode() + b'\nxyz')
    ring = look(tmp_path)
    assert not ring.keys_of('alice')
    assert [text.partition(': ')[2] for text in ring.problems] == [
        'line 1 is no key id',
        'line 2 is no key id',
        'line 4 is no key id',
    ]


@pytest.mark.parametrize('what', ['folder', 'link', 'dangling', 'large', 'open to all'])
def test_while_it_is_not_known_what_is_revoked_no_key_is_good(tmp_path: Path, what: str) -> None:
    directory = tmp_path / 'keys'
    key = made(directory / 'alice.pub')
    ring = look(directory)
    path = directory / 'revoked'
    if what == 'folder':
        path.mkdir()
    elif what in ('link', 'dangling'):
        path.symlink_to(tmp_path / 'elsewhere')
        if what == 'link':
            (tmp_path / 'elsewhere').write_text('')
    else:
        path.write_text('#' * 300_000 if what == 'large' else '')
        path.chmod(0o666 if what == 'open to all' else 0o644)
    (problem,) = ring.look(1.0)
    assert problem.startswith(f'{path}: ')
    assert problem.endswith('; until then no key is good')
    assert not ring.keys_of('alice')
    path.rmdir() if what == 'folder' else path.unlink()
    assert ring.look(2.0) == ()
    assert dict(ring.keys_of('alice')) == {key.kid: key}
    assert ring.problems == ()


def test_a_file_that_cannot_be_used_is_said_once_and_leaves_the_others(tmp_path: Path) -> None:
    good = made(tmp_path / 'alice.pub')
    (tmp_path / 'bob.pub').write_text('no key')
    PrivateKey.generate().save(tmp_path / 'carol.pub')
    (tmp_path / 'dave.pub').symlink_to(tmp_path / 'alice.pub')
    os.mkfifo(tmp_path / 'erin.pub')
    made(tmp_path / 'frank.pub').save(tmp_path / 'frank.pub', overwrite=True)
    (tmp_path / 'frank.pub').chmod(0o666)
    (tmp_path / 'grace.pub').mkdir()
    ring = KeyRing(tmp_path)
    said = ring.look(0.0)
    expected = {
        'bob': 'is no public key in PEM',
        'carol': 'is a private key',
        'dave': 'is a symbolic link',
        'erin': 'is no regular file',
        'frank': 'anybody may write it',
        'grace': 'is no regular file',
    }
    assert len(said) == len(expected)
    for line, (name, text) in zip(said, expected.items(), strict=True):
        assert line.startswith(f'{tmp_path}/{name}.pub: {text}')
    assert ring.operators == ('alice',)
    assert ring.look(1.0) == ()
    assert ring.problems == said
    # Mended, broken again: that is news.
    key = made(tmp_path / 'bob.pub')
    assert ring.look(2.0) == ()
    assert dict(ring.keys_of('bob')) == {key.kid: key}
    (tmp_path / 'bob.pub').write_text('no key again')
    assert ring.look(3.0) == said[:1]
    assert not ring.keys_of('bob')
    assert dict(ring.keys_of('alice')) == {good.kid: good}


@pytest.mark.parametrize(
    'name',
    [
        'a.b.c.pub',
        '.pub',
        'a b.pub',
        'a..pub',
        'ä.pub',
        'a' * 65 + '.pub',
        'a.' + 'b' * 65 + '.pub',
        'new\nline.pub',
        'a/b.pub',
    ],
)
def test_other_names_are_no_operators(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    made(path)
    ring = look(tmp_path)
    assert ring.operators == ()
    if '/' in name or name.startswith('.'):
        assert ring.problems == ()
    else:
        (problem,) = ring.problems
        assert 'no name of a key' in problem
        assert '\n' not in problem


def test_private_keys_do_not_belong_there(tmp_path: Path) -> None:
    PrivateKey.generate().save(tmp_path / 'alice.key')
    (tmp_path / 'README').write_text('')
    (tmp_path / 'alice.pub~').write_text('')
    (problem,) = look(tmp_path).problems
    assert problem.startswith(f'{tmp_path}/alice.key: only public keys belong here')


def test_the_number_of_keys_is_bounded(tmp_path: Path) -> None:
    for number in range(MOST_KEYS + 3):
        pem = PrivateKey.generate().public.pem()
        (tmp_path / f'op{number:03}.pub').write_bytes(pem)
    ring = look(tmp_path)
    assert ring.operators == tuple(f'op{number:03}' for number in range(MOST_KEYS))
    (problem,) = ring.problems
    assert 'more than 256 keys; those from op256.pub on are left out' in problem


def test_the_number_of_files_and_of_problems_is_bounded(tmp_path: Path) -> None:
    for number in range(100):
        (tmp_path / f'{number}.x.y.pub').touch()
    ring = look(tmp_path)
    assert len(ring.problems) == 65
    assert ring.problems[-1] == f'{tmp_path}: and 36 more problems'
    made(tmp_path / 'alice.pub')
    for number in range(4096):
        (tmp_path / f'{number}.txt').touch()
    ring.look(1.0)
    assert ring.operators == ()
    assert ring.problems[-1].endswith('has more than 4096 files')


def test_a_directory_that_is_not_there_has_no_keys(tmp_path: Path) -> None:
    directory = tmp_path / 'later'
    ring = KeyRing(directory)
    assert ring.look(0.0) == (f'{directory}: No such file or directory',)
    assert ring.look(1.0) == ()
    key = made(directory / 'alice.pub')
    assert ring.look(2.0) == ()
    assert dict(ring.keys_of('alice')) == {key.kid: key}
    directory.rename(tmp_path / 'gone')
    assert len(ring.look(3.0)) == 1
    assert not ring.keys_of('alice')


def test_a_directory_that_anybody_may_write_has_no_keys(tmp_path: Path) -> None:
    made(tmp_path / 'alice.pub')
    tmp_path.chmod(0o777)
    ring = look(tmp_path)
    assert ring.problems == (f'{tmp_path}: anybody may write there: chmod o-w {tmp_path}',)
    assert not ring.keys_of('alice')
    tmp_path.chmod(0o755)
    ring.look(1.0)
    assert len(ring.keys_of('alice')) == 1


def test_what_is_given_out_cannot_be_changed(tmp_path: Path) -> None:
    key = made(tmp_path / 'alice.pub')
    keys = look(tmp_path).keys_of('alice')
    with pytest.raises(TypeError):
        keys[bytes(8)] = key  # type: ignore[index]


def test_revoked_lines_are_read_strictly() -> None:
    kids, wrong = parse_revoked('0011223344556677\r\n00112233445566778\n# 1\n0x11223344556677')
    assert kids == {bytes.fromhex('0011223344556677')}
    assert wrong == [2, 4]
