/** OTEL_SDK_DISABLED: nothing of this package runs. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { startApp } from '../processes.ts';
import { requests } from '../requests.ts';
import { holdSetting } from './setting-cases.ts';

holdSetting('sdkDisabled', {
  variable: 'OTEL_SDK_DISABLED',
  fallback: false,
  valid: [
    ['true', true],
    ['false', false],
    ['TRUE', true],
    ['False', false],
  ],
  invalid: ['1', 'yes', 'constructor', '__proto__', 'toString'],
});

test('a process that is told so has no endpoint, no file and no line', async (t) => {
  const app = await startApp(t, 'counts-its-answers.mjs', { env: { OTEL_SDK_DISABLED: 'true' } });
  await requests(`http://127.0.0.1:${app.port}/`, 2);
  app.child.kill('SIGTERM');
  await app.ended();
  assert.equal(app.output.stderr, '');
  assert.deepEqual(readdirSync(app.directory), []);
});
