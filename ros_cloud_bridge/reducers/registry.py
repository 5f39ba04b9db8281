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
Which reducers there are: those of this package, and what others have installed.

A user's reducer stands in the entry-point group ``ros_cloud_bridge.reducers``; its name there is
the one in the configuration. Names of this package come first. What cannot be imported, as where a
library lacks, is known by name with the reason.
"""

from collections.abc import Callable, Mapping
import difflib
from functools import cache
import importlib
from importlib.metadata import entry_points

from ros_cloud_bridge.core.reducer_chain import ChainStep, parse_chain
from ros_cloud_bridge.errors import ProtocolError, UnknownForm
from ros_cloud_bridge.reducers.chain import Chain
from ros_cloud_bridge.reducers.interface import (
    CheckingKind,
    ENTRY_POINT_GROUP,
    Reducer,
    ReducerKind,
    Restorer,
)
from ros_cloud_bridge.reducers.plain import PlainKind

_PACKAGE = 'ros_cloud_bridge.reducers'
_AFTER_A_FORM = 'nothing can follow a compact form'
# The same as in setup.py: sources that are not installed have no entry points.
BUILT_IN = {
    'aggregate': f'{_PACKAGE}.aggregate:AggregateKind',
    'cloud_crop': f'{_PACKAGE}.clouds:CropKind',
    'cloud_fields': f'{_PACKAGE}.clouds:FieldsKind',
    'cloud_quantize': f'{_PACKAGE}.cloud_forms:QuantizeKind',
    'cloud_voxel': f'{_PACKAGE}.clouds:VoxelKind',
    'deadband': f'{_PACKAGE}.deadband:DeadbandKind',
    'depth': f'{_PACKAGE}.depth:DepthKind',
    'grid_diff': f'{_PACKAGE}.grids:GridKind',
    'jpeg': f'{_PACKAGE}.images:JpegKind',
    'laser_quantize': f'{_PACKAGE}.laser:LaserKind',
    'precision': f'{_PACKAGE}.precision:PrecisionKind',
    'select': f'{_PACKAGE}.select_fields:SelectKind',
    'stamps': f'{_PACKAGE}.stamps:StampsKind',
    'tf_motion': f'{_PACKAGE}.tf_motion:TfMotionKind',
    'webp': f'{_PACKAGE}.images:WebpKind',
}

Definitions = Callable[[str], str]


@cache
def _foreign() -> Mapping[str, Callable[[], object]]:
    found = entry_points(group=ENTRY_POINT_GROUP)
    return {one.name: one.load for one in found if one.name not in BUILT_IN}


def names() -> tuple[str, ...]:
    """
    List all reducers.

    :returns: their names, sorted
    """
    return tuple(sorted({*BUILT_IN, *_foreign()}))


@cache
def find(name: str) -> ReducerKind:
    """
    Give a kind of reducer.

    :param name: as in the configuration
    :returns: the kind
    :raises ValueError: says in one line why there is none
    """
    if name not in BUILT_IN and name not in _foreign():
        near = difflib.get_close_matches(name, names(), 1)
        hint = f'; did you mean {near[0]}?' if near else ''
        raise ValueError(f'no reducer {name}{hint} (there are {", ".join(names())})')
    try:
        if name in BUILT_IN:
            module, _, attribute = BUILT_IN[name].partition(':')
            loaded = getattr(importlib.import_module(module), attribute)
        else:
            loaded = _foreign()[name]()
        kind: ReducerKind = loaded() if isinstance(loaded, type) else loaded
    except Exception as error:  # whatever a foreign import raises, on as many lines as it likes
        said = ' '.join(str(error).split()) or repr(error)
        raise ValueError(f'{name} cannot be used: {said}') from error
    return kind


def check(text: str) -> str:
    """
    Judge a chain as far as that goes without the topic's type.

    :param text: as in the configuration
    :returns: what is wrong, in one line; empty when nothing is
    """
    types: frozenset[str] = frozenset()
    try:
        form = ''
        for step in parse_chain(text):
            if form:
                raise ValueError(f'{step.name}: {_AFTER_A_FORM}')
            types, form = _check_step(step, types)
    except ValueError as error:
        return str(error)
    return ''


def _check_step(step: ChainStep, given: frozenset[str]) -> tuple[frozenset[str], str]:
    """Judge a step by the types that it may be given; tell those that it gives, and its form."""
    kind = find(step.name)
    taken = frozenset(getattr(kind, 'types', ()))
    if given and taken:
        if not given & taken:
            raise ValueError(f'{step.name}: takes {_listed(taken)}, and is given {_listed(given)}')
        taken &= given
    try:
        if isinstance(kind, CheckingKind):
            kind.check(step.options)
            return (taken or given if isinstance(kind, PlainKind) else frozenset()), ''
        if step.name not in BUILT_IN:
            # It may need the definition, which is not known yet.
            return frozenset(), ''
        made = [kind.make(name, '', step.options, 0).output for name in sorted(taken)]
    except ValueError as error:
        raise ValueError(f'{step.name}: {error}') from error
    return frozenset(one.type_name for one in made), made[0].form if made else ''


def _listed(types: frozenset[str]) -> str:
    return ' or '.join(name.rpartition('/')[2] for name in sorted(types))


def make(text: str, type_name: str, definition_of: Definitions, max_bytes: int) -> Chain:
    """
    Make the chain of a route.

    :param text: as in the configuration, not empty
    :param type_name: of the topic
    :param definition_of: gives a type's complete ros2msg definition; raises what it likes
    :param max_bytes: the most that a message can have
    :returns: the chain
    :raises ValueError: says in one line why it does not fit
    """
    made: list[Reducer] = []
    for step in parse_chain(text):
        kind = find(step.name)
        if made and made[-1].output.form:
            raise ValueError(f'{step.name}: {_AFTER_A_FORM}')
        taken = made[-1].output.type_name if made else type_name
        try:
            definition = definition_of(taken)
        except Exception as error:
            raise ValueError(f'{step.name}: no definition of {taken}: {error}') from error
        try:
            made.append(kind.make(taken, definition, step.options, max_bytes))
        except Exception as error:
            said = str(error) if isinstance(error, ValueError) else repr(error)
            raise ValueError(f'{step.name}: {said}') from error
    form = made[-1].output.form
    if form and not knows(form):
        raise ValueError(f'no decoder would know the form {form}')
    return Chain(made)


def restore(form: str, data: bytes) -> bytes:
    """
    Give a sample back its type.

    :param form: as its descriptor names it
    :param data: what a reducer wrote
    :returns: CDR with its encapsulation header
    :raises UnknownForm: when the reducer that wrote it is not installed here
    :raises ProtocolError: when it is malformed or hostile
    """
    return restore_with(kind_of(form), form, data)


def restore_with(restorer: Restorer, form: str, data: bytes) -> bytes:
    """
    Give a sample back its type.

    :param restorer: a kind, or what one has made for a route
    :param form: as its descriptor names it
    :param data: what a reducer wrote
    :returns: CDR with its encapsulation header
    :raises ProtocolError: when it is malformed or hostile
    """
    try:
        return restorer.restore(form, data)
    except ProtocolError:
        raise
    except Exception as error:  # what a hostile sample makes of a foreign reducer
        raise ProtocolError(f'{form[:64]}: cannot be restored: {error!r}') from error


def knows(form: str) -> bool:
    """
    Tell whether a form can be restored here.

    :param form: as its descriptor names it
    :returns: whether its reducer is installed
    """
    name = _kind_name(form)
    return name in BUILT_IN or name in _foreign()


def kind_of(form: str) -> ReducerKind:
    """
    Find the kind that restores a form.

    :param form: as its descriptor names it
    :returns: the kind
    :raises UnknownForm: when it is not installed here
    """
    if not knows(form):
        raise UnknownForm(form)
    try:
        return find(_kind_name(form))
    except ValueError as error:
        raise UnknownForm(form, str(error)) from error


def _kind_name(form: str) -> str:
    return form.partition('/')[0]
