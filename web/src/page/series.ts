// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

/**
 * A plot's history in bounded memory, whatever the rate and however long it runs.
 *
 * Level 0 has the newest points as they came. Each further level has two points for sixteen of the
 * level before: the least and the greatest of each field. So a spike is never lost, and every window
 * is drawn from the finest level that reaches back far enough.
 */

const LEVELS = 5;
const GROUP = 16;
/** Points that a level keeps at least; the buffer has twice as many, so that it seldom moves. */
const KEPT = 8192;

class Level {
  private times = new Float64Array(512);
  private columns: Float64Array[];
  private start = 0;
  private end = 0;

  constructor(fields: number) {
    this.columns = Array.from({ length: fields }, () => new Float64Array(512));
  }

  get length(): number {
    return this.end - this.start;
  }

  get first(): number {
    return this.length > 0 ? this.times[this.start]! : Infinity;
  }

  get last(): number {
    return this.length > 0 ? this.times[this.end - 1]! : -Infinity;
  }

  push(time: number, values: ArrayLike<number>): void {
    if (this.end === this.times.length) this.makeRoom();
    this.times[this.end] = time;
    for (let i = 0; i < this.columns.length; i++) this.columns[i]![this.end] = values[i]!;
    this.end += 1;
  }

  /** The points from `since` on, and one before them, so that a line comes in from the edge. */
  view(since: number): Float64Array[] {
    let low = this.start;
    let high = this.end;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.times[middle]! < since) low = middle + 1;
      else high = middle;
    }
    const from = Math.max(this.start, low - 1);
    return [this.times, ...this.columns].map((column) => column.subarray(from, this.end));
  }

  value(field: number, back: number): number {
    return this.columns[field]![this.end - back]!;
  }

  time(back: number): number {
    return this.times[this.end - back]!;
  }

  private makeRoom(): void {
    if (this.times.length < 2 * KEPT) {
      this.times = grown(this.times);
      this.columns = this.columns.map(grown);
      return;
    }
    const from = this.end - KEPT;
    for (const column of [this.times, ...this.columns]) column.copyWithin(0, from, this.end);
    this.start = 0;
    this.end = KEPT;
  }
}

function grown(column: Float64Array): Float64Array<ArrayBuffer> {
  const larger = new Float64Array(2 * column.length);
  larger.set(column);
  return larger;
}

export class Series {
  private levels: Level[];
  private pending: number[];

  constructor(readonly fields: number) {
    this.levels = [];
    this.pending = [];
    this.clear();
  }

  get last(): number {
    return this.levels[0]!.last;
  }

  /** The last value of a field, NaN when nothing has come. */
  newest(field: number): number {
    const level = this.levels[0]!;
    return level.length > 0 ? level.value(field, 1) : NaN;
  }

  clear(): void {
    this.levels = Array.from({ length: LEVELS }, () => new Level(this.fields));
    this.pending = Array.from({ length: LEVELS }, () => 0);
  }

  /** @param values those of the first field, then of the second, … */
  append(times: Float64Array, values: Float64Array): void {
    const row = new Float64Array(this.fields);
    for (let i = 0; i < times.length; i++) {
      const time = times[i]!;
      // The robot's clock was set back, or a message came late: a plot goes to the right only.
      if (time < this.last) {
        if (time > this.last - 10) continue;
        this.clear();
      }
      for (let field = 0; field < this.fields; field++) row[field] = values[field * times.length + i]!;
      this.push(0, time, row);
    }
  }

  /** @returns times and a column per field, to be drawn and not kept: the next append changes them */
  window(since: number, most: number): Float64Array[] {
    const from = Math.max(since, Math.min(...this.levels.map((level) => level.first)));
    let found = this.levels[0]!.view(since);
    for (const level of this.levels) {
      if (level.length < 2) break;
      if (level.first > from) continue;
      found = level.view(since);
      if (found[0]!.length <= most) break;
    }
    return found;
  }

  private push(level: number, time: number, row: Float64Array): void {
    const at = this.levels[level]!;
    at.push(time, row);
    this.pending[level]! += 1;
    if (this.pending[level] !== GROUP || level + 1 === LEVELS) return;
    this.pending[level] = 0;
    const least = new Float64Array(this.fields);
    const greatest = new Float64Array(this.fields);
    for (let field = 0; field < this.fields; field++) {
      let low = Infinity;
      let high = -Infinity;
      for (let back = GROUP; back >= 1; back--) {
        const value = at.value(field, back);
        if (value < low) low = value;
        if (value > high) high = value;
      }
      least[field] = low === Infinity ? NaN : low;
      greatest[field] = high === -Infinity ? NaN : high;
    }
    this.push(level + 1, at.time(GROUP), least);
    this.push(level + 1, at.time(GROUP / 2), greatest);
  }
}
