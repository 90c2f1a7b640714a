/** PROMETHEUS_MULTIPROC_DIR: where the processes of a group meet. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { freshDirectory, startApp } from '../processes.ts';
import { holdSetting } from './setting-cases.ts';

holdSetting('multiprocDirectory', {
  variable: 'PROMETHEUS_MULTIPROC_DIR',
  fallback: join(tmpdir(), 'prometheus_multiproc'),
  valid: [
    ['/var/run/x', '/var/run/x'],
    ['relative/x', resolve('relative/x')],
    ['/with space', '/with space'],
  ],
  invalid: ['/a\0b', 'a\0b'],
});

test('a process has its files there while it lives, made when it is not there', async (t) => {
  const directory = join(freshDirectory(t), 'below', 'it');
  const app = await startApp(t, 'counts-its-answers.mjs', { directory });
  await app.metricsUrl();
  const [group] = readdirSync(directory);
  assert.ok(readdirSync(join(directory, group!)).includes('exporter.json'));
  app.child.kill('SIGTERM');
  await app.ended();
  assert.deepEqual(readdirSync(directory), []);
});
