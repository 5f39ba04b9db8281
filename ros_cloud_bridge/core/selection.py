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

"""
Which stream takes which ROS topic.

A pattern is one of

- an exact name: ``/odom``, or ``odom`` below the node's namespace;
- a glob: ``*`` (any characters, ``/`` too), ``?`` (one character), ``[abc]``, ``[!abc]``;
- ``re:`` and a regular expression that has to match the whole absolute name.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
import fnmatch
import re

from ros_cloud_bridge.values import BridgeConfig, StreamConfig

REGEX_PREFIX = 're:'
_GLOB_CHARACTERS = frozenset('*?[')
_NAME = re.compile(r'/?[A-Za-z_][A-Za-z0-9_]*(/[A-Za-z_][A-Za-z0-9_]*)*')
_GLOB = re.compile(r'[A-Za-z0-9_/*?\[\]!-]+')


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicPattern:
    """A compiled pattern; ``exact`` when it names one topic."""

    exact: bool
    matches: Callable[[str], bool]


def compile_pattern(pattern: str, namespace: str = '/') -> TopicPattern:
    """
    Compile one pattern.

    :param pattern: exact name, glob or ``re:`` expression
    :param namespace: what a relative name or glob stands below
    :returns: the compiled pattern
    :raises ValueError: says what is wrong with it and where, on one line
    """
    if pattern.startswith(REGEX_PREFIX):
        return _expression(_compile_regex(pattern))
    if pattern.startswith('~'):
        raise ValueError("begins with '~'; write the absolute name")
    if not _GLOB_CHARACTERS.isdisjoint(pattern):
        _check_glob(pattern)
        return _expression(re.compile(fnmatch.translate(resolve(pattern, namespace))))
    if _NAME.fullmatch(pattern) is None:
        raise ValueError(_name_problem(pattern))
    name = resolve(pattern, namespace)
    return TopicPattern(exact=True, matches=lambda topic: topic == name)


def resolve(name: str, namespace: str) -> str:
    """
    Make a name absolute.

    :param name: ``/odom`` stays; ``odom`` goes below the namespace
    :param namespace: as in ``/amr_07``; ``/`` or empty for none
    :returns: absolute name
    """
    if name.startswith('/'):
        return name
    return f'/{namespace.strip("/")}/{name}' if namespace.strip('/') else f'/{name}'


def is_hidden(topic: str) -> bool:
    """
    Tell whether ROS 2 tools hide a topic.

    :param topic: absolute name
    :returns: whether one of its tokens begins with an underscore
    """
    return '/_' in topic


def _expression(expression: re.Pattern[str]) -> TopicPattern:
    return TopicPattern(exact=False, matches=lambda topic: expression.fullmatch(topic) is not None)


def _compile_regex(pattern: str) -> re.Pattern[str]:
    text = pattern[len(REGEX_PREFIX) :]
    if not text:
        raise ValueError('holds no expression after re:')
    try:
        return re.compile(text)
    except re.error as error:
        where = '' if error.pos is None else f' at position {error.pos + len(REGEX_PREFIX)}'
        raise ValueError(f'is no valid regular expression: {error.msg}{where}') from None
    except (OverflowError, RecursionError):
        raise ValueError('is no valid regular expression: too deep or too large') from None


def _check_glob(pattern: str) -> None:
    if _GLOB.fullmatch(pattern) is None:
        wrong = next(character for character in pattern if not _GLOB.fullmatch(character))
        raise ValueError(f'holds {wrong!r}, which no topic name and no glob has')
    if '//' in pattern:
        raise ValueError("holds '//'")
    without_sets = re.sub(r'\[!?\]?[^\]]*\]', '', pattern)
    if '[' in without_sets:
        raise ValueError("holds '[' without its ']'")


def _name_problem(name: str) -> str:
    if not name:
        return 'is empty'
    if '//' in name or name.endswith('/'):
        return "is no valid topic name: '/' stands twice or at the end"
    wrong = next((c for c in name if not re.fullmatch('[A-Za-z0-9_/]', c)), None)
    if wrong is not None:
        return (
            f'is no valid topic name: {wrong!r} is not allowed in one; '
            'patterns are globs (/scan*) or begin with re:'
        )
    return 'is no valid topic name: a part of it begins with a digit'


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stream:
    config: StreamConfig
    allow: tuple[TopicPattern, ...]
    deny: tuple[TopicPattern, ...]

    def takes(self, topic: str, reserved: bool) -> bool:
        """Tell whether the stream claims a topic; a reserved one needs its exact name."""
        named = any(
            pattern.matches(topic) for pattern in self.allow if pattern.exact or not reserved
        )
        return named and not _any(self.deny, topic)


class TopicSelector:
    """
    The streams' claims on topics.

    A deny pattern wins over every name. Hidden topics and the bridge's own are taken only by an
    exact name (hidden ones also by a pattern if ``discovery.include_hidden`` says so).

    :param config: checked configuration
    :param namespace: the node's namespace, for relative names
    :param own: the bridge's own topics: absolute names; with a ``/`` at the end, all below it
    :raises ValueError: for a pattern that a checked configuration would not have
    """

    def __init__(
        self, config: BridgeConfig, *, namespace: str = '/', own: Collection[str] = ()
    ) -> None:
        self._include_hidden = config.discovery.include_hidden
        self._deny = _compile_all(config.discovery.deny, namespace)
        self._own_names = frozenset(own)
        self._own_prefixes = tuple(name for name in own if name.endswith('/'))
        self._streams = tuple(
            _Stream(
                config=stream,
                allow=_compile_all(stream.topics, namespace),
                deny=_compile_all(stream.deny, namespace),
            )
            for stream in config.streams
        )

    def stream_for(self, topic: str) -> StreamConfig | None:
        """
        Find the stream that gets a topic.

        :param topic: absolute name
        :returns: the first stream that matches, or None
        """
        matching = self._matching(topic)
        return matching[0] if matching else None

    def overlaps(self, topic: str) -> tuple[str, ...]:
        """
        Find who else would have taken a topic.

        :param topic: absolute name
        :returns: names of the streams that match too, but stand after the one that gets it
        """
        return tuple(stream.name for stream in self._matching(topic)[1:])

    def _matching(self, topic: str) -> tuple[StreamConfig, ...]:
        if _any(self._deny, topic):
            return ()
        reserved = self._is_own(topic) or (is_hidden(topic) and not self._include_hidden)
        return tuple(stream.config for stream in self._streams if stream.takes(topic, reserved))

    def _is_own(self, topic: str) -> bool:
        return topic in self._own_names or topic.startswith(self._own_prefixes)


def _compile_all(patterns: tuple[str, ...], namespace: str) -> tuple[TopicPattern, ...]:
    return tuple(compile_pattern(pattern, namespace) for pattern in patterns)


def _any(patterns: tuple[TopicPattern, ...], topic: str) -> bool:
    return any(pattern.matches(topic) for pattern in patterns)
