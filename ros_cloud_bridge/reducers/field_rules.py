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

"""Rules of general reducers: which fields, and how much, as in ``pose.*:0.001,twist.*:12b``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
import math

from ros_cloud_bridge.reducers.layout import Layout

MAX_RULES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """
    What holds for the fields of a pattern.

    :param pattern: a glob over paths of fields
    :param text: what the user wrote behind the colon; empty for what holds for all
    """

    pattern: str
    text: str = ''


def read_rules(options: Mapping[str, str], name: str = 'fields') -> tuple[Rule, ...]:
    """
    Read patterns, each with a value of its own behind a colon or without.

    :param options: by name
    :param name: of the option
    :returns: the rules, in their order; none when the option is not given
    :raises ValueError: says what is wrong
    """
    text = options.get(name)
    if text is None:
        return ()
    rules = []
    for part in text.split(','):
        pattern, colon, value = part.partition(':')
        if not pattern or (colon and not value):
            raise ValueError(f'{name}={text}: write PATTERN or PATTERN:VALUE, with commas between')
        rules.append(Rule(pattern=pattern, text=value))
    if len(rules) > MAX_RULES:
        raise ValueError(f'{name}: {len(rules)} patterns; at most {MAX_RULES} are taken')
    return tuple(rules)


def read_patterns(options: Mapping[str, str], name: str) -> tuple[Rule, ...]:
    """
    Read patterns, of which none has a value.

    :param options: by name
    :param name: of the option
    :returns: the rules, in their order; none when the option is not given
    :raises ValueError: says what is wrong
    """
    rules = read_rules(options, name)
    for rule in rules:
        if rule.text:
            raise ValueError(f'{name}={rule.pattern}:{rule.text}: patterns have no value here')
    return rules


def positive(text: str, name: str) -> float:
    """
    Read a bound.

    :param text: what the user wrote
    :param name: of the option
    :returns: a finite number from 0 on
    :raises ValueError: when it is none
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0.0 <= value < math.inf:
        raise ValueError(f'{name}={text}: must be a number from 0 on')
    return value


def match_rules(
    layout: Layout, rules: Sequence[Rule], candidates: Sequence[int], what: str
) -> dict[int, Rule]:
    """
    Find out which rule holds for which field: the first that means it.

    :param layout: of the type
    :param rules: in their order
    :param candidates: numbers of fields that may be meant
    :param what: what these are, as in ``floating-point field``
    :returns: rules by number of field
    :raises ValueError: names the first pattern that means none of them
    """
    found: dict[int, Rule] = {}
    for rule in rules:
        hits = [leaf for leaf in candidates if layout.leaves[leaf].matches(rule.pattern)]
        if not hits:
            paths = ', '.join(layout.leaves[leaf].path for leaf in candidates[:6])
            more = ', ...' if len(candidates) > 6 else ''
            raise ValueError(
                f'{rule.pattern} matches no {what}; there are: {paths or "none"}{more}'
            )
        for leaf in hits:
            found.setdefault(leaf, rule)
    return found
