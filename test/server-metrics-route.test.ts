/** Holds src/server/metrics-route.ts: who wants the same at the same time gets the same, and names are asked for by query. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { AggregationTemporality, DataPointType, type MetricProducer } from '@opentelemetry/sdk-metrics';
import { Scraper } from '../src/export/prometheus.ts';
import type { Encoded } from '../src/server/content-coding.ts';
import { MAX_NAMES, type Wanted } from '../src/server/metrics-route.ts';
import { until } from './processes.ts';
import { serve } from './served-endpoint.ts';

const OPENMETRICS = { accept: 'application/openmetrics-text;version=1.0.0' };

describe('scrapes at the same time', () => {
  it('cost one collection, and one rendering and compression of each kind', async (t) => {
    const { scraper, release, collections } = slowScraper();
    const takes: string[] = [];
    const { get, requests } = await serve(t, {
      scrape: ({ encode, ...shown }) =>
        scraper.scrape(shown, (text) => {
          const { bytes, coding } = encode(text);
          takes.push(`${shown.format} ${coding} ${shown.names?.size ?? 'all'}`);
          return { bytes, coding };
        }),
    });
    const kinds: [path: string, headers: object][] = [
      ['/metrics', {}],
      ['/metrics', { 'accept-encoding': 'gzip' }],
      ['/metrics', OPENMETRICS],
      ['/metrics', { ...OPENMETRICS, 'accept-encoding': 'gzip' }],
      ['/metrics?name[]=jobs_total&name[]=nobody', {}],
    ];
    const all = Array.from({ length: 50 }, (_, i) => get(...kinds[i % kinds.length]!));
    await until(() => requests() === 50 && collections() > 0, 'all are asked');
    release();
    const answers = await Promise.all(all);
    assert.equal(collections(), 1);
    assert.deepEqual(takes.sort(), [
      'openmetrics gzip all',
      'openmetrics identity all',
      'text gzip all',
      'text identity 2',
      'text identity all',
    ]);
    const texts = answers.map(({ bytes, headers }) => String(headers['content-encoding'] ? gunzipSync(bytes) : bytes));
    for (const [i, text] of texts.entries()) assert.equal(text, texts[i % kinds.length]);
    assert.equal(texts[0], texts[1]);
    assert.equal(texts[2], texts[3]);
    assert.match(texts[2]!, /# EOF\n$/);
    assert.doesNotMatch(texts[4]!, /padding/);
    assert.match(texts[4]!, /^jobs_total 1$/m);
  });

  it('are one where names are the same, in whatever order', async (t) => {
    const wanted: Wanted[] = [];
    let release = () => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    const { get, requests } = await serve(t, {
      scrape: async (asked) => {
        wanted.push(asked);
        await released;
        return 'x\n';
      },
    });
    const queries = [
      'name[]=a&name[]=b',
      'name%5B%5D=b&name%5B%5D=a',
      'name[]=b&name[]=a&x=y',
      'name[]=a',
      'name=a',
      '',
    ];
    const all = queries.map((query) => get(`/metrics?${query}`));
    await until(() => requests() === queries.length, 'all are asked');
    release();
    await Promise.all(all);
    assert.deepEqual(wanted.map(({ names }) => names && [...names].sort().join()).sort(), ['a', 'a,b', undefined]);
  });

  it('share a failure as well, and the next one is asked anew', async (t) => {
    let calls = 0;
    let release = () => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    const { get, requests } = await serve(t, {
      scrape: async (): Promise<Encoded> => {
        calls += 1;
        await released;
        throw new Error('no disk');
      },
    });
    const both = Promise.all([get('/metrics'), get('/metrics')]);
    await until(() => requests() === 2, 'both are asked');
    release();
    const answers = await both;
    assert.deepEqual([answers.map(({ status }) => status), calls], [[500, 500], 1]);
    assert.equal((await get('/metrics')).text, 'no disk\n');
    assert.equal(calls, 2);
  });
});

describe('the type of a scrape', () => {
  it('is what its client prefers, and never a refusal', async (t) => {
    const formats: string[] = [];
    const { get } = await serve(t, {
      scrape: async ({ format }) => {
        formats.push(format);
        return '';
      },
    });
    for (const [accept, type] of [
      ['application/openmetrics-text;version=1.0.0', 'application/openmetrics-text; version=1.0.0; charset=utf-8'],
      ['application/json', 'text/plain; version=0.0.4; charset=utf-8'],
    ]) {
      const { status, headers } = await get('/metrics', { accept });
      assert.deepEqual([status, headers['content-type'], headers['vary']], [200, type, 'Accept, Accept-Encoding']);
    }
    assert.deepEqual(formats, ['openmetrics', 'text']);
  });
});

describe('names that are asked for', () => {
  it(`are at most ${MAX_NAMES}; more is a 400, and no scrape`, async (t) => {
    const sizes: (number | undefined)[] = [];
    const { get } = await serve(t, {
      scrape: async ({ names }) => {
        sizes.push(names?.size);
        return 'x\n';
      },
    });
    const query = (count: number) => Array.from({ length: count }, (_, i) => `name[]=a${i}`).join('&');
    assert.equal((await get(`/metrics?${query(MAX_NAMES)}`)).status, 200);
    const answer = await get(`/metrics?${query(MAX_NAMES + 1)}`);
    assert.deepEqual([answer.status, answer.text], [400, 'name[] may be given 200 times, not 201\n']);
    assert.deepEqual(sizes, [MAX_NAMES]);
  });

  it('are read as a form has them', async (t) => {
    const seen: unknown[] = [];
    const { get } = await serve(t, {
      scrape: async ({ names }) => {
        seen.push(names && [...names]);
        return 'x\n';
      },
    });
    for (const query of ['name[]=a+b%26', 'name[]=', '?name[]=x', 'name[]=%ff%zz', 'NAME[]=x'])
      await get(`/metrics?${query}`);
    assert.deepEqual(seen, [['a b&'], [''], ['x'], ['\ufffd%zz'], undefined]);
  });
});

/** A real scraper whose collection waits for `release`, with a text that is worth compressing. */
function slowScraper() {
  let collections = 0;
  let release = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const family = (name: string) => ({
    descriptor: { name, description: 'x'.repeat(2000), unit: '', valueType: 1 },
    aggregationTemporality: AggregationTemporality.CUMULATIVE,
    dataPointType: DataPointType.SUM as const,
    isMonotonic: true,
    dataPoints: [
      { startTime: [0, 0] as [number, number], endTime: [0, 0] as [number, number], attributes: {}, value: 1 },
    ],
  });
  const producer: MetricProducer = {
    async collect() {
      collections += 1;
      await released;
      const metrics = [family('jobs_total'), family('padding_total')];
      return {
        resourceMetrics: { resource: undefined as never, scopeMetrics: [{ scope: { name: '' }, metrics }] },
        errors: [],
      };
    },
  };
  return {
    scraper: new Scraper({ producer, timeoutMs: 20_000 }),
    release: () => release(),
    collections: () => collections,
  };
}
