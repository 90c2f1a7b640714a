/**
 * The merge against a model: histories of a group, with real files, pids and exporters, and at each scrape what documents
 * say that it shows. MODEL_RUNS=<n> plays n histories of each kind instead of the usual number.
 */
import assert from 'node:assert/strict';
import { after, describe, it, type TestContext } from 'node:test';
import fc from 'fast-check';
import { setLogLevel } from '../src/report.ts';
import type { Sample } from './exposition.ts';
import { holdsCapped, isClose, OVERFLOW } from './model-capped.ts';
import { ends, histories, type Step } from './model-history.ts';
import { endProcesses, type Moment, type PlayOptions, play } from './model-play.ts';
import { samplesOf, seriesOf } from './model-reference.ts';
import { INSTRUMENTS } from './model-shop.ts';
import { neverFalls } from './never-falls.ts';

setLogLevel('none');
after(endProcesses);

const RUNS = Number(process.env['MODEL_RUNS'] ?? 100);
const RETENTION_MS = 300_000;
const UNCAPPED = 2000;
const MODELLED = /^(?:shop_|http_server_|gunicorn_worker_(?:request|response|failed|error|state))/;
const CAPPED = /^(?:shop_|http_server_request_|http_server_response_)/;
// Sums of the same numbers in another order.
const ROUNDING = 1e-12;

const options: fc.Arbitrary<PlayOptions> = fc.record({
  labels: fc.constantFrom('standard', 'detailed'),
  slots: fc.boolean(),
  retentionMs: fc.constant(RETENTION_MS),
  maxExited: fc.constantFrom(1, 2, 100),
  maxSeries: fc.constant(UNCAPPED),
});

// Of a request that a cap has taken in, all is known but its labels.
const capped = fc
  .tuple(options, fc.integer({ min: 1, max: 4 }))
  .map(([other, maxSeries]): PlayOptions => ({ ...other, maxSeries, labels: 'standard' }));

describe('a scrape', () => {
  it('never shows less than the one before, by no last digit, when nothing but who has counted it changes', (t) =>
    holds(t, ends(INSTRUMENTS.slice(0, 3), RETENTION_MS), options, () => {}));

  it('shows what the model says, and no total of it ever falls, whatever becomes of the processes', (t) =>
    holds(t, histories({ retentionMs: RETENTION_MS, maxLength: 60 }), options, (moment, samples, played) => {
      const expected = samplesOf(moment.members, played);
      const shown = new Map(samples.filter(({ name }) => MODELLED.test(name)).map((sample) => entryOf(sample)));
      const missing = [...expected.keys()].filter((series) => !shown.has(series));
      const unexpected = [...shown.keys()].filter((series) => !expected.has(series));
      assert.deepEqual({ missing, unexpected }, { missing: [], unexpected: [] });
      for (const [series, value] of expected) {
        assert.ok(isClose(shown.get(series)!, value, ROUNDING), `${series} is ${shown.get(series)}, not ${value}`);
      }
      const memory = samples.filter(({ name }) => name === 'gunicorn_worker_memory_bytes');
      assert.deepEqual(Object.fromEntries(memory.map((s) => [s.labels['worker_id'], s.value])), moment.memory);
      assert.equal(moment.errors, 0);
    }));

  it('has no more series of a metric than it may, all of what was counted, and shows by name what it once has', (t) =>
    holds(
      t,
      histories({ instruments: INSTRUMENTS.slice(0, 4), attributes: 7, retentionMs: RETENTION_MS, maxLength: 60 }),
      capped,
      ({ members }, samples, played) => {
        const expected = [...samplesOf(members, played)].filter(([series]) => CAPPED.test(series));
        const shown = samples.filter(({ name }) => CAPPED.test(name));
        holdsCapped(shown, new Map(expected), played.maxSeries, ROUNDING);
      },
    ));
});

async function holds(
  t: TestContext,
  steps: fc.Arbitrary<readonly Step[]>,
  how: fc.Arbitrary<PlayOptions>,
  check: (moment: Moment, samples: Sample[], options: PlayOptions) => void,
): Promise<void> {
  let scrapes = 0;
  await fc.assert(
    fc.asyncProperty(steps, how, async (history, played) => {
      let replaced = false;
      let refused = new Set<string>();
      const rises = neverFalls({
        // What a cap has taken in has neither an error nor an endpoint any more.
        except: played.maxSeries === UNCAPPED ? [] : ['gunicorn_worker_failed', 'gunicorn_worker_error'],
        mayGo({ name, labels: { worker_id: id } }) {
          if (id !== undefined) return !played.slots || id.includes('.');
          // Who comes after an exporter that has refused no series does not know which ones that has shown.
          return replaced && played.maxSeries !== UNCAPPED && !refused.has(name);
        },
      });
      await play(t, history, played, (moment) => {
        scrapes += 1;
        ({ replaced } = moment);
        const samples = rises(moment.text);
        check(moment, samples, played);
        refused = new Set(samples.flatMap(({ name, labels }) => (OVERFLOW in labels ? [name] : [])));
      });
    }),
    { numRuns: RUNS, includeErrorInReport: true },
  );
  t.diagnostic(`${RUNS} histories, ${scrapes} scrapes`);
}

// Of a state all but whose it is stands in the labels.
function entryOf({ name, labels, value }: Sample): [string, number] {
  const { worker_id: workerId = '' } = labels;
  return [seriesOf(name, name === 'gunicorn_worker_state' ? { worker_id: workerId } : labels), value];
}
