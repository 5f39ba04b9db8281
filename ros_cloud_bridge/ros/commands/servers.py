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
Whether a server is there, and whether it is still the one that was asked.

rclpy completes the future of a request only by its response: when the server dies, never. And a
server that was started again has the same name, but knows nothing of the request. What tells them
apart is the identity (gid) of the writer that answers.
"""

from collections.abc import Callable

from rclpy.node import Node

from ros_cloud_bridge.command.clock import now_s
from ros_cloud_bridge.command_values import Reason
from ros_cloud_bridge.ros.commands.jobs import Telling

# Graph information may be a moment behind.
_LOOKS_BEFORE_LOST = 2
# We find a server before it finds us, and what it answers until then goes nowhere.
_ACQUAINTED_S = 0.5


class Servers:
    """
    Those who offer one service or action.

    :param node: ours
    :param ready: asks the client whether a server is there
    :param topic: what a server publishes its answers on
    :param mangled: the topic's name is the middleware's, not ROS's
    """

    def __init__(
        self, node: Node, ready: Callable[[], bool], topic: str, *, mangled: bool
    ) -> None:
        self._node = node
        self._ready = ready
        self._topic = topic
        self._mangled = mangled
        self._known: frozenset[bytes] = frozenset()
        self._known_since = -_ACQUAINTED_S
        self._was_ready = False

    @classmethod
    def of_service(cls, node: Node, ready: Callable[[], bool], name: str) -> 'Servers':
        """
        Watch a service.

        :param node: ours
        :param ready: asks the client
        :param name: of the service, fully qualified
        :returns: its servers
        """
        # How all DDS middlewares name it; where it is named otherwise, ``ready`` alone tells.
        return cls(node, ready, f'rr{name}Reply', mangled=True)

    @classmethod
    def of_action(cls, node: Node, ready: Callable[[], bool], name: str) -> 'Servers':
        """
        Watch an action.

        :param node: ours
        :param ready: asks the client
        :param name: of the action
        :returns: its servers
        """
        return cls(node, ready, f'{name}/_action/status', mangled=False)

    def ready(self) -> bool:
        """
        Tell whether one is there that can answer; to be asked now and then also without need.

        :returns: True when a request would reach a server, and its answer us
        """
        now, found = now_s(), self.identities()
        is_ready = self._ready()
        if found - self._known or (is_ready and not self._was_ready):
            self._known_since = now
        self._known, self._was_ready = found, is_ready
        return is_ready and now - self._known_since >= _ACQUAINTED_S

    def there(self) -> bool:
        """
        Tell whether one is there at all.

        :returns: what the client says
        """
        return self._ready()

    def tell_absence(self, tell: Telling, name: str) -> None:
        """
        Tell why nothing was sent.

        :param tell: of the command
        :param name: of the service or action
        """
        if self.there():
            tell.fail(Reason.EXPIRED)
        else:
            tell.fail(Reason.NO_SERVER, f'nobody offers {name}')

    def identities(self) -> frozenset[bytes]:
        """
        Tell who is there.

        :returns: one gid per server; none where the middleware does not tell
        """
        try:
            found = self._node.get_publishers_info_by_topic(self._topic, self._mangled)
        except Exception:  # not every middleware can tell, and each says so in its own way
            return frozenset()
        return frozenset(bytes(endpoint.endpoint_gid) for endpoint in found)


class Watch:
    """
    Watches, from a request on, whether those who may have taken it are there.

    :param servers: of the service or action
    """

    def __init__(self, servers: Servers) -> None:
        self._servers = servers
        self._asked = servers.identities()
        self._missed = 0

    def lost(self) -> bool:
        """
        Look once.

        :returns: True when none of them is there any more
        """
        if self._asked:
            gone = self._asked.isdisjoint(self._servers.identities())
        else:
            gone = not self._servers.there()
        self._missed = self._missed + 1 if gone else 0
        return self._missed >= _LOOKS_BEFORE_LOST
