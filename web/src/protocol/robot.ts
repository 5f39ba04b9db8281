// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

import { type Ask, Asker } from './asking';
import { Boot } from './boot';
import { Dictionaries } from './dictionaries';
import { type Document, follows, readHealth, readInfo, readState } from './documents';
import { Leases } from './leases';
import { Room } from './ranges';
import { Reassembler } from './reassembly';
import type { Descriptor, Health, Info, Robot, State } from './values';

const MAX_BOOTS = 64;
/** In all boots together; beyond it whole boots are forgotten. */
const MAX_ROUTES = 8192;
const MAX_RANGES = 1_048_576;
const MAX_WANTED = 256;

/** What a decoder remembers of one robot, within one quota for all of its boots. */
export class RobotMemory {
  readonly reassembler: Reassembler;
  readonly dictionaries: Dictionaries;
  readonly leases: Leases;
  /** The least recently used first. */
  readonly boots = new Map<string, Boot>();
  wantsRoutes = false;
  heardMs = 0;
  info: Info | null = null;
  private state: State | null = null;
  private health: Health | null = null;
  private readonly documents: Record<string, Document> = {};
  private readonly wanted = new Set<string>();
  private readonly asker = new Asker();
  private readonly room = new Room(MAX_RANGES);
  private givenUp = 0;

  constructor(readonly robotId: string, private readonly quota: number, consumer: string) {
    this.reassembler = new Reassembler(quota);
    this.dictionaries = new Dictionaries(quota);
    this.leases = new Leases(consumer);
  }

  boot(bootId: string): Boot {
    const boot = this.boots.get(bootId) ?? new Boot(bootId, this.room);
    this.boots.delete(bootId);
    this.boots.set(bootId, boot);
    while (this.boots.size > 1 && (this.boots.size > MAX_BOOTS || this.routesKnown() > MAX_ROUTES)) {
      const others = [...this.boots.values()].slice(0, -1);
      const gone = others.find((known) => !known.unfinished) ?? others[0]!;
      this.boots.delete(gone.bootId);
      this.givenUp += gone.forget();
    }
    return boot;
  }

  private routesKnown(): number {
    let sum = 0;
    for (const boot of this.boots.values()) sum += boot.size;
    return sum;
  }

  /** Note what a route number stands for; `schemaIsKnown` says whether its definition has come. */
  describe(boot: Boot, route: bigint, descriptor: Descriptor, schemaIsKnown: boolean): void {
    boot.describe(route, descriptor);
    if (!descriptor.schemaId || schemaIsKnown) return;
    this.wanted.add(descriptor.schemaId);
    if (this.wanted.size > MAX_WANTED) this.wanted.delete(this.wanted.values().next().value!);
  }

  /** Keep within the quota what waits for its route; the longest waiting go. */
  boundWaiting(): void {
    this.wantsRoutes = true;
    let held = 0;
    for (const boot of this.boots.values()) held += boot.waitingBytes;
    for (const boot of this.boots.values()) {
      while (held > this.quota && boot.isWaiting) {
        held -= boot.waitingBytes;
        this.givenUp += boot.giveUpOldest();
        held += boot.waitingBytes;
      }
    }
  }

  giveUp(samples: number): void {
    this.givenUp += samples;
  }

  takeState(document: Document): void {
    const state = readState(document);
    if (!state || (this.state && !follows(state, this.state))) return;
    // Whoever was started again knows of no lease.
    if (state.online && state.bootId !== this.state?.bootId) this.leases.again();
    this.state = state;
    this.documents.state = document;
  }

  takeHealth(document: Document, nowMs: number): void {
    const health = readHealth(document);
    this.health = health;
    this.documents.health = document;
    this.boot(health.bootId).hear(health.routes);
    this.leases.heard(health, nowMs);
  }

  takeInfo(document: Document): Info {
    this.info = readInfo(document);
    this.documents.info = document;
    return this.info;
  }

  get away(): boolean {
    return this.state?.online === false;
  }

  reconnected(): void {
    this.asker.reconnected();
    this.leases.again();
  }

  /** Say what to ask for now; what is returned counts as asked. */
  ask(schemaIsKnown: (id: string) => boolean, nowMs: number): Ask | null {
    for (const id of [...this.wanted]) if (schemaIsKnown(id)) this.wanted.delete(id);
    const leases = this.leases.due(this.away, nowMs);
    const lacking = {
      info: this.info === null,
      routes: this.wantsRoutes,
      schemas: [...this.wanted],
      dictionaries: this.dictionaries.wanted,
    };
    const ask = this.away ? null : this.asker.due(lacking, nowMs);
    return ask || leases.length ? { ...ask, leases } : null;
  }

  snapshot(): Robot {
    const boot = this.boots.get(this.state?.bootId ?? this.health?.bootId ?? '');
    return {
      robotId: this.robotId,
      online: this.state?.online ?? null,
      state: this.state,
      info: this.info,
      health: this.health,
      documents: { ...this.documents },
      routes: boot ? [...boot.figures.values()] : [],
      heardMs: this.heardMs,
      givenUpSamples: this.givenUp,
      givenUpBatches: this.reassembler.givenUp + this.dictionaries.givenUp,
    };
  }
}
