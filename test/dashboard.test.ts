/**
 * The Grafana dashboard: it is what test/dashboard gives (`UPDATE_GOLDEN=1` writes it anew), asks for nothing that is not
 * there, and shows everything that is.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { METRICS } from '@x/gunicorn-otel';
import { dashboard } from './dashboard/model.ts';
import { assertKnown, metricOf, readQuery } from './promql.ts';

const FILE = new URL('../../docs/grafana/dashboard.json', import.meta.url);
/** On no panel, since another metric that is says the same. */
const SAID_OTHERWISE = [
  // The conventions of OpenTelemetry have them by route.
  'gunicorn_worker_request_size_bytes',
  'gunicorn_worker_response_size_bytes',
  // gunicorn_worker_restart_count_total has them, and the type.
  'gunicorn_worker_restart_total',
  'gunicorn_master_worker_restart_count_total',
];

interface GrafanaPanel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description: string;
  readonly gridPos: Readonly<Record<'x' | 'y' | 'w' | 'h', number>>;
  readonly fieldConfig: { readonly defaults: { readonly unit: string } };
  readonly targets: readonly { readonly refId: string; readonly expr: string; readonly legendFormat: string }[];
}

const made = `${JSON.stringify(dashboard(), undefined, 2)}\n`;
if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(FILE, made);
const text = readFileSync(FILE, 'utf8');
const { panels, templating } = JSON.parse(text) as {
  panels: GrafanaPanel[];
  templating: { list: { name: string; definition?: string }[] };
};
const shown = panels.filter(({ type }) => type !== 'row');
const queries = shown.flatMap(({ targets }) => targets.map(({ expr }) => expr));

test('the dashboard is what its table gives', () => {
  assert.deepEqual(text.split('\n'), made.split('\n'));
});

test('its queries ask only for metrics and labels that there are', () => {
  for (const query of queries) assertKnown(query);
});

test('it shows every metric of the catalogue, but for those that another one says', () => {
  const asked = queries.flatMap((query) => readQuery(query).selectors.map(({ metric }) => metricOf(metric)));
  const missing = METRICS.map(({ name }) => name).filter((name) => !asked.includes(name));
  assert.deepEqual(missing.sort(), SAID_OTHERWISE.sort());
});

test('every query is of the selected job and instance, and uses no variable that there is not', () => {
  const builtIn = ['__rate_interval'];
  const known = [...templating.list.map(({ name }) => name), ...builtIn];
  for (const query of queries) {
    for (const { metric, labels } of readQuery(query).selectors) {
      assert.deepEqual(labels.slice(0, 2), ['job', 'instance'], `${metric}: ${query}`);
    }
    const used = [...query.matchAll(/\$(\w+)/g)].map(([, name]) => name!);
    assert.deepEqual(
      used.filter((name) => !known.includes(name)),
      [],
      query,
    );
  }
});

test('its variables are of labels that there are', () => {
  assert.deepEqual(
    templating.list.map(({ name }) => name),
    ['datasource', 'job', 'instance', 'worker_id', 'endpoint'],
  );
  for (const { definition } of templating.list.slice(1)) {
    const [, series, label] = /^label_values\((.+), (\w+)\)$/.exec(definition ?? '') ?? assert.fail(definition);
    assertKnown(`sum by (${label}) (${series})`);
  }
});

test('legends name labels that the query groups by', () => {
  for (const { title, targets } of shown) {
    for (const { expr, legendFormat } of targets) {
      const { groupings } = readQuery(expr);
      const named = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label]) => label!);
      assert.deepEqual(
        named.filter((label) => !groupings.includes(label)),
        [],
        `${title}: ${legendFormat}`,
      );
    }
  }
});

test('every panel has a title of its own, a unit, a description and a query', () => {
  for (const { title, description, fieldConfig, targets } of shown) {
    assert.ok(title && fieldConfig.defaults.unit, title);
    assert.match(description, /^[A-Z].{20,}\.$/, title);
    assert.ok(targets.length > 0, title);
  }
  assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
  assert.equal(new Set(shown.map(({ title }) => title)).size, shown.length);
});

test('no panel lies on another, or beside the page', () => {
  const taken = new Map<string, string>();
  for (const { title, gridPos } of panels) {
    const { x, y, w, h } = gridPos;
    assert.ok(x >= 0 && w > 0 && h > 0 && x + w <= 24, title);
    for (let column = x; column < x + w; column += 1) {
      for (let line = y; line < y + h; line += 1) {
        assert.equal(taken.get(`${column} ${line}`), undefined, `${title} lies on ${taken.get(`${column} ${line}`)}`);
        taken.set(`${column} ${line}`, title);
      }
    }
  }
});

test('its file names nothing of a machine', () => {
  assert.doesNotMatch(text, /localhost|127\.0\.0\.1|\/tmp|\/home|https?:/);
  assert.doesNotMatch(text, /"id": null/);
});
