// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

import { signal } from '@preact/signals';
import { useEffect, useRef, useState } from 'preact/hooks';

import type { TreeNode } from '../link/messages';
import { Chart, robotNow, type Span } from '../page/chart';
import { client, robotNews, type Tree } from '../page/client';
import { value } from '../page/format';
import { keep, keptValue } from '../page/kept';
import { Series } from '../page/series';
import { ticker } from '../page/ticker';
import { waitingFor } from './panel';

/** One plot: some fields of one topic, which share their times. */
interface Choice {
  readonly topic: string;
  readonly fields: readonly string[];
}

const MOST_FIELDS = 6;
const MOST_PLOTS = 60;
const LABEL_MS = 100;
const SPANS = [
  [10, '10 s'],
  [30, '30 s'],
  [120, '2 min'],
  [600, '10 min'],
  [3600, '1 h'],
] as const;

const span = signal<Span>({ seconds: 30, heldAt: null });

function isChoices(found: unknown): found is Choice[] {
  return (
    Array.isArray(found) &&
    found.every(
      (entry) =>
        typeof entry?.topic === 'string' &&
        Array.isArray(entry.fields) &&
        entry.fields.every((field: unknown) => typeof field === 'string'),
    )
  );
}

/** Of the robot that is open: histories outlive a look at another tab. */
const histories = new Map<string, { series: Series; end: () => void }>();

function historyOf(choice: Choice): Series {
  const key = JSON.stringify(choice);
  let found = histories.get(key);
  if (found === undefined) {
    const series = new Series(choice.fields.length);
    found = { series, end: client.plot(choice.topic, choice.fields, series) };
    histories.set(key, found);
  }
  return found.series;
}

function forget(choice: Choice): void {
  const key = JSON.stringify(choice);
  histories.get(key)?.end();
  histories.delete(key);
}

/** The robot's page is closed: its plots are to take no data and no lease any more. */
export function forgetHistories(): void {
  for (const { end } of histories.values()) end();
  histories.clear();
}

export function Plots({ robot }: { robot: string }) {
  const [choices, setChoices] = useState<readonly Choice[]>(() =>
    keptValue<readonly Choice[]>(`plots.${robot}`, [], isChoices),
  );
  const change = (next: readonly Choice[]) => {
    setChoices(next);
    keep(`plots.${robot}`, next);
  };
  const toggle = (choice: Choice) => {
    const at = choices.findIndex((entry) => same(entry, choice));
    if (at < 0 && choices.length < MOST_PLOTS) change([...choices, choice]);
    if (at < 0) return;
    forget(choices[at]!);
    change(choices.filter((_, i) => i !== at));
  };
  return (
    <div class="plotting">
      <Picker chosen={choices} onToggle={toggle} />
      <div>
        <div class="row wrap" style={{ marginBottom: '12px' }}>
          <Spans />
          {choices.length > 0 && (
            <button
              class="quiet"
              onClick={() => {
                choices.forEach(forget);
                change([]);
              }}
            >
              Close all
            </button>
          )}
        </div>
        {choices.length === 0 && (
          <p class="dim">Choose fields on the left. A group, as a vector, becomes one plot.</p>
        )}
        <div class="plots">
          {choices.map((choice) => (
            <Plot
              key={JSON.stringify(choice)}
              choice={choice}
              series={historyOf(choice)}
              onClose={() => toggle(choice)}
            />
          ))}
        </div>
      </div>
    </div>
  );
}

function same(one: Choice, other: Choice): boolean {
  return one.topic === other.topic && one.fields.join() === other.fields.join();
}

function Spans() {
  const { seconds, heldAt } = span.value;
  return (
    <>
      <div class="segments" role="group" aria-label="Time shown">
        {SPANS.map(([length, name]) => (
          <button
            key={length}
            aria-pressed={seconds === length}
            onClick={() => (span.value = { ...span.value, seconds: length })}
          >
            {name}
          </button>
        ))}
      </div>
      <button
        aria-pressed={heldAt !== null}
        onClick={() => (span.value = { seconds, heldAt: heldAt === null ? robotNow() : null })}
      >
        {heldAt === null ? 'Hold' : 'Go on'}
      </button>
    </>
  );
}

interface PlotProps {
  readonly choice: Choice;
  readonly series: Series;
  readonly onClose: () => void;
}

function Plot({ choice, series, onClose }: PlotProps) {
  const place = useRef<HTMLDivElement>(null);
  const keys = useRef<HTMLDivElement>(null);
  useEffect(() => {
    let chart: Chart | null = null;
    // What is out of sight is not drawn; its history goes on.
    const sight = new IntersectionObserver(([entry]) => {
      chart?.close();
      chart = entry?.isIntersecting ? new Chart(place.current!, series, () => span.peek()) : null;
    });
    sight.observe(place.current!);
    // Written past the renderer: ten times a second for each of many plots, the first value at once.
    const labels = [...keys.current!.querySelectorAll('b')];
    let next = 0;
    const end = ticker.add((now) => {
      if (now < next || Number.isNaN(series.newest(0))) return;
      next = now + LABEL_MS;
      labels.forEach((label, i) => {
        const text = value(series.newest(i));
        if (label.textContent !== text) label.textContent = text;
      });
    });
    return () => {
      end();
      sight.disconnect();
      chart?.close();
    };
  }, [series]);
  const common = prefix(choice.fields);
  return (
    <section class="plot" aria-label={`Plot of ${choice.topic}`}>
      <header>
        <h3 class="cut">{common || choice.fields[0]}</h3>
        <span class="faint cut grow">{choice.topic}</span>
        <button class="quiet" aria-label={`Close plot of ${choice.topic} ${common}`} onClick={onClose}>
          ✕
        </button>
      </header>
      <div class="keys" ref={keys}>
        {choice.fields.map((field, i) => (
          <span key={field} class={`key-${(i % 6) + 1}`} data-field={field}>
            {choice.fields.length > 1 ? `${field.slice(common.length).replace(/^\./, '')} ` : ''}
            <b>–</b>
          </span>
        ))}
      </div>
      <div class="chart" ref={place} />
    </section>
  );
}

/** What all of several fields begin with, up to a whole step of their paths. */
function prefix(fields: readonly string[]): string {
  if (fields.length < 2) return '';
  let common = fields[0]!;
  for (const field of fields) while (!field.startsWith(common)) common = common.slice(0, -1);
  return common.replace(/[.[][^.[]*$/, '');
}

interface PickerProps {
  readonly chosen: readonly Choice[];
  readonly onToggle: (choice: Choice) => void;
}

const topic = signal('');

/** Opens the field tree of a topic, as from the list of topics. */
export function pickFrom(name: string): void {
  topic.value = name;
}

function Picker({ chosen, onToggle }: PickerProps) {
  const rows = robotNews.value?.topics ?? [];
  const [tree, setTree] = useState<Tree | null>(null);
  const [query, setQuery] = useState('');
  const wanted = rows.some((row) => row.topic === topic.value) ? topic.value : '';
  useEffect(() => {
    setTree(null);
    return wanted === '' ? undefined : client.tree(wanted, setTree);
  }, [wanted]);
  return (
    <section class="panel picker" aria-label="Fields">
      <header>
        <h2>Fields</h2>
        <span class="faint cut">{tree?.type ?? ''}</span>
      </header>
      <div style={{ padding: '0 10px 8px' }}>
        <select
          style={{ width: '100%' }}
          aria-label="Topic"
          value={wanted}
          onChange={(event) => (topic.value = event.currentTarget.value)}
        >
          <option value="">Choose a topic …</option>
          {rows.map((entry) => (
            <option key={entry.topic} value={entry.topic}>
              {entry.topic}{entry.onDemand ? ' (on demand)' : ''}
            </option>
          ))}
        </select>
      </div>
      {wanted !== '' && (
        <input
          type="search"
          placeholder="Search fields"
          aria-label="Search fields"
          value={query}
          onInput={(event) => setQuery(event.currentTarget.value)}
        />
      )}
      <div class="list">
        {wanted !== '' && tree === null && (
          <p class="dim" style={{ padding: '0 6px' }}>{waitingFor(wanted)}</p>
        )}
        {tree !== null && (
          <ul class="tree top">
            {(tree.root.children ?? []).map((node) => (
              <Node
                key={node.path}
                node={node}
                query={query.trim().toLowerCase()}
                chosen={chosen.filter((choice) => choice.topic === wanted)}
                onPick={(fields) => onToggle({ topic: wanted, fields })}
              />
            ))}
          </ul>
        )}
      </div>
    </section>
  );
}

interface NodeProps {
  readonly node: TreeNode;
  readonly query: string;
  readonly chosen: readonly Choice[];
  readonly onPick: (fields: readonly string[]) => void;
}

function Node({ node, query, chosen, onPick }: NodeProps) {
  if (query !== '' && !matches(node, query)) return null;
  const { children } = node;
  if (children === undefined) {
    const plotted = chosen.some((choice) => choice.fields.includes(node.path));
    const numeric = typeof node.value !== 'string';
    return (
      <li>
        <button
          class="leaf"
          disabled={!numeric}
          aria-pressed={plotted}
          title={node.path}
          onClick={() => onPick([node.path])}
        >
          <span>{node.name}</span>
          <span class="val">
            {typeof node.value === 'number' ? value(node.value) : String(node.value).slice(0, 28)}
          </span>
        </button>
      </li>
    );
  }
  const numbers = children.filter((child) => typeof child.value === 'number');
  const group = numbers.length > 1 ? numbers.slice(0, MOST_FIELDS).map((child) => child.path) : null;
  return (
    <li>
      {group === null ? (
        <div class="leaf dim">{node.name}</div>
      ) : (
        <button
          class="leaf dim"
          aria-pressed={chosen.some((choice) => choice.fields.join() === group.join())}
          title={`Plot ${group.join(', ')}`}
          onClick={() => onPick(group)}
        >
          <span>{node.name}</span>
          <span class="val">plot {group.length}</span>
        </button>
      )}
      <ul class="tree">
        {children.map((child) => (
          <Node key={child.path} node={child} query={query} chosen={chosen} onPick={onPick} />
        ))}
        {(node.more ?? 0) > 0 && <li class="leaf faint">… {node.more} more</li>}
      </ul>
    </li>
  );
}

function matches(node: TreeNode, query: string): boolean {
  return (
    node.path.toLowerCase().includes(query) ||
    (node.children?.some((child) => matches(child, query)) ?? false)
  );
}
