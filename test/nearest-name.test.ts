/** Holds src/nearest-name.ts: a slip is told from another name. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { SETTINGS } from '../src/config.ts';
import { nearestName } from '../src/nearest-name.ts';

const KNOWN = [...Object.keys(SETTINGS), ...Object.values(SETTINGS).map(({ variable }) => variable), 'whenReady'];

it('a slip of the pen has its name, and so has one in the manner of another language', () => {
  const slips = {
    PROMETHEUS_METRIC_PORT: 'PROMETHEUS_METRICS_PORT',
    PROMETHEUS_METRICS_PROT: 'PROMETHEUS_METRICS_PORT',
    PROMETHEUS_SSL_CERT_FILE: 'PROMETHEUS_SSL_CERTFILE',
    GUNICORN_WORKER: 'GUNICORN_WORKERS',
    when_ready: 'whenReady',
    metricPort: 'metricsPort',
    label: 'labels',
  };
  for (const [slip, name] of Object.entries(slips)) assert.equal(nearestName(slip, KNOWN), name);
});

it('another name has none', () => {
  for (const other of ['GUNICORN_CMD_ARGS', 'PROMETHEUS_URL', 'PROMETHEUS_PORT', 'handler', 'x', '', '_']) {
    assert.equal(nearestName(other, KNOWN), undefined, other);
  }
  assert.equal(nearestName('whenReady', []), undefined);
});
