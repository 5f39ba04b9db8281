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

"""A managed node whose transitions end in a state, whatever goes wrong in them, and say why."""

from typing import Any

from rclpy.lifecycle import LifecycleNode, State, TransitionCallbackReturn

from ros_cloud_bridge.core.config_table import field_of
from ros_cloud_bridge.errors import BridgeError
from ros_cloud_bridge.ros.parameters import adopt_overrides, FindField
from ros_cloud_bridge.ros.saying import say


class ManagedNode(LifecycleNode):
    """
    What the bridge's nodes share.

    :param name: of the node
    :param find: finds the field of a parameter
    :param options: further arguments of the rclpy node
    """

    def __init__(self, name: str, *, find: FindField = field_of, **options: Any) -> None:
        super().__init__(name, allow_undeclared_parameters=True, **options)
        self.problem: BridgeError | None = None
        adopt_overrides(self, find)

    def configure_parts(self) -> None:
        """
        Read the parameters and make what needs no connection.

        :raises BridgeError: when they cannot be used
        """

    def activate_parts(self) -> None:
        """Begin."""

    def let_go(self) -> None:
        """Give everything back; may be called at any time."""

    def on_configure(self, state: State) -> TransitionCallbackReturn:
        """Read and check the parameters."""
        try:
            self.configure_parts()
        except BridgeError as error:
            self.problem = error
            self.log('error', str(error))
            self.let_go()
            return TransitionCallbackReturn.FAILURE
        except Exception as error:  # rclpy would end the node on it without a word
            self.log('error', f'cannot be configured: {error!r}')
            self.let_go()
            return TransitionCallbackReturn.FAILURE
        self.problem = None
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: State) -> TransitionCallbackReturn:
        """Begin."""
        try:
            self.activate_parts()
        except Exception as error:  # as above
            self.log('error', f'cannot be activated: {error!r}')
            return TransitionCallbackReturn.ERROR
        return super().on_activate(state)

    def on_cleanup(self, state: State) -> TransitionCallbackReturn:
        """Disconnect and forget."""
        self.let_go()
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: State) -> TransitionCallbackReturn:
        """Say goodbye, disconnect and forget."""
        self.let_go()
        return TransitionCallbackReturn.SUCCESS

    def on_error(self, state: State) -> TransitionCallbackReturn:
        """Let go, so that the node can be configured again."""
        self.let_go()
        return TransitionCallbackReturn.SUCCESS

    def log(self, level: str, text: str) -> None:
        """
        Log a line.

        :param level: ``error``, ``warning`` or ``info``
        :param text: the line
        """
        say(self, level, text)
