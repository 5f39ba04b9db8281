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


"""What the log says of the spool: once when it begins, once a minute while it goes on."""

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from ros_cloud_bridge.store.lanes import SpoolFigures

Log = Callable[[str, str], None]

_PAUSE_S = 60.0


@dataclass(slots=True)
class Telling:
    """
    Says what somebody should do something about.

    :param log: takes (level, text)
    """

    log: Log
    _absent: dict[str, str] = field(default_factory=dict)
    _rivals: frozenset[str] = frozenset()
    _dropped: Counter[str] = field(default_factory=Counter)
    _quiet_until: float = 0.0

    def began(self, figures: SpoolFigures) -> None:
        """
        Say what earlier runs have left.

        :param figures: of the spool
        """
        if figures.samples:
            age = '' if figures.oldest_age_s is None else f', the oldest {_span(figures)}'
            self.log('info', f'spool: {figures.samples} samples of earlier runs are on disk{age}')

    def dropped(self, stream: str, samples: int) -> None:
        """
        Note what was dropped for want of room.

        :param stream: its stream
        :param samples: how many
        """
        self._dropped[stream] += samples

    def look(self, absent: dict[str, str], rivals: Collection[str], now: float) -> None:
        """
        Say what has changed.

        :param absent: consumers that are not there, by the stream that waits for them
        :param rivals: consumers' names that several processes use
        :param now: monotonic seconds
        """
        for stream, consumer in absent.items():
            if self._absent.get(stream) != consumer:
                self.log(
                    'warning',
                    f"stream '{stream}': consumer '{consumer}' (confirm_by) is not there; what "
                    'it has not confirmed stays on disk',
                )
        for stream, consumer in self._absent.items():
            if stream not in absent:
                self.log('info', f"stream '{stream}': consumer '{consumer}' is there again")
        self._absent = dict(absent)
        for name in set(rivals) - self._rivals:
            self.log(
                'error',
                f"consumer '{name}': several processes confirm under this name; each must have "
                'a name of its own, or samples are sent again and again',
            )
        self._rivals = frozenset(rivals)
        if self._dropped and now >= self._quiet_until:
            self._quiet_until = now + _PAUSE_S
            for stream, samples in self._dropped.items():
                self.log(
                    'warning',
                    f"stream '{stream}': no room on disk for {samples} samples (spool_bytes, "
                    'spool.max_bytes); dropped as when_full says',
                )
            self._dropped.clear()


def _span(figures: SpoolFigures) -> str:
    age_s = figures.oldest_age_s or 0.0
    for unit, seconds in (('d', 86400.0), ('h', 3600.0), ('min', 60.0)):
        if age_s >= 2 * seconds:
            return f'{age_s / seconds:.0f} {unit} old'
    return f'{age_s:.0f} s old'
