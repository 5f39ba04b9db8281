// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

import type { Section } from './batch';
import { RouteRestorer } from './forms';
import { DurableTracker, RouteTracker } from './losses';
import type { Room } from './ranges';
import type { Descriptor, RouteHealth, RouteLosses } from './values';

const MAX_ROUTES = 4096;
const SECTION_OVERHEAD = 1024;
const SAMPLE_OVERHEAD = 320;

/** A section, and how it came. */
export interface Arrived {
  readonly section: Section;
  readonly sentNs: bigint;
  readonly latched: boolean;
  readonly historical: boolean;
}

function sizeOf({ section }: Arrived): number {
  return section.samples.reduce((sum, sample) => sum + sample.length + SAMPLE_OVERHEAD, SECTION_OVERHEAD);
}

/** Routes, sequence numbers and waiting sections of one boot of one robot's bridge. */
export class Boot {
  readonly routes = new Map<bigint, Descriptor>();
  readonly trackers = new Map<bigint, RouteTracker>();
  /** Figures by route, merged over health documents. */
  readonly figures = new Map<bigint, RouteHealth>();
  waitingBytes = 0;
  /** Streams whose routes are durable, as info says. */
  private durableStreams: ReadonlySet<string> = new Set();
  private waiting: Arrived[] = [];
  private readonly restorers = new Map<bigint, RouteRestorer>();

  constructor(readonly bootId: string, private readonly room: Room) {}

  /** Note what a route number stands for; beyond a bound the oldest route is forgotten. */
  describe(route: bigint, descriptor: Descriptor): void {
    if (!this.routes.has(route) && this.routes.size >= MAX_ROUTES) {
      const gone = this.routes.keys().next().value!;
      const tracker = this.trackers.get(gone);
      if (tracker instanceof DurableTracker) tracker.release();
      this.routes.delete(gone);
      this.trackers.delete(gone);
      this.restorers.delete(gone);
    }
    if (this.routes.get(route)?.form !== descriptor.form) this.restorers.delete(route);
    this.routes.set(route, descriptor);
  }

  /** The durable streams that info names; what is known of their routes becomes exact. */
  setDurable(streams: ReadonlySet<string>): void {
    this.durableStreams = streams;
    for (const route of [...this.trackers.keys()]) {
      const descriptor = this.routes.get(route);
      if (descriptor && streams.has(descriptor.stream)) this.durable(route);
    }
  }

  tracker(route: bigint): RouteTracker {
    const known = this.trackers.get(route);
    if (known) return known;
    if (this.durableStreams.has(this.routes.get(route)!.stream)) return this.durable(route);
    const tracker = new RouteTracker();
    this.trackers.set(route, tracker);
    return tracker;
  }

  durable(route: bigint): DurableTracker {
    const known = this.trackers.get(route) ?? null;
    if (known instanceof DurableTracker) return known;
    const tracker = new DurableTracker(this.room, known);
    this.trackers.set(route, tracker);
    return tracker;
  }

  /** What restores samples of a route; null for plain CDR. */
  restorer(route: bigint): RouteRestorer | null {
    const { form } = this.routes.get(route)!;
    if (!form) return null;
    let restorer = this.restorers.get(route);
    if (!restorer) this.restorers.set(route, (restorer = new RouteRestorer(form)));
    return restorer;
  }

  get size(): number {
    return Math.max(this.routes.size, this.trackers.size);
  }

  get full(): boolean {
    return this.size >= MAX_ROUTES;
  }

  /** Whether something of a durable route can still come. */
  get unfinished(): boolean {
    return [...this.trackers.values()].some((tracker) =>
      tracker instanceof DurableTracker && !(tracker.closed && tracker.complete));
  }

  /** Note figures of routes; those that are not told of stay as they were. */
  hear(routes: readonly RouteHealth[]): void {
    for (const route of routes) {
      if (this.figures.has(route.route) || this.figures.size < MAX_ROUTES) this.figures.set(route.route, route);
      this.trackers.get(route.route)?.hear(route.dropped);
    }
  }

  /** Keep a section until its route is described. */
  wait(arrived: Arrived): void {
    this.waiting.push(arrived);
    this.waitingBytes += sizeOf(arrived);
  }

  get isWaiting(): boolean {
    return this.waiting.length > 0;
  }

  /** Give up what has waited longest; says how many samples that were. */
  giveUpOldest(): number {
    const oldest = this.waiting.shift()!;
    this.waitingBytes -= sizeOf(oldest);
    return oldest.section.samples.length;
  }

  /** Take out the sections whose routes are described by now, in the order of their arrival. */
  described(): Arrived[] {
    if (!this.waiting.length) return [];
    const ready = this.waiting.filter((arrived) => this.routes.has(arrived.section.route));
    if (!ready.length) return ready;
    this.waiting = this.waiting.filter((arrived) => !this.routes.has(arrived.section.route));
    this.waitingBytes = this.waiting.reduce((sum, arrived) => sum + sizeOf(arrived), 0);
    return ready;
  }

  /** Forget all; says how many samples had come and were not handed on. */
  forget(): number {
    for (const tracker of this.trackers.values()) if (tracker instanceof DurableTracker) tracker.release();
    return this.waiting.reduce((sum, arrived) => sum + arrived.section.samples.length, 0);
  }

  losses(robotId: string): RouteLosses[] {
    const found: RouteLosses[] = [];
    for (const [route, tracker] of this.trackers) {
      const descriptor = this.routes.get(route);
      if (!descriptor) continue;
      const { missing, unexplained } = tracker.missing();
      const durable = tracker instanceof DurableTracker ? tracker : null;
      found.push({
        robotId,
        bootId: this.bootId,
        route,
        stream: descriptor.stream,
        topic: descriptor.topic,
        received: tracker.received,
        duplicates: tracker.duplicates,
        reported: tracker.reported(),
        missing: Number(missing),
        unexplained: Number(unexplained),
        durable: durable !== null,
        committed: durable?.committed == null ? null : Number(durable.committed),
        closed: durable?.closed ?? false,
        complete: durable?.complete ?? false,
        outstanding: Number(durable?.outstanding ?? 0n),
      });
    }
    return found;
  }
}
