// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Decompression of one zstd frame (RFC 8878) whose length is known beforehand.
 *
 * Ours, because what there is either does not check where matches point and how long they are, so that
 * a small hostile frame keeps a page busy for minutes (fzstd), or is WebAssembly, which needs a hole in
 * the page's content security policy; and neither takes a dictionary of raw content. Here no loop runs
 * further than the output that was announced. Names are those of the RFC.
 */

import { ProtocolError } from './errors';

const MAGIC = 0xfd2fb528;
const MAX_BLOCK = 128 * 1024;
const HISTORY = [1, 4, 8];

const LITERALS_LENGTH = { maxLog: 9, maxCode: 35 };
const OFFSET = { maxLog: 8, maxCode: 31 };
const MATCH_LENGTH = { maxLog: 9, maxCode: 52 };

const LITERALS_BITS = [...Array<number>(16).fill(0), 1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];
const MATCH_BITS = [...Array<number>(32).fill(0), 1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];
const LITERALS_BASES = bases(LITERALS_BITS, 0);
const MATCH_BASES = bases(MATCH_BITS, 3);

function bases(bits: readonly number[], first: number): number[] {
  let next = first;
  return bits.map((size) => {
    const base = next;
    next += 2 ** size;
    return base;
  });
}

function refuse(what: string): never {
  throw new ProtocolError(`broken zstd data: ${what}`);
}

/** A decoding table of finite state entropy; a state's entries are at its number. */
interface FseTable {
  readonly log: number;
  readonly symbols: Uint8Array;
  readonly bits: Uint8Array;
  readonly baselines: Uint16Array;
}

interface HuffmanTable {
  readonly maxBits: number;
  /** By the next `maxBits` bits. */
  readonly symbols: Uint8Array;
  readonly bits: Uint8Array;
}

/** Build a table from normalized counts; -1 is a probability below 1. */
function buildFse(log: number, counts: readonly number[]): FseTable {
  const size = 1 << log;
  const symbols = new Uint8Array(size);
  let high = size;
  counts.forEach((count, symbol) => {
    if (count === -1) symbols[--high] = symbol;
  });
  const step = (size >> 1) + (size >> 3) + 3;
  let place = 0;
  counts.forEach((count, symbol) => {
    for (let index = 0; index < count; index++) {
      symbols[place] = symbol;
      do place = (place + step) & (size - 1);
      while (place >= high);
    }
  });
  const next = counts.map((count) => Math.abs(count));
  const bits = new Uint8Array(size);
  const baselines = new Uint16Array(size);
  for (let state = 0; state < size; state++) {
    const number = next[symbols[state]!]!++;
    bits[state] = log - (31 - Math.clz32(number));
    baselines[state] = (number << bits[state]!) - size;
  }
  return { log, symbols, bits, baselines };
}

const DEFAULTS = {
  literals: buildFse(6, [4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1, -1, -1, -1, -1]),
  offsets: buildFse(5, [1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1]),
  matches: buildFse(6, [
    1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    1, 1, 1, -1, -1, -1, -1, -1, -1, -1,
  ]),
};

/** Reads the description of a table; gives the place behind it. */
function readFse(data: Uint8Array, from: number, end: number, maxLog: number, maxCode: number): [FseTable, number] {
  let place = 8 * from;
  const read = (size: number): number => {
    const value = bitsAt(data, place, size, end);
    place += size;
    return value;
  };
  const log = read(4) + 5;
  if (log > maxLog) refuse('table too large');
  const counts: number[] = [];
  let left = 1 << log;
  while (left > 0) {
    if (counts.length > maxCode) refuse('too many symbols');
    const size = 32 - Math.clz32(left + 1);
    const low = 2 ** (size - 1);
    const threshold = 2 * low - 2 - left;
    let value = bitsAt(data, place, size, end, true);
    if ((value & (low - 1)) < threshold) {
      value &= low - 1;
      place += size - 1;
    } else {
      if (value >= low) value -= threshold;
      place += size;
    }
    const count = value - 1;
    counts.push(count);
    left -= Math.abs(count);
    if (count !== 0) continue;
    let repeats: number;
    do {
      repeats = read(2);
      for (let index = 0; index < repeats; index++) counts.push(0);
      if (counts.length > maxCode + 1) refuse('too many symbols');
    } while (repeats === 3);
  }
  const behind = (place + 7) >> 3;
  if (left || behind > end) refuse('table of another size');
  return [buildFse(log, counts), behind];
}

/** Up to 25 bits, lowest first; zeros behind the end only if `loose`. */
function bitsAt(data: Uint8Array, place: number, size: number, end: number, loose = false): number {
  const at = place >> 3;
  if (place + size > 8 * end && !loose) refuse('cut off');
  let value = 0;
  for (let byte = 0; byte < 4; byte++) if (at + byte < end) value |= data[at + byte]! << (8 * byte);
  return (value >>> (place & 7)) & (2 ** size - 1);
}

/** A bit stream that is read from its end. */
class Backward {
  /** Bits that are left; negative where more were read than there are, which are zeros. */
  left: number;

  constructor(private readonly data: Uint8Array, private readonly from: number, end: number) {
    const last = end > from ? data[end - 1]! : 0;
    if (!last) refuse('a stream without its end mark');
    this.left = 8 * (end - from) - 1 - Math.clz32(last) + 24;
  }

  /** Up to 25 bits. */
  read(size: number): number {
    this.left -= size;
    if (this.left >= 0) return this.at(this.left, size);
    const missing = -this.left;
    return missing >= size ? 0 : this.at(0, size - missing) << missing;
  }

  private at(place: number, size: number): number {
    const { data } = this;
    const at = this.from + (place >> 3);
    const value = data[at]! | (data[at + 1]! << 8) | (data[at + 2]! << 16) | (data[at + 3]! << 24);
    return (value >>> (place & 7)) & ((1 << size) - 1);
  }
}

function readHuffman(data: Uint8Array, from: number, end: number): [HuffmanTable, number] {
  if (from >= end) refuse('cut off');
  const head = data[from]!;
  const weights: number[] = [];
  let behind: number;
  if (head >= 128) {
    const count = head - 127;
    behind = from + 1 + ((count + 1) >> 1);
    if (behind > end) refuse('cut off');
    for (let index = 0; index < count; index++) {
      const byte = data[from + 1 + (index >> 1)]!;
      weights.push(index & 1 ? byte & 15 : byte >> 4);
    }
  } else {
    behind = from + 1 + head;
    if (behind > end) refuse('cut off');
    const [table, start] = readFse(data, from + 1, behind, 6, 255);
    readWeights(table, new Backward(data, start, behind), weights);
  }
  return [buildHuffman(weights), behind];
}

function readWeights(table: FseTable, bits: Backward, weights: number[]): void {
  const states = [bits.read(table.log), bits.read(table.log)];
  if (bits.left < 0) refuse('cut off');
  for (let turn = 0; ; turn ^= 1) {
    const state = states[turn]!;
    weights.push(table.symbols[state]!);
    if (weights.length > 254) refuse('too many weights');
    const size = table.bits[state]!;
    if (bits.left < size) {
      weights.push(table.symbols[states[turn ^ 1]!]!);
      return;
    }
    states[turn] = table.baselines[state]! + bits.read(size);
  }
}

function buildHuffman(weights: number[]): HuffmanTable {
  let sum = 0;
  for (const weight of weights) {
    if (weight > 11) refuse('weight too large');
    if (weight) sum += 1 << (weight - 1);
  }
  if (!sum) refuse('no weights');
  const maxBits = 32 - Math.clz32(sum);
  const rest = (1 << maxBits) - sum;
  if (maxBits > 11 || rest & (rest - 1)) refuse('weights do not add up');
  weights.push(32 - Math.clz32(rest));
  const symbols = new Uint8Array(1 << maxBits);
  const bits = new Uint8Array(1 << maxBits);
  // Longest codes first, of one length in the order of their symbols.
  let place = 0;
  for (let weight = 1; weight <= maxBits; weight++) {
    const span = 1 << (weight - 1);
    for (let symbol = 0; symbol < weights.length; symbol++) {
      if (weights[symbol] !== weight) continue;
      symbols.fill(symbol, place, place + span);
      bits.fill(maxBits + 1 - weight, place, place + span);
      place += span;
    }
  }
  return { maxBits, symbols, bits };
}

function decodeHuffman(
  table: HuffmanTable, data: Uint8Array, from: number, end: number, out: Uint8Array, first: number, last: number,
): void {
  const bits = new Backward(data, from, end);
  const { maxBits, symbols } = table;
  const mask = (1 << maxBits) - 1;
  let state = bits.read(maxBits);
  for (let at = first; at < last; at++) {
    out[at] = symbols[state]!;
    const size = table.bits[state]!;
    state = ((state << size) | bits.read(size)) & mask;
  }
  if (bits.left !== -maxBits) refuse('a stream of another length');
}

class FrameDecoder {
  private at: number;
  private written: number;
  private huffman: HuffmanTable | null = null;
  private tables: [FseTable | null, FseTable | null, FseTable | null] = [null, null, null];
  private readonly history = [...HISTORY];
  private readonly literals = new Uint8Array(MAX_BLOCK);

  /** @param out begins with `prefix` bytes of a dictionary */
  constructor(private readonly data: Uint8Array, at: number, private readonly out: Uint8Array, prefix: number) {
    this.at = at;
    this.written = prefix;
  }

  run(): void {
    for (let last = false; !last; ) {
      if (this.at + 3 > this.data.length) refuse('cut off');
      const head = this.data[this.at]! | (this.data[this.at + 1]! << 8) | (this.data[this.at + 2]! << 16);
      this.at += 3;
      last = (head & 1) === 1;
      this.block((head >> 1) & 3, head >> 3);
    }
    if (this.written !== this.out.length) refuse('another length than announced');
  }

  private block(type: number, size: number): void {
    if (size > MAX_BLOCK) refuse('block too large');
    const end = this.at + (type === 1 ? 1 : size);
    if (type === 3 || end > this.data.length) refuse('cut off');
    if (type === 0) this.put(this.data.subarray(this.at, end));
    else if (type === 1) {
      this.room(size);
      this.out.fill(this.data[this.at]!, this.written, (this.written += size));
    } else this.compressed(end);
    this.at = end;
  }

  private room(size: number): void {
    if (size > this.out.length - this.written) refuse('longer than announced');
  }

  private put(bytes: Uint8Array): void {
    this.room(bytes.length);
    this.out.set(bytes, this.written);
    this.written += bytes.length;
  }

  private compressed(end: number): void {
    const count = this.readLiterals(end);
    const limit = this.written + MAX_BLOCK;
    const used = this.sequences(end, count);
    this.put(this.literals.subarray(used, count));
    if (this.written > limit) refuse('block too large');
  }

  /** Fill `literals`; gives how many there are. */
  private readLiterals(end: number): number {
    const { data } = this;
    const byte = (index: number): number => (this.at + index < end ? data[this.at + index]! : refuse('cut off'));
    const type = byte(0) & 3;
    const format = (byte(0) >> 2) & 3;
    if (type < 2) {
      const size = format === 1 ? (byte(0) >> 4) | (byte(1) << 4)
        : format === 3 ? (byte(0) >> 4) | (byte(1) << 4) | (byte(2) << 12) : byte(0) >> 3;
      this.at += format === 1 ? 2 : format === 3 ? 3 : 1;
      if (size > MAX_BLOCK || this.at + (type ? 1 : size) > end) refuse('literals are cut off');
      if (type) this.literals.fill(data[this.at]!, 0, size);
      else this.literals.set(data.subarray(this.at, this.at + size));
      this.at += type ? 1 : size;
      return size;
    }
    const bits = format < 2 ? 10 : format === 2 ? 14 : 18;
    const bytes = format < 2 ? 3 : format === 2 ? 4 : 5;
    let head = 0;
    for (let index = bytes - 1; index >= 0; index--) head = head * 256 + byte(index);
    const size = Math.floor(head / 16) % 2 ** bits;
    const packed = Math.floor(head / 2 ** (4 + bits));
    this.at += bytes;
    const behind = this.at + packed;
    if (size > MAX_BLOCK || behind > end) refuse('literals are cut off');
    if (type === 2) [this.huffman, this.at] = readHuffman(data, this.at, behind);
    if (!this.huffman) refuse('no table');
    this.unpackLiterals(this.huffman, behind, size, format !== 0);
    this.at = behind;
    return size;
  }

  private unpackLiterals(table: HuffmanTable, behind: number, size: number, four: boolean): void {
    const { data, literals } = this;
    if (!four) {
      decodeHuffman(table, data, this.at, behind, literals, 0, size);
      return;
    }
    const part = (size + 3) >> 2;
    let from = this.at + 6;
    if (from > behind || 3 * part > size) refuse('literals are cut off');
    for (let stream = 0; stream < 4; stream++) {
      const length = data[this.at + 2 * stream]! | (data[this.at + 2 * stream + 1]! << 8);
      const end = stream < 3 ? from + length : behind;
      if (end > behind) refuse('literals are cut off');
      decodeHuffman(table, data, from, end, literals, stream * part, stream < 3 ? (stream + 1) * part : size);
      from = end;
    }
  }

  /** Carry out a block's sequences; gives how many literals they have used. */
  private sequences(end: number, literalCount: number): number {
    const { data } = this;
    if (this.at >= end) refuse('cut off');
    let count = data[this.at++]!;
    if (count === 255) {
      count = data[this.at]! + (data[this.at + 1]! << 8) + 0x7f00;
      this.at += 2;
    } else if (count > 127) count = ((count - 128) << 8) + data[this.at++]!;
    if (!count) return 0;
    if (this.at >= end) refuse('cut off');
    const modes = data[this.at++]!;
    if (modes & 3) refuse('reserved bits');
    this.readTable(0, modes >> 6, DEFAULTS.literals, LITERALS_LENGTH, end);
    this.readTable(1, (modes >> 4) & 3, DEFAULTS.offsets, OFFSET, end);
    this.readTable(2, (modes >> 2) & 3, DEFAULTS.matches, MATCH_LENGTH, end);
    return this.execute(count, new Backward(data, this.at, end), literalCount);
  }

  private readTable(
    place: 0 | 1 | 2, mode: number, standard: FseTable, { maxLog, maxCode }: { maxLog: number; maxCode: number }, end: number,
  ): void {
    if (mode === 0) this.tables[place] = standard;
    else if (mode === 1) {
      const symbol = this.at < end ? this.data[this.at++]! : refuse('cut off');
      if (symbol > maxCode) refuse('unknown code');
      this.tables[place] = { log: 0, symbols: Uint8Array.of(symbol), bits: Uint8Array.of(0), baselines: Uint16Array.of(0) };
    } else if (mode === 2) [this.tables[place], this.at] = readFse(this.data, this.at, end, maxLog, maxCode);
    else if (!this.tables[place]) refuse('no table');
  }

  private execute(count: number, bits: Backward, literalCount: number): number {
    const [literalTable, offsetTable, matchTable] = this.tables as [FseTable, FseTable, FseTable];
    const { out, literals } = this;
    let literalState = bits.read(literalTable.log);
    let offsetState = bits.read(offsetTable.log);
    let matchState = bits.read(matchTable.log);
    let used = 0;
    for (let index = 0; index < count; index++) {
      const offsetCode = offsetTable.symbols[offsetState]!;
      const low = offsetCode > 16 ? offsetCode - 16 : 0;
      // Up to 31 bits, read in two goes.
      const value = 2 ** offsetCode + (low ? bits.read(16) * 2 ** low + bits.read(low) : bits.read(offsetCode));
      const matchCode = matchTable.symbols[matchState]!;
      const matchLength = MATCH_BASES[matchCode]! + bits.read(MATCH_BITS[matchCode]!);
      const literalCode = literalTable.symbols[literalState]!;
      const literalLength = LITERALS_BASES[literalCode]! + bits.read(LITERALS_BITS[literalCode]!);
      const offset = this.offset(value, literalLength);
      if (index < count - 1) {
        literalState = literalTable.baselines[literalState]! + bits.read(literalTable.bits[literalState]!);
        matchState = matchTable.baselines[matchState]! + bits.read(matchTable.bits[matchState]!);
        offsetState = offsetTable.baselines[offsetState]! + bits.read(offsetTable.bits[offsetState]!);
      }
      if (bits.left < 0 || used + literalLength > literalCount) refuse('sequences are cut off');
      this.room(literalLength + matchLength);
      let to = this.written;
      for (const behind = used + literalLength; used < behind; used++) out[to++] = literals[used]!;
      if (offset > to) refuse('a match points before the beginning');
      for (let from = to - offset, behind = to + matchLength; to < behind; ) out[to++] = out[from++]!;
      this.written = to;
    }
    if (bits.left !== 0) refuse('sequences of another length');
    return used;
  }

  private offset(value: number, literalLength: number): number {
    const { history } = this;
    if (value > 3) {
      history.unshift(value - 3);
      history.pop();
      return value - 3;
    }
    const place = value - (literalLength ? 1 : 0);
    if (place === 0) return history[0]!;
    const offset = place < 3 ? history[place]! : history[0]! - 1;
    if (offset < 1) refuse('an offset of nothing');
    if (place > 1) history[2] = history[1]!;
    history[1] = history[0]!;
    history[0] = offset;
    return offset;
  }
}

/** The place of a frame's first block, and the content's length that it states. */
function readHeader(frame: Uint8Array): { blocks: number; contentSize: number | null } {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
  if (frame.length < 6 || view.getUint32(0, true) !== MAGIC) refuse('no frame');
  const flags = frame[4]!;
  if (flags & 8) refuse('reserved bits');
  const single = (flags >> 5) & 1;
  const dictionaryBytes = [0, 1, 2, 4][flags & 3]!;
  const sizeBytes = [single, 2, 4, 8][flags >> 6]!;
  const at = 6 - single + dictionaryBytes;
  const blocks = at + sizeBytes;
  if (blocks > frame.length) refuse('cut off');
  if (frame.subarray(at - dictionaryBytes, at).some(Boolean)) refuse('a dictionary that is not of this protocol');
  if (sizeBytes === 1) return { blocks, contentSize: frame[at]! };
  if (sizeBytes === 2) return { blocks, contentSize: view.getUint16(at, true) + 256 };
  if (sizeBytes === 4) return { blocks, contentSize: view.getUint32(at, true) };
  return { blocks, contentSize: sizeBytes ? Number(view.getBigUint64(at, true)) : null };
}

const NONE = new Uint8Array();

/**
 * Decompress; a checksum behind the content is not looked at.
 *
 * @param expected announced length; the frame must itself state exactly this, so that a bomb is refused
 *   before a byte is allocated for it
 * @param dictionary raw content that the frame was compressed against
 * @throws ProtocolError when the frame is broken, or states or holds anything else
 */
export function decompress(frame: Uint8Array, expected: number, dictionary: Uint8Array = NONE): Uint8Array<ArrayBuffer> {
  const { blocks, contentSize } = readHeader(frame);
  if (contentSize !== expected) throw new ProtocolError('compressed length differs from the announced one');
  const out = new Uint8Array(dictionary.length + expected);
  out.set(dictionary);
  new FrameDecoder(frame, blocks, out, dictionary.length).run();
  return dictionary.length ? out.slice(dictionary.length) : out;
}
