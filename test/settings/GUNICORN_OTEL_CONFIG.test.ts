/** GUNICORN_OTEL_CONFIG: the module that exports settings, views and hooks. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadConfigModule } from '../../src/config-module.ts';
import { freshDirectory } from '../processes.ts';
import { holdSetting, NO_LINE } from './setting-cases.ts';

holdSetting('configFile', {
  variable: 'GUNICORN_OTEL_CONFIG',
  fallback: 'gunicorn.conf.mjs',
  valid: [
    ['conf/metrics.cjs', 'conf/metrics.cjs'],
    ['/etc/app/gunicorn.conf.mjs', '/etc/app/gunicorn.conf.mjs'],
  ],
  invalid: [...NO_LINE],
});

test('the module that it names is loaded instead of the default one', (t) => {
  const cwd = freshDirectory(t);
  writeFileSync(join(cwd, 'gunicorn.conf.mjs'), 'export const metricsPort = 1;');
  writeFileSync(join(cwd, 'other.cjs'), 'exports.metricsPort = 2;');
  assert.deepEqual(loadConfigModule({}, cwd).settings, { metricsPort: 1 });
  assert.deepEqual(loadConfigModule({ GUNICORN_OTEL_CONFIG: 'other.cjs' }, cwd).settings, { metricsPort: 2 });
});
