// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

import { describe, expect, it } from 'vitest';

import { Decoder, ProtocolError, type Sample, UnknownForm } from '../src/protocol';
import { RouteRestorer } from '../src/protocol/forms';
import { decodeAsk, decodeConfirmation } from './consumer_messages';
import { bytes, hexadecimal, load, type VectorCase } from './vectors';

const VALID = load('valid.json');
const INVALID = load('invalid.json');

interface FormCase {
  readonly name: string;
  readonly form: string;
  readonly samples: readonly { readonly data: string; readonly cdr?: string; readonly expect?: string }[];
}

function feed(decoder: Decoder, messages: VectorCase['messages']): Sample[] {
  return messages.flatMap(({ topic, payload }) => decoder.feed(topic, bytes(payload), 0));
}

function written(sample: Sample): Record<string, unknown> {
  return {
    robot_id: sample.robotId,
    boot_id: sample.bootId,
    route: Number(sample.route),
    stream: sample.stream,
    topic: sample.topic,
    type_name: sample.typeName,
    schema_id: sample.schemaId,
    sequence: Number(sample.sequence),
    source_time_ns: String(sample.sourceTimeNs),
    receive_time_ns: String(sample.receiveTimeNs),
    sent_time_ns: String(sample.sentTimeNs),
    latched: sample.latched,
    historical: sample.historical,
    cdr: hexadecimal(sample.data),
    ...(sample.form ? { form: sample.form } : {}),
  };
}

function restored(sample: Sample): string | null {
  try {
    return hexadecimal(sample.cdr);
  } catch (error) {
    expect(error).toBeInstanceOf(UnknownForm);
    return null;
  }
}

function checkDecoded(vector: VectorCase): void {
  const decoder = new Decoder();
  const samples = feed(decoder, vector.messages);
  expect(samples.map(written)).toEqual(vector.samples);
  const losses = decoder.losses().map((entry) => ({
    boot_id: entry.bootId,
    route: Number(entry.route),
    received: entry.received,
    duplicates: entry.duplicates,
    reported: entry.reported,
    missing: entry.missing,
    unexplained: entry.unexplained,
    durable: entry.durable,
    committed: entry.committed,
    closed: entry.closed,
    complete: entry.complete,
    outstanding: entry.outstanding,
  }));
  expect(losses).toEqual(vector.losses);
  (vector.fields as unknown[] | undefined)?.forEach((fields, index) => expect(samples[index]!.message()).toEqual(fields));
  if (vector.restored) expect(samples.map(restored)).toEqual(vector.restored);
}

describe('valid vectors', () => {
  it.each(VALID.map((vector) => [vector.name, vector] as const))('%s', (_, vector) => {
    const payload = bytes(vector.messages[0]!.payload);
    if (vector.ask) expect(decodeAsk(payload)).toEqual(vector.ask);
    else if (vector.confirmation) expect(decodeConfirmation(payload)).toEqual(vector.confirmation);
    else checkDecoded(vector);
  });
});

describe('invalid vectors', () => {
  it.each(INVALID.map((vector) => [vector.name, vector] as const))('%s', (_, vector) => {
    const last = vector.messages.at(-1)!;
    const decoder = new Decoder();
    expect(feed(decoder, vector.messages.slice(0, -1))).toEqual([]);
    const refuse = (): unknown => {
      if (last.topic.includes('/ask/')) return decodeAsk(bytes(last.payload));
      if (last.topic.includes('/confirm/')) return decodeConfirmation(bytes(last.payload));
      return decoder.feed(last.topic, bytes(last.payload), 0);
    };
    expect(refuse).toThrow(ProtocolError);
  });
});

describe('form vectors', () => {
  it.each(load<FormCase>('forms.json').map((vector) => [vector.name, vector] as const))('%s', (_, vector) => {
    const restorer = new RouteRestorer(vector.form);
    for (const { data, cdr, expect: expected } of vector.samples) {
      if (expected === 'error') expect(() => restorer.restore(bytes(data))).toThrow(ProtocolError);
      else expect(hexadecimal(restorer.restore(bytes(data)))).toBe(cdr);
    }
  });
});
