// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

/** How many ranges several exact sets may take together. */
export class Room {
  constructor(public left: number) {}
}

export interface Range {
  readonly first: bigint;
  readonly last: bigint;
}

/** A set of sequence numbers as sorted, disjoint ranges, bounded in memory. */
export class RangeSet {
  /** How many numbers are in it. */
  total = 0n;
  private readonly starts: bigint[] = [];
  private readonly ends: bigint[] = [];

  /**
   * @param room shared with other exact sets, which take nothing in where it is used up; without, the
   *   two lowest ranges grow together beyond the bound, and what lies between counts as present
   */
  constructor(private readonly maxRanges: number, private readonly room: Room | null = null) {}

  get ranges(): Range[] {
    return this.starts.map((first, place) => ({ first, last: this.ends[place]! }));
  }

  get last(): bigint {
    return this.ends.at(-1) ?? 0n;
  }

  /** Whether a range is all in the set; nothing lacks of an empty one. */
  covers(first: bigint, last: bigint): boolean {
    return last < first || this.holes(first, last).length === 0;
  }

  /** How many numbers of a range are in the set. */
  count(first: bigint, last: bigint): bigint {
    let count = last < first ? 0n : last - first + 1n;
    for (const hole of this.holes(first, last)) count -= hole.last - hole.first + 1n;
    return count;
  }

  /** What of a range is not in the set, rising. */
  holes(first: bigint, last: bigint): Range[] {
    const holes: Range[] = [];
    let from = first;
    for (let place = lowerBound(this.ends, first); place < this.starts.length && this.starts[place]! <= last; place++) {
      if (from < this.starts[place]!) holes.push({ first: from, last: this.starts[place]! - 1n });
      from = this.ends[place]! + 1n;
    }
    if (from <= last) holes.push({ first: from, last });
    return holes;
  }

  /** Add a range; false where there was no room for it, and the set is as before. */
  add(first: bigint, last: bigint): boolean {
    const { starts, ends } = this;
    if (ends.length && first === ends.at(-1)! + 1n) {
      ends[ends.length - 1] = last;
      this.total += last - first + 1n;
      return true;
    }
    const low = lowerBound(ends, first - 1n);
    const high = lowerBound(starts, last + 2n);
    const growth = 1 - (high - low);
    if (this.room && growth > 0 && (this.room.left < 1 || starts.length >= this.maxRanges)) return false;
    if (this.room) this.room.left -= growth;
    this.total += last - first + 1n - this.count(first, last);
    const start = growth < 1 && starts[low]! < first ? starts[low]! : first;
    const end = growth < 1 && ends[high - 1]! > last ? ends[high - 1]! : last;
    starts.splice(low, high - low, start);
    ends.splice(low, high - low, end);
    if (!this.room && starts.length > this.maxRanges) {
      this.total += starts[1]! - ends[0]! - 1n;
      starts.splice(1, 1);
      ends.splice(0, 1);
    }
    return true;
  }

  clear(): void {
    if (this.room) this.room.left += this.starts.length;
    this.starts.length = this.ends.length = 0;
    this.total = 0n;
  }
}

/** The first place whose number is at least this. */
function lowerBound(numbers: readonly bigint[], number: bigint): number {
  let low = 0;
  let high = numbers.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (numbers[middle]! < number) low = middle + 1;
    else high = middle;
  }
  return low;
}
