// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

/** When to ask which robot for what (docs/protocol.md#ask). */

import { unhex } from './batch';
import { dumps, Float } from './cbor';

/** What a consumer asks of a bridge; ids and names in hexadecimal. */
export interface Ask {
  readonly info?: boolean;
  readonly routes?: boolean;
  readonly latched?: boolean;
  readonly schemas?: readonly string[];
  readonly dictionaries?: readonly string[];
  readonly leases?: readonly LeaseWish[];
}

export interface LeaseWish {
  readonly stream: string;
  /** 0 for as fast as the stream may. */
  readonly hz: number;
  /** 0 gives it back. */
  readonly seconds: number;
}

const VERSION = 1;
const JOIN_PATIENCE_MS = 1_000;
const MIN_INTERVAL_MS = 2_000;
const MAX_INTERVAL_MS = 60_000;
const MAX_SCHEMAS = 64;

export function encodeAsk(ask: Ask): Uint8Array {
  const wanted = new Map<string, unknown>();
  for (const name of ['info', 'routes', 'latched'] as const) if (ask[name]) wanted.set(name, true);
  if (ask.schemas?.length) wanted.set('schema', ask.schemas.map(unhex));
  if (ask.dictionaries?.length) wanted.set('dict', ask.dictionaries.map(unhex));
  if (ask.leases?.length) {
    wanted.set('lease', ask.leases.map(({ stream, hz, seconds }) => [stream, new Float(hz), new Float(seconds)]));
  }
  return dumps([VERSION, wanted]);
}

interface Need {
  dueMs: number;
  times: number;
}

/** What a robot's samples lack at the moment. */
export interface Lacking {
  readonly info: boolean;
  readonly routes: boolean;
  readonly schemas: readonly string[];
  readonly dictionaries: readonly string[];
}

/**
 * Paces what is asked of one robot: at most every two seconds, and ever more seldom for what does not
 * come, up to once a minute. A robot that is heard and whose `info` has not come within a second is asked
 * for all that a late consumer lacks.
 */
export class Asker {
  private needs = new Map<string, Need>();
  private earliestMs = -Infinity;
  private firstSeenMs: number | null = null;

  /** Forget how often was asked in vain: the answers may have come while we were away. */
  reconnected(): void {
    this.needs.clear();
  }

  /** Say what to ask now; what is returned counts as asked. */
  due(lacking: Lacking, nowMs: number): Ask | null {
    this.firstSeenMs ??= nowMs;
    const names = namesOf(lacking, nowMs - this.firstSeenMs >= JOIN_PATIENCE_MS);
    this.needs = new Map(names.map((name) => [name, this.needs.get(name) ?? { dueMs: nowMs, times: 0 }]));
    const pending = names.filter((name) => this.needs.get(name)!.dueMs <= nowMs);
    if (!pending.length || nowMs < this.earliestMs) return null;
    this.earliestMs = nowMs + MIN_INTERVAL_MS;
    for (const name of pending) {
      const need = this.needs.get(name)!;
      need.dueMs = nowMs + Math.min(MIN_INTERVAL_MS * 2 ** need.times, MAX_INTERVAL_MS);
      need.times = Math.min(need.times + 1, 8);
    }
    return {
      info: pending.includes('info'),
      routes: pending.includes('routes'),
      latched: pending.includes('latched'),
      schemas: behind('schema:', pending),
      dictionaries: behind('dict:', pending),
    };
  }
}

function namesOf(lacking: Lacking, patienceIsOver: boolean): string[] {
  const names = lacking.info && patienceIsOver ? ['info', 'routes', 'latched'] : lacking.routes ? ['routes'] : [];
  return [
    ...names,
    ...lacking.schemas.slice(0, MAX_SCHEMAS).map((id) => `schema:${id}`),
    ...lacking.dictionaries.map((name) => `dict:${name}`),
  ];
}

function behind(prefix: string, names: readonly string[]): string[] {
  return names.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
}
