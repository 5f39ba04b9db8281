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

"""Whether a stream's reducer fits a topic's type, and what consumers must know of it."""

from collections.abc import Callable
from dataclasses import dataclass

from ros_cloud_bridge.core.unreduced import Reduction
from ros_cloud_bridge.reducers.chain import Chain
from ros_cloud_bridge.reducers.registry import make
from ros_cloud_bridge.values import Key, StreamConfig
from ros_cloud_bridge.wire.limits import MAX_BATCH_RAW
from ros_cloud_bridge.wire.schema import Schema

# Gives the definition of any installed type; raises what it likes.
FindSchema = Callable[[str], Schema]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A chain for a route, the schema of what comes out, and what consumers must know."""

    chain: Chain
    reduction: Reduction
    schema: Schema | None


def fit(
    stream: StreamConfig, type_name: str, schema: Schema | None, find_schema: FindSchema | None
) -> Fitted:
    """
    Make the reducer of a route.

    :param stream: its policy, with a reducer
    :param type_name: of the topic
    :param schema: the type's definition
    :param find_schema: gives those of other types; None where there are no others
    :returns: the chain, and what goes out
    :raises ValueError: says in one line why it does not fit
    """

    def schema_of(name: str) -> Schema:
        if name == type_name and schema is not None:
            return schema
        if find_schema is None:
            raise ValueError('not known here')
        return find_schema(name)

    chain = make(stream.reducer, type_name, lambda name: schema_of(name).definition, MAX_BATCH_RAW)
    output = chain.output
    if output.form and stream.key in (Key.FRAME_ID, Key.STATUS_NAME):
        raise ValueError(f'key: {stream.key.value} stands in the message, which has a form here')
    out_schema = schema
    if output.type_name != type_name:
        try:
            out_schema = schema_of(output.type_name)
        except Exception as error:
            raise ValueError(f'no definition of {output.type_name}: {error}') from error
    reduction = Reduction(
        text=' '.join(stream.reducer.split()),
        type_name=output.type_name,
        form=output.form,
        error=output.error,
    )
    return Fitted(chain=chain, reduction=reduction, schema=out_schema)
