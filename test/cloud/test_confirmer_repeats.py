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

"""What comes again of a durable route while a gap is known and samples wait for their turn."""

from collections.abc import Iterable

from ros_cloud_bridge.cloud.confirmer import Confirmer
from ros_cloud_bridge.cloud.decoder import Decoder
from ros_cloud_bridge.cloud.sample import Sample
from ros_cloud_bridge.values import Drop, Received
from ros_cloud_bridge.wire.account import Account, encode_account, Gap, RouteAccount
from ros_cloud_bridge.wire.batch import Batch, Descriptor, encode_batch, Section
from ros_cloud_bridge.wire.blocks import BlockEncoder

BOOT = bytes(8)
TOPIC = 'rcb/v1/robot/b/backlog'
INFO = {
    'streams': [{'stream': 's', 'keep': 'durable', 'confirm': 'consumer', 'confirm_by': 'sink'}]
}
DESCRIPTOR = Descriptor(stream='s', topic='/t', type_name='std_msgs/msg/String', schema_id='')


class Sink:
    """A decoder in order before a sink that confirms when it is told to."""

    def __init__(self) -> None:
        self.confirmer = Confirmer('sink', 'rcb/v1', None)
        self.decoder = Decoder(
            ordered=True,
            consumer='sink',
            on_account=self.confirmer.account,
            on_repeat=self.confirmer.repeated,
        )
        self.confirmer.attach(self.decoder)
        self.got: list[Sample] = []
        self._number = 0

    def feed(self, numbers: Iterable[int]) -> list[int]:
        """
        Let a batch come.

        :param numbers: its sequence numbers
        :returns: what goes to the sink
        """
        self._number += 1
        sequences = list(numbers)
        section = Section(
            route=1,
            descriptor=DESCRIPTOR,
            sequences=sequences,
            samples=[Received(b'\0\1\0\0' + bytes([n % 256]), 1, 1) for n in sequences],
            totals=None,
        )
        batch = Batch(boot=BOOT, number=self._number, sent_time_ns=1, sections=(section,))
        return self._hand_on(encode_batch(batch, {1: BlockEncoder()}))

    def account(self, committed: int, *gaps: Gap) -> list[int]:
        """
        Let an account come.

        :param committed: the highest committed number
        :param gaps: what will never come
        :returns: what goes to the sink
        """
        self._number += 1
        route = RouteAccount(
            route=1, descriptor=DESCRIPTOR, committed=committed, closed=False, gaps=gaps
        )
        return self._hand_on(
            encode_account(Account(boot=BOOT, number=self._number, routes=(route,)))
        )

    def _hand_on(self, payload: bytes) -> list[int]:
        new = [
            sample
            for sample in self.decoder.feed(TOPIC, payload)
            if self.confirmer.confirmations.take(sample)
        ]
        self.got += new
        return [sample.sequence for sample in new]

    @property
    def complete(self) -> bool:
        """Whether the decoder says that everything is there."""
        (losses,) = self.decoder.losses()
        return losses.complete


def test_a_gap_stays_known_when_what_waits_comes_again() -> None:
    sink = Sink()
    sink.confirmer.confirmations.informed('robot', INFO)
    assert sink.feed(range(1, 5)) == [1, 2, 3, 4]
    assert sink.account(20, Gap(Drop.SPOOL_FULL, 5, 8)) == []
    # 9 and 10 have not come: these wait, and come again meanwhile.
    assert sink.feed(range(11, 16)) == []
    assert sink.feed(range(11, 16)) == []
    assert sink.feed(range(9, 11)) == [9, 10, 11, 12, 13, 14, 15]
    assert sink.feed(range(14, 21)) == [16, 17, 18, 19, 20]
    assert sink.complete


def test_what_was_declined_is_handed_on_when_it_comes_again() -> None:
    sink = Sink()
    sink.confirmer.confirmations.informed('robot', INFO)
    assert sink.feed(range(1, 5)) == [1, 2, 3, 4]
    sink.confirmer.confirmations.hold(sink.got[:2])
    sink.confirmer.confirmations.decline(sink.got[2:])
    assert sink.feed(range(1, 7)) == [3, 4, 5, 6]
    assert sink.account(6) == []
    assert sink.complete
