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

"""The channels of a Foxglove server, without a broker."""

from dataclasses import replace

import pytest

foxglove = pytest.importorskip('foxglove', reason='foxglove-sdk is missing: install foxglove')
pytest.importorskip('websockets', reason='websockets is missing, with which the client is made')

from ros_cloud_bridge.cloud.foxglove.channels import Channels  # noqa: E402
from ros_cloud_bridge.cloud.topic_names import TopicNames  # noqa: E402
from support.foxglove_client import FoxgloveClient  # noqa: E402
from support.samples import make_sample  # noqa: E402
from support.waiting import wait_until  # noqa: E402
from support.wire_robot import level_cdr, OWN_TYPE, schema_of  # noqa: E402


def test_what_comes_all_at_once_comes_whole() -> None:
    schema = schema_of(OWN_TYPE)
    sample = make_sample(level_cdr(0.0), schema=schema, robot_id='r', stream='s')
    context = foxglove.Context()
    channels = Channels(context, TopicNames(prefix=False), lambda topic: True)
    channels.advertise('r', sample.boot_id, '/level', 's', schema)
    server = foxglove.start_server(port=0, context=context)
    # As after an outage; twenty times what the server lets wait for a client.
    many = [replace(sample, receive_time_ns=number) for number in range(20_000)]
    try:
        with FoxgloveClient(server.port) as client:
            client.subscribe('/level')
            received = client.received['/level']

            def came() -> bool:
                channels.sample(sample)
                return received != []

            wait_until(came)

            def whole() -> bool:
                before = len(received)
                for one in many:
                    channels.sample(one)
                wait_until(lambda: received[-1][0] == many[-1].receive_time_ns)
                return len(received) - before >= len(many)

            # A machine that is busy elsewhere may not get round to it the first time.
            assert whole() or whole()
            assert received[-1][1] == sample.cdr
    finally:
        channels.close()
        server.stop()
