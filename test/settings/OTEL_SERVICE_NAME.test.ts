/** OTEL_SERVICE_NAME: the name of the service in target_info. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { select } from '../exposition.ts';
import { startApp } from '../processes.ts';
import { holdSetting, NO_LINE } from './setting-cases.ts';

holdSetting('serviceName', {
  variable: 'OTEL_SERVICE_NAME',
  fallback: '',
  valid: [
    ['shop', 'shop'],
    ['größe & co', 'größe & co'],
  ],
  invalid: [...NO_LINE],
});

test('it is in target_info, before the one in OTEL_RESOURCE_ATTRIBUTES', async (t) => {
  const env = { OTEL_SERVICE_NAME: 'shop', OTEL_RESOURCE_ATTRIBUTES: 'service.name=other,team=a' };
  const app = await startApp(t, 'counts-its-answers.mjs', { env });
  const [target] = select(await app.scrape(), 'target_info');
  assert.equal(target?.labels['service_name'], 'shop');
  assert.equal(target?.labels['team'], 'a');
});
