// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

/** Accounts of durable routes (docs/protocol.md#durable-streams). */

import { decodeDescriptor, type Message } from './batch';
import { asArray, asNatural } from './cbor';
import { ProtocolError } from './errors';
import { MAX_GAPS, MAX_SECTIONS } from './limits';
import type { Descriptor } from './values';

export interface Gap {
  readonly reason: number;
  readonly first: bigint;
  readonly last: bigint;
}

export interface RouteAccount {
  readonly route: bigint;
  readonly descriptor: Descriptor | null;
  readonly committed: bigint;
  readonly closed: boolean;
  readonly gaps: readonly Gap[];
}

export function decodeAccount({ fields }: Message): RouteAccount[] {
  const entries = asArray(fields[4], 'an account');
  if (!entries.length || entries.length > MAX_SECTIONS) throw new ProtocolError(`an account has 1 to ${MAX_SECTIONS} routes`);
  let left = MAX_GAPS;
  const routes = entries.map((entry) => {
    const route = decodeRoute(entry, left);
    left -= route.gaps.length;
    return route;
  });
  if (new Set(routes.map((entry) => entry.route)).size !== routes.length) throw new ProtocolError('an account has a route twice');
  return routes;
}

function decodeRoute(entry: unknown, mostGaps: number): RouteAccount {
  const fields = asArray(entry, 'a route in an account');
  if (fields.length !== 5) throw new ProtocolError('a route in an account has five fields');
  const [route, descriptor, committed, closed, gaps] = fields;
  if (typeof closed !== 'boolean') throw new ProtocolError('a route in an account is closed or not');
  const entries = asArray(gaps, 'gaps');
  if (entries.length > mostGaps) throw new ProtocolError(`an account has at most ${MAX_GAPS} gaps`);
  let below = 1n;
  return {
    route: asNatural(route, 'route'),
    descriptor: decodeDescriptor(descriptor),
    committed: asNatural(committed, 'committed'),
    closed,
    gaps: entries.map((gap) => {
      const decoded = decodeGap(gap, below);
      below = decoded.last + 1n;
      return decoded;
    }),
  };
}

function decodeGap(entry: unknown, below: bigint): Gap {
  const fields = asArray(entry, 'a gap');
  if (fields.length !== 3) throw new ProtocolError('a gap has a reason, a first and a last number');
  const reason = Number(asNatural(fields[0], 'reason'));
  const first = asNatural(fields[1], 'gap');
  const last = asNatural(fields[2], 'gap');
  if (reason < 16 || reason > 255) throw new ProtocolError('reasons of gaps are 16 to 255');
  if (first < below || last < first) throw new ProtocolError('gaps rise from 1 on and do not overlap');
  return { reason, first, last };
}
