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

"""Services whose requests become commands, and whose answers come when the robot's do."""

from collections.abc import Callable
from typing import Any

from rclpy.service import Service

from ros_cloud_bridge.cloud.operator import Outcome
from ros_cloud_bridge.errors import BridgeError
from ros_cloud_bridge.ros.commands.fields import build
from ros_cloud_bridge.ros.commands.types import load_service
from ros_cloud_bridge.ros.mirror.commands.sending import Sending


class LateService:
    """
    A service that answers later than its callback returns, or not at all.

    A callback that is a coroutine would do, too, but rclpy's executors go round at full speed as
    long as one waits.

    :param sending: names the node and the executor
    :param service_class: its type
    :param name: its name
    :param asked: takes the request and what to call with the response, from any thread
    """

    def __init__(
        self,
        sending: Sending,
        service_class: Any,
        name: str,
        asked: Callable[[Any, Callable[[Any], None]], None],
    ) -> None:
        self._sending = sending
        self._asked = asked
        self._service: Service | None = sending.node.create_service(
            service_class, name, self._take
        )
        self._respond = self._service.send_response
        # What the callback returns is handed to it with the header of the request.
        self._service.send_response = self._defer

    def close(self) -> None:
        """Take the service out of the graph; who waits for an answer gets none."""
        service, self._service = self._service, None
        if service is not None:
            self._sending.node.destroy_service(service)

    def _take(self, request: Any, response: Any) -> Any:
        return request

    def _defer(self, request: Any, header: Any) -> None:
        def answer(response: Any) -> None:
            def respond() -> None:
                if self._service is not None:
                    self._respond(response, header)

            self._sending.on_executor(respond)

        try:
            self._asked(request, answer)
        except Exception as error:  # nothing may escape into the executor
            self._sending.fail(str(error) if isinstance(error, BridgeError) else repr(error))


class ServiceEndpoint:
    """
    Calls a robot's service.

    A service has no way to say that it failed. Where the response has a boolean ``success``, it
    is false, with the reason in ``message`` if there is one; else the caller gets no answer.

    :param sending: of a channel of kind service
    :raises MissingTypeSupport: when its type is not installed here
    """

    def __init__(self, sending: Sending) -> None:
        self._sending = sending
        self._class = load_service(sending.channel.type_name)
        self._service = LateService(sending, self._class, sending.name, self._call)

    def close(self) -> None:
        """Take the service out of the graph."""
        self._service.close()

    def _call(self, request: Any, answer: Callable[[Any], None]) -> None:
        def finished(outcome: Outcome) -> None:
            response = self._response(outcome)
            if response is not None:
                answer(response)

        self._sending.send('call', dict(self._sending.fields(request)), finished)

    def _response(self, outcome: Outcome) -> Any:
        if outcome.succeeded:
            try:
                return build(self._class.Response, outcome.detail or {})
            except BridgeError as error:
                self._sending.fail(str(error))
                return None
        response = self._class.Response()
        kinds = response.get_fields_and_field_types()
        if kinds.get('success') != 'boolean':
            return None
        if kinds.get('message') == 'string':
            response.message = str(outcome)
        return response
