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

"""A test's own end of the ROS graph."""

from collections.abc import Callable, Mapping
from typing import Any

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.srv import SetParameters
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message, serialize_message

from ros_cloud_bridge.cloud.sample import Sample

from .waiting import wait_until

UPLINK = '/uplink'
TRANSITIONS = {
    'configure': Transition.TRANSITION_CONFIGURE,
    'activate': Transition.TRANSITION_ACTIVATE,
    'deactivate': Transition.TRANSITION_DEACTIVATE,
    'cleanup': Transition.TRANSITION_CLEANUP,
}


def qos(*, depth: int = 100, reliable: bool = True, latched: bool = False) -> QoSProfile:
    """
    Make a QoS profile.

    :param depth: how much history; 0 keeps all
    :param reliable: reliable or best effort
    :param latched: transient local or volatile
    :returns: the profile
    """
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST if depth else HistoryPolicy.KEEP_ALL,
        depth=depth,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )


class Graph:
    """
    A node that publishes and calls services.

    :param name: of the node
    :param domain_id: of another graph than the tests' own, if not None
    """

    def __init__(self, name: str = 'tester', domain_id: int | None = None) -> None:
        self._context = Context()
        rclpy.init(context=self._context, domain_id=domain_id)
        self.node = Node(name, context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)

    def close(self) -> None:
        """Leave the graph."""
        self._executor.shutdown()
        self.node.destroy_node()
        self._context.try_shutdown()

    def publisher(
        self,
        message_class: Any,
        topic: str,
        profile: QoSProfile | None = None,
        subscribers: int = 1,
    ) -> Any:
        """
        Make a publisher and wait until it is subscribed to.

        :param message_class: type
        :param topic: ROS topic
        :param profile: QoS
        :param subscribers: how many subscriptions to wait for
        :returns: the publisher
        """
        publisher = self.node.create_publisher(message_class, topic, profile or qos())
        if subscribers:
            self.wait_for_subscribers(publisher, subscribers)
        return publisher

    @staticmethod
    def wait_for_subscribers(publisher: Any, count: int) -> None:
        """
        Wait for subscriptions.

        :param publisher: the publisher
        :param count: exactly how many
        """
        wait_until(
            lambda: publisher.get_subscription_count() == count,
            20.0,
            f'{count} subscribers of {publisher.topic_name}',
        )

    def witness(self, message_class: Any, topic: str, profile: QoSProfile) -> 'Witness':
        """
        Subscribe to what the bridge subscribes to, so that the two can be compared.

        :param message_class: type
        :param topic: ROS topic
        :param profile: QoS
        :returns: what hears the topic
        """
        return Witness(self.node, message_class, topic, profile)

    def spin_until(self, predicate: Callable[[], object], timeout_s: float = 30.0) -> None:
        """
        Run the node's timers until something is so.

        :param predicate: what
        :param timeout_s: when to give up
        """

        def spin() -> object:
            self._executor.spin_once(timeout_sec=0.01)
            return predicate()

        wait_until(spin, timeout_s)

    def call(self, service_class: Any, name: str, request: Any) -> Any:
        """
        Call a service.

        :param service_class: type
        :param name: of the service
        :param request: the request
        :returns: the response
        """
        client = self.node.create_client(service_class, name)
        try:
            assert client.wait_for_service(20.0), f'no service {name}'
            future = client.call_async(request)
            self._executor.spin_until_future_complete(future, 20.0)
            assert future.done(), f'{name} does not answer'
            return future.result()
        finally:
            self.node.destroy_client(client)

    def set_parameters(self, values: Mapping[str, object], node: str = UPLINK) -> list[str]:
        """
        Set parameters.

        :param values: by name
        :param node: whose
        :returns: why they were refused, empty texts for those that were not
        """
        request = SetParameters.Request()
        request.parameters = [
            Parameter(name, value=value).to_parameter_msg() for name, value in values.items()
        ]
        response = self.call(SetParameters, f'{node}/set_parameters', request)
        return ['' if answer.successful else answer.reason for answer in response.results]

    def transition(self, name: str, node: str = UPLINK) -> bool:
        """
        Take a managed node through a transition.

        :param name: as in ``configure``
        :param node: which
        :returns: whether it succeeded
        """
        request = ChangeState.Request()
        request.transition.id = TRANSITIONS[name]
        return bool(self.call(ChangeState, f'{node}/change_state', request).success)

    def state(self, node: str = UPLINK) -> str:
        """
        Ask a managed node for its state.

        :param node: which
        :returns: as in ``inactive``
        """
        response = self.call(GetState, f'{node}/get_state', GetState.Request())
        return str(response.current_state.label)


class Witness:
    """A raw subscription beside the bridge's."""

    def __init__(self, node: Node, message_class: Any, topic: str, profile: QoSProfile) -> None:
        self._class = message_class
        self._node = node
        self._subscription = node.create_subscription(
            message_class, topic, lambda message: None, profile, raw=True
        )
        self._heard: list[bytes] = []

    def heard(self, count: int) -> list[bytes]:
        """
        Wait for messages.

        :param count: how many
        :returns: their CDR, as the middleware hands it over
        """

        def take() -> bool:
            handle = self._subscription.handle
            with handle:
                taken = handle.take_message(self._class, True)
            if taken is not None:
                # Within one process it comes without the padding of the way.
                self._heard.append(_padded(taken[0]))
            return len(self._heard) >= count

        wait_until(take, 20.0, f'{count} messages at the witness')
        return self._heard

    def close(self) -> None:
        """Unsubscribe."""
        self._node.destroy_subscription(self._subscription)


def content(sample: Sample, message_class: Any) -> Any:
    """
    Decode a sample with ROS's own deserializer.

    :param sample: the sample
    :param message_class: its class here
    :returns: the message
    """
    return deserialize_message(sample.cdr, message_class)


def cdr_of(message: Any) -> bytes:
    """
    Serialize a message with ROS's own serializer, as a raw subscription gets it.

    :param message: the message
    :returns: CDR with its header, padded to four bytes as RTPS does on its way (DDSI-RTPS, 9.4.2);
        what lies between fields for alignment's sake is arbitrary, so this suits plain texts alone
    """
    return _padded(bytes(serialize_message(message)))


def _padded(cdr: bytes) -> bytes:
    return cdr + bytes(-len(cdr) % 4)
