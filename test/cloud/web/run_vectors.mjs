// Copyright 2026 The ros_cloud_bridge authors
//
// Licensed under the Apache License, Version 2.0 (the "License");
// you may not use this file except in compliance with the License.
// You may obtain a copy of the License at
//
//     http://www.apache.org/licenses/LICENSE-2.0
//
// Unless required by applicable law or agreed to in writing, software
// distributed under the License is distributed on an "AS IS" BASIS,
// WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
// See the License for the specific language governing permissions and
// limitations under the License.

// Feeds a file of golden vectors to the built protocol.mjs, and writes what it makes of each case as one
// line of JSON; test_vectors_js.py compares. Usage: node run_vectors.mjs PROTOCOL.mjs VECTORS.json

import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const [, , bundle, vectors] = process.argv;
const protocol = await import(pathToFileURL(bundle).href);
const { Decoder, ProtocolError, RouteRestorer, UnknownForm, openSigned } = protocol;

const bytes = (text) => Uint8Array.from(Buffer.from(text, 'hex'));
const hex = (data) => Buffer.from(data).toString('hex');

function feed(decoder, { topic, payload }) {
  return decoder.feed(topic, bytes(payload), 0);
}

/** What a refusal is called; anything else than a ProtocolError is a fault of the decoder's. */
function refused(error) {
  if (!(error instanceof ProtocolError)) throw error;
  return error.reason ?? 'error';
}

function attempt(run) {
  try {
    return run();
  } catch (error) {
    return refused(error);
  }
}

function restored(sample) {
  try {
    return hex(sample.cdr);
  } catch (error) {
    if (error instanceof UnknownForm) return null;
    throw error;
  }
}

function decoded({ messages, restored: restores }) {
  const decoder = new Decoder();
  const samples = messages.flatMap((message) => feed(decoder, message));
  return {
    samples: samples.map((sample) => ({
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
      cdr: hex(sample.data),
      ...(sample.form ? { form: sample.form } : {}),
    })),
    losses: decoder.losses().map((entry) => ({
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
    })),
    ...(restores ? { restored: samples.map(restored) } : {}),
  };
}

function lastRefused({ messages }) {
  const decoder = new Decoder();
  const before = messages.slice(0, -1).flatMap((message) => feed(decoder, message));
  if (before.length) return 'samples before it';
  return attempt(() => feed(decoder, messages.at(-1)) && 'taken');
}

function forms({ form, samples }) {
  const restorer = new RouteRestorer(form);
  return samples.map(({ data }) => attempt(() => hex(restorer.restore(bytes(data)))));
}

function opened({ kind, robot, public_key: key, messages: [{ topic, payload }] }) {
  const purpose = { context: `rcb/1 ${kind}`, robotId: robot, topic };
  return attempt(() => hex(openSigned(bytes(key), purpose, bytes(payload), kind === 'answer' ? 262144 : 65536)));
}

function outcome(vector) {
  if (vector.form) return forms(vector);
  if (vector.public_key) return opened(vector);
  return vector.expect ? lastRefused(vector) : decoded(vector);
}

for (const vector of JSON.parse(readFileSync(vectors, 'utf-8')).cases) {
  const [first] = vector.messages ?? [{ topic: '' }];
  // A page writes asks, and no command without its signature; it reads neither.
  if (/\/(ask|confirm)\/[^/]+$/.test(first.topic) || (vector.kind && !vector.public_key)) continue;
  process.stdout.write(`${JSON.stringify({ name: vector.name, outcome: outcome(vector) })}\n`);
}
