/**
 * A real Prometheus scrapes a real cluster for a minute over TLS with basic auth, with a configuration as in
 * docs/operations.md: the target is up, every query of the dashboard has an answer, and every rule of the files is evaluated.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import { makeCertificate, NO_OPENSSL } from './certificates.ts';
import { startReceiver } from './otlp-receiver.ts';
import { type Cluster, fixture, freshDirectory, startCluster, until } from './processes.ts';
import { ALERTS, RECORDINGS, RULE_FILES } from './prometheus-rules.ts';
import { NO_PROMETHEUS, type PrometheusServer, startPrometheus } from './prometheus-server.ts';
import { metricOf, readQuery } from './promql.ts';
import { NO_REDIS, startRedis } from './redis-server.ts';
import { connect, request, requests } from './requests.ts';
import { hashOf } from './secured-endpoint.ts';

const DASHBOARD = new URL('../../docs/grafana/dashboard.json', import.meta.url);
// With time enough for a scrape on a machine where everything else runs as well.
const INTERVAL = '2s';
/** A minute of them. */
const SCRAPES = 30;
const PASSWORD = 's3cret';
/** Above the 15 failures in five minutes that an alert asks for. */
const ROUNDS = 25;
/** Without series until something goes wrong that need not go wrong here. */
const MAY_BE_EMPTY = new Set([
  'gunicorn_exporter_errors_total',
  'gunicorn_exporter_snapshot_errors_total',
  'gunicorn_exporter_redis_errors_total',
  'gunicorn_exporter_conflicts',
]);
const skip = NO_PROMETHEUS || NO_REDIS || (NO_OPENSSL ?? false);

interface Target {
  readonly panel: string;
  readonly description: string;
  readonly expr: string;
  readonly legendFormat: string;
}

let prometheus: PrometheusServer;
const ends: (() => unknown)[] = [];
after(async () => {
  for (const end of ends) await end();
});
before(async () => {
  if (skip) return;
  const owner = { after: (end: () => unknown) => void ends.push(end) };
  const redis = await startRedis(owner);
  const receiver = await startReceiver(owner);
  const directory = freshDirectory(owner);
  const { certFile, keyFile } = makeCertificate(directory, 'endpoint');
  const webConfig = join(directory, 'web.yml');
  // JSON is YAML.
  const security = {
    tls_server_config: { cert_file: certFile, key_file: keyFile },
    basic_auth_users: { prometheus: hashOf(PASSWORD) },
  };
  writeFileSync(webConfig, JSON.stringify(security));
  const env = {
    GUNICORN_OTEL_WEB_CONFIG_FILE: webConfig,
    GUNICORN_WORKERS: '2',
    REDIS_ENABLED: 'true',
    REDIS_PORT: String(redis.port),
    REDIS_FORWARD_INTERVAL: '1',
    OTEL_METRICS_EXPORTER: 'prometheus,otlp',
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
    OTEL_METRIC_EXPORT_INTERVAL: '1000',
  };
  const primary = fixture('keeps-workers.mjs');
  const cluster = await startCluster(owner, 'fails-and-holds.mjs', 2, { primary, env });
  prometheus = await startPrometheus(owner, {
    global: { scrape_interval: INTERVAL, scrape_timeout: INTERVAL, evaluation_interval: INTERVAL },
    rule_files: RULE_FILES,
    scrape_configs: [
      {
        job_name: 'shop',
        scheme: 'https',
        tls_config: { ca_file: certFile },
        basic_auth: { username: 'prometheus', password: PASSWORD },
        static_configs: [{ targets: [new URL(await cluster.metricsUrl()).host] }],
      },
    ],
  });
  await live(cluster);
});

test('its target is up, and no scrape has failed', { skip }, async () => {
  const { activeTargets } = await prometheus.api('targets');
  assert.deepEqual(
    activeTargets.map(({ health, lastError }: Record<string, string>) => ({ health, lastError })),
    [{ health: 'up', lastError: '' }],
  );
  const [lowest] = await prometheus.query('min_over_time(up[1h])');
  assert.equal(lowest?.value[1], '1');
});

test('every query of the dashboard has data, or is told to be empty here', { skip }, async () => {
  for (const { panel, description, expr, legendFormat } of dashboardTargets()) {
    const results = await prometheus.query(expr);
    if (results.length === 0 && asksOnlyFor(MAY_BE_EMPTY, expr)) {
      assert.match(description, /empty (?:until|where|while)/i, panel);
      continue;
    }
    assert.ok(results.length > 0, `${panel}: ${expr}`);
    assert.ok(
      results.some(({ value }) => Number.isFinite(Number(value[1]))),
      `${panel}: ${expr}`,
    );
    const labels = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label]) => label!);
    assert.ok(
      results.some(({ metric }) => labels.every((label) => label in metric)),
      `${panel}: ${legendFormat}`,
    );
  }
});

test('every variable of the dashboard has values', { skip }, async () => {
  for (const { name, definition } of dashboardModel().templating.list.slice(1)) {
    const [, series, label] = /^label_values\((.+), (\w+)\)$/.exec(definition!)!;
    const values = await prometheus.query(`count by (${label}) (${filled(series!)})`);
    assert.ok(values.length > 0 && label! in values[0]!.metric, name);
  }
});

test('every recording rule has recorded', { skip }, async () => {
  for (const { name, labels, expression } of RECORDINGS) {
    assert.ok((await prometheus.query(expression)).length > 0 || isForTheOld(name), expression);
    const matchers = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
    const recorded = await prometheus.query(`${name}{${matchers}}`);
    assert.ok(recorded.length > 0 || isForTheOld(name), name);
  }
});

test('every alert is evaluated, and the one that should be is pending', { skip }, async () => {
  for (const { expression } of ALERTS) await prometheus.query(expression);
  const { groups } = await prometheus.api('rules');
  const rules: Record<string, string>[] = groups.flatMap((group: { rules: object[] }) => group.rules);
  assert.deepEqual(rules.map(({ name }) => name).sort(), [...RECORDINGS, ...ALERTS].map(({ name }) => name).sort());
  assert.deepEqual(
    rules.filter(({ health, lastError }) => health !== 'ok' || lastError),
    [],
  );
  // A seventh of the requests fails, but not for five minutes yet.
  const alerts = async (): Promise<{ labels: Record<string, string>; state: string }[]> =>
    (await prometheus.api('alerts')).alerts;
  await until(
    async () => (await alerts()).some(({ labels }) => labels['alertname'] === 'GunicornErrorRatioHigh'),
    'an alert that is pending',
  );
  assert.deepEqual(
    (await alerts()).filter(({ state }) => state !== 'pending'),
    [],
  );
});

/** Traffic, errors of all kinds and a killed worker, until there were some scrapes with it. */
async function live(cluster: Cluster): Promise<void> {
  process.kill(cluster.workers().get('2')!, 'SIGKILL');
  await cluster.says(/^worker 3 /m);
  const url = `http://127.0.0.1:${cluster.port}`;
  const scrapes = async () => Number((await prometheus.query('count_over_time(up[1h])'))[0]?.value[1] ?? 0);
  const begun = await scrapes();
  let rounds = 0;
  const round = async () => {
    rounds += 1;
    await requests(`${url}/users/${rounds}`, 4);
    await request(`${url}/upload`, { method: 'POST', body: ['x'.repeat(5000)] });
    await request(`${url}/fails`);
    const aborted = await connect(cluster.port, 'GET /hold HTTP/1.1\r\nhost: x\r\n\r\n');
    await until(() => aborted.received.text !== '', 'the head of the answer');
    aborted.socket.destroy();
    const { socket } = await connect(cluster.port, 'GARBAGE\r\n\r\n');
    await new Promise((resolve) => socket.once('close', resolve));
    return rounds >= ROUNDS && (await scrapes()) >= begun + SCRAPES;
  };
  await until(round, `${SCRAPES} scrapes`, 180_000);
}

// Of workers that are ten minutes old.
function isForTheOld(name: string): boolean {
  return name === 'job_instance_worker_id:gunicorn_worker_requests:rate10m';
}

function asksOnlyFor(metrics: ReadonlySet<string>, query: string): boolean {
  return readQuery(query).selectors.every(({ metric }) => metrics.has(metricOf(metric) ?? ''));
}

function dashboardModel(): {
  panels: { title: string; description: string; targets?: { expr: string; legendFormat: string }[] }[];
  templating: { list: { name: string; definition?: string }[] };
} {
  return JSON.parse(readFileSync(DASHBOARD, 'utf8'));
}

function dashboardTargets(): Target[] {
  return dashboardModel().panels.flatMap(({ title, description, targets = [] }) =>
    targets.map(({ expr, legendFormat }) => ({ panel: title, description, expr: filled(expr), legendFormat })),
  );
}

// As Grafana would, with everything selected.
function filled(query: string): string {
  return query.replaceAll('$__rate_interval', '1m').replaceAll(/\$\w+/g, '.*');
}
