// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Strict CBOR (RFC 8949): definite lengths, no tags, bounded depth and number of items.
 *
 * cborg refuses tags, indefinite lengths and keys that come twice. What it leaves open is checked
 * here, token by token, before it makes anything of them: depth, items, UTF-8, and whether a number
 * was a float on the wire, which JavaScript could not tell afterwards.
 */

import { decode, encode, Token, Tokenizer, Type } from 'cborg';

import { ProtocolError } from './errors';
import { INT64_MAX, MAX_PAYLOAD, MAX_TEXT } from './limits';

const MAX_DEPTH = 6;
const MAX_ITEMS = 262144;
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** A number that was a float on the wire. */
export class Float {
  constructor(readonly value: number) {}
}

export interface CborLimits {
  readonly maxBytes?: number;
  readonly maxDepth?: number;
  readonly maxItems?: number;
}

const OPTIONS = {
  allowIndefinite: false,
  allowUndefined: false,
  allowBigInt: true,
  strict: false,
  useMaps: true,
  rejectDuplicateMapKeys: true,
  tags: {},
} as const;

class StrictTokens extends Tokenizer {
  private items = 0;
  /** Of each collection that is open, how many items are still to come. */
  private readonly open: number[] = [];

  constructor(
    private readonly bytes: Uint8Array,
    private readonly maxDepth: number,
    private readonly maxItems: number,
  ) {
    super(bytes, OPTIONS);
  }

  override next(): ReturnType<Tokenizer['next']> {
    if (++this.items > this.maxItems) throw new ProtocolError(`more than ${this.maxItems} CBOR items`);
    while (this.open.at(-1) === 0) this.open.pop();
    if (this.open.length) this.open[this.open.length - 1]! -= 1;
    const before = this.pos();
    const token = super.next();
    if (token.type === Type.array || token.type === Type.map) this.begin(token);
    else if (token.type === Type.float) token.value = new Float(token.value as number);
    else if (token.type === Type.string) this.checkText(before, token.value as string);
    return token;
  }

  private begin(token: ReturnType<Tokenizer['next']>): void {
    const children = (token.value as number) * (token.type === Type.map ? 2 : 1);
    if (children > this.bytes.length - this.pos()) {
      throw new ProtocolError('CBOR collection longer than its payload');
    }
    if (this.open.length >= this.maxDepth) throw new ProtocolError(`CBOR nested deeper than ${this.maxDepth}`);
    this.open.push(children);
  }

  private checkText(before: number, text: string): void {
    // cborg puts U+FFFD for what is no UTF-8; only then is it worth a second look.
    if (text.includes('\ufffd')) UTF8.decode(this.bytes.subarray(headEnd(this.bytes, before), this.pos()));
  }
}

function headEnd(bytes: Uint8Array, position: number): number {
  const minor = bytes[position]! & 31;
  return position + 1 + (minor < 24 ? 0 : 1 << (minor - 24));
}

/**
 * Decode one value that fills the payload exactly.
 *
 * Integers are numbers where these are exact, else bigint; floats {@link Float}, maps `Map`.
 * @throws ProtocolError when it is not well-formed, uses what the protocol leaves out, or passes a limit
 */
export function loads(payload: Uint8Array, limits: CborLimits = {}): unknown {
  const { maxBytes = MAX_PAYLOAD, maxDepth = MAX_DEPTH, maxItems = MAX_ITEMS } = limits;
  if (payload.length > maxBytes) {
    throw new ProtocolError(`payload of ${payload.length} bytes is over the limit of ${maxBytes}`);
  }
  try {
    return decode(payload, { ...OPTIONS, tokenizer: new StrictTokens(payload, maxDepth, maxItems) });
  } catch (error) {
    throw error instanceof ProtocolError ? error : new ProtocolError(`not CBOR: ${String(error)}`);
  }
}

/** Encode a value: {@link Float} and numbers that are no integers as 8-byte floats. */
export function dumps(value: unknown): Uint8Array {
  return encode(value, {
    float64: true,
    mapSorter: () => 0,
    typeEncoders: {
      Object: (data: unknown) => (data instanceof Float ? [new Token(Type.float, data.value)] : null),
    },
  });
}

/** An array, or refuse. */
export function asArray(value: unknown, what: string): unknown[] {
  if (!Array.isArray(value)) throw new ProtocolError(`${what} is an array`);
  return value;
}

/** A byte string, of a length if one is given, or refuse. */
export function asBytes(value: unknown, what: string, length?: number): Uint8Array {
  if (!(value instanceof Uint8Array) || (length !== undefined && value.length !== length)) {
    throw new ProtocolError(`${what} is a byte string${length === undefined ? '' : ` of ${length} bytes`}`);
  }
  return value;
}

/** A text of at most `most` characters, or refuse. */
export function asText(value: unknown, what: string, most = MAX_TEXT): string {
  // Characters are code points, of which the protocol counts.
  if (typeof value !== 'string' || (value.length > most && [...value].length > most)) {
    throw new ProtocolError(`${what} is a text of at most ${most} characters`);
  }
  return value;
}

/** Any integer of CBOR, or refuse. */
export function asInteger(value: unknown, what: string): bigint {
  if (typeof value === 'bigint') return value;
  if (typeof value !== 'number') throw new ProtocolError(`${what} is an integer`);
  return BigInt(value);
}

/** A natural number below 2^63, or refuse. */
export function asNatural(value: unknown, what: string): bigint {
  const natural = asInteger(value, what);
  if (natural < 0n || natural > INT64_MAX) throw new ProtocolError(`${what} is a natural number below 2^63`);
  return natural;
}

/** A natural number of at most `most`, or refuse. */
export function asCount(value: unknown, what: string, most: number): number {
  if (typeof value !== 'number' || value < 0 || value > most) {
    throw new ProtocolError(`${what} is a number from 0 to ${most}`);
  }
  return value;
}
