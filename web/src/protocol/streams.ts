// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

/** Blocks of layout 3: samples whose lengths and counts differ (docs/protocol.md#layout-3-streams). */

import { ProtocolError } from './errors';
import type { Decoded } from './matrix';
import { decodeTable, readNumbers, splitStamps, swapWords } from './numbers';
import { alignmentOf, HEADER, isLittle, Op, parseProgram, type Program, type Step } from './program';
import type { BlockReader, Budget } from './reader';
import { type First, readTimeHeads, timesOf } from './times';

const PADDING = 1;
const TAILS = 2;
/** What one leaf counts for in a batch's work. */
const LEAF_STEPS = 16;
/** A table that would have more columns has one. */
const WIDE = 64;

/** Samples in pieces: by leaf, lengths and counts, or bytes as they stand in samples. */
interface Streams {
  readonly header: Uint8Array;
  readonly counts: Uint32Array[];
  readonly data: Uint8Array[];
  padding: Uint8Array;
  tails: Uint8Array[];
}

export function decodeStreams(reader: BlockReader, count: number, first: First, budget: Budget): Decoded {
  const flags = reader.byte();
  if (flags & ~(PADDING | TAILS)) throw new ProtocolError(`no such block: ${flags}`);
  const code = reader.take(reader.varint());
  budget.steps(code.length);
  const program = parseProgram(code);
  const streams: Streams = {
    header: reader.take(HEADER),
    counts: [],
    data: Array.from({ length: program.leaves }, () => NOTHING),
    padding: NOTHING,
    tails: [],
  };
  const timeHeads = readTimeHeads(reader, count);
  const times = timesOf(timeHeads, readNumbers(reader, timeHeads.heads, count), count, first);
  new LeafReader(reader, streams, times.sourceNs, budget).read(program.steps, count, true);
  if (flags & TAILS) streams.tails = Array.from({ length: count }, () => reader.take(reader.varint()));
  if (flags & PADDING) streams.padding = reader.take(reader.left);
  if (reader.left) throw new ProtocolError('a block is longer than its columns');
  return { times, samples: new Joiner(program, streams, budget).join(count) };
}

const NOTHING = new Uint8Array();

class LeafReader {
  private readonly little: boolean;

  constructor(
    private readonly reader: BlockReader,
    private readonly streams: Streams,
    private readonly clock: BigInt64Array,
    private readonly budget: Budget,
  ) {
    this.little = isLittle(streams.header);
  }

  /** Read operations that are met `rows` times in all. */
  read(steps: readonly Step[], rows: number, outermost: boolean): void {
    this.budget.steps(steps.length * LEAF_STEPS);
    for (const step of steps) {
      if (step.op === Op.Words) {
        this.table(step.leaf, rows, step.count, step);
      } else if (step.op === Op.Stamp) {
        this.stamps(step, rows, outermost);
      } else if (step.op === Op.Array) {
        this.read(step.body, rows * step.count, false);
      } else {
        const counts = this.counts(rows);
        this.streams.counts[step.leaf] = counts;
        this.counted(step, counts);
      }
    }
  }

  private counted(step: Step, counts: Uint32Array): void {
    const total = counts.reduce((sum, count) => sum + count, 0);
    const same = counts.every((count) => count === counts[0]);
    if (step.op === Op.Loop) {
      if (total) this.read(step.body, total, false);
    } else if (step.op === Op.Text) {
      this.budget.values(total);
      this.streams.data[step.leaf + 1] = this.text(counts, total, same);
    } else if (total) {
      if (same) this.table(step.leaf + 1, counts.length, counts[0]!, step);
      else this.table(step.leaf + 1, total, 0, step);
    }
  }

  private text(counts: Uint32Array, total: number, same: boolean): Uint8Array {
    if (!this.reader.byte()) return this.reader.take(total);
    if (!same) throw new ProtocolError('a repeated text has one length');
    const text = this.reader.take(counts[0]!);
    const texts = new Uint8Array(total);
    for (let at = 0; at < total; at += text.length) texts.set(text, at);
    return texts;
  }

  private stamps(step: Step, rows: number, outermost: boolean): void {
    this.budget.values(8 * rows);
    const table = decodeTable(this.reader, rows, 1, 8, 'i', this.budget, 0, outermost ? this.clock : null);
    splitStamps(new Uint32Array(table.buffer));
    if (!this.little) swapWords(table, 4);
    this.streams.data[step.leaf] = table;
  }

  /** Read a leaf of words; 0 columns for rows of differing lengths, whose words are counted by `rows`. */
  private table(leaf: number, rows: number, columns: number, step: Step): void {
    const total = rows * Math.max(1, columns);
    this.budget.values(total * step.width);
    const single = columns > WIDE || columns === 0;
    const table = single
      ? decodeTable(this.reader, total, 1, step.width, step.kind, this.budget, columns)
      : decodeTable(this.reader, rows, columns, step.width, step.kind, this.budget);
    if (!this.little) swapWords(table, step.width);
    this.streams.data[leaf] = table;
  }

  private counts(rows: number): Uint32Array {
    this.budget.values(4 * rows);
    const first = this.reader.varint();
    if (!first) return new Uint32Array(decodeTable(this.reader, rows, 1, 4, 'u', this.budget).buffer);
    if (first > 2 ** 32) throw new ProtocolError('a count has 32 bits');
    // Whatever is counted takes a byte each at least.
    this.budget.foresee(rows * (first - 1));
    return new Uint32Array(rows).fill(first - 1);
  }
}

/** Lays out one sample after the other. */
class Joiner {
  private bytes = new Uint8Array(4096);
  private size = 0;
  private readonly little: boolean;
  private readonly alignment: number;
  /** By leaf, how much has been used. */
  private readonly used: number[];
  private usedPadding = 0;
  private charged = true;

  constructor(
    private readonly program: Program,
    private readonly streams: Streams,
    private readonly budget: Budget,
  ) {
    this.little = isLittle(streams.header);
    this.alignment = alignmentOf(streams.header);
    this.used = Array.from({ length: program.leaves }, () => 0);
  }

  join(count: number): Uint8Array[] {
    const alike = this.alike(count);
    return Array.from({ length: count }, (_, index) => {
      this.charged = !(alike && index);
      this.size = 0;
      this.put(this.streams.header);
      this.charge(this.program.steps.length);
      this.steps(this.program.steps);
      if (this.streams.tails.length) this.put(this.streams.tails[index]!);
      this.budget.samples(this.size);
      return this.bytes.slice(0, this.size);
    });
  }

  /** Whether all samples have the counts of the first. */
  private alike(count: number): boolean {
    return (
      this.streams.tails.every((tail) => tail.length === this.streams.tails[0]!.length) &&
      this.streams.counts.every((counts) => {
        const each = counts.length / count;
        return Number.isInteger(each) && counts.every((value, index) => value === counts[index % each]);
      })
    );
  }

  private charge(steps: number): void {
    if (this.charged) this.budget.steps(steps);
  }

  private steps(steps: readonly Step[]): void {
    for (const step of steps) {
      switch (step.op) {
        case Op.Words:
          this.align(step.width);
          this.take(step.leaf, step.count * step.width);
          break;
        case Op.Stamp:
          this.align(4);
          this.take(step.leaf, 8);
          break;
        case Op.Array:
          this.repeat(step, step.count);
          break;
        case Op.Loop:
          this.repeat(step, this.count(step.leaf));
          break;
        default: {
          const count = this.count(step.leaf);
          if (count) {
            this.align(step.width);
            this.take(step.leaf + 1, count * step.width);
          }
        }
      }
    }
  }

  private repeat(step: Step, count: number): void {
    this.charge(count * step.body.length);
    for (let time = 0; time < count; time++) this.steps(step.body);
  }

  private count(leaf: number): number {
    this.align(4);
    const count = this.streams.counts[leaf]?.[this.used[leaf]!];
    if (count === undefined) throw new ProtocolError('samples have more loops than their columns');
    this.used[leaf]! += 1;
    this.room(4);
    new DataView(this.bytes.buffer).setUint32(this.size, count, this.little);
    this.size += 4;
    return count;
  }

  private take(leaf: number, length: number): void {
    const from = this.used[leaf]!;
    this.used[leaf] = from + length;
    this.put(this.part(this.streams.data[leaf]!, from, length));
  }

  private align(width: number): void {
    const unit = Math.min(width, this.alignment);
    const gap = (unit - ((this.size - HEADER) % unit)) % unit;
    if (!gap) return;
    this.room(gap);
    if (this.streams.padding.length) {
      this.put(this.part(this.streams.padding, this.usedPadding, gap));
      this.usedPadding += gap;
    } else {
      this.bytes.fill(0, this.size, this.size + gap);
      this.size += gap;
    }
  }

  private part(bytes: Uint8Array, from: number, length: number): Uint8Array {
    if (from + length > bytes.length) throw new ProtocolError('samples need more bytes than their columns have');
    return bytes.subarray(from, from + length);
  }

  private put(bytes: Uint8Array): void {
    this.room(bytes.length);
    this.bytes.set(bytes, this.size);
    this.size += bytes.length;
  }

  private room(size: number): void {
    if (this.size + size <= this.bytes.length) return;
    const larger = new Uint8Array(Math.max(2 * this.bytes.length, this.size + size));
    larger.set(this.bytes.subarray(0, this.size));
    this.bytes = larger;
  }
}
