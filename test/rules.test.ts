/** The rule files: they ask for nothing that is not there, and every alert fires when it should, and only then. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ALERT_CASES, type AlertCase } from './alert-cases.ts';
import { freshDirectory, type Owner } from './processes.ts';
import { ALERTS, RECORDED, RECORDINGS, RULE_FILES, type Rule } from './prometheus-rules.ts';
import { NO_PROMTOOL } from './prometheus-server.ts';
import { assertKnown, readQuery } from './promql.ts';

const OPERATIONS = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8');
const skip = NO_PROMTOOL;

test('rules ask only for metrics and labels that there are', () => {
  for (const { expression } of [...RECORDINGS, ...ALERTS]) assertKnown(expression, RECORDED);
});

test('a query with a metric, a label or a function that there is not is found out', () => {
  for (const query of [
    'gunicorn_worker_request_total',
    'gunicorn_worker_request_duration_seconds',
    'rate(gunicorn_worker_requests_total_count[5m])',
    'gunicorn_worker_requests_total{worker="1"}',
    'sum by (route) (gunicorn_worker_requests_total)',
    'gunicorn_exporter_info and on (service) up',
    'smooth(gunicorn_worker_requests_total[5m])',
    'rate(gunicorn_worker_requests_total[soon])',
    '{job="shop"}',
    'gunicorn_exporter_info; up',
  ]) {
    assert.throws(() => assertKnown(query, RECORDED), assert.AssertionError, query);
  }
  const { selectors, groupings } = readQuery(
    'sum by (a, b) (rate(up{c="}", d!~"x"}[5m])) > on (e) f:g or 2 * h offset 1h',
  );
  assert.deepEqual(selectors, [
    { metric: 'up', labels: ['c', 'd'] },
    { metric: 'f:g', labels: [] },
    { metric: 'h', labels: [] },
  ]);
  assert.deepEqual(groupings, ['a', 'b', 'e']);
});

test('every recorded series is of use: an alert, another rule or the document has it', () => {
  const asked = [...RECORDINGS, ...ALERTS].flatMap(({ expression }) => readQuery(expression).selectors);
  const used = new Set([...asked.map(({ metric }) => metric), ...namesIn(OPERATIONS)]);
  assert.deepEqual(
    RECORDINGS.filter(({ name }) => !used.has(name)),
    [],
  );
});

test('every alert has a severity, a summary, a description, and a section of docs/operations.md', () => {
  const sections = [...OPERATIONS.matchAll(/^### (Gunicorn\w+)$/gm)].map(([, name]) => name!);
  assert.deepEqual(
    sections,
    ALERTS.map(({ name }) => name),
  );
  for (const { name, labels, annotations } of ALERTS) {
    assert.match(labels['severity'] ?? '', /^(?:critical|warning)$/, name);
    assert.deepEqual(Object.keys(annotations), ['summary', 'description', 'runbook_url'], name);
    assert.equal(annotations['runbook_url'], `docs/operations.md#${name.toLowerCase()}`);
  }
});

test('docs/operations.md lists every alert with how long it waits and its severity', () => {
  const listed = [...OPERATIONS.matchAll(/^\| \[(Gunicorn\w+)\].*\| (?:(\d+) min)? ?\| (\w+) \|$/gm)];
  assert.deepEqual(
    listed.map(([, name, minutes, severity]) => [name, minutes ? `${minutes}m` : '', severity]),
    ALERTS.map(({ name, for: waits, labels }) => [name, waits, labels['severity']]),
  );
});

test('docs/operations.md names every recorded series, and no other', () => {
  const recorded = RECORDINGS.map(({ name }) => name);
  assert.deepEqual(new Set(namesIn(OPERATIONS)), new Set(recorded));
});

test('promtool has nothing against the rules', { skip }, () => {
  const { status, stdout, stderr } = spawnSync('promtool', ['check', 'rules', ...RULE_FILES], { encoding: 'utf8' });
  assert.equal(status, 0, `${stdout}${stderr}`);
  const counts = [...stdout.matchAll(/SUCCESS: (\d+) rules/g)].map(([, count]) => Number(count));
  assert.deepEqual(counts, [RECORDINGS.length, ALERTS.length]);
});

test('what is recorded is right, and of this package alone where the name is not', { skip }, (t) => {
  const count = (service: string, labels: string) =>
    `http_server_request_duration_seconds_count{job="${service}", instance="a:9090", http_route="/"${labels}}`;
  const bucket = (service: string, le: string) =>
    `http_server_request_duration_seconds_bucket{job="${service}", instance="a:9090", http_route="/", le="${le}"}`;
  // The same requests of two services, one of which another SDK measures: 1 and 2 fail of 10 in a second.
  const series = ['shop', 'other'].flatMap((service) => [
    [count(service, ''), '0+420x20'],
    [count(service, ', error_type="500"'), '0+60x20'],
    [count(service, ', error_type="aborted"'), '0+120x20'],
    [bucket(service, '1'), '0+300x20'],
    [bucket(service, '2'), '0+600x20'],
    [bucket(service, '+Inf'), '0+600x20'],
  ]);
  const ours = [
    ['gunicorn_exporter_info', '1x20'],
    ['gunicorn_worker_requests_total{worker_id="w1"}', '0+600x20'],
    ['gunicorn_worker_request_duration_seconds_bucket{worker_id="w1", le="1"}', '0+300x20'],
    ['gunicorn_worker_request_duration_seconds_bucket{worker_id="w1", le="2"}', '0+600x20'],
    ['gunicorn_worker_request_duration_seconds_bucket{worker_id="w1", le="+Inf"}', '0+600x20'],
  ].map(([name, values]) => [ofTheTarget(name!), values]);
  const quantiles = 'request_duration_seconds:histogram_quantile_rate5m';
  const expected: [query: string, labels: string, value: number][] = [
    ['job_instance:gunicorn_worker_requests:rate5m', '', 10],
    ['job_instance:gunicorn_worker_failed_requests:ratio_rate5m', '', 0],
    [`job_instance:gunicorn_worker_${quantiles}{quantile="0.5"}`, 'quantile="0.5"', 1],
    [`job_instance:gunicorn_worker_${quantiles}{quantile="0.95"}`, 'quantile="0.95"', 1.9],
    [`job_instance:gunicorn_worker_${quantiles}{quantile="0.99"}`, 'quantile="0.99"', 1.98],
    ['job_instance_http_route:http_server_request_duration_seconds_count:rate5m', 'http_route="/"', 10],
    ['job_instance_http_route:http_server_request_duration_seconds_count:failed_rate5m', 'http_route="/"', 1],
    [`job_instance_http_route:http_server_${quantiles}`, 'http_route="/", quantile="0.95"', 1.9],
  ];
  assertPromtool(t, {
    rule_files: RULE_FILES,
    tests: [
      {
        interval: '1m',
        input_series: [...series, ...ours].map(([name, values]) => ({ series: name, values })),
        promql_expr_test: expected.map(([query, labels, value]) => ({
          expr: `round(${query}, 0.001)`,
          eval_time: '15m',
          exp_samples: [{ labels: ofTheTarget(`{${labels}}`), value }],
        })),
      },
    ],
  });
});

for (const alert of ALERTS) {
  const cases = ALERT_CASES[alert.name] ?? [];

  test(`${alert.name} is tried with what makes it fire and with what does not`, () => {
    assert.ok(cases.some(({ fires }) => fires) && cases.some(({ fires }) => !fires));
  });

  for (const each of cases) {
    test(`${alert.name} ${each.fires ? 'fires' : 'is silent'}: ${each.when}`, { skip }, (t) => {
      assertPromtool(t, promtoolTest(alert, each));
    });
  }
}

function assertPromtool(owner: Owner, content: object): void {
  const path = join(freshDirectory(owner), 'test.json');
  // JSON is YAML.
  writeFileSync(path, JSON.stringify(content));
  const { status, stdout, stderr } = spawnSync('promtool', ['test', 'rules', path], { encoding: 'utf8' });
  assert.equal(status, 0, `${stdout}${stderr}`);
}

function promtoolTest(alert: Rule, { series, at, interval = '1m', fires, value = '', withoutRecording }: AlertCase) {
  const input = Object.entries(series).map(([name, values]) => ({ series: ofTheTarget(name), values }));
  return {
    rule_files: withoutRecording ? RULE_FILES.slice(1) : RULE_FILES,
    evaluation_interval: interval,
    tests: [
      {
        interval,
        input_series: input,
        alert_rule_test: [
          { eval_time: at, alertname: alert.name, exp_alerts: fires ? [expectedAlert(alert, fires, value)] : [] },
        ],
      },
    ],
  };
}

function expectedAlert(alert: Rule, fires: Readonly<Record<string, string>>, value: string) {
  const labels = { job: 'shop', instance: 'a:9090', ...fires };
  const filled = Object.entries(alert.annotations).map(([key, text]) => [key, filledIn(text, labels, value)]);
  return { exp_labels: { ...alert.labels, ...labels }, exp_annotations: Object.fromEntries(filled) };
}

function ofTheTarget(series: string): string {
  const [, name, labels = ''] = /^([^{]*)(?:\{(.*)\})?$/.exec(series) ?? assert.fail(series);
  return `${name}{job="shop", instance="a:9090"${labels && `, ${labels}`}}`;
}

function filledIn(text: string, labels: Record<string, string>, value: string): string {
  return text
    .replaceAll(
      /\{\{ \$labels\.(\w+) \}\}/g,
      (_match, label: string) => labels[label] ?? assert.fail(`${label}: ${text}`),
    )
    .replaceAll(/\{\{ \$value[^}]*\}\}/g, value);
}

// Recorded names, by their colons.
function namesIn(text: string): string[] {
  return text.match(/\b\w+:\w+:\w+\b/g) ?? [];
}
