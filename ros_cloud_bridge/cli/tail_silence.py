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

"""Why nothing comes: what ``tail`` says to one who waits."""

from collections.abc import Callable, Iterable, Mapping
import difflib
import time
from typing import Any

from ros_cloud_bridge.cli.consuming import say
from ros_cloud_bridge.cloud.consumer import Consumer, printable
from ros_cloud_bridge.cloud.documents import info_routes
from ros_cloud_bridge.cloud.presence import RobotState
from ros_cloud_bridge.errors import ProtocolError

_PATIENCE_S = 5.0
_NAMED = 4


class Patience:
    """
    Says once why nothing comes, and again when the reason changes.

    :param robots: the glob over robot ids
    :param patterns: of topics, as they were given
    :param wanted: says which topics are meant
    """

    def __init__(self, robots: str, patterns: list[str], wanted: Callable[[str], bool]) -> None:
        self._robots = robots
        self._patterns = patterns
        self._wanted = wanted
        self._since = time.monotonic()
        self._told = ''

    def came(self) -> None:
        """Note that something came."""
        self._since = time.monotonic()
        self._told = ''

    def tell(self, consumer: Consumer) -> None:
        """
        Say why nothing comes, if that has been so for a while.

        :param consumer: which waits
        """
        if not consumer.connected:
            # Somebody else says so, and the wait begins when that is over.
            self._since = time.monotonic()
            return
        if time.monotonic() - self._since < _PATIENCE_S:
            return
        infos = {
            robot_id: robot.documents.get('info', {})
            for robot_id, robot in dict(consumer.decoder.robots).items()
        }
        text = why_silent(self._robots, self._patterns, self._wanted, consumer.states, infos)
        if text != self._told:
            self._told = text
            say(printable(f'nothing for {_PATIENCE_S:.0f} s: {text}', 400))


def why_silent(
    robots: str,
    patterns: list[str],
    wanted: Callable[[str], bool],
    states: Mapping[str, RobotState],
    infos: Mapping[str, Mapping[str, Any]],
) -> str:
    """
    Find the reason.

    :param robots: the glob over robot ids
    :param patterns: of topics, as they were given
    :param wanted: says which topics are meant
    :param states: by robot, of those that were seen
    :param infos: what robots say of themselves
    :returns: the reason in words
    """
    if not states:
        return f"no robot '{robots}' has ever said anything to this broker (--root, --robot)"
    online = sorted(name for name, state in states.items() if state.online)
    if not online:
        gone = (f'{name} is offline ({state.reason})' for name, state in sorted(states.items()))
        return _some(gone)
    streams: dict[str, set[str]] = {}
    on_demand: set[str] = set()
    for name in online:
        info = infos.get(name, {})
        try:
            for _, descriptor in info_routes(info):
                streams.setdefault(descriptor.topic, set()).add(descriptor.stream)
        except ProtocolError:
            continue
        on_demand |= _on_demand(info.get('streams'))
    meant = [topic for topic in sorted(streams) if wanted(topic)]
    if not meant and streams:
        return _no_topic(online, patterns, sorted(streams))
    waiting = sorted(set().union(*(streams[topic] for topic in meant)) & on_demand)
    if meant and waiting and all(streams[topic] <= on_demand for topic in meant):
        leases = ' '.join(f'--lease {stream}' for stream in waiting[:_NAMED])
        return f'{_some(meant)}: sent on demand only, ask with {leases} --name NAME'
    place = _some(meant) if meant else 'no topic yet'
    return f'{_some(online)} online, {place}: top says what is wrong'


def _no_topic(online: list[str], patterns: list[str], topics: list[str]) -> str:
    near = [
        found
        for pattern in patterns
        for found in difflib.get_close_matches(pattern, topics, 1, cutoff=0.5)
    ]
    hint = f'; did you mean {near[0]}?' if near else ''
    return f'{_some(online)} sends no {_some(patterns)}{hint} (there are {_some(topics)})'


def _on_demand(streams: object) -> set[str]:
    if not isinstance(streams, list):
        return set()
    return {
        name
        for stream in streams
        if isinstance(stream, dict) and stream.get('on_demand') is True
        if isinstance(name := stream.get('name'), str)
    }


def _some(names: Iterable[str]) -> str:
    texts = list(names)
    more = f' and {len(texts) - _NAMED} more' if len(texts) > _NAMED else ''
    return ', '.join(texts[:_NAMED]) + more
