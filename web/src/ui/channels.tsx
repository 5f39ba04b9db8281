// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

/** A card per command channel: what it can be told, and what it last answered. */

import { useRef, useState } from 'preact/hooks';

import type { Goal, Outcome } from '../operator';
import type { Channel } from '../protocol';
import { robotNews } from '../page/client';
import { note, operator } from '../page/commanding';
import { text } from './commands';

interface CardProps {
  readonly robot: string;
  readonly channel: Channel;
}

export function ChannelCard({ robot, channel }: CardProps) {
  return (
    <section class="card" aria-label={`Channel ${channel.name}`}>
      <h2>
        {channel.name} <span class="pill">{channel.kind}</span>
      </h2>
      {channel.type !== '' && <p class="faint mono">{channel.type}</p>}
      <Controls robot={robot} channel={channel} />
    </section>
  );
}

function Controls({ robot, channel }: CardProps) {
  switch (channel.kind) {
    case 'service':
      return <Service robot={robot} channel={channel} />;
    case 'action':
      return <Action robot={robot} channel={channel} />;
    case 'parameter':
      return <Parameters robot={robot} channel={channel} />;
    case 'bridge':
      return <Bridge robot={robot} channel={channel} />;
    case 'topic':
      return <Topic robot={robot} channel={channel} />;
    default:
      return <p class="dim">This page does not know channels of this kind.</p>;
  }
}

type Fields = Record<string, unknown>;

/** @returns what was typed, or null and says what is wrong with it */
function parse(typed: string, complain: (words: string) => void): Fields | null {
  try {
    const value: unknown = JSON.parse(typed.trim() || '{}');
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      complain('');
      return value as Fields;
    }
    complain('fields are one JSON object, as {"data": true}');
  } catch (error) {
    complain(error instanceof Error ? error.message : String(error));
  }
  return null;
}

function Answer({ outcome }: { outcome: Outcome | null }) {
  if (outcome === null) return null;
  return (
    <p class={outcome.ok ? 'good' : 'bad'} role="status" style={{ margin: '8px 0 0', overflowWrap: 'anywhere' }}>
      {outcome.state ?? 'no answer'} {outcome.reason}{' '}
      <span class="dim mono">{outcome.detail ? text(outcome.detail) : ''}</span>
    </p>
  );
}

interface FieldsProps {
  readonly name: string;
  readonly begin: string;
  readonly verb: string;
  readonly onSend: (fields: Fields) => void;
}

function FieldsForm({ name, begin, verb, onSend }: FieldsProps) {
  const [typed, setTyped] = useState(begin);
  const [wrong, setWrong] = useState('');
  return (
    <>
      <textarea
        aria-label={`Fields for ${name}, as JSON`}
        spellcheck={false}
        value={typed}
        onInput={(event) => setTyped(event.currentTarget.value)}
      />
      {wrong !== '' && <p class="bad">{wrong}</p>}
      <div class="row">
        <button
          class="primary"
          onClick={() => {
            const fields = parse(typed, setWrong);
            if (fields !== null) onSend(fields);
          }}
        >
          {verb}
        </button>
      </div>
    </>
  );
}

function Service({ robot, channel }: CardProps) {
  const [outcome, setOutcome] = useState<Outcome | null>(null);
  const call = (fields: Fields) => {
    const by = operator.value;
    if (by === null) return;
    const what = `call ${channel.name} ${text(fields)}`;
    void note(what, by.call(robot, channel.name, fields)).then(setOutcome);
  };
  if (channel.type === 'std_srvs/srv/SetBool') {
    return (
      <>
        <div class="row">
          <button onClick={() => call({ data: true })}>true</button>
          <button onClick={() => call({ data: false })}>false</button>
        </div>
        <Answer outcome={outcome} />
      </>
    );
  }
  if (channel.type === 'std_srvs/srv/Trigger' || channel.type === 'std_srvs/srv/Empty') {
    return (
      <>
        <div class="row">
          <button class="primary" onClick={() => call({})}>Call</button>
        </div>
        <Answer outcome={outcome} />
      </>
    );
  }
  return (
    <>
      <FieldsForm name={channel.name} begin="{}" verb="Call" onSend={call} />
      <Answer outcome={outcome} />
    </>
  );
}

function Topic({ robot, channel }: CardProps) {
  const [outcome, setOutcome] = useState<Outcome | null>(null);
  return (
    <>
      <FieldsForm
        name={channel.name}
        begin="{}"
        verb="Publish"
        onSend={(fields) => {
          const by = operator.value;
          if (by === null) return;
          void note(
            `publish ${channel.name} ${text(fields)}`,
            by.publish(robot, channel.name, fields),
          ).then(setOutcome);
        }}
      />
      <Answer outcome={outcome} />
    </>
  );
}

function Action({ robot, channel }: CardProps) {
  const goal = useRef<Goal | null>(null);
  const [running, setRunning] = useState(false);
  const [feedback, setFeedback] = useState('');
  const [outcome, setOutcome] = useState<Outcome | null>(null);
  const begin = channel.type.endsWith('/Fibonacci') ? '{"order": 5}' : '{}';
  return (
    <>
      <FieldsForm
        name={channel.name}
        begin={begin}
        verb="Send goal"
        onSend={(fields) => {
          const by = operator.value;
          if (by === null) return;
          setFeedback('');
          setOutcome(null);
          setRunning(true);
          goal.current = by.goal(robot, channel.name, fields, (told) => setFeedback(text(told)));
          void note(`goal ${channel.name} ${text(fields)}`, goal.current.outcome).then((found) => {
            setRunning(false);
            setOutcome(found);
          });
        }}
      />
      {running && (
        <div class="row">
          <button
            class="danger"
            onClick={() => goal.current && void note(`cancel ${channel.name}`, goal.current.cancel())}
          >
            Cancel
          </button>
          <span class="dim">running</span>
        </div>
      )}
      {feedback !== '' && <p class="mono dim" style={{ margin: '8px 0 0', overflowWrap: 'anywhere' }}>{feedback}</p>}
      <Answer outcome={outcome} />
    </>
  );
}

function Parameters({ robot, channel }: CardProps) {
  const [values, setValues] = useState<readonly (readonly [string, string])[]>([]);
  const [wrong, setWrong] = useState('');
  const [outcome, setOutcome] = useState<Outcome | null>(null);
  const ask = async (type: string, args: unknown) => {
    const by = operator.value;
    return by === null
      ? null
      : note(`${type} ${channel.name} ${args === null ? '' : text(args)}`, by.command(robot, channel.name, type, args));
  };
  const read = async () => {
    const listed = await ask('list', null);
    if (!listed?.ok) {
      setOutcome(listed);
      return;
    }
    const names = entry(listed.detail, 'names');
    const got = await ask('get', { names });
    setOutcome(got?.ok ? null : got);
    const found = entry(got?.detail, 'values');
    const pairs = found instanceof Map ? [...found] : Object.entries(found ?? {});
    setValues(pairs.map(([name, value]) => [String(name), text(value)]));
  };
  const set = async (name: string, typed: string) => {
    let value: unknown;
    try {
      value = JSON.parse(typed);
      setWrong('');
    } catch {
      setWrong(`${name}: ${typed} is no number, true, false or "text"`);
      return;
    }
    setOutcome(await ask('set', { values: { [name]: value } }));
  };
  return (
    <>
      {values.map(([name, value]) => (
        <form
          key={name}
          class="row"
          onSubmit={(event) => {
            event.preventDefault();
            void set(name, new FormData(event.currentTarget).get('value') as string);
          }}
        >
          <span class="grow cut mono" title={name}>{name}</span>
          <input type="text" name="value" aria-label={name} defaultValue={value} style={{ width: '100px' }} />
          <button>Set</button>
        </form>
      ))}
      {wrong !== '' && <p class="bad">{wrong}</p>}
      <div class="row">
        <button onClick={() => void read()}>{values.length === 0 ? 'Read' : 'Read again'}</button>
      </div>
      <Answer outcome={outcome} />
    </>
  );
}

/** An entry of a decoded map, whichever way the decoder gives maps. */
function entry(detail: unknown, name: string): unknown {
  if (detail instanceof Map) return detail.get(name);
  return typeof detail === 'object' && detail !== null ? (detail as Fields)[name] : undefined;
}

function Bridge({ robot, channel }: CardProps) {
  const [outcome, setOutcome] = useState<Outcome | null>(null);
  const [box, setBox] = useState('');
  const send = (type: string, args: unknown) => {
    const by = operator.value;
    if (by === null) return;
    void note(`${type} ${args === null ? '' : text(args)}`, by.command(robot, channel.name, type, args)).then(
      setOutcome,
    );
  };
  const paused = robotNews.value?.robot.state?.reason === 'deactivated';
  return (
    <>
      <div class="row wrap">
        <button onClick={() => send('announce', null)}>Announce</button>
        <button onClick={() => send('pause', null)} disabled={paused}>Pause telemetry</button>
        <button onClick={() => send('resume', null)}>Resume</button>
      </div>
      <div class="row">
        <input
          type="text"
          aria-label="Black box"
          placeholder="Black box"
          value={box}
          onInput={(event) => setBox(event.currentTarget.value)}
        />
        <button disabled={box === ''} onClick={() => send('trigger', { box })}>Capture</button>
      </div>
      <Answer outcome={outcome} />
    </>
  );
}
