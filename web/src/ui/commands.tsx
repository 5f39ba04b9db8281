// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

import { useEffect, useState } from 'preact/hooks';

import type { Channel } from '../protocol';
import { robotNews } from '../page/client';
import {
  dropKey,
  fingerprintOf,
  importKey,
  keyTrouble,
  newKey,
  operator,
  operatorKey,
  pin,
  pinnedKey,
  said,
  unpin,
  type Said,
} from '../page/commanding';
import { ChannelCard } from './channels';
import { DrivePanel } from './drive';

export function Commands({ robot }: { robot: string }) {
  const news = robotNews.value;
  const channels = news?.robot.info?.channels ?? [];
  if (news !== null && news.robot.info !== null && channels.length === 0) {
    return <p class="dim">This robot takes no commands: its configuration names no channels.</p>;
  }
  const trusts = news?.robot.state?.trustsTransport ?? false;
  const ready = operator.value !== null && (trusts || pinnedKey(robot) !== null);
  return (
    <div class="cards">
      <KeyCard robot={robot} />
      {operatorKey.value !== null && <TrustCard robot={robot} />}
      {ready && <DrivePanel robot={robot} />}
      {ready &&
        channels
          .filter((channel) => !channel.lease)
          .map((channel: Channel) => <ChannelCard key={channel.name} robot={robot} channel={channel} />)}
      {said.value.length > 0 && <Log />}
    </div>
  );
}

function KeyCard({ robot }: { robot: string }) {
  const key = operatorKey.value;
  const [name, setName] = useState('');
  const [file, setFile] = useState('');
  const [trouble, setTrouble] = useState('');
  const [copied, setCopied] = useState(false);
  const attempt = (work: Promise<void>) => {
    setTrouble('');
    work.catch((error: unknown) => setTrouble(error instanceof Error ? error.message : String(error)));
  };
  if (keyTrouble.value !== '') {
    return (
      <section class="card" aria-label="Your key">
        <h2>Your key</h2>
        <p class="warn">{keyTrouble.value}</p>
      </section>
    );
  }
  if (key === null) {
    return (
      <section class="card" aria-label="Your key">
        <h2>Your key</h2>
        <p class="dim">
          Commands are signed in this browser. The private key is made here, cannot be read out, and
          never leaves it.
        </p>
        <label for="operator-name">Your name as an operator</label>
        <input
          id="operator-name"
          type="text"
          autocomplete="off"
          placeholder="alice"
          value={name}
          onInput={(event) => setName(event.currentTarget.value)}
        />
        <details>
          <summary class="dim" style={{ marginTop: '8px' }}>I have one from ros-cloud-bridge keys new</summary>
          <textarea
            aria-label="Content of NAME.key"
            placeholder="-----BEGIN PRIVATE KEY-----"
            value={file}
            onInput={(event) => setFile(event.currentTarget.value)}
          />
        </details>
        <div class="row">
          <button
            class="primary"
            disabled={!/^[A-Za-z0-9_-]{1,64}$/.test(name)}
            onClick={() => attempt(file.trim() === '' ? newKey(name) : importKey(file, name))}
          >
            {file.trim() === '' ? 'Make a key' : 'Take this key'}
          </button>
        </div>
        {trouble !== '' && <p class="bad">{trouble}</p>}
      </section>
    );
  }
  return (
    <section class="card" aria-label="Your key">
      <h2>
        Your key <span class="pill good">{key.name}</span>
      </h2>
      <p class="dim mono" style={{ overflowWrap: 'anywhere' }}>{key.fingerprint}</p>
      <p class="dim">
        The robot must know its public half:{' '}
        <code>ros-cloud-bridge keys grant {key.name} --pub {key.name}.pub --operators …</code> there.
      </p>
      <div class="secret" data-testid="public-key">{key.publicPem.trim()}</div>
      <div class="row wrap">
        <button
          onClick={() =>
            void navigator.clipboard.writeText(key.publicPem).then(() => {
              setCopied(true);
              setTimeout(() => setCopied(false), 2000);
            })
          }
        >
          {copied ? 'Copied' : 'Copy'}
        </button>
        <button onClick={() => save(`${key.name}.pub`, key.publicPem)}>Save as {key.name}.pub</button>
        <button
          class="quiet"
          onClick={() => confirm(`Forget the key of ${key.name}? ${robot} and others will refuse a new one until it is granted.`) && attempt(dropKey())}
        >
          Forget this key
        </button>
      </div>
    </section>
  );
}

function save(name: string, content: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([content], { type: 'application/x-pem-file' }));
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

function TrustCard({ robot }: { robot: string }) {
  const told = robotNews.value?.robot.info?.key ?? '';
  const trusted = pinnedKey(robot) ?? '';
  const [compared, setCompared] = useState(false);
  const key = trusted || told;
  // What was compared was that key, and not the one that the robot names now.
  useEffect(() => setCompared(false), [key]);
  if (key === '') return null;
  const changed = trusted !== '' && told !== '' && trusted !== told;
  return (
    <section class="card" aria-label="The robot's key">
      <h2>
        The robot's key
        <span class={`pill ${trusted === '' ? 'warn' : changed ? 'bad' : 'good'}`}>
          {trusted === '' ? 'not trusted yet' : changed ? 'another key answers' : 'trusted'}
        </span>
      </h2>
      <div class="secret" data-testid="robot-fingerprint">{fingerprintOf(key)}</div>
      {changed && (
        <p class="bad">
          The robot now names another key. Either it was set up anew, or somebody answers in its place.
        </p>
      )}
      {trusted === '' ? (
        <>
          <p class="dim" style={{ marginTop: '8px' }}>
            Compare it with what the robot's log says, or <code>ros-cloud-bridge keys show</code> there. Only
            answers signed by it will be believed.
          </p>
          <label class="row">
            <input
              type="checkbox"
              checked={compared}
              onChange={(event) => setCompared(event.currentTarget.checked)}
            />
            I have compared it
          </label>
          <div class="row">
            <button class="primary" disabled={!compared} onClick={() => pin(robot, told)}>
              Trust this robot
            </button>
          </div>
        </>
      ) : (
        <div class="row">
          <button class="quiet" onClick={() => unpin(robot)}>Do not trust it any more</button>
        </div>
      )}
    </section>
  );
}

function Log() {
  return (
    <section class="card" aria-label="What was commanded" style={{ gridColumn: '1 / -1' }}>
      <h2>What was commanded</h2>
      <div class="log" role="log">
        {said.value.map((entry) => (
          <div key={entry.id}>
            <span class="faint">{entry.at.toLocaleTimeString()}</span> {entry.what}{' '}
            <Verdict entry={entry} />
          </div>
        ))}
      </div>
    </section>
  );
}

function Verdict({ entry }: { entry: Said }) {
  if (entry.note !== '') return <span class="bad">{entry.note}</span>;
  const { outcome } = entry;
  if (outcome === null) return <span class="dim">under way …</span>;
  const detail = outcome.detail === null || outcome.detail === undefined ? '' : text(outcome.detail);
  return (
    <span class={outcome.ok ? 'good' : 'bad'}>
      {outcome.state ?? 'no answer'} {outcome.reason} <span class="dim">{detail}</span>
    </span>
  );
}

/** For reading; JSON has no 64-bit numbers and no bytes. */
export function text(detail: unknown): string {
  return (
    JSON.stringify(detail, (_, entry: unknown) => {
      if (typeof entry === 'bigint') return Number(entry);
      if (ArrayBuffer.isView(entry)) return Array.from(entry as Uint8Array).slice(0, 64);
      if (entry instanceof Map) return Object.fromEntries(entry);
      return entry;
    }) ?? ''
  ).slice(0, 2000);
}
