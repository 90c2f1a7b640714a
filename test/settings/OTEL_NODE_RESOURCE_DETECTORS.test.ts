/** OTEL_NODE_RESOURCE_DETECTORS: what else target_info tells. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { select } from '../exposition.ts';
import { startApp } from '../processes.ts';
import { holdSetting } from './setting-cases.ts';

holdSetting('resourceDetectors', {
  variable: 'OTEL_NODE_RESOURCE_DETECTORS',
  fallback: ['env'],
  valid: [
    ['host,os', ['host', 'os']],
    ['all', ['all']],
    ['none', ['none']],
    ['ENV, process,serviceinstance,', ['env', 'process', 'serviceinstance']],
    ['host,host', ['host']],
  ],
  invalid: ['x', 'host,x', 'all,host', 'none,host', ','],
});

const EFFECTS: Record<string, (labels: string[]) => boolean> = {
  env: (labels) => !labels.some((label) => /^(host|os|process|service_instance)_/.test(label)),
  'host,os': (labels) => ['host_name', 'os_type'].every((label) => labels.includes(label)),
  all: (labels) =>
    ['host_name', 'os_type', 'process_pid', 'service_instance_id'].every((label) => labels.includes(label)),
};
for (const [detectors, told] of Object.entries(EFFECTS)) {
  test(`${detectors} is in target_info, without a complaint`, async (t) => {
    const app = await startApp(t, 'counts-its-answers.mjs', { env: { OTEL_NODE_RESOURCE_DETECTORS: detectors } });
    const [target] = select(await app.scrape(), 'target_info');
    assert.ok(told(Object.keys(target!.labels)), JSON.stringify(target));
    // Of the process that is measured, not of the exporter's thread.
    if (detectors === 'all') {
      assert.equal(target!.labels['process_pid'], String(app.pid));
      assert.match(target!.labels['process_command']!, /counts-its-answers\.mjs$/);
    }
    assert.equal(app.output.stderr.trim().split('\n').length, 1, app.output.stderr);
  });
}
