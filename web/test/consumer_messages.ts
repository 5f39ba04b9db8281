// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

/** What a bridge reads of consumers; the page only writes asks, so that reading them is for tests. */

import { asArray, asBytes, asNatural, asText, Float, loads } from '../src/protocol/cbor';
import { checkVersion, hex } from '../src/protocol/batch';
import { ProtocolError } from '../src/protocol/errors';

export function decodeAsk(payload: Uint8Array): Record<string, unknown> {
  const [, wanted, ...rest] = asArray(loads(payload, { maxBytes: 16 * 1024 }), 'an ask');
  if (!(wanted instanceof Map) || rest.length) throw new ProtocolError('an ask is a version and a map');
  return {
    info: wanted.get('info') === true,
    routes: wanted.get('routes') === true,
    latched: wanted.get('latched') === true,
    schema: bounded(wanted.get('schema'), 256).map((id) => hex(asBytes(id, 'a schema id', 8))),
    dict: bounded(wanted.get('dict'), 16).map((name) => hex(asBytes(name, 'a name', 4))),
    lease: bounded(wanted.get('lease'), 64).map((entry) => {
      const [stream, hz, seconds, ...more] = asArray(entry, 'a lease');
      const name = asText(stream, 'a stream', 64);
      if (!name || more.length) throw new ProtocolError('a lease has a stream, a rate and seconds');
      return { stream: name, hz: notNegative(hz), seconds: notNegative(seconds) };
    }),
  };
}

function bounded(value: unknown, most: number): unknown[] {
  const entries = value === undefined ? [] : asArray(value, 'a list');
  if (entries.length > most) throw new ProtocolError(`at most ${most}`);
  return entries;
}

function notNegative(value: unknown): number {
  const number = value instanceof Float ? value.value : value;
  if (typeof number === 'bigint') return Number(number);
  if (typeof number !== 'number' || !(number >= 0 && number < Infinity)) throw new ProtocolError('not a finite number from 0 on');
  return number;
}

export function decodeConfirmation(payload: Uint8Array): Record<string, unknown> {
  const [version, instance, held, ...rest] = asArray(loads(payload, { maxBytes: 64 * 1024 }), 'a confirmation');
  checkVersion(version);
  if (rest.length) throw new ProtocolError('a confirmation has three fields');
  let ranges = 0;
  const entries = asArray(held, 'what is held').map((entry) => {
    const [boot, route, numbers, ...more] = asArray(entry, 'what is held of a route');
    const bounds = asArray(numbers, 'ranges').map((number) => asNatural(number, 'a position'));
    if (more.length || !bounds.length || bounds.length % 2) throw new ProtocolError('ranges are pairs');
    ranges += bounds.length / 2;
    bounds.forEach((bound, index) => {
      const before = index ? bounds[index - 1]! : 0n;
      if (index % 2 ? bound < before : bound <= before) throw new ProtocolError('ranges rise and are disjoint');
    });
    return {
      boot: hex(asBytes(boot, 'a boot id', 8)),
      route: Number(asNatural(route, 'route')),
      ranges: Array.from({ length: bounds.length / 2 }, (_, index) => [String(bounds[2 * index]), String(bounds[2 * index + 1])]),
    };
  });
  if (ranges > 4096) throw new ProtocolError('too many ranges');
  return { instance: hex(asBytes(instance, 'an instance', 8)), held: entries };
}
