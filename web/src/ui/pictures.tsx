// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

/** Panels that draw: map, camera, scan, point cloud, GPS. */

import { useEffect, useRef, useState } from 'preact/hooks';

import type { FixView } from '../link/views';
import { client } from '../page/client';
import { CloudScene, type Shading } from '../page/cloudscene';
import { count, value } from '../page/format';
import { Plane } from '../page/plane';
import { Panel, Waiting } from './panel';

interface Shown {
  readonly topic: string;
  readonly onClose?: () => void;
}

const HERE = { x: 0, y: 0, yaw: 0 };

interface MapProps {
  readonly grid: string | null;
  readonly pose: string | null;
  readonly scan: string | null;
  readonly onClose?: () => void;
}

export function MapPanel({ grid, pose, scan, onClose }: MapProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const plane = useRef<Plane | null>(null);
  const [following, setFollowing] = useState(true);
  const [drawn, setDrawn] = useState(false);
  const [where, setWhere] = useState('');
  useEffect(() => {
    const made = new Plane(canvas.current!);
    made.onFollow = setFollowing;
    plane.current = made;
    const ends = [() => made.close()];
    const seen = () => setDrawn(true);
    if (grid !== null) {
      ends.push(
        client.view(grid, 'view', (view) => {
          if (view.kind !== 'grid') return;
          made.setGrid(view);
          seen();
        }),
      );
    }
    if (pose !== null) {
      ends.push(
        client.view(
          pose,
          'place',
          (view) => {
            if (view.kind !== 'place') return;
            made.setRobot(view.pose);
            const degrees = (view.pose.yaw * 180) / Math.PI;
            const frame = view.onMap ? 'map' : view.frame;
            setWhere(
              `${view.pose.x.toFixed(2)}, ${view.pose.y.toFixed(2)} m · ${degrees.toFixed(0)}° in ${frame}`,
            );
            seen();
          },
          20,
        ),
      );
    }
    if (scan !== null) {
      ends.push(
        client.view(
          scan,
          'view',
          (view) => {
            if (view.kind === 'scan' && view.pose !== null) made.setScan(view, view.pose);
          },
          15,
        ),
      );
    }
    return () => ends.forEach((end) => end());
  }, [grid, pose, scan]);
  return (
    <Panel title="Map" hint={[grid, pose, scan].filter(Boolean).join('  ')} size="wide" onClose={onClose}>
      <div class="view">
        <canvas ref={canvas} aria-label="Map with the robot's way" role="img" />
        {!drawn && <Waiting topic={pose ?? grid ?? ''} />}
        <div class="corner">
          <button aria-label="Nearer" onClick={() => plane.current?.zoom(1.4)}>+</button>
          <button aria-label="Farther" onClick={() => plane.current?.zoom(1 / 1.4)}>−</button>
          <button aria-pressed={following} onClick={() => plane.current?.fit()}>Fit</button>
          <button onClick={() => plane.current?.track.clear()}>Clear track</button>
        </div>
        <div class="foot mono">{where}</div>
      </div>
    </Panel>
  );
}

export function ScanPanel({ topic, onClose }: Shown) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [rays, setRays] = useState<number | null>(null);
  useEffect(() => {
    const plane = new Plane(canvas.current!, 16);
    plane.setRobot(HERE);
    const end = client.view(
      topic,
      'view',
      (view) => {
        if (view.kind !== 'scan') return;
        plane.setScan(view, HERE);
        setRays(view.points.length / 2);
      },
      20,
    );
    return () => {
      end();
      plane.close();
    };
  }, [topic]);
  return (
    <Panel title="Scan" hint={topic} onClose={onClose}>
      <div class="view">
        <canvas ref={canvas} aria-label={`Laser scan ${topic}`} role="img" />
        {rays === null && <Waiting topic={topic} />}
        <div class="foot mono">{rays === null ? '' : `${rays} returns`}</div>
      </div>
    </Panel>
  );
}

export function ImagePanel({ topic, onClose }: Shown) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [about, setAbout] = useState('');
  useEffect(() => {
    // The reference is empty a moment before the view is given up.
    const shown = canvas.current!;
    const context = shown.getContext('2d')!;
    return client.view(
      topic,
      'view',
      (view) => {
        if (view.kind !== 'image') return;
        if (shown.width !== view.width) shown.width = view.width;
        if (shown.height !== view.height) shown.height = view.height;
        context.drawImage(view.bitmap, 0, 0);
        view.bitmap.close();
        setAbout(`${view.width} × ${view.height} ${view.encoding}`);
      },
      30,
    );
  }, [topic]);
  return (
    <Panel title="Camera" hint={topic} onClose={onClose}>
      <div class="view">
        <canvas ref={canvas} style={{ objectFit: 'contain' }} aria-label={`Picture ${topic}`} role="img" />
        {about === '' && <Waiting topic={topic} />}
        <div class="foot mono">{about}</div>
      </div>
    </Panel>
  );
}

export function CloudPanel({ topic, onClose }: Shown) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const scene = useRef<CloudScene | null>(null);
  const [shading, setShading] = useState<Shading>('height');
  const [about, setAbout] = useState('');
  const [trouble, setTrouble] = useState('');
  const [shaded, setShaded] = useState(false);
  useEffect(() => {
    try {
      scene.current = new CloudScene(canvas.current!);
    } catch (error) {
      setTrouble(error instanceof Error ? error.message : String(error));
      return undefined;
    }
    const made = scene.current;
    const end = client.view(
      topic,
      'view',
      (view) => {
        if (view.kind !== 'cloud') return;
        made.show(view);
        setShaded(view.intensity.length > 0);
        setAbout(`${count(view.points.length / 3)} of ${count(view.total)} points`);
      },
      15,
    );
    return () => {
      end();
      made.close();
    };
  }, [topic]);
  const choices: Shading[] = shaded ? ['height', 'distance', 'intensity'] : ['height', 'distance'];
  return (
    <Panel title="Point cloud" hint={topic} size="wide" onClose={onClose}>
      <div class="view">
        <canvas ref={canvas} aria-label={`Point cloud ${topic}; drag to turn it`} role="img" />
        {trouble !== '' && <div class="note">{trouble}</div>}
        {about === '' && trouble === '' && <Waiting topic={topic} />}
        <div class="corner">
          <select
            aria-label="Colour by"
            value={shading}
            onChange={(event) => {
              const chosen = event.currentTarget.value as Shading;
              setShading(chosen);
              scene.current?.setShading(chosen);
            }}
          >
            {choices.map((name) => (
              <option key={name} value={name}>by {name}</option>
            ))}
          </select>
        </div>
        <div class="foot mono">{about}</div>
      </div>
    </Panel>
  );
}

/** Metres on the ground per degree of latitude, good to half a percent everywhere. */
const METRES_PER_DEGREE = 111_320;

export function FixPanel({ topic, onClose }: Shown) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [fix, setFix] = useState<FixView | null>(null);
  useEffect(() => {
    const plane = new Plane(canvas.current!, 12);
    let origin: FixView | null = null;
    let before = HERE;
    const end = client.view(
      topic,
      'view',
      (view) => {
        if (view.kind !== 'fix') return;
        setFix(view);
        if (view.status < 0 || !Number.isFinite(view.latitude + view.longitude)) return;
        origin ??= view;
        const east = Math.cos((origin.latitude * Math.PI) / 180) * METRES_PER_DEGREE;
        const x = (view.longitude - origin.longitude) * east;
        const y = (view.latitude - origin.latitude) * METRES_PER_DEGREE;
        before = { x, y, yaw: Math.atan2(y - before.y, x - before.x) };
        plane.setRobot(before);
      },
      10,
    );
    return () => {
      end();
      plane.close();
    };
  }, [topic]);
  return (
    <Panel title="GPS track" hint={topic} onClose={onClose}>
      <div class="view">
        <canvas ref={canvas} aria-label={`GPS track ${topic}`} role="img" />
        {fix === null && <Waiting topic={topic} />}
        {fix !== null && (
          <div class="foot mono">
            {fix.latitude.toFixed(6)}°, {fix.longitude.toFixed(6)}° · {value(fix.altitude)} m
            {Number.isFinite(fix.sigmaM) && fix.sigmaM > 0 && ` · ±${fix.sigmaM.toFixed(1)} m`}
            {fix.status < 0 && ' · no fix'}
          </div>
        )}
      </div>
    </Panel>
  );
}
