// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

/**
 * The JSON documents `state`, `info` and `health`, read with nothing taken on trust: what is missing, of
 * another kind or beyond a bound is left out. Only what decoding rests on is refused.
 */

import { ProtocolError } from './errors';
import { MAX_FORM, MAX_JSON, MAX_TEXT } from './limits';
import type {
  Budget, Channel, Health, Info, LinkHealth, RouteHealth, RouteInfo, SpoolHealth, State, StreamHealth, StreamInfo,
} from './values';

export type Document = Readonly<Record<string, unknown>>;

const MAX_ROUTES = 4096;
const MAX_STREAMS = 1024;
const MAX_ENTRIES = 256;
const MAX_REASONS = 64;
const MAX_SHOWN_TEXT = 256;
const MAX_NUMBER = 1e18;
const BOOT_ID = /^[0-9a-f]{16}$/;
const SCHEMA_ID = /^([0-9a-f]{16})?$/;
const HALF_PAIR = /[\ud800-\udfff]/u;
const UTF8 = new TextDecoder('utf-8', { fatal: true });

/** @throws ProtocolError when it is too long, no JSON, no object, or names no boot */
export function decodeDocument(payload: Uint8Array): Document {
  if (payload.length > MAX_JSON) throw new ProtocolError(`document of ${payload.length} bytes is over the limit of ${MAX_JSON}`);
  let document: unknown;
  try {
    document = JSON.parse(UTF8.decode(payload));
  } catch (error) {
    throw new ProtocolError(`not JSON: ${String(error)}`);
  }
  if (!isMap(document)) throw new ProtocolError('a document is a JSON object');
  const boot = document.boot_id;
  if (typeof boot !== 'string' || !BOOT_ID.test(boot)) throw new ProtocolError('a document has a boot_id of 16 hexadecimal digits');
  return document;
}

export function readState(document: Document): State | null {
  const word = document.state;
  if (word !== 'online' && word !== 'offline') return null;
  return {
    bootId: text(document.boot_id),
    online: word === 'online',
    reason: text(document.reason),
    connection: amount(document.connection) ?? 0,
    trustsTransport: document.trust === 'transport',
  };
}

/** Whether a state counts behind the one that is known: boots cannot be ordered, wills come late. */
export function follows(state: State, known: State): boolean {
  if (state.bootId !== known.bootId) return state.online || !known.online;
  if (state.connection !== known.connection) return state.connection > known.connection;
  // A connection that has ended does not come back, but a birth is said again over a late will.
  return state.online !== known.online;
}

/** @throws ProtocolError when a route in it is malformed, for samples are named by these */
export function readInfo(document: Document): Info {
  const routes = document.routes ?? [];
  if (!Array.isArray(routes) || routes.length > MAX_ROUTES) throw new ProtocolError(`info has at most ${MAX_ROUTES} routes`);
  const read = routes.map(readRoute);
  return {
    bootId: text(document.boot_id),
    bridgeVersion: text(document.bridge_version),
    configHash: text(document.config_hash),
    key: text(document.key),
    kid: text(document.kid),
    channels: maps(document.channels, MAX_STREAMS).map((entry): Channel => ({
      name: text(entry.name),
      kind: text(entry.kind),
      type: text(entry.type),
      lease: entry.lease === true,
      maxTtlS: amount(entry.max_ttl_s) ?? 0,
    })),
    streams: maps(document.streams, MAX_STREAMS).map(readStream),
    routesTotal: amount(document.routes_total) ?? read.length,
    routes: read,
  };
}

function readStream(entry: Document): StreamInfo {
  return {
    name: text(entry.name, MAX_TEXT),
    topics: Array.isArray(entry.topics) ? entry.topics.slice(0, MAX_ENTRIES).map((topic) => text(topic)) : [],
    maxHz: amount(entry.max_hz),
    keep: text(entry.keep),
    confirm: text(entry.confirm),
    confirmBy: text(entry.confirm_by),
    priority: text(entry.priority),
    weight: amount(entry.weight),
    maxAgeS: amount(entry.max_age_s),
    onDemand: entry.on_demand === true,
    idleHz: amount(entry.idle_hz),
  };
}

function readRoute(entry: unknown): RouteInfo {
  const refused = new ProtocolError('a route in info has route, stream, topic, type and schema');
  if (!isMap(entry) || !isRouteNumber(entry.route)) throw refused;
  const { stream, topic, type, schema, form = '' } = entry;
  for (const name of [stream, topic, type, schema, form]) {
    // JSON can name halves of surrogate pairs, on which whoever writes the text out would fail.
    if (typeof name !== 'string' || name.length > MAX_TEXT || HALF_PAIR.test(name)) throw refused;
  }
  if (!SCHEMA_ID.test(schema as string) || (form as string).length > MAX_FORM) throw refused;
  return {
    route: BigInt(entry.route as number),
    stream: stream as string,
    topic: topic as string,
    typeName: type as string,
    schemaId: schema as string,
    form: form as string,
    latched: entry.latched === true,
    reducer: text(entry.reducer),
    error: text(entry.error),
    sourceType: text(entry.source_type),
  };
}

function isRouteNumber(value: unknown): boolean {
  // JSON.parse rounds what is beyond 2^53: no bridge numbers so many routes.
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

/** @throws ProtocolError when what it says of drops is malformed, for losses are reckoned from it */
export function readHealth(document: Document): Health {
  const demand = map(document.demand);
  return {
    bootId: text(document.boot_id),
    uptimeS: amount(document.uptime_s),
    timeNs: typeof document.time_ns === 'number' && Number.isFinite(document.time_ns) ? document.time_ns : null,
    link: readLink(map(document.link)),
    streams: maps(document.streams, MAX_STREAMS).map(readStreamHealth),
    leases: maps(demand.leases, MAX_ENTRIES).map((entry) => ({
      stream: text(entry.stream),
      consumer: text(entry.consumer),
      hz: amount(entry.hz),
      endsInS: amount(entry.ends_in_s),
    })),
    refusedLeases: texts(demand.refused),
    grantsLeases: 'demand' in document,
    routes: readRoutesHealth(document.routes ?? []),
    routesTotal: amount(document.routes_total) ?? 0,
    spool: readSpool(map(document.spool)),
    problems: texts(document.problems),
  };
}

function readLink(link: Document): LinkHealth {
  const budget = map(link.budget);
  return {
    connected: link.connected === true,
    connection: amount(link.connection),
    limitedBy: text(link.limited_by),
    algorithm: text(link.algorithm),
    rateBytesPerS: amount(link.rate_bytes_per_s),
    baseRttS: amount(link.base_rtt_s),
    rttS: amount(link.rtt_s),
    queueDelayS: amount(link.queue_delay_s),
    windowBytes: amount(link.window_bytes),
    inFlight: amount(link.in_flight),
    inFlightBytes: amount(link.in_flight_bytes),
    sentBytes: amount(link.sent_bytes),
    sentMessages: amount(link.sent_messages),
    stalled: link.stalled === true,
    budget: Object.keys(budget).length ? readBudget(budget) : null,
    retransmittedSegments: amount(map(link.tcp).retransmitted_segments),
  };
}

function readBudget(budget: Document): Budget {
  return {
    limitBytes: amount(budget.limit_bytes),
    usedBytes: amount(budget.used_bytes),
    leftBytes: amount(budget.left_bytes),
    rateBytesPerS: amount(budget.rate_bytes_per_s),
    resetsInS: amount(budget.resets_in_s),
    exhausted: budget.exhausted === true,
  };
}

function readStreamHealth(entry: Document): StreamHealth {
  return {
    stream: text(entry.stream),
    priority: text(entry.priority),
    step: amount(entry.step),
    steps: amount(entry.steps),
    now: text(entry.now),
    maxHz: amount(entry.max_hz),
    demandHz: amount(entry.demand_hz),
  };
}

function readRoutesHealth(entries: unknown): RouteHealth[] {
  if (!Array.isArray(entries) || entries.length > MAX_ROUTES) throw new ProtocolError(`health has at most ${MAX_ROUTES} routes`);
  return entries.map((entry) => {
    const dropped = isMap(entry) ? (entry.dropped ?? {}) : null;
    if (!isMap(entry) || !isRouteNumber(entry.route) || !isMap(dropped) || Object.keys(dropped).length > MAX_REASONS) {
      throw new ProtocolError('a route in health has its number and counts by reason');
    }
    return {
      route: BigInt(entry.route as number),
      stream: text(entry.stream),
      topic: text(entry.topic),
      figures: figures(entry, ['route']),
      dropped: figures(dropped, []),
    };
  });
}

function readSpool(spool: Document): SpoolHealth | null {
  if (!Object.keys(spool).length) return null;
  return {
    state: text(spool.state),
    recovered: text(spool.recovered),
    figures: figures(spool, []),
    streams: maps(spool.streams, MAX_STREAMS).map((entry) => ({
      stream: text(entry.stream),
      waitsFor: text(entry.waits_for),
      figures: figures(entry, []),
    })),
  };
}

/** Quantities by name; without a prototype, for names come from the wire. */
function figures(entry: Document, others: readonly string[]): Record<string, number> {
  const found = Object.create(null) as Record<string, number>;
  for (const name of Object.keys(entry).slice(0, MAX_REASONS)) {
    const value = amount(entry[name]);
    if (value !== null && !others.includes(name)) found[name.slice(0, MAX_SHOWN_TEXT)] = value;
  }
  return found;
}

function texts(entries: unknown): Record<string, string> {
  const found = Object.create(null) as Record<string, string>;
  for (const [name, value] of Object.entries(map(entries)).slice(0, MAX_ENTRIES)) found[name.slice(0, MAX_SHOWN_TEXT)] = text(value);
  return found;
}

/** A quantity; none of the documents' is negative. */
function amount(value: unknown): number | null {
  return typeof value === 'number' && value >= 0 && value <= MAX_NUMBER ? value : null;
}

function text(value: unknown, most = MAX_SHOWN_TEXT): string {
  return typeof value === 'string' ? value.slice(0, most) : '';
}

function isMap(value: unknown): value is Document {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function map(value: unknown): Document {
  return isMap(value) ? value : {};
}

function maps(entries: unknown, limit: number): Document[] {
  return Array.isArray(entries) ? entries.slice(0, limit).filter(isMap) : [];
}
