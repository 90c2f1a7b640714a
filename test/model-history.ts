/** Histories for the model tests: what may happen to a group, in any order; numbers choose among those that it can happen to. */
import fc from 'fast-check';
import { ATTRIBUTES, INSTRUMENTS, type Instrument, type Request } from './model-shop.ts';

/** One thing that happens. `which` chooses among the living, or among the living threads. */
export type Step =
  | { readonly what: 'birth'; readonly slot: number }
  | { readonly what: 'thread'; readonly which: number }
  | {
      readonly what: 'record';
      readonly which: number;
      readonly on: Instrument;
      readonly attributes: number;
      readonly value: number;
    }
  | { readonly what: 'begin'; readonly which: number; readonly method: Request['method'] }
  | { readonly what: 'request'; readonly which: number; readonly request: Request }
  | { readonly what: 'publish'; readonly which: number }
  /** `exit` publishes all; `kill` loses what is not published; `torn` dies in the middle of publishing it. */
  | { readonly what: 'exit' | 'kill'; readonly which: number }
  | { readonly what: 'torn'; readonly which: number; readonly part: number }
  /** A thread that ends by itself says so in its file; its process has seen each end, or has not yet. */
  | { readonly what: 'thread ends' | 'thread terminated'; readonly which: number; readonly seen: boolean }
  | { readonly what: 'time'; readonly ms: number }
  | { readonly what: 'scrape' | 'reap' | 'exporter replaced' | 'exporter killed while folding' };

export interface HistoryOptions {
  readonly instruments?: readonly Instrument[];
  /** How many of the attribute sets are used, from the first. */
  readonly attributes?: number;
  readonly retentionMs: number;
  readonly minLength?: number;
  readonly maxLength: number;
}

const MAX_INSTRUMENTS = 4;

const which = fc.nat(99);
// Tenths are no sums of powers of two: in which order they are added shows in the last digit.
const amounts = fc.constantFrom(0.1, 0.2, 0.3, 0.7, 1, 2, 3, 17, 1000.1);
const method = fc.constantFrom('GET' as const, 'POST' as const);
const bytes = fc.constantFrom(0, 1, 1024, 1025, 70_000, 5_000_000);

const requests: fc.Arbitrary<Request> = fc.record({
  method,
  path: fc.constantFrom('/' as const, '/basket' as const, '/basket/pay' as const),
  status: fc.constantFrom(200 as const, 302 as const, 500 as const),
  error: fc.constantFrom('' as const, '' as const, 'aborted' as const, 'TypeError' as const),
  seconds: fc.constantFrom(0, 0.01, 0.1, 0.3, 1, 2.7),
  requestBytes: bytes,
  responseBytes: bytes,
});

/** Histories of programs with a few of the instruments, so that several processes have the same ones. */
export function histories({ instruments = INSTRUMENTS, ...options }: HistoryOptions): fc.Arbitrary<readonly Step[]> {
  const few = fc.subarray([...instruments], { minLength: 1, maxLength: MAX_INSTRUMENTS });
  return few.chain((instruments) => historiesOf(instruments, options));
}

function historiesOf(
  instruments: readonly Instrument[],
  { attributes = 3, retentionMs, minLength = 4, maxLength }: HistoryOptions,
): fc.Arbitrary<readonly Step[]> {
  const record = fc
    .record({
      on: fc.constantFrom(...instruments),
      attributes: fc.nat(Math.min(attributes, ATTRIBUTES.length) - 1),
      which,
      value: amounts,
      down: fc.boolean(),
    })
    .map(({ down, value, on, ...rest }): Step => {
      const falls = down && (on.kind === 'gauge' || on.kind === 'updowncounter');
      return { what: 'record', on, ...rest, value: falls ? -value : value };
    });
  const step: fc.Arbitrary<Step> = fc.oneof(
    { weight: 3, arbitrary: fc.record({ what: fc.constant('birth'), slot: fc.nat(2) }) },
    { weight: 1, arbitrary: fc.record({ what: fc.constant('thread'), which }) },
    { weight: 8, arbitrary: record },
    { weight: 1, arbitrary: fc.record({ what: fc.constant('begin'), which, method }) },
    { weight: 4, arbitrary: fc.record({ what: fc.constant('request'), which, request: requests }) },
    { weight: 7, arbitrary: fc.record({ what: fc.constant('publish'), which }) },
    { weight: 2, arbitrary: fc.record({ what: fc.constantFrom('exit', 'kill'), which }) },
    {
      weight: 2,
      arbitrary: fc.record({
        what: fc.constant('torn'),
        which,
        part: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        what: fc.constantFrom('thread ends', 'thread terminated'),
        which,
        seen: fc.boolean(),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        what: fc.constant('time'),
        ms: fc.constantFrom(1000, retentionMs / 2, retentionMs - 1000, retentionMs),
      }),
    },
    { weight: 4, arbitrary: fc.constant({ what: 'scrape' }) },
    { weight: 1, arbitrary: fc.constant({ what: 'reap' }) },
    { weight: 1, arbitrary: fc.constant({ what: 'exporter replaced' }) },
    { weight: 1, arbitrary: fc.constant({ what: 'exporter killed while folding' }) },
  ) as fc.Arbitrary<Step>;
  return fc.array(step, { minLength, maxLength, size: 'max' });
}

/** Histories in which much is counted first and nothing afterwards: processes end, and who reads them changes. */
export function ends(instruments: readonly Instrument[], retentionMs: number): fc.Arbitrary<readonly Step[]> {
  const recording = fc.record({ on: fc.constantFrom(...instruments), value: amounts });
  const process = fc
    .array(recording, { minLength: 1, maxLength: 4 })
    .map((recorded): Step[] => [
      { what: 'birth', slot: 0 },
      ...recorded.map((one): Step => ({ what: 'record', which: -1, attributes: 0, ...one })),
      { what: 'publish', which: -1 },
    ]);
  const end = fc.oneof(
    { weight: 3, arbitrary: fc.record({ what: fc.constantFrom('exit', 'kill'), which }) },
    { weight: 1, arbitrary: fc.constant({ what: 'time', ms: retentionMs }) },
    { weight: 1, arbitrary: fc.constantFrom({ what: 'exporter replaced' }, { what: 'exporter killed while folding' }) },
  ) as fc.Arbitrary<Step>;
  const scraped = end.map((step): Step[] => [step, { what: 'scrape' }]);
  return fc
    .tuple(fc.array(process, { minLength: 3, maxLength: 6 }), fc.array(scraped, { minLength: 3, maxLength: 12 }))
    .map(([processes, after]) => [...processes.flat(), { what: 'scrape' }, ...after.flat()]);
}
