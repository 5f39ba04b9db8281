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

"""What operators are told of faults on the robot."""

from ros_cloud_bridge.command_values import Reason
from ros_cloud_bridge.errors import BadFields, BridgeError, MissingTypeSupport

_WORDS = ((BadFields, Reason.BAD_FIELDS), (MissingTypeSupport, Reason.NO_TYPE_SUPPORT))


def reason_of(fault: BridgeError) -> str:
    """
    Word a fault.

    :param fault: what kept a command from being carried out
    :returns: as an answer's reason has it
    """
    word = next((word for kind, word in _WORDS if isinstance(fault, kind)), Reason.INTERNAL)
    return f'{word}: {fault}'
