/** GUNICORN_OTEL_GROUP: the name by which processes without a common parent find each other. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { startApp, until } from '../processes.ts';
import { holdSetting, NO_LINE } from './setting-cases.ts';

holdSetting('group', {
  variable: 'GUNICORN_OTEL_GROUP',
  fallback: '',
  valid: [
    ['shop', 'shop'],
    ['größe & co', 'größe & co'],
  ],
  invalid: [...NO_LINE],
});

test('processes that give the same name are one group, whatever their service name and port', async (t) => {
  const first = await startApp(t, 'counts-its-answers.mjs', { env: { GUNICORN_OTEL_GROUP: 'shop' } });
  await first.metricsUrl();
  const second = await startApp(t, 'counts-its-answers.mjs', {
    directory: first.directory,
    env: { GUNICORN_OTEL_GROUP: 'shop', OTEL_SERVICE_NAME: 'other', PROMETHEUS_METRICS_PORT: '1' },
  });
  const workers = async () => {
    const samples = await first.scrape();
    return samples
      .filter(({ name }) => name === 'gunicorn_worker_uptime_seconds')
      .map(({ labels }) => labels['worker_id']);
  };
  const ids = await until(async () => ((await workers()).length === 2 ? workers() : undefined), 'both are shown');
  assert.ok(
    ids.every((id, i) => new RegExp(`^worker_${[first.pid, second.pid].sort((a, b) => a - b)[i]}_\\d+$`).test(id!)),
  );
  assert.deepEqual(readdirSync(first.directory), ['group-shop']);
  assert.equal(second.output.stderr, '');
});
