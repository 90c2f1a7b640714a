/** OTEL_LOG_LEVEL: from which level on lines are written. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { basename } from 'node:path';
import { test } from 'node:test';
import { startApp, until } from '../processes.ts';
import { holdSetting } from './setting-cases.ts';

holdSetting('logLevel', {
  variable: 'OTEL_LOG_LEVEL',
  fallback: 'info',
  valid: [
    ['none', 'none'],
    ['warn', 'warn'],
    ['WARN', 'warn'],
    ['Verbose', 'verbose'],
  ],
  invalid: ['loud', '1', 'constructor'],
});

test('at none nothing is written, though there is something to complain of', async (t) => {
  const env = { OTEL_LOG_LEVEL: 'none', GUNICORN_WORKERS: 'many' };
  const app = await startApp(t, 'counts-its-answers.mjs', { env });
  await until(() => filesBelow(app.directory).includes('exporter.json'), 'the endpoint');
  app.child.kill('SIGTERM');
  await app.ended();
  assert.equal(app.output.stderr, '');
});

function filesBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' }).map((path) => basename(path));
}
