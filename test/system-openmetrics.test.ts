/** A real Prometheus asks for OpenMetrics by itself: it is given that, takes all of it, and has the values of text format 0.0.4. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { METRICS } from '@x/gunicorn-otel';
import { parseOpenMetrics } from './openmetrics.ts';
import { startCluster, until } from './processes.ts';
import { NO_PROMETHEUS, startPrometheus } from './prometheus-server.ts';
import { settled } from './request-count.ts';
import { request, requests } from './requests.ts';

const DURATION = 'gunicorn_worker_request_duration_seconds';
const REQUESTS = 12;

test('Prometheus scrapes a cluster as OpenMetrics', { skip: NO_PROMETHEUS }, async (t) => {
  const cluster = await startCluster(t, 'counts-its-answers.mjs', 2);
  await requests(`http://127.0.0.1:${cluster.port}/`, REQUESTS);
  const samples = await settled(cluster, REQUESTS);
  const prometheus = await startPrometheus(t, {
    global: { scrape_interval: '1s', scrape_timeout: '1s' },
    scrape_configs: [{ job_name: 'shop', static_configs: [{ targets: [new URL(await cluster.metricsUrl()).host] }] }],
  });
  await until(async () => (await prometheus.query('up'))[0]?.value[1] === '1', 'the target is up');
  const { activeTargets } = await prometheus.api('targets');
  assert.equal(activeTargets[0].lastError, '');

  // The text format has counters under their samples' names, and no units.
  const told: { metric: string; type: string; unit: string }[] = await prometheus.api('targets/metadata');
  const byName = new Map(told.map((family) => [family.metric, family]));
  for (const { name, type, unit } of METRICS) {
    const family = byName.get(type === 'counter' ? name.replace(/_total$/, '') : name);
    assert.deepEqual([family?.type, family?.unit], [type, unit], name);
  }
  assert.equal(byName.get('target')?.type, 'info');

  for (const bound of ['1.0', '+Inf']) {
    const [counted] = await prometheus.query(`sum(${DURATION}_bucket{le="${bound}"})`);
    assert.equal(counted?.value[1], String(REQUESTS), bound);
  }
  assert.deepEqual(await prometheus.query(`${DURATION}_bucket{le="1"}`), []);
  for (const { name, labels, value } of samples.filter((sample) => /_(?:count|requests_total)$/.test(sample.name))) {
    const matchers = Object.entries(labels).map(([label, text]) => `${label}=${JSON.stringify(text)}`);
    const [found] = await prometheus.query(`${name}{${matchers}}`);
    assert.equal(Number(found?.value[1]), value, name);
  }
});

test('what it is given is what the specification allows, compressed or not, whole or in part', async (t) => {
  const cluster = await startCluster(t, 'counts-its-answers.mjs', 1);
  await requests(`http://127.0.0.1:${cluster.port}/`, 3);
  await settled(cluster, 3);
  const url = await cluster.metricsUrl();
  const headers = { accept: 'application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1' };
  const whole = await request(url, { headers });
  assert.equal(whole.headers['content-type'], 'application/openmetrics-text; version=1.0.0; charset=utf-8');
  assert.ok(parseOpenMetrics(whole.body).length > METRICS.length);
  const part = await until(async () => {
    const answer = await request(`${url}?name[]=shop_answers_total&name[]=target_info`, { headers });
    return /^shop_answers_total 3$/m.test(answer.body) && answer;
  }, "the app's own count");
  assert.deepEqual(
    parseOpenMetrics(part.body).map(({ name, type }) => [name, type]),
    [
      ['target', 'info'],
      ['shop_answers', 'counter'],
    ],
  );
  assert.equal((await request(`${url}?name[]=nobody`, { headers })).body, '# EOF\n');
  assert.equal((await request(`${url}?name[]=nobody`)).body, '');
});
