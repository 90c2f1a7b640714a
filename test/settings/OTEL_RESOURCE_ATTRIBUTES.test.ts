/** OTEL_RESOURCE_ATTRIBUTES: labels of target_info. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { select } from '../exposition.ts';
import { startApp } from '../processes.ts';
import { holdSetting } from './setting-cases.ts';

holdSetting('resourceAttributes', {
  variable: 'OTEL_RESOURCE_ATTRIBUTES',
  fallback: {},
  valid: [
    ['team=shop,region=eu', { team: 'shop', region: 'eu' }],
    ['service.name=a%2Cb%3Dc', { 'service.name': 'a,b=c' }],
    [' a = 1 ,, b= ,', { a: '1', b: '' }],
    ['gr%C3%B6%C3%9Fe=%20x%20', { größe: ' x ' }],
    ['a=1,a=2', { a: '2' }],
    [`a=${'x'.repeat(255)}`, { a: 'x'.repeat(255) }],
  ],
  invalid: ['x', '=1', 'a=b=c', 'a=%', 'a=%zz', 'a=1,b', `a=${'x'.repeat(256)}`, `${'x'.repeat(256)}=a`],
  foreign: [null, 5, true, [], [{}], () => 1],
});

test('they are in target_info, decoded, before what is detected', async (t) => {
  const env = {
    OTEL_RESOURCE_ATTRIBUTES: 'service.name=a%2Cb,deployment.environment.name=gr%C3%BCn,host.name=told',
    OTEL_NODE_RESOURCE_DETECTORS: 'host',
  };
  const app = await startApp(t, 'counts-its-answers.mjs', { env });
  const [target] = select(await app.scrape(), 'target_info');
  assert.equal(target?.labels['service_name'], 'a,b');
  assert.equal(target?.labels['deployment_environment_name'], 'grün');
  assert.equal(target?.labels['host_name'], 'told');
});
