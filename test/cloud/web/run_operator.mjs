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

// Commands a robot with the Operator of protocol.mjs: MQTT goes over standard input and output, one line
// of JSON per message ([topic, payload in hexadecimal]). The first line is the operator's public key in PEM
// as {"pem": …}; then a line {"pinned": …} with the robot's key is awaited. Ends with {"done": outcomes}.
// Usage: node run_operator.mjs PROTOCOL.mjs ROBOT

import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { webcrypto } from 'node:crypto';

globalThis.crypto ??= webcrypto; // node 18

const [, , bundle, robot] = process.argv;
const { Operator, OperatorKey } = await import(pathToFileURL(bundle).href);

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

async function commands(operator) {
  const outcomes = {};
  outcomes.dock = await operator.call(robot, 'dock', { data: true });
  outcomes.closed = await operator.call(robot, 'closed', { data: true }, 0.5);
  outcomes.limited = await operator.publish(robot, 'say', { data: 'much too long for it' });
  outcomes.said = await operator.publish(robot, 'say', { data: 'hello' });
  outcomes.undriven = await operator.publish(robot, 'drive', { linear: { x: 0.1 } });
  const drive = await operator.drive(robot, 'drive');
  outcomes.granted = [drive.leaseS, drive.watchdogS];
  for (let turn = 1; turn <= 10; turn++) {
    drive.publish({ linear: { x: turn / 10 }, angular: { z: 0 } });
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  outcomes.released = await drive.release();
  outcomes.drive = { sent: drive.sent, complaint: drive.complaint, ended: await drive.ended };
  return outcomes;
}

const key = await OperatorKey.generate('alice');
say({ pem: key.publicPem, fingerprint: key.fingerprint });
let operator = null;
for await (const line of createInterface({ input: process.stdin })) {
  const message = JSON.parse(line);
  if (message.pinned) {
    operator = new Operator({
      name: 'alice',
      key,
      pinned: (id) => (id === robot ? message.pinned : null),
      publish: (topic, payload) => say([topic, Buffer.from(payload).toString('hex')]),
    });
    const ticking = setInterval(() => operator.tick(), 50);
    commands(operator).then((outcomes) => {
      clearInterval(ticking);
      say({ done: outcomes, dropped: operator.dropped });
      process.exit(0);
    });
  } else {
    operator.feed(message[0], Uint8Array.from(Buffer.from(message[1], 'hex')));
  }
}
