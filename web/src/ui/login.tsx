// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

import { useState } from 'preact/hooks';

import { linkState } from '../page/client';
import { logIn } from '../page/start';

/** Asked for when the broker refuses; kept in this tab alone. */
export function Login() {
  const [username, setUsername] = useState('');
  const [password, setPassword] = useState('');
  return (
    <div class="login">
      <form
        class="card"
        onSubmit={(event) => {
          event.preventDefault();
          logIn({ username, password });
        }}
      >
        <h2>The broker asks who you are</h2>
        <p class="dim">{linkState.value.reason}</p>
        <label for="username">User</label>
        <input
          id="username"
          type="text"
          autocomplete="username"
          value={username}
          onInput={(event) => setUsername(event.currentTarget.value)}
        />
        <label for="password">Password</label>
        <input
          id="password"
          type="password"
          autocomplete="current-password"
          value={password}
          onInput={(event) => setPassword(event.currentTarget.value)}
        />
        <div class="row">
          <button class="primary">Connect</button>
          <span class="dim">Kept until this tab is closed.</span>
        </div>
      </form>
    </div>
  );
}
