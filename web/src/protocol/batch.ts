// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

/** Batches: samples of several routes, column by column (docs/protocol.md#batch). */

import { asArray, asBytes, asCount, asInteger, asNatural, asText, loads } from './cbor';
import { ProtocolError } from './errors';
import { INT64_MAX, MAX_BATCH, MAX_BATCH_RAW, MAX_FORM, MAX_SAMPLES, MAX_SECTIONS } from './limits';
import { type Decoded, decodeMatrix } from './matrix';
import { BlockReader, Budget } from './reader';
import { decodeStreams } from './streams';
import { addUp, type First } from './times';
import type { Descriptor } from './values';
import { decompress } from './zstd';

const VERSION = 1;
export const enum MessageKind {
  Batch = 0,
  Fragment = 1,
  Abandoned = 2,
  Account = 3,
}
const LENGTHS: readonly (readonly number[])[] = [[8, 9, 10], [8], [4], [5]];
const CODEC_NONE = 0;
const CODEC_ZSTD = 1;
const CODEC_DICTIONARY = 2;
const INT64_MIN = -(1n << 63n);

/** What batches, fragments, abandoned batches and accounts have in common. */
export interface Message {
  readonly kind: MessageKind;
  /** 16 hexadecimal digits. */
  readonly boot: string;
  readonly number: bigint;
  readonly fields: readonly unknown[];
}

export interface Section {
  readonly route: bigint;
  readonly descriptor: Descriptor | null;
  readonly sequences: BigInt64Array;
  readonly sourceNs: BigInt64Array;
  readonly receiveNs: BigInt64Array;
  readonly samples: readonly Uint8Array[];
  /** Cumulative drops by reason; null where they are as before. */
  readonly totals: ReadonlyMap<number, bigint> | null;
}

export interface Batch {
  readonly sentNs: bigint;
  readonly sections: readonly Section[];
}

export function checkVersion(version: unknown): void {
  if (version !== VERSION) {
    throw new ProtocolError(`protocol version ${typeof version === 'number' ? version : typeof version}; this decoder reads ${VERSION}`);
  }
}

export function hex(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += (byte < 16 ? '0' : '') + byte.toString(16);
  return text;
}

export function unhex(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text.match(/../g) ?? [], (digits) => Number.parseInt(digits, 16));
}

export function decodeMessage(payload: Uint8Array): Message {
  const fields = asArray(loads(payload, { maxBytes: MAX_BATCH }), 'a batch message');
  checkVersion(fields[0]);
  const kind = asCount(fields[1], 'the kind of a message', LENGTHS.length - 1) as MessageKind;
  if (!LENGTHS[kind]!.includes(fields.length)) throw new ProtocolError(`message of kind ${kind} with ${fields.length} fields`);
  return {
    kind,
    boot: hex(asBytes(fields[2], 'a boot id', 8)),
    number: asNatural(fields[3], 'batch number'),
    fields,
  };
}

/** Name the dictionary that a batch needs, in hexadecimal; empty if it needs none. */
export function dictionaryOf({ fields }: Message): string {
  const name = fields.length > 9 ? hex(asBytes(fields[9], 'the name of a dictionary', 4)) : '';
  if ((fields[5] === CODEC_DICTIONARY) !== (name !== '')) {
    throw new ProtocolError('a batch names the dictionary that it needs, and no other');
  }
  return name;
}

/** @param dictionary content of the one that {@link dictionaryOf} names */
export function decodeBatch({ fields }: Message, dictionary?: Uint8Array): Batch {
  const sentNs = asNatural(fields[4], 'sent time');
  const body = decodeBody(fields[5], asCount(fields[6], 'raw length', MAX_BATCH_RAW), asBytes(fields[7], 'a body'), dictionary);
  const entries = asArray(loads(body, { maxBytes: MAX_BATCH_RAW }), 'a body');
  if (!entries.length || entries.length > MAX_SECTIONS) throw new ProtocolError(`a batch has 1 to ${MAX_SECTIONS} sections`);
  const reader = new BlockReader(fields.length > 8 ? asBytes(fields[8], 'bits') : new Uint8Array());
  const budget = new Budget();
  let samples = 0;
  const sections = entries.map((entry) => {
    const section = asArray(entry, 'a section');
    if (section.length !== 9) throw new ProtocolError('a section has nine fields');
    const count = asCount(section[2], 'sample count', MAX_SAMPLES);
    samples += count;
    if (!count || samples > MAX_SAMPLES) throw new ProtocolError(`a section has samples, and a batch at most ${MAX_SAMPLES}`);
    return decodeSection(section, count, sentNs, reader, budget);
  });
  if (reader.bitsLeft) throw new ProtocolError('more packed numbers than sections have');
  return { sentNs, sections };
}

function decodeBody(codec: unknown, rawLength: number, encoded: Uint8Array, dictionary?: Uint8Array): Uint8Array {
  if (codec === CODEC_ZSTD) return decompress(encoded, rawLength);
  if (codec === CODEC_DICTIONARY && dictionary) return decompress(encoded, rawLength, dictionary);
  if (codec !== CODEC_NONE) throw new ProtocolError('unknown codec');
  if (encoded.length !== rawLength) throw new ProtocolError('a body has another length than announced');
  return encoded;
}

function decodeSection(fields: readonly unknown[], count: number, sentNs: bigint, reader: BlockReader, budget: Budget): Section {
  const route = asNatural(fields[0], 'route');
  const first: First = {
    sequence: asNatural(fields[3], 'sequence'),
    sourceNs: asNatural(sentNs - asInteger(fields[4], 'age'), 'source time'),
  };
  const block = asBytes(fields[8], 'a block');
  const { times, samples } = decodeBlock(fields[7], block, asArray(fields[5], 'columns'), count, first, reader, budget);
  const receiveNs = times.sourceNs.map((source, index) => {
    const receive = source + 1000n * times.latencyUs[index]!;
    if (receive < 0n || receive > INT64_MAX) throw new ProtocolError('receive times out of range');
    return receive;
  });
  return {
    route,
    descriptor: decodeDescriptor(fields[1]),
    sequences: times.sequences,
    sourceNs: times.sourceNs,
    receiveNs,
    samples,
    totals: decodeTotals(fields[6]),
  };
}

function decodeBlock(
  layout: unknown, block: Uint8Array, columns: readonly unknown[], count: number, first: First,
  reader: BlockReader, budget: Budget,
): Decoded {
  if (layout === 0 || layout === 1) return decodePlain(layout === 1, block, columns, count, first, budget);
  if (columns.length) throw new ProtocolError('a block of this layout has no columns at its head');
  reader.begin(block);
  if (layout === 2 && count > 1) return decodeMatrix(reader, count, first, budget);
  if (layout === 3) return decodeStreams(reader, count, first, budget);
  throw new ProtocolError('unknown layout, or a matrix of one sample');
}

function decodePlain(
  transposed: boolean, block: Uint8Array, columns: readonly unknown[], count: number, first: First, budget: Budget,
): Decoded {
  const entries = count > 1 ? [count - 1, count - 1, count, count] : [count, count];
  if (columns.length !== 2 * entries.length) throw new ProtocolError(`a section has ${entries.length} columns`);
  let at = 0;
  const decoded = entries.map((length, index) => {
    const low = asInteger(columns[2 * index], 'the minimum of a column');
    const width = asCount(columns[2 * index + 1], 'the width of a column', 8);
    if (low < INT64_MIN || low > INT64_MAX) throw new ProtocolError('the minimum of a column has 64 bits');
    if (at + length * width > block.length) throw new ProtocolError('block is shorter than its columns');
    const column = decodeColumn(block.subarray(at, at + length * width), low, width, length);
    at += length * width;
    return column;
  });
  const [latencyUs, lengths] = decoded.slice(-2) as [BigInt64Array, BigInt64Array];
  const [steps, sourceSteps] = count > 1 ? (decoded as [BigInt64Array, BigInt64Array]) : [NONE, NONE];
  const times = { sequences: addUp(first.sequence, steps, 1), sourceNs: addUp(first.sourceNs, sourceSteps, 0), latencyUs };
  const data = block.subarray(at);
  checkLengths(lengths, data.length, transposed);
  budget.samples(data.length);
  if (transposed) return { times, samples: untranspose(data, count) };
  let from = 0;
  const samples = Array.from(lengths, (length) => data.slice(from, (from += Number(length))));
  return { times, samples };
}

const NONE = new BigInt64Array();

function checkLengths(lengths: BigInt64Array, total: number, alike: boolean): void {
  let sum = 0n;
  for (const length of lengths) {
    if (length < 0n) throw new ProtocolError('a sample has a negative length');
    if (alike && (length !== lengths[0] || !length)) throw new ProtocolError('transposed samples are of one length');
    sum += length;
  }
  if (sum !== BigInt(total)) throw new ProtocolError('lengths of the samples do not add up to the block');
}

function untranspose(planes: Uint8Array, count: number): Uint8Array[] {
  const size = planes.length / count;
  return Array.from({ length: count }, (_, row) => {
    const sample = new Uint8Array(size);
    for (let byte = 0, from = row; byte < size; byte++, from += count) sample[byte] = planes[from]!;
    return sample;
  });
}

function decodeColumn(planes: Uint8Array, low: bigint, width: number, count: number): BigInt64Array {
  const column = new BigInt64Array(count);
  const bytes = new Uint8Array(column.buffer);
  for (let byte = 0; byte < width; byte++) {
    for (let row = 0; row < count; row++) bytes[8 * row + byte] = planes[byte * count + row]!;
  }
  // Modulo 2^64, as the writer did.
  for (let row = 0; row < count; row++) column[row] = column[row]! + low;
  return column;
}

export function decodeDescriptor(value: unknown): Descriptor | null {
  if (value === null) return null;
  const fields = asArray(value, 'a descriptor');
  if (fields.length !== 4 && fields.length !== 5) throw new ProtocolError('a descriptor has four fields, or five with a form');
  const schemaId = asBytes(fields[3], 'a schema id');
  if (schemaId.length !== 0 && schemaId.length !== 8) throw new ProtocolError('a schema id has eight bytes');
  const form = fields.length === 5 ? asText(fields[4], 'a form', MAX_FORM) : '';
  if (fields.length === 5 && !form) throw new ProtocolError('a form has a name');
  return {
    stream: asText(fields[0], 'a stream'),
    topic: asText(fields[1], 'a topic'),
    typeName: asText(fields[2], 'a type'),
    schemaId: hex(schemaId),
    form,
  };
}

function decodeTotals(value: unknown): Map<number, bigint> | null {
  if (value === null) return null;
  if (!(value instanceof Map) || value.size > 64) throw new ProtocolError('totals are a map of at most 64 reasons');
  return new Map([...value].map(([reason, count]) => [Number(asNatural(reason, 'reason')), asNatural(count, 'total')]));
}
