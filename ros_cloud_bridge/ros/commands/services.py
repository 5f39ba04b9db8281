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

"""Service calls that end: by a response, without a server, with its death, or cancelled."""

from collections.abc import Callable
from typing import Any

from rclpy.client import Client
from rclpy.node import Node
from rclpy.task import Future

from ros_cloud_bridge.command.clock import now_s
from ros_cloud_bridge.command_values import Reason, State
from ros_cloud_bridge.core.commands.effects import Dispatch
from ros_cloud_bridge.ros.commands.fields import build
from ros_cloud_bridge.ros.commands.jobs import Job, Telling, told
from ros_cloud_bridge.ros.commands.servers import Servers, Watch
from ros_cloud_bridge.ros.commands.types import load_service
from ros_cloud_bridge.values import ChannelConfig

# A server that is being started, or that discovery has not found yet.
SERVER_WAIT_S = 2.0


class ServiceClient:
    """
    A client of one service.

    :param node: ours
    :param service_class: the service's type
    :param name: of the service
    """

    def __init__(self, node: Node, service_class: Any, name: str) -> None:
        self._node = node
        self.name = node.resolve_service_name(name)
        self.client: Client = node.create_client(service_class, name)
        self.servers = Servers.of_service(node, self.client.service_is_ready, self.name)

    def close(self) -> None:
        """Destroy the client."""
        self._node.destroy_client(self.client)


class Call:
    """
    One request and its response.

    :param service: whom to ask
    :param request: of the service's request type
    :param deadline: monotonic seconds after which it must not be sent
    :param tell: is told when there is no response
    :param then: takes the response
    """

    def __init__(
        self,
        service: ServiceClient,
        request: Any,
        deadline: float,
        tell: Telling,
        then: Callable[[Any], None],
    ) -> None:
        self._service = service
        self._request = request
        self._deadline = deadline
        self._tell = tell
        self._then = then
        self._future: Future | None = None
        self._watch: Watch | None = None
        self._give_up = now_s() + SERVER_WAIT_S
        self.look(now_s())

    def look(self, now: float) -> None:
        """
        Send once there is a server, then see whether it is still there.

        :param now: monotonic seconds
        """
        if self._watch is not None:
            if self._watch.lost():
                self.drop()
                self._tell.fail(Reason.SERVER_LOST, f'{self._service.name} is gone')
        elif self._service.servers.ready():
            self._send()
        elif now >= self._deadline or (now >= self._give_up and not self._service.servers.there()):
            self._service.servers.tell_absence(self._tell, self._service.name)

    def cancel(self) -> None:
        """Wait no longer; a response that comes all the same is ignored."""
        self.drop()
        self._tell.end(State.CANCELLED)

    def drop(self) -> None:
        """Forget the request."""
        if self._future is not None:
            self._service.client.remove_pending_request(self._future)

    def _send(self) -> None:
        self._watch = Watch(self._service.servers)
        if now_s() > self._deadline:
            self._tell.fail(Reason.EXPIRED)
            return
        self._future = self._service.client.call_async(self._request)
        self._future.add_done_callback(self._answered)

    def _answered(self, future: Future) -> None:
        if not self._tell.over:
            with self._tell.guarded():
                self._then(future.result())


class ServiceReach:
    """
    A channel that reaches a service.

    :param node: ours
    :param config: the channel
    :raises MissingTypeSupport: when the type is not installed
    """

    def __init__(self, node: Node, config: ChannelConfig) -> None:
        self._class = load_service(config.type_name)
        self._service = ServiceClient(node, self._class, config.ros_name)

    def begin(self, dispatch: Dispatch, tell: Telling) -> Job:
        """
        Call the service.

        :param dispatch: the command, whose arguments are the request's fields
        :param tell: is told what becomes of it
        :returns: the job
        :raises BadFields: when the arguments do not fit
        """

        def answered(response: Any) -> None:
            reason, detail = told(response)
            tell.end(State.SUCCEEDED, reason, detail)

        request = build(self._class.Request, dispatch.arguments or {})
        return Call(self._service, request, dispatch.deadline, tell, answered)

    def look(self) -> None:
        """Get to know the server."""
        self._service.servers.ready()

    def close(self) -> None:
        """Destroy the client."""
        self._service.close()
