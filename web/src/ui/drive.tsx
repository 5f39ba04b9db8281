// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

import { useEffect, useMemo, useRef } from 'preact/hooks';

import { robotNews } from '../page/client';
import { operator, operatorKey, pinnedKey } from '../page/commanding';
import { Driver, type Stick } from '../page/driving';
import { kept } from '../page/kept';
import { linkTo } from '../page/route';
import { Panel } from './panel';

const TWISTS = ['geometry_msgs/msg/Twist', 'geometry_msgs/msg/TwistStamped'];

const isSpeed = (found: unknown): found is number => typeof found === 'number' && found > 0 && found <= 5;
const linear = kept('drive.linear', 0.4, isSpeed);
const angular = kept('drive.angular', 0.9, isSpeed);

/** The first channel that drives, if the robot has one. */
export function DrivePanel({ robot }: { robot: string }) {
  const info = robotNews.value?.robot.info;
  const channel = info?.channels.find((entry) => entry.lease && TWISTS.includes(entry.type));
  if (channel === undefined) return null;
  const ready =
    operator.value !== null &&
    (pinnedKey(robot) !== null || robotNews.value?.robot.state?.trustsTransport);
  return (
    <Panel title="Drive" hint={channel.name}>
      {ready ? (
        <Sticks
          key={`${robot} ${channel.name} ${operatorKey.value?.fingerprint ?? ''}`}
          robot={robot}
          channel={channel.name}
          stamped={channel.type !== TWISTS[0]}
        />
      ) : (
        <div class="inside">
          <p class="dim">
            {operator.value === null
              ? 'To drive it you need a key of your own in this browser.'
              : "Compare this robot's key once, so that its answers can be believed."}
          </p>
          <a class="pill" href={linkTo(robot, 'commands')}>Set up commands</a>
        </div>
      )}
    </Panel>
  );
}

interface SticksProps {
  readonly robot: string;
  readonly channel: string;
  readonly stamped: boolean;
}

function Sticks({ robot, channel, stamped }: SticksProps) {
  const driver = useMemo(
    () =>
      new Driver(robot, channel, stamped, () => ({
        linear: linear.peek(),
        angular: angular.peek(),
      })),
    [robot, channel, stamped],
  );
  useEffect(() => () => driver.close(), [driver]);
  const held = driver.state.value === 'held';
  useKeys(driver, held);
  return (
    <div class="drive">
      <div class="row">
        {held ? (
          <button class="danger" onClick={driver.giveBack}>Give back control</button>
        ) : (
          <button
            class="primary"
            disabled={driver.state.value === 'asking'}
            onClick={() => void driver.takeControl()}
          >
            {driver.state.value === 'asking' ? 'Asking …' : 'Take control'}
          </button>
        )}
        {held && (
          <span class={`pill ${driver.moving.value ? 'warn' : 'good'}`} role="status">
            {driver.moving.value ? 'moving' : 'in control'}
          </span>
        )}
      </div>
      <Joystick driver={driver} enabled={held} />
      <div class="row wrap" style={{ justifyContent: 'center' }}>
        <Speed name="Speed" unit="m/s" at={linear} most={1.5} />
        <Speed name="Turn" unit="rad/s" at={angular} most={2} />
      </div>
      <p class={driver.word.value === '' ? 'faint' : 'warn'} style={{ margin: 0, textAlign: 'center' }}>
        {driver.word.value ||
          (held
            ? 'Hold the stick, or W A S D or the arrows. Letting go stops.'
            : 'One operator drives at a time.')}
        {held && driver.scale.value !== null && driver.scale.value < 0.99 && (
          <> Slowed to {Math.round(100 * driver.scale.value)} %: commands arrive late.</>
        )}
      </p>
    </div>
  );
}

interface SpeedProps {
  readonly name: string;
  readonly unit: string;
  readonly at: typeof linear;
  readonly most: number;
}

function Speed({ name, unit, at, most }: SpeedProps) {
  return (
    <label class="row dim" style={{ fontSize: '12px' }}>
      {name}
      <input
        type="range"
        min={0.05}
        max={most}
        step={0.05}
        value={at.value}
        style={{ width: '84px' }}
        onInput={(event) => (at.value = Number(event.currentTarget.value))}
      />
      <span style={{ minWidth: '64px' }}>{at.value.toFixed(2)} {unit}</span>
    </label>
  );
}

function Joystick({ driver, enabled }: { driver: Driver; enabled: boolean }) {
  const base = useRef<HTMLDivElement>(null);
  const knob = useRef<HTMLDivElement>(null);
  const held = useRef<number | null>(null);
  const show = ({ ahead, left }: Stick) => {
    const reach = (base.current!.clientWidth - 62) / 2;
    knob.current!.style.transform = `translate(${-left * reach}px, ${-ahead * reach}px)`;
  };
  const at = (event: PointerEvent): Stick => {
    const box = base.current!.getBoundingClientRect();
    const reach = (box.width - 62) / 2;
    let x = (event.clientX - box.left - box.width / 2) / reach;
    let y = (event.clientY - box.top - box.height / 2) / reach;
    const size = Math.hypot(x, y);
    if (size > 1) [x, y] = [x / size, y / size];
    return { ahead: -y, left: -x };
  };
  const release = () => {
    held.current = null;
    show({ ahead: 0, left: 0 });
    driver.stop();
  };
  useEffect(() => {
    // Whoever loses control, or whose screen turns under the thumb, has to take hold anew.
    const drop = () => {
      if (held.current !== null) release();
    };
    if (!enabled) drop();
    addEventListener('resize', drop);
    return () => removeEventListener('resize', drop);
  }, [driver, enabled]);
  return (
    <div
      class="stick"
      ref={base}
      role="application"
      aria-label="Joystick: drag and hold to drive; letting go stops"
      aria-disabled={!enabled}
      data-held={driver.moving.value}
      onPointerDown={(event) => {
        if (!enabled || held.current !== null) return;
        event.preventDefault();
        base.current!.setPointerCapture(event.pointerId);
        held.current = event.pointerId;
        const stick = at(event);
        show(stick);
        driver.hold(stick);
      }}
      onPointerMove={(event) => {
        if (event.pointerId !== held.current) return;
        const stick = at(event);
        show(stick);
        driver.hold(stick);
      }}
      onPointerUp={(event) => event.pointerId === held.current && release()}
      onPointerCancel={release}
      onLostPointerCapture={release}
      onContextMenu={(event) => event.preventDefault()}
    >
      <div class="knob" ref={knob} />
    </div>
  );
}

const KEYS: Readonly<Record<string, Stick>> = {
  KeyW: { ahead: 1, left: 0 },
  ArrowUp: { ahead: 1, left: 0 },
  KeyS: { ahead: -1, left: 0 },
  ArrowDown: { ahead: -1, left: 0 },
  KeyA: { ahead: 0, left: 1 },
  ArrowLeft: { ahead: 0, left: 1 },
  KeyD: { ahead: 0, left: -1 },
  ArrowRight: { ahead: 0, left: -1 },
};

/** Keys drive while they are down, unless one types into something. */
function useKeys(driver: Driver, enabled: boolean): void {
  useEffect(() => {
    if (!enabled) return undefined;
    const down = new Set<string>();
    const move = () => {
      if (down.size === 0) {
        driver.stop();
        return;
      }
      let ahead = 0;
      let left = 0;
      for (const code of down) {
        ahead += KEYS[code]!.ahead;
        left += KEYS[code]!.left;
      }
      driver.hold({ ahead: Math.sign(ahead), left: Math.sign(left) });
    };
    const press = (event: KeyboardEvent) => {
      const typing = event.target instanceof Element && event.target.closest('input:not([type=range]), textarea, select');
      if (event.ctrlKey || event.metaKey || event.altKey) {
        // Some systems never tell that a key is lifted while one of these is down.
        if (down.size > 0) none();
        return;
      }
      if (!Object.hasOwn(KEYS, event.code) || typing) return;
      event.preventDefault();
      if (event.repeat) return;
      down.add(event.code);
      move();
    };
    const lift = (event: KeyboardEvent) => {
      if (down.delete(event.code)) move();
    };
    const none = () => {
      down.clear();
      driver.stop();
    };
    addEventListener('keydown', press);
    addEventListener('keyup', lift);
    addEventListener('blur', none);
    // A menu swallows keys that are lifted.
    addEventListener('contextmenu', none);
    return () => {
      none();
      removeEventListener('keydown', press);
      removeEventListener('keyup', lift);
      removeEventListener('blur', none);
      removeEventListener('contextmenu', none);
    };
  }, [driver, enabled]);
}
