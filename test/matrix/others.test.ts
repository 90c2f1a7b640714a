/**
 * The real packages of others, which are too large for every run of the tests: OpenTelemetry's auto-instrumentations and
 * Sentry, as npm has them today, preloaded before us and after us. Each sees what it sees without us, and we count exactly.
 */
import assert from 'node:assert/strict';
import { cpSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { after, describe, it, type TestContext } from 'node:test';
import { sum } from '../exposition.ts';
import { npm, packTarball } from '../npm.ts';
import { fixture, freshDirectory, start, until } from '../processes.ts';
import { settled } from '../request-count.ts';
import { requests } from '../requests.ts';

const ORDERS = 4;
const OURS = '@x/gunicorn-otel/register';
const FIXTURES = ['sells-with-express.cjs', 'sells-with-express.mjs'].map(fixture);
// With traces, of which it says each and sends none.
const STARTS_SENTRY = `require('@sentry/node').init({
  dsn: 'http://key@127.0.0.1:1/1',
  tracesSampleRate: 1,
  traceLifecycle: 'static',
  beforeSendTransaction: ({ transaction }) => void console.log('transaction', transaction) ?? null,
});`;
const LINE = /^gunicorn-otel: the app registers an OpenTelemetry MeterProvider of its own: .*$/gm;
const QUIET = { OTEL_LOGS_EXPORTER: 'none', OTEL_NODE_RESOURCE_DETECTORS: 'env,host' };
const TRACED = { ...QUIET, OTEL_TRACES_EXPORTER: 'console', OTEL_BSP_SCHEDULE_DELAY: '50' };
const NO_METRICS = { OTEL_METRICS_EXPORTER: 'none', GUNICORN_OTEL_METRICS_EXPORTER: 'prometheus' };
// Nobody is there.
const OTLP = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1' };
const KINDS = [
  ['CommonJS', '--require', 'sells-with-express.cjs'],
  ['ES modules', '--import', 'sells-with-express.mjs'],
] as const;

const home = freshDirectory({ after });
writeFileSync(join(home, 'package.json'), '{ "private": true }');
const packages = ['@opentelemetry/api', '@opentelemetry/auto-instrumentations-node', '@sentry/node', 'express'];
npm(home, process.execPath, ['install', packTarball(), ...packages]);
writeFileSync(join(home, 'starts-sentry.cjs'), STARTS_SENTRY);
for (const path of FIXTURES) cpSync(path, join(home, basename(path)));

for (const [kind, form, app] of KINDS) {
  const preloads = (other: string) => ({
    alone: [form, other],
    'before us': [form, other, form, OURS],
    'after us': [form, OURS, form, other],
  });

  describe(`auto-instrumentations-node/register in ${kind}`, () => {
    const { alone, ...orders } = preloads('@opentelemetry/auto-instrumentations-node/register');
    const spans = /^ {2}name: '(.+)',$/gm;

    for (const [when, args] of Object.entries(orders)) {
      it(`${when}: has its spans as without us, and the app's metrics; one line says so`, async (t) => {
        const bare = await seen(t, [...alone, app], { ...TRACED, ...OTLP }, spans, /name: 'last'/);
        const ours = await seen(t, [...args, app], { ...TRACED, ...OTLP }, spans, /name: 'last'/);
        assert.deepEqual(ours.told, bare.told);
        assert.equal(sum(await settled(ours.running, ORDERS + 1), 'shop_orders_total'), 0);
        assert.equal(ours.running.output.stderr.match(LINE)?.length, 1);
      });

      it(`${when}, without metrics of its own: has its spans as without us, and the app's metrics are ours`, async (t) => {
        const bare = await seen(t, [...alone, app], { ...TRACED, ...NO_METRICS }, spans, /name: 'last'/);
        const ours = await seen(t, [...args, app], { ...TRACED, ...NO_METRICS }, spans, /name: 'last'/);
        assert.deepEqual(ours.told, bare.told);
        await hasOrders(ours.running);
        assert.equal(ours.running.output.stderr.match(LINE), null);
      });
    }
  });

  describe(`Sentry in ${kind}`, () => {
    const { alone, ...orders } = preloads('./starts-sentry.cjs');
    const transactions = /^transaction (.+)$/gm;
    const last = /transaction GET \/last/;

    for (const [when, args] of Object.entries(orders)) {
      it(`${when}: has its transactions as without us, and the app's metrics are ours`, async (t) => {
        const bare = await seen(t, [...alone, app], QUIET, transactions, last);
        const ours = await seen(t, [...args, app], QUIET, transactions, last);
        assert.deepEqual(ours.told, bare.told);
        await hasOrders(ours.running);
        assert.equal(ours.running.output.stderr.match(LINE), null);
      });
    }
  });
}

/** @returns what the other one has told of the requests until its last word of them */
async function seen(t: TestContext, args: string[], env: Record<string, string>, telling: RegExp, last: RegExp) {
  const running = start(t, args, { cwd: home, preload: 'none', env });
  const [, port] = await running.says(/^ready on port (\d+)/m);
  await requests(`http://127.0.0.1:${port}/orders/1`, ORDERS);
  await requests(`http://127.0.0.1:${port}/last`, 1);
  await running.says(last);
  const [before] = running.output.stdout.split(last);
  const told = [...before!.matchAll(telling)].map(([, name]) => name!);
  assert.ok(told.length >= ORDERS, before);
  return { running, told: told.sort() };
}

async function hasOrders(running: Parameters<typeof settled>[0]): Promise<void> {
  await settled(running, ORDERS + 1);
  await until(async () => sum(await running.scrape(), 'shop_orders_total') === ORDERS, 'the orders');
}
