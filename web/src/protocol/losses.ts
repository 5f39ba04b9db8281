// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

/** What a route lost (docs/protocol.md#losses): what the robot says, and what the numbers say. */

import type { Gap } from './account';
import { type Range, RangeSet, type Room } from './ranges';

/** From here on a drop leaves a gap in the sequence numbers. */
const SEQUENCED = 16;
const MAX_REASONS = 256;
const MAX_RANGES = 1024;
const MAX_EXACT_RANGES = 262_144;
/** What an exact set takes beside its ranges, in ranges. */
const SET_RANGES = 16;

const REASONS: Readonly<Record<number, string>> = {
  1: 'lost_before_bridge', 2: 'rate', 3: 'decimation', 4: 'duplicate', 5: 'degraded', 6: 'not_demanded', 7: 'unchanged',
  8: 'not_reduced', 16: 'superseded', 17: 'overflow_samples', 18: 'overflow_bytes', 19: 'expired', 20: 'abandoned',
  21: 'refused', 22: 'shutdown', 23: 'not_committed', 24: 'spool_full', 25: 'damaged',
};

function reasonName(reason: number): string {
  return REASONS[reason] ?? `reason_${reason}`;
}

function sequenced(totals: ReadonlyMap<number, bigint>): bigint {
  let sum = 0n;
  for (const [reason, count] of totals) if (reason >= SEQUENCED) sum += count;
  return sum;
}

function positive(number: bigint): bigint {
  return number > 0n ? number : 0n;
}

/** Runs of consecutive numbers in a section. */
function runs(sequences: BigInt64Array): Range[] {
  const last = sequences.length - 1;
  if (sequences[last]! - sequences[0]! === BigInt(last)) return [{ first: sequences[0]!, last: sequences[last]! }];
  const found: Range[] = [];
  let first = 0;
  for (let index = 1; index <= sequences.length; index++) {
    if (index < sequences.length && sequences[index] === sequences[index - 1]! + 1n) continue;
    found.push({ first: sequences[first]!, last: sequences[index - 1]! });
    first = index;
  }
  return found;
}

/** For each number of a run whether it lies in a hole. */
function markFresh(fresh: boolean[], run: Range, holes: readonly Range[]): void {
  let from = run.first;
  for (const hole of holes) {
    for (; from < hole.first; from++) fresh.push(false);
    for (; from <= hole.last; from++) fresh.push(true);
  }
  for (; from <= run.last; from++) fresh.push(false);
}

export interface Missing {
  readonly missing: bigint;
  readonly unexplained: bigint;
}

/** Sequence numbers and reported drops of one route of one boot. */
export class RouteTracker {
  received = 0;
  duplicates = 0;
  protected first: bigint | null = null;
  protected totals = new Map<number, bigint>();
  protected told: Readonly<Record<string, number>> = {};
  private readonly seen = new RangeSet(MAX_RANGES);
  private last = 0n;
  private present = 0n;
  /** What the robot had dropped before the first sample that came. */
  private baseline: bigint | null = null;

  /**
   * Note a section.
   *
   * @param latched whether its samples may be from any time before
   * @returns for each sample whether it is new
   */
  take(sequences: BigInt64Array, totals: ReadonlyMap<number, bigint> | null, latched: boolean): boolean[] {
    const first = this.first;
    const last = this.last;
    const missing = this.gap();
    const fresh: boolean[] = [];
    for (const run of runs(sequences)) this.accept(run, latched, fresh);
    this.count(fresh);
    this.hearTotals(totals);
    if (this.first === null) return fresh;
    const revealed = positive(this.gap() - missing);
    const opened = first === null || this.first < first;
    if (totals && opened) {
      const inside = sequences.at(-1)! - sequences[0]! + 1n - BigInt(sequences.length);
      this.baseline = positive(sequenced(totals) - inside);
    } else if (totals && this.baseline === null && this.last > last) {
      this.baseline = positive(sequenced(totals) - revealed);
    } else if (opened && this.baseline !== null) {
      this.baseline = positive(this.baseline - revealed);
    }
    return fresh;
  }

  protected count(fresh: readonly boolean[]): void {
    const added = fresh.reduce((sum, isNew) => sum + Number(isNew), 0);
    this.received += added;
    this.duplicates += fresh.length - added;
  }

  protected hearTotals(totals: ReadonlyMap<number, bigint> | null): void {
    for (const [reason, count] of totals ?? []) {
      const known = this.totals.get(reason);
      if (known === undefined ? this.totals.size < MAX_REASONS : count > known) this.totals.set(reason, count);
    }
  }

  private accept(run: Range, latched: boolean, fresh: boolean[]): void {
    const holes = this.seen.holes(run.first, run.last);
    markFresh(fresh, run, holes);
    this.seen.add(run.first, run.last);
    if (this.first === null) {
      if (latched) return;
      this.first = run.first;
      this.last = run.last;
      this.present = run.last - run.first + 1n;
      return;
    }
    const { first, last } = this;
    for (const hole of holes) {
      const from = hole.first > first ? hole.first : first;
      const to = hole.last < last ? hole.last : last;
      this.present += positive(to - from + 1n);
    }
    if (run.last > last) {
      this.present += this.seen.count(last + 1n, run.last);
      this.last = run.last;
    }
    if (run.first < first && !latched) {
      this.present += this.seen.count(run.first, first - 1n);
      this.first = run.first;
    }
  }

  private gap(): bigint {
    return this.first === null ? 0n : this.last - this.first + 1n - this.present;
  }

  /** Note what `health` says, which also tells of drops that no later sample reports. */
  hear(dropped: Readonly<Record<string, number>>): void {
    this.told = dropped;
  }

  reported(): Record<string, number> {
    const reported: Record<string, number> = {};
    for (const [reason, count] of this.totals) reported[reasonName(reason)] = Number(count);
    for (const [name, count] of Object.entries(this.told)) {
      Object.defineProperty(reported, name, { value: Math.max(count, Object.hasOwn(reported, name) ? reported[name]! : 0), enumerable: true, writable: true });
    }
    return reported;
  }

  missing(): Missing {
    const missing = this.gap();
    if (this.baseline === null) return { missing, unexplained: missing };
    return { missing, unexplained: positive(missing - (sequenced(this.totals) - this.baseline)) };
  }

  /** What a tracker of the same route that is exact begins with. */
  before(): { first: bigint | null; totals: Map<number, bigint>; told: Readonly<Record<string, number>>; ranges: Range[] } {
    return { first: this.first, totals: this.totals, told: this.told, ranges: this.seen.ranges };
  }
}

/** Exact sets of what came and of what will never come, of one durable route of one boot. */
export class DurableTracker extends RouteTracker {
  committed: bigint | null = null;
  closed = false;
  private readonly came: RangeSet;
  private readonly settled: RangeSet;
  private readonly gone: RangeSet;
  private readonly goneBy = new Map<number, RangeSet>();

  constructor(private readonly room: Room, before: RouteTracker | null) {
    super();
    this.came = new RangeSet(MAX_EXACT_RANGES, room);
    this.settled = new RangeSet(MAX_EXACT_RANGES, room);
    this.gone = new RangeSet(MAX_EXACT_RANGES, room);
    if (!before) return;
    const { first, totals, told, ranges } = before.before();
    Object.assign(this, { first, totals, told });
    this.received = before.received;
    this.duplicates = before.duplicates;
    for (const range of ranges) this.note(range);
  }

  override take(sequences: BigInt64Array, totals: ReadonlyMap<number, bigint> | null, latched: boolean): boolean[] {
    this.hearTotals(totals);
    const fresh: boolean[] = [];
    for (const run of runs(sequences)) {
      const holes = this.came.holes(run.first, run.last);
      markFresh(fresh, run, holes);
      if (holes.length) this.note({ first: holes[0]!.first, last: run.last });
    }
    if (!latched && (this.first === null || sequences[0]! < this.first)) this.first = sequences[0]!;
    this.count(fresh);
    return fresh;
  }

  private note({ first, last }: Range): void {
    // What comes is settled; where there is no room it is neither, and may be handed on again.
    if (this.came.add(first, last)) this.settled.add(first, last);
  }

  /** Note what an account says of the route. */
  tell(committed: bigint, closed: boolean, gaps: readonly Gap[]): void {
    if (this.committed === null || committed > this.committed) this.committed = committed;
    this.closed ||= closed;
    for (const gap of gaps) {
      const told = this.goneFor(gap.reason);
      // A number has one reason: the first that was told.
      for (const { first, last } of this.gone.holes(gap.first, gap.last)) {
        if (this.gone.add(first, last) && told.add(first, last)) this.settled.add(first, last);
      }
    }
  }

  private goneFor(reason: number): RangeSet {
    let told = this.goneBy.get(reason);
    if (!told) {
      this.room.left -= SET_RANGES;
      this.goneBy.set(reason, (told = new RangeSet(MAX_EXACT_RANGES, this.room)));
    }
    return told;
  }

  /** Give the room back; the tracker is not used any more. */
  release(): void {
    for (const numbers of [this.came, this.settled, this.gone, ...this.goneBy.values()]) numbers.clear();
    this.room.left += SET_RANGES * this.goneBy.size;
    this.goneBy.clear();
  }

  get complete(): boolean {
    return this.committed !== null && this.settled.covers(1n, this.committed);
  }

  get outstanding(): bigint {
    const committed = this.committed ?? 0n;
    return committed - this.settled.count(1n, committed);
  }

  override reported(): Record<string, number> {
    const reported = super.reported();
    for (const [reason, told] of this.goneBy) {
      const name = reasonName(reason);
      // Health counts the same drops.
      if (told.total) reported[name] = Math.max(Number(told.total), reported[name] ?? 0);
    }
    return reported;
  }

  override missing(): Missing {
    const told = positive(this.settled.total - this.came.total);
    if (this.first === null) return { missing: told, unexplained: 0n };
    const committed = this.committed ?? 0n;
    const last = this.came.last > committed ? this.came.last : committed;
    let unexplained = 0n;
    for (const hole of this.settled.holes(this.first, last)) unexplained += hole.last - hole.first + 1n;
    return { missing: told + unexplained, unexplained };
  }
}
