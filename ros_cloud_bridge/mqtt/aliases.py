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

"""Topic aliases of one connection (MQTT 5, 3.3.2.3.4)."""

# Topics that were published once and never again must not fill the memory.
REMEMBERED_TOPICS = 1024


class TopicAliases:
    """
    Gives an alias to the first topics that are published twice.

    A topic that is published once (a schema, the birth) would waste one of the few. An alias lives
    and dies with its connection: make a new table for each.

    :param maximum: how many the broker, the preset and we allow
    """

    def __init__(self, maximum: int) -> None:
        self._maximum = maximum
        self._aliases: dict[str, int] = {}
        self._seen: set[str] = set()

    def use(self, topic: str) -> tuple[str, int | None]:
        """
        Decide how to name a topic in the packet that goes out now.

        :param topic: of the message
        :returns: topic to write, empty when the broker knows the alias, and the alias if any
        """
        alias = self._aliases.get(topic)
        if alias is not None:
            return '', alias
        if len(self._aliases) >= self._maximum:
            return topic, None
        if topic not in self._seen:
            if len(self._seen) >= REMEMBERED_TOPICS:
                self._seen.clear()
            self._seen.add(topic)
            return topic, None
        alias = len(self._aliases) + 1
        self._aliases[topic] = alias
        return topic, alias
