// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

// How fast the built decoder reads what make_messages.py wrote; process CPU time, best of five runs.
// Usage: node web/bench/decode.mjs FILE...

import { readFileSync } from 'node:fs';

import { Decoder, ProtocolError } from '../../ros_cloud_bridge/cloud/web/assets/protocol.mjs';

function load(file) {
  return readFileSync(file, 'utf-8').split('\n').filter(Boolean).map((line) => {
    const [topic, payload] = JSON.parse(line);
    return [topic, Uint8Array.from(Buffer.from(payload, 'hex'))];
  });
}

/** Decode all, and read the fields of all if wanted. */
function run(messages, fields) {
  const decoder = new Decoder();
  const begin = process.cpuUsage();
  let samples = 0;
  let cdrBytes = 0;
  for (const [topic, payload] of messages) {
    let found = [];
    try {
      found = decoder.feed(topic, payload, 0);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
    }
    for (const sample of found) {
      samples += 1;
      cdrBytes += sample.cdr.length;
      if (fields) sample.message();
    }
  }
  const { user, system } = process.cpuUsage(begin);
  return { samples, cdrBytes, seconds: (user + system) / 1e6 };
}

for (const file of process.argv.slice(2)) {
  const messages = load(file);
  const wire = messages.reduce((sum, [, payload]) => sum + payload.length, 0);
  for (const fields of [false, true]) {
    const runs = Array.from({ length: 5 }, () => run(messages, fields));
    const { samples, cdrBytes, seconds } = runs.reduce((best, one) => (one.seconds < best.seconds ? one : best));
    console.log(
      `${file}: ${samples} samples, ${(wire / 1e6).toFixed(2)} MB on the wire, ${(cdrBytes / 1e6).toFixed(2)} MB of CDR; ` +
      `${fields ? 'with fields' : 'CDR alone'}: ${Math.round(samples / seconds)} samples/s, ${(cdrBytes / 1e6 / seconds).toFixed(1)} MB/s of CDR`,
    );
  }
}
