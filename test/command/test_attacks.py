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


"""Nothing that an attacker says is carried out; what is meant is carried out once."""

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip('cryptography', reason='cryptography is missing')

from ros_cloud_bridge.command_values import State  # noqa: E402
from ros_cloud_bridge.core.commands.windows import MOST_EACH  # noqa: E402
from support.command_arena import Arena, carried_out  # noqa: E402
from support.command_attacks import attack, attack_answers, ATTACKS  # noqa: E402

# What each kind must at least be refused for; nobody is to rely on one check alone being there.
REASONS = {
    'a bit flipped': {'bad_signature', 'malformed', 'unknown_key'},
    'bytes changed, cut, moved': {'malformed'},
    'parts of two commands mixed': {'bad_signature', 'unknown_key'},
    'repeated': {'repeated'},
    'repeated after a restart': {'repeated', 'wrong_epoch'},
    'the same bytes 50 times': {'repeated'},
    'the same, encoded otherwise': {'repeated', 'malformed'},
    'for another robot': {'bad_signature'},
    'on another topic': {'bad_signature', 'not_permitted', 'unknown_key'},
    'of another epoch': {'wrong_epoch'},
    'deadline too far': {'deadline_too_far'},
    'held back': {'expired'},
    'id used again': {'id_reused'},
    'number used again': {'replayed'},
    'driving: repeated, overtaken': {'out_of_order'},
    'driving: too late': {'too_late'},
    'driving: without the lease': {'no_lease', 'lease_held'},
    'beyond the limits': {'field_limit'},
    'retained': {'retained'},
    'too large': {'too_large'},
    'CBOR bombs': {'malformed'},
    'unknown keys': {'unknown_key', 'bad_signature'},
    'a revoked key': {'unknown_key'},
    'not permitted': {'not_permitted'},
    'signed for another use': {'bad_signature', 'malformed'},
    'noise': {'malformed'},
}
# Those who could not prove who they are get no answer at all.
SILENT = {
    'a bit flipped',
    'bytes changed, cut, moved',
    'parts of two commands mixed',
    'for another robot',
    'on another topic',
    'retained',
    'too large',
    'unknown keys',
    'a revoked key',
    'not permitted',
    'signed for another use',
    'noise',
}


@pytest.mark.parametrize('name', ATTACKS)
def test_nothing_hostile_is_carried_out(name: str, tmp_path: Path) -> None:
    seen = attack(tmp_path, name, 2200 if name == 'a bit flipped' else 400)
    assert seen.accepted == 0, seen
    assert seen.inputs >= 400
    assert REASONS[name] <= set(seen.reasons), seen
    if name in SILENT:
        assert seen.answered == 0, seen
    else:
        # Answered, but not so often that answers become the attack; a repeated one at 20 Hz.
        assert 0 < seen.answered, seen


def test_every_kind_is_held_to_something() -> None:
    assert set(REASONS) == set(ATTACKS)
    assert abs(sum(share for _, share in ATTACKS.values()) - 1.0) < 0.001


def test_no_forged_answer_is_believed(tmp_path: Path) -> None:
    seen = attack_answers(tmp_path, 3000)
    assert (seen.inputs, seen.accepted) == (3000, 0)
    assert seen.reasons['signature'] > 500


@pytest.fixture
def arena(tmp_path: Path) -> Iterator[Arena]:
    """
    Make a gate.

    :param tmp_path: for its keys and log
    :returns: it
    """
    made = Arena(tmp_path)
    yield made
    made.close()


def test_the_arena_would_see_a_command_that_is_carried_out(arena: Arena) -> None:
    alice = arena.signer('alice')
    for channel, kind, arguments in (
        ('call', 'call', {'data': True}),
        ('params', 'get', {'names': ['speed.max']}),
        ('drive', 'acquire', None),
        ('drive', 'publish', {'linear': {'x': 1.0}}),
        ('drive', 'release', None),
    ):
        message = alice.make(channel, kind, arguments)
        assert carried_out(arena.honest(message)) == 1
        assert carried_out(arena.take(message.topic, message.payload)) == 0


def test_answers_to_replays_are_bounded(arena: Arena) -> None:
    alice = arena.signer('alice')
    message = alice.make('call', 'call', {'data': True})
    arena.honest(message)
    answered = 0
    for _ in range(5000):
        arena.now += 0.001
        answered += len(arena.take(message.topic, message.payload)) > 0
    # 5 s of 20 Hz, and a burst of 40.
    assert 100 <= answered <= 160


def test_commands_come_in_any_order_within_the_window(arena: Arena) -> None:
    alice = arena.signer('alice')
    made = [alice.make('call', 'call', {'data': True}) for _ in range(64)]
    for message in reversed(made):
        arena.honest(message)
    late = [alice.make('call', 'call', {'data': True}) for _ in range(65)]
    arena.honest(late[-1])
    effects = arena.take(late[0].topic, late[0].payload)
    assert carried_out(effects) == 0
    for message in late[1:-1]:
        arena.honest(message)


def test_a_flood_of_processes_with_a_good_key_fills_no_memory(arena: Arena) -> None:
    carried = 0
    for _ in range(1500):
        alice = arena.signer('alice')
        message = alice.make('params', 'get', {'names': ['speed.max']})
        carried += carried_out(arena.take(message.topic, message.payload))
    # A further process must wait until the deadlines of the others are past.
    assert carried == MOST_EACH
    assert arena.gate.counters['busy'] == 1500 - MOST_EACH
    # Only one with the same key.
    arena.honest(arena.signer('bob').make('drive', 'acquire'))
    arena.now += 10.0
    arena.honest(arena.signer('alice').make('call', 'call', {'data': True}))


def test_what_ran_before_a_restart_is_answered_as_it_ended(arena: Arena) -> None:
    alice = arena.signer('alice')
    message = alice.make('call', 'call', {'data': True})
    arena.honest(message)
    arena.restart()
    effects = arena.take(message.topic, message.payload)
    (answer,) = [effect.answer for effect in effects if hasattr(effect, 'answer')]
    assert (answer.id, answer.state) == (message.command.id, State.SUCCEEDED)
    assert answer.epoch == arena.epoch
    assert carried_out(effects) == 0
