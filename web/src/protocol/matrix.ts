// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

/** Blocks of layout 2: samples whose words are at the same places (docs/protocol.md#layout-2-columns). */

import { ProtocolError } from './errors';
import {
  COLUMN_STEPS, decodeTable, fillRows, type Head, putColumn, readHead, readNumbers, splitStamps, swapWords, undo,
  type Wide, wordAt,
} from './numbers';
import { alignmentOf, HEADER, isLittle, type Kind, Op, parseProgram, type Program, type Step } from './program';
import { type BlockReader, type Budget, maskPlaces } from './reader';
import { type First, readTimeHeads, type Times, timesOf } from './times';

const MAX_PLACES = 4096;
const MAX_MATRIX = 1 << 22;
const MAX_CACHED = 128;
/** More words than this at one place are one part. */
const WIDE = 64;

/** What varies as one: a word, or a large array of them. */
interface Part {
  readonly start: number;
  readonly width: number;
  readonly length: number;
  /** Of its words; `stamp`, or `count` for what never varies. */
  readonly kind: Kind | 'stamp' | 'count';
}

class Misfit extends ProtocolError {
  constructor() {
    super('a template does not fit its layout program');
  }
}

/** Goes through a sample by a program, and notes where its parts are. */
class PartFinder {
  readonly parts: Part[] = [];
  private readonly view: DataView;
  private readonly little: boolean;
  private readonly alignment: number;

  constructor(private readonly sample: Uint8Array, private readonly budget: Budget) {
    if (sample.length < HEADER) throw new Misfit();
    this.view = new DataView(sample.buffer, sample.byteOffset, sample.length);
    this.little = isLittle(sample);
    this.alignment = alignmentOf(sample);
  }

  find(program: Program): Part[] {
    this.budget.steps(program.steps.length);
    const end = this.steps(program.steps, HEADER);
    if (end > this.sample.length) throw new Misfit();
    this.add(end, this.sample.length - end, 1, 'u');
    if (!this.parts.length) throw new ProtocolError('a matrix has samples of at least one word');
    return this.parts;
  }

  private steps(steps: readonly Step[], from: number): number {
    let at = from;
    for (const step of steps) {
      if (step.op === Op.Words) {
        at = this.words(at, step.count, step.width, step.kind);
      } else if (step.op === Op.Stamp) {
        at = this.align(at, 4);
        this.parts.push({ start: at, width: 8, length: 1, kind: 'stamp' });
        at += 8;
      } else if (step.op === Op.Array) {
        at = this.repeat(step, step.count, at);
      } else {
        at = this.align(at, 4);
        const count = this.count(at);
        at += 4;
        if (step.op === Op.Text) at = this.words(at, count, 1, 'u');
        else if (step.op === Op.Sequence) at = count ? this.words(at, count, step.width, step.kind) : at;
        else at = this.repeat(step, count, at);
      }
      if (at > this.sample.length) throw new Misfit();
    }
    return at;
  }

  private repeat(step: Step, count: number, from: number): number {
    if (step.op === Op.Loop && count > this.sample.length) throw new Misfit();
    this.budget.steps(count * step.body.length);
    let at = from;
    for (let time = 0; time < count; time++) at = this.steps(step.body, at);
    return at;
  }

  private words(from: number, count: number, width: number, kind: Kind): number {
    const start = this.align(from, width);
    if (start + count * width > this.sample.length) throw new Misfit();
    this.add(start, count, width, kind);
    return start + count * width;
  }

  private align(at: number, width: number): number {
    const unit = Math.min(width, this.alignment);
    const gap = (unit - ((at - HEADER) % unit)) % unit;
    this.add(at, gap, 1, 'u');
    return at + gap;
  }

  private count(at: number): number {
    if (at + 4 > this.sample.length) throw new Misfit();
    this.add(at, 1, 4, 'count');
    return this.view.getUint32(at, this.little);
  }

  private add(start: number, count: number, width: number, kind: Part['kind']): void {
    if (this.parts.length + (count > WIDE ? 1 : count) > MAX_PLACES) {
      throw new ProtocolError(`samples of at most ${MAX_PLACES} words stand in a matrix`);
    }
    if (count > WIDE) {
      this.parts.push({ start, width, length: count, kind });
      return;
    }
    for (let index = 0; index < count; index++) this.parts.push({ start: start + index * width, width, length: 1, kind });
  }
}

/** Remembers parts: layouts are the same in batch after batch. */
const cache = new Map<string, { readonly header: Uint8Array; readonly parts: readonly Part[] }>();

function partsOf(code: Uint8Array, sample: Uint8Array, budget: Budget): readonly Part[] {
  const key = `${sample.length}:${String.fromCharCode(...code)}`;
  const known = cache.get(key);
  if (known && sameCounts(known.header, sample, known.parts)) return known.parts;
  const parts = new PartFinder(sample, budget).find(parseProgram(code));
  cache.delete(key);
  cache.set(key, { header: sample.slice(), parts });
  if (cache.size > MAX_CACHED) cache.delete(cache.keys().next().value!);
  return parts;
}

function sameCounts(known: Uint8Array, sample: Uint8Array, parts: readonly Part[]): boolean {
  const same = (from: number): boolean => [0, 1, 2, 3].every((byte) => known[from + byte] === sample[from + byte]);
  return same(0) && parts.every((part) => part.kind !== 'count' || same(part.start));
}

export interface Decoded {
  readonly times: Times;
  readonly samples: Uint8Array[];
}

export function decodeMatrix(reader: BlockReader, count: number, first: First, budget: Budget): Decoded {
  const code = reader.take(reader.varint());
  if (code.length > 4096) throw new ProtocolError('a layout program has at most 4096 bytes');
  budget.steps(code.length);
  const size = reader.varint();
  const timeHeads = readTimeHeads(reader, count);
  const template = reader.take(size);
  const parts = partsOf(code, template, budget);
  const varying = maskPlaces(reader.take((parts.length + 7) >> 3), parts.length).map((place) => parts[place]!);
  budget.steps(varying.length * COLUMN_STEPS);
  for (const { kind, width, length } of varying) {
    if (kind === 'count') throw new ProtocolError('lengths and counts do not vary in a matrix');
    budget.values(count * width * length);
  }
  const narrow = varying.filter((part) => part.length === 1);
  if (count * narrow.length > MAX_MATRIX) throw new ProtocolError(`a matrix has at most ${MAX_MATRIX} words`);
  const heads = narrow.map(({ kind, width }): Head =>
    readHead(reader, count, width, wordKind(kind), 0, kind === 'stamp', budget));
  const numbers = readNumbers(reader, [...timeHeads.heads, ...heads], count);
  const times = timesOf(timeHeads, numbers, count, first);
  budget.samples(count * size);
  const matrix = new Uint8Array(count * size);
  fillRows(matrix, template);
  const little = isLittle(template);
  narrow.forEach((part, index) => {
    const words = numbers[timeHeads.heads.length + index]!;
    const reference = wordAt(template, part.start, part.width);
    undo(words, heads[index]!, reference, part.width, wordKind(part.kind), 0, times.sourceNs);
    if (part.kind === 'stamp') splitStamps(words);
    if (!little) swapWide(words, part);
    putColumn(matrix, part.start, size, part.width, words);
  });
  for (const part of varying) {
    if (part.length === 1) continue;
    const bytes = part.length * part.width;
    if (template.subarray(part.start, part.start + bytes).some(Boolean)) {
      throw new ProtocolError('an array that varies has nothing in the template');
    }
    const table = decodeTable(reader, count * part.length, 1, part.width, wordKind(part.kind), budget, part.length);
    if (!little) swapWords(table, part.width);
    for (let row = 0; row < count; row++) matrix.set(table.subarray(row * bytes, (row + 1) * bytes), row * size + part.start);
  }
  if (reader.left) throw new ProtocolError('a block is longer than its columns');
  return { times, samples: Array.from({ length: count }, (_, row) => matrix.slice(row * size, (row + 1) * size)) };
}

function wordKind(kind: Part['kind']): Kind {
  return kind === 'stamp' ? 'i' : kind === 'count' ? 'u' : kind;
}

/** Turn words to big-endian: those of a stamp are two of 4 bytes. */
function swapWide(words: Wide, part: Part): void {
  const stamp = part.kind === 'stamp';
  const bytes = new Uint8Array(words.buffer);
  for (let at = 0; at < bytes.length; at += 8) {
    swapWords(bytes.subarray(at, at + part.width), stamp ? 4 : part.width);
  }
}
