/** Holds src/export/prometheus.ts: scrapes share collections, and one that fails or hangs says so by code. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  AggregationTemporality,
  type CollectionResult,
  DataPointType,
  type MetricData,
  type MetricProducer,
} from '@opentelemetry/sdk-metrics';
import { Scraper } from '../src/export/prometheus.ts';
import { parseExposition, select } from './exposition.ts';

const TOLD: Record<string, string> = { 'service.name': 'shop', 'deployment.environment.name': 'test' };
const RESOURCE = resourceFromAttributes(TOLD);

describe('a scrape', () => {
  it('is the text of what the producer gives, with the resource as target_info and no scope labels', async () => {
    const { scraper } = open(async () => result([gauge('depth', 3)]));
    assert.equal(
      String(await scraper.scrape()),
      [
        '# HELP target_info Target metadata',
        '# TYPE target_info gauge',
        'target_info{service_name="shop",deployment_environment_name="test"} 1',
        '# HELP depth told',
        '# TYPE depth gauge',
        'depth 3',
        '',
      ].join('\n'),
    );
  });

  it('has a target_info that Prometheus takes, however the attributes are called', async () => {
    const shown = async (attributes: Record<string, string>) => {
      const { scraper } = open(async () => result([], resourceFromAttributes(attributes)), { resource: attributes });
      return parseExposition(String(await scraper.scrape()))[0]!.labels;
    };
    assert.deepEqual(await shown({ 'a.b': '1', a_b: '2', c: '3' }), { a_b: '1;2', c: '3' });
    assert.deepEqual(await shown({ '0x': '3' }), { key_0x: '3' });
    assert.deepEqual(await shown({ ключ: '1', имя: '2' }), { _: '2;1' });
  });

  it('shares its collection with those that come while it runs, and not with later ones', async () => {
    const { scraper, collections } = open(async () => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      return result([gauge('collections', collections())]);
    });
    const texts = await Promise.all([scraper.scrape(), scraper.scrape(), scraper.scrape()]);
    assert.equal(new Set(texts.map(String)).size, 1);
    assert.equal(collections(), 1);
    assert.equal(valueIn(String(await scraper.scrape()), 'collections'), 2);
    assert.equal(scraper.stats.scrapes, 2);
  });

  it('shares its collection with all that come in the same turn of the loop, however fast it is', async () => {
    const { scraper, collections } = open(async () => result([gauge('depth', 3)]));
    const scrapes: Promise<Buffer>[] = [];
    for (let i = 0; i < 100; i += 1) {
      scrapes.push(scraper.scrape());
      await Promise.resolve();
    }
    await Promise.all(scrapes);
    assert.equal(collections(), 1);
  });

  it('of a producer that rejects fails with a code and the cause, for all that share it', async () => {
    const cause = new Error('no group');
    const { scraper } = open(() => Promise.reject(cause));
    const scrapes = [scraper.scrape(), scraper.scrape()];
    for (const scrape of scrapes) await assert.rejects(scrape, { code: 'GUNICORN_OTEL_ERR_SCRAPE', cause });
    assert.deepEqual([scraper.stats.scrapes, scraper.stats.scrapeErrors], [1, 1]);
  });

  it('of a producer that throws, or tells of errors, fails with the same code', async () => {
    const cause = new Error('broken');
    const throwing = open(() => {
      throw cause;
    });
    await assert.rejects(throwing.scraper.scrape(), { code: 'GUNICORN_OTEL_ERR_SCRAPE', cause });
    const telling = open(async () => ({ ...result([]), errors: [cause] }));
    await assert.rejects(telling.scraper.scrape(), { code: 'GUNICORN_OTEL_ERR_SCRAPE', cause });
  });

  it('that cannot be rendered fails with the same code', async () => {
    const { scraper } = open(async () => result([{ ...gauge('depth', 1), descriptor: undefined as never }]));
    await assert.rejects(scraper.scrape(), { code: 'GUNICORN_OTEL_ERR_SCRAPE' });
  });

  it('of a producer that never answers fails with a code of its own, and the next one asks anew', async () => {
    let hangs = true;
    const { scraper, collections } = open(
      () => (hangs ? new Promise<never>(() => {}) : Promise.resolve(result([gauge('depth', 1)]))),
      { timeoutMs: 30 },
    );
    await assert.rejects(scraper.scrape(), { code: 'GUNICORN_OTEL_ERR_SCRAPE_TIMEOUT', message: /30 ms/ });
    hangs = false;
    assert.equal(valueIn(String(await scraper.scrape()), 'depth'), 1);
    assert.equal(collections(), 2);
    assert.deepEqual([scraper.stats.scrapes, scraper.stats.scrapeErrors], [2, 1]);
  });

  it('leaves how long it took and how many series it had to the next one', async () => {
    const { scraper } = open(async () => {
      await new Promise((resolve) => setTimeout(resolve, 30));
      return result([gauge('a', 1), gauge('b', 2)]);
    });
    const samples = parseExposition(String(await scraper.scrape()));
    const { lastScrapeSeconds, ...stats } = scraper.stats;
    assert.deepEqual(
      samples.map(({ name }) => name),
      ['target_info', 'a', 'b'],
    );
    assert.deepEqual(stats, { scrapes: 1, scrapeErrors: 0, series: samples.length });
    assert.ok(lastScrapeSeconds >= 0.025 && lastScrapeSeconds < 5);
  });

  it('has as many series as there are, whichever of them are wanted, and which the format can tell', async () => {
    // OpenMetrics has no place for another target_info.
    const { scraper } = open(async () => result([gauge('a', 1), gauge('b', 2), gauge('target_info', 3)]));
    for (const shown of [
      { names: new Set(['b']), format: 'text' },
      { format: 'openmetrics' },
      { format: 'text' },
    ] as const) {
      scraper.stats.series = 0;
      await scraper.scrape(shown);
      assert.equal(scraper.stats.series, 4, JSON.stringify(shown));
    }
  });

  it('has what passes one by one made once, however many share it', async () => {
    let made = 0;
    const metrics = {
      *[Symbol.iterator]() {
        made += 1;
        yield gauge('a', 1);
      },
    };
    const { scraper, collections } = open(async () => result(metrics as unknown as MetricData[]));
    assert.equal(valueIn(String(await scraper.scrape()), 'a'), 1);
    assert.equal(made, 1);
    const shared = await Promise.all([
      scraper.scrape(),
      scraper.scrape({ format: 'openmetrics' }),
      scraper.scrape({ format: 'text', names: new Set(['a']) }),
    ]);
    for (const text of shared) assert.equal(valueIn(String(text), 'a'), 1);
    assert.deepEqual([made, collections()], [2, 2]);
  });
});

function open(collect: MetricProducer['collect'], { timeoutMs = 5000, resource = TOLD } = {}) {
  let collections = 0;
  const producer: MetricProducer = {
    collect: (options) => {
      collections += 1;
      return collect(options);
    },
  };
  return {
    scraper: new Scraper({ producer, resource: resourceFromAttributes(resource), timeoutMs }),
    collections: () => collections,
  };
}

function result(metrics: MetricData[], resource = RESOURCE): CollectionResult {
  const scopeMetrics = [{ scope: { name: 'scope', version: '1' }, metrics }];
  return { resourceMetrics: { resource, scopeMetrics }, errors: [] };
}

function gauge(name: string, value: number): MetricData {
  return {
    descriptor: { name, description: 'told', unit: '', valueType: 1 },
    aggregationTemporality: AggregationTemporality.CUMULATIVE,
    dataPointType: DataPointType.GAUGE,
    dataPoints: [{ startTime: [0, 0], endTime: [0, 0], attributes: {}, value }],
  };
}

function valueIn(text: string, name: string): number {
  return select(parseExposition(text), name)[0]!.value;
}
