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

"""Who is this robot's bridge: late wills, crashes, and a second bridge."""

from ros_cloud_bridge.core.presence import Presence, Verdict

BOOT = '0011223344556677'
OTHER = '8899aabbccddeeff'


def presence() -> Presence:
    own = Presence('amr-07', BOOT)
    own.connected(3)
    return own


def test_birth_and_will() -> None:
    own = presence()
    assert own.document(True, 'birth') == {
        'version': 1,
        'robot_id': 'amr-07',
        'state': 'online',
        'reason': 'birth',
        'boot_id': BOOT,
        'connection': 3,
    }
    will = own.document(False, 'connection_lost', 4)
    assert (will['state'], will['reason'], will['connection']) == ('offline', 'connection_lost', 4)


def test_own_birth_is_nothing_new() -> None:
    own = presence()
    assert own.seen(own.document(True, 'birth'), retained=False) is Verdict.NONE
    assert own.seen(own.document(True, 'birth'), retained=True) is Verdict.NONE


def test_late_will_is_overwritten() -> None:
    own = presence()
    assert own.seen(own.document(False, 'x', 2), retained=False) is Verdict.ANNOUNCE_AGAIN
    late = {'state': 'offline', 'boot_id': OTHER}
    assert own.seen(late, retained=False) is Verdict.ANNOUNCE_AGAIN


def test_live_birth_of_another_boot_is_a_second_bridge() -> None:
    own = presence()
    birth = {'state': 'online', 'boot_id': OTHER}
    assert own.seen(birth, retained=False) is Verdict.DUPLICATE
    # One that stood there may be what a crash left over.
    assert own.seen(birth, retained=True) is Verdict.NONE


def test_any_document_is_survived() -> None:
    assert presence().seen({}, retained=True) is Verdict.NONE
    assert presence().seen({'state': 7, 'boot_id': []}, retained=True) is Verdict.NONE


def test_a_birth_in_the_place_of_ours_is_a_second_bridge() -> None:
    presence, other = Presence('r', 'aa' * 8), Presence('r', 'bb' * 8)
    assert presence.seen(other.document(True, 'birth', 1), retained=True) is Verdict.NONE
    presence.seen(presence.document(True, 'birth', 1), retained=False)
    assert presence.seen(other.document(True, 'birth', 2), retained=True) is Verdict.DUPLICATE


def test_a_will_whose_connection_counter_rises_is_that_of_a_second_bridge() -> None:
    presence, other = Presence('r', 'aa' * 8), Presence('r', 'bb' * 8)
    presence.seen(presence.document(True, 'birth', 1), retained=False)

    def will(connection: int) -> Verdict:
        return presence.seen(other.document(False, 'connection_lost', connection), retained=True)

    # One will may be that of a process which has crashed, and it may come back unchanged.
    assert [will(3), will(3), will(4)] == [Verdict.NONE, Verdict.NONE, Verdict.DUPLICATE]


def test_only_a_state_of_this_robot_is_judged() -> None:
    presence = Presence('r', 'aa' * 8)
    whole = Presence('r', 'bb' * 8).document(True, 'birth', 1)
    assert presence.plausible(whole)
    for key, value in (
        ('robot_id', 'another'),
        ('state', 'asleep'),
        ('boot_id', 'nonsense'),
        ('connection', '1'),
    ):
        assert not presence.plausible({**whole, key: value})
        assert not presence.plausible({name: kept for name, kept in whole.items() if name != key})
