// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

import { decodeAccount } from './account';
import { type Ask, encodeAsk } from './asking';
import { decodeBatch, decodeMessage, dictionaryOf, type Message, MessageKind } from './batch';
import type { Arrived, Boot } from './boot';
import { decodeDictionary, type Held } from './dictionaries';
import { decodeDocument } from './documents';
import { ProtocolError } from './errors';
import { MAX_PAYLOAD } from './limits';
import { RobotMemory } from './robot';
import { LazySample, type Origin } from './sample';
import { decodeSchema } from './schema';
import { Schemas } from './schemas';
import { DEFAULT_ROOT, parseTopic } from './topics';
import type { Descriptor, LeaseState, Outgoing, Robot, RouteLosses, Sample } from './values';

const DEFAULT_QUOTA = 128 * 1024 * 1024;
const MAX_ROBOTS = 4096;
const ASK_EXPIRY_S = 10;
const KINDS = ['state', 'info', 'health', 'schema/+', 'dict/+', 'b/+', 'latched/#'];

export interface DecoderOptions {
  /** The fleet's topic root. */
  readonly root?: string;
  /** This consumer's name in `ask/{consumer}`; 1 to 64 of `A-Z a-z 0-9 _ -` if it is to lease. */
  readonly consumer?: string;
  /** Bytes that one robot may hold in incomplete batches, and again in each kind of waiting. */
  readonly quota?: number;
  /** Further robots are refused. */
  readonly maxRobots?: number;
}

/**
 * Turns MQTT messages of any number of robots into samples.
 *
 * It has no timer and no socket; `nowMs` is any monotonic number of milliseconds, by default
 * `performance.now()`.
 */
export class Decoder {
  private readonly root: string;
  private readonly consumer: string;
  private readonly quota: number;
  private readonly maxRobots: number;
  private readonly schemas = new Schemas();
  private readonly memories = new Map<string, RobotMemory>();

  constructor(options: DecoderOptions = {}) {
    this.root = options.root ?? DEFAULT_ROOT;
    this.consumer = options.consumer ?? `web-${Math.random().toString(36).slice(2, 10)}`;
    this.quota = options.quota ?? DEFAULT_QUOTA;
    this.maxRobots = options.maxRobots ?? MAX_ROBOTS;
  }

  /** MQTT topic filters to subscribe to with QoS 1, of one robot or (without) of all. */
  filters(robotId = '+'): string[] {
    return KINDS.map((kind) => `${this.root}/${robotId}/${kind}`);
  }

  /**
   * Take in one MQTT message; topics that are not of the protocol are ignored.
   * @throws ProtocolError for what is malformed or hostile; the decoder stays usable
   */
  feed(topic: string, payload: Uint8Array, nowMs = performance.now()): Sample[] {
    const name = parseTopic(topic, this.root);
    if (!name || !payload.length) return [];
    if (payload.length > MAX_PAYLOAD) throw new ProtocolError(`payload of ${payload.length} bytes is over the limit`);
    const { robotId, kind, rest } = name;
    switch (kind) {
      case 'b':
      case 'latched':
        return this.feedBatch(robotId, kind, kind === 'b' && rest.length === 1 && rest[0] === 'backlog', payload, nowMs);
      case 'schema': {
        const schema = decodeSchema(payload);
        if (rest.length !== 1 || rest[0] !== schema.id) throw new ProtocolError('a schema stands under another id than its own');
        this.schemas.add(schema);
        return [];
      }
      case 'dict':
        return this.feedDictionary(robotId, payload, nowMs);
      case 'state':
      case 'info':
      case 'health':
        return this.feedDocument(robotId, kind, payload, nowMs);
      default:
        return [];
    }
  }

  robots(): Robot[] {
    return [...this.memories.values()].map((memory) => memory.snapshot());
  }

  robot(robotId: string): Robot | null {
    return this.memories.get(robotId)?.snapshot() ?? null;
  }

  /** What each route of each boot lost; of all robots without `robotId`. */
  losses(robotId?: string): RouteLosses[] {
    const memories = robotId === undefined ? [...this.memories.values()] : [this.memories.get(robotId)];
    return memories.flatMap((memory) => [...(memory?.boots.values() ?? [])].flatMap((boot) => boot.losses(memory!.robotId)));
  }

  /**
   * What to publish now: requests for what is lacking, and leases. Call it about once a second, and
   * at once after `lease` or `release`; what is returned counts as asked.
   */
  takeAsks(nowMs = performance.now()): Outgoing[] {
    const asks: Outgoing[] = [];
    for (const memory of this.memories.values()) {
      const ask = memory.ask((id) => this.schemas.has(id), nowMs);
      if (ask) asks.push(this.outgoing(memory.robotId, ask));
    }
    return asks;
  }

  /** The connection to the broker is new: ask again soon. */
  reconnected(): void {
    for (const memory of this.memories.values()) memory.reconnected();
  }

  /** Have a robot send a stream; `hz` null for as fast as its `max_hz` allows. Kept until released. */
  lease(robotId: string, stream: string, hz: number | null): void {
    this.memory(robotId).leases.keep(stream, hz ?? 0);
  }

  release(robotId: string, stream: string): void {
    this.memories.get(robotId)?.leases.release(stream);
  }

  leases(): LeaseState[] {
    return [...this.memories.values()].flatMap((memory) => memory.leases.states(memory.robotId));
  }

  /** Give all leases back, as before the page closes. */
  farewell(): Outgoing[] {
    return [...this.memories.values()].flatMap((memory) => {
      const leases = memory.leases.giveBack();
      return leases.length ? [this.outgoing(memory.robotId, { leases })] : [];
    });
  }

  private outgoing(robotId: string, ask: Ask): Outgoing {
    return { robotId, topic: `${this.root}/${robotId}/ask/${this.consumer}`, payload: encodeAsk(ask), expiryS: ASK_EXPIRY_S };
  }

  private memory(robotId: string): RobotMemory {
    let memory = this.memories.get(robotId);
    if (!memory) {
      if (this.memories.size >= this.maxRobots) throw new ProtocolError(`more than ${this.maxRobots} robots`);
      this.memories.set(robotId, (memory = new RobotMemory(robotId, this.quota, this.consumer)));
    }
    return memory;
  }

  private heard(robotId: string, nowMs: number): RobotMemory {
    const memory = this.memory(robotId);
    memory.heardMs = nowMs;
    return memory;
  }

  private feedBatch(robotId: string, kind: string, historical: boolean, payload: Uint8Array, nowMs: number): Sample[] {
    const message = decodeMessage(payload);
    const memory = this.heard(robotId, nowMs);
    if (message.kind === MessageKind.Abandoned) {
      memory.reassembler.discard(message.boot, message.number);
      return [];
    }
    if (message.kind !== MessageKind.Fragment) return this.feedWhole(memory, { kind, historical, message });
    const whole = memory.reassembler.add(message, nowMs);
    if (!whole) return [];
    const inside = decodeMessage(whole);
    const isWhole = inside.kind === MessageKind.Batch || inside.kind === MessageKind.Account;
    if (!isWhole || inside.boot !== message.boot || inside.number !== message.number) {
      throw new ProtocolError('fragments hold something else than their batch');
    }
    return this.feedWhole(memory, { kind, historical, message: inside });
  }

  private feedWhole(memory: RobotMemory, held: Held): Sample[] {
    const { message, historical } = held;
    if (message.kind === MessageKind.Account) {
      if (!historical) throw new ProtocolError('accounts stand on b/backlog alone');
      return this.feedAccount(memory, message);
    }
    const needed = dictionaryOf(message);
    const dictionary = needed ? memory.dictionaries.use(needed) : undefined;
    if (dictionary === null) {
      memory.dictionaries.hold(needed, held);
      return [];
    }
    const { sentNs, sections } = decodeBatch(message, dictionary);
    const boot = memory.boot(message.boot);
    const samples: Sample[] = [];
    for (const section of sections) {
      if (section.descriptor) {
        this.describe(memory, boot, section.route, section.descriptor);
        // What came before it has its say on losses before it.
        this.handOnDescribed(memory, boot, samples);
      }
      const arrived = { section, sentNs, latched: held.kind === 'latched', historical };
      if (boot.routes.has(section.route)) {
        this.handOn(memory, boot, arrived, samples);
      } else {
        boot.wait(arrived);
        memory.boundWaiting();
      }
    }
    return samples;
  }

  private feedDictionary(robotId: string, payload: Uint8Array, nowMs: number): Sample[] {
    const dictionary = decodeDictionary(payload);
    const memory = this.heard(robotId, nowMs);
    const samples: Sample[] = [];
    let room = this.quota;
    let refused: ProtocolError | null = null;
    for (const held of memory.dictionaries.add(dictionary)) {
      if (room < 0) {
        memory.dictionaries.givenUp += 1;
        continue;
      }
      try {
        for (const sample of this.feedWhole(memory, held)) {
          room -= sample.data.length;
          samples.push(sample);
        }
      } catch (error) {
        // One that is broken does not keep the others.
        if (!(error instanceof ProtocolError)) throw error;
        refused = error;
      }
    }
    if (refused && !samples.length) throw refused;
    return samples;
  }

  private feedAccount(memory: RobotMemory, message: Message): Sample[] {
    const entries = decodeAccount(message);
    const boot = memory.boot(message.boot);
    const samples: Sample[] = [];
    for (const { route, descriptor, committed, closed, gaps } of entries) {
      if (descriptor) {
        this.describe(memory, boot, route, descriptor);
        this.handOnDescribed(memory, boot, samples);
      } else if (!boot.routes.has(route)) {
        memory.wantsRoutes = true;
        if (boot.full && !boot.trackers.has(route)) continue;
      }
      boot.durable(route).tell(committed, closed, gaps);
    }
    return samples;
  }

  private feedDocument(robotId: string, kind: 'state' | 'info' | 'health', payload: Uint8Array, nowMs: number): Sample[] {
    const document = decodeDocument(payload);
    const memory = this.heard(robotId, nowMs);
    const samples: Sample[] = [];
    if (kind === 'state') memory.takeState(document);
    if (kind === 'health') memory.takeHealth(document, nowMs);
    if (kind !== 'info') return samples;
    const info = memory.takeInfo(document);
    const boot = memory.boot(info.bootId);
    for (const route of info.routes) this.describe(memory, boot, route.route, route);
    boot.setDurable(new Set(info.streams.filter((stream) => stream.keep === 'durable').map((stream) => stream.name)));
    this.handOnDescribed(memory, boot, samples);
    return samples;
  }

  private describe(memory: RobotMemory, boot: Boot, route: bigint, descriptor: Descriptor): void {
    memory.describe(boot, route, descriptor, this.schemas.has(descriptor.schemaId));
  }

  private handOnDescribed(memory: RobotMemory, boot: Boot, samples: Sample[]): void {
    for (const arrived of boot.described()) this.handOn(memory, boot, arrived, samples);
    if (!boot.isWaiting) memory.wantsRoutes = false;
  }

  private handOn(memory: RobotMemory, boot: Boot, arrived: Arrived, samples: Sample[]): void {
    const { section, latched, historical, sentNs } = arrived;
    const { route } = section;
    const tracker = historical ? boot.durable(route) : boot.tracker(route);
    const fresh = tracker.take(section.sequences, section.totals, latched);
    const origin: Origin = {
      robotId: memory.robotId,
      bootId: boot.bootId,
      route,
      descriptor: boot.routes.get(route)!,
      sentTimeNs: sentNs,
      latched,
      historical,
      restorer: boot.restorer(route),
      schemas: this.schemas,
    };
    section.samples.forEach((data, index) => {
      origin.restorer?.note(data);
      if (!fresh[index]) return;
      samples.push(new LazySample(origin, data, section.sequences[index]!, section.sourceNs[index]!, section.receiveNs[index]!));
    });
  }
}
