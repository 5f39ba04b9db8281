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

"""How a dry run is judged, and what is learnt of it."""

import pytest

from ros_cloud_bridge.advice.decide import decide, Room
from ros_cloud_bridge.advice.review import complaints, learn, Outcome, Sent, worth_another
from support.surveys import topic

ROOM = Room(bytes_per_s=4000.0, burst_bytes_per_s=4000.0, message_bytes=100.0)
ADVICE = decide(
    [
        topic('pose', hz=10.0, sample_bytes=50.0),
        topic('cloud', hz=10.0, sample_bytes=500_000.0, size=1_000_000.0),
    ],
    ROOM,
)
WELL = Outcome(topic='/pose', accepted=300, dropped=2, waiting=1, p95_s=0.3)
SENT = Sent(samples_bytes_per_s=2000.0, besides_bytes_per_s=100.0)


def found(outcome: Outcome, sent: Sent = SENT) -> tuple[str, ...]:
    return complaints(ADVICE, [outcome], sent, delay_s=0.05, link_bytes_per_s=5000.0)


def test_what_is_fresh_and_whole_is_not_complained_of() -> None:
    assert found(WELL) == ()


@pytest.mark.parametrize(
    ('changes', 'said'),
    [
        ({'dropped': 40}, '/pose: 40 of 300 samples were dropped'),
        ({'p95_s': 3.0}, '/pose: p95 of its age is 3.0 s'),
        ({'waiting': 200}, '/pose: 200 samples wait at the end'),
    ],
)
def test_what_is_late_or_lost_is(changes: dict[str, float], said: str) -> None:
    outcome = Outcome(
        **{  # type: ignore[arg-type]
            'topic': '/pose',
            'accepted': 300,
            'dropped': 0,
            'waiting': 0,
            'p95_s': 0.3,
            **changes,
        }
    )
    (line,) = found(outcome)
    assert line.startswith(said)


def test_what_nobody_leased_is_not_late() -> None:
    assert found(Outcome(topic='/cloud', accepted=0, dropped=0, waiting=0, p95_s=None)) == ()
    late = Outcome(topic='/cloud', accepted=9, dropped=9, waiting=9, p95_s=99.0)
    assert found(late) == ()


def test_a_link_without_headroom_is_complained_of() -> None:
    (line,) = found(WELL, Sent(samples_bytes_per_s=4600.0, besides_bytes_per_s=100.0))
    assert line == 'it takes 4700 B/s, 4000 B/s were planned with'


def test_an_estimate_follows_what_was_sent() -> None:
    estimated = ADVICE.bytes_per_s
    twice = Sent(samples_bytes_per_s=2 * estimated, besides_bytes_per_s=70.0)
    after = learn(ROOM, ADVICE, twice, held=True)
    assert after.factor == pytest.approx(2.0)
    assert after.besides_bytes_per_s == 70.0
    assert not worth_another(ADVICE, ROOM, after)
    half = Sent(samples_bytes_per_s=estimated / 2, besides_bytes_per_s=70.0)
    assert worth_another(ADVICE, ROOM, learn(ROOM, ADVICE, half, held=True))
    # What did not hold is never estimated lower than before.
    assert learn(ROOM, ADVICE, half, held=False).factor > 1.2
