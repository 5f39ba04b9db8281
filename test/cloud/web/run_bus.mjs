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

// Feeds MQTT messages (lines of a JSON array of topic and payload in hexadecimal) to one decoder of
// protocol.mjs, and writes one line of JSON per message: "error", or the samples that it gave.
// Usage: node run_bus.mjs PROTOCOL.mjs MESSAGES

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const [, , bundle, file] = process.argv;
const { Decoder, ProtocolError } = await import(pathToFileURL(bundle).href);

/** Fields as text that Python writes alike: numbers by the bits of a double. */
function flat(value) {
  if (typeof value === 'number' || typeof value === 'bigint') {
    const number = Number(value);
    if (Number.isNaN(number)) return 'nan';
    const bits = Buffer.alloc(8);
    bits.writeDoubleBE(number);
    return bits.toString('hex');
  }
  if (typeof value === 'boolean') return flat(Number(value));
  if (typeof value === 'string') return JSON.stringify(value);
  if (Array.isArray(value) || ArrayBuffer.isView(value)) return `[${Array.from(value, flat).join(',')}]`;
  return `{${Object.entries(value).map(([name, inner]) => `${name}:${flat(inner)}`).join(',')}}`;
}

const hash = (data) => createHash('sha256').update(data).digest('hex');

function attempt(run) {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return 'error';
  }
}

function written(sample) {
  return [
    sample.robotId, sample.topic, sample.typeName, sample.form, sample.stream, sample.bootId, Number(sample.route),
    String(sample.sequence), String(sample.sourceTimeNs), String(sample.receiveTimeNs), String(sample.sentTimeNs),
    sample.latched, sample.historical, attempt(() => hash(sample.cdr)), attempt(() => hash(flat(sample.message()))),
  ];
}

const decoder = new Decoder();
for (const line of readFileSync(file, 'utf-8').split('\n')) {
  if (!line) continue;
  const [topic, payload] = JSON.parse(line);
  const data = Uint8Array.from(Buffer.from(payload, 'hex'));
  const found = attempt(() => decoder.feed(topic, data, 0).map(written));
  process.stdout.write(`${JSON.stringify(found)}\n`);
}
