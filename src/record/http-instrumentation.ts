/**
 * OpenTelemetry's HttpInstrumentation as the one that tells of requests: it traces, and what it records is how long each
 * took and which route it had. What it does not record, or wrongly (aborted requests, those that wait behind another on a
 * connection that dies, sizes), is http.ts's to know. The rule: a request counts once, whoever told of it.
 */
import http, { type IncomingMessage, ServerResponse } from 'node:http';
import https from 'node:https';
import { syncBuiltinESMExports } from 'node:module';
import { setImmediate } from 'node:timers';
import type { Attributes, Meter, MeterProvider, MetricOptions } from '@opentelemetry/api';
import { isWrapped, type ShimWrapped } from '@opentelemetry/instrumentation';
import { HttpInstrumentation } from '@opentelemetry/instrumentation-http';
import { lateMeter } from '../late-meter.ts';
import { report } from '../report.ts';
import type { Failures } from './failures.ts';

/** What the instrumentation has recorded of a request. */
export interface Recorded {
  readonly durationSeconds: number;
  /** Known where the framework's own instrumentation has told it. */
  readonly route: string | undefined;
}

export interface InstrumentedHttp {
  /**
   * Leaves a response that is over to the instrumentation, if that saw it begin: `count` is called once, with what has
   * been recorded, or with nothing when nothing has been by the end of this turn of the loop.
   *
   * @returns false where the instrumentation has not seen it: it is for the caller to count
   */
  awaits(response: ServerResponse, count: Count): boolean;
  /** Has everything counted that is still waited for; for the end of the process. */
  settle(): void;
  stop(): void;
}

export interface HttpInstrumentationOptions {
  /** Of the app's instruments: the durations of its own requests to others are recorded like them. */
  readonly meterProvider: () => MeterProvider;
  readonly failures: Failures;
  /** A server whose requests do not count: our own, where it runs in this thread. */
  readonly ignored?: (() => unknown) | undefined;
}

const SERVER_DURATION = 'http.server.request.duration';
const STATUS = 'http.response.status_code';
const TAKEN =
  'GUNICORN_OTEL_HTTP_SOURCE=instrumentation-http: the app has an HttpInstrumentation of its own, and Node has room for ' +
  'one; the app keeps its own, and requests are counted as with channels';

const SEEN = Symbol('gunicorn-otel.seen-by-instrumentation');
const COUNT = Symbol('gunicorn-otel.count');
type Count = (recorded: Recorded | undefined) => void;
type Seen = ServerResponse & { [SEEN]?: true; [COUNT]?: Count | undefined };

/**
 * Patches node:http and node:https, for who has imported them already, too.
 *
 * @returns undefined, and one line, where another one has patched them before
 * @throws what the instrumentation throws
 */
export function instrumentHttp({
  meterProvider,
  failures,
  ignored,
}: HttpInstrumentationOptions): InstrumentedHttp | undefined {
  const builtins: Readonly<Record<string, unknown>> = { http, https };
  // What the instrumentation wraps. It takes away a wrap of its own kind that is there already, whoever's that is.
  const places = [http.Server.prototype, https.Server.prototype, http, https].flatMap((owner) =>
    ['emit', 'request', 'get'].flatMap((name) =>
      name in owner ? [{ owner: owner as Record<string, unknown>, name }] : [],
    ),
  );
  if (places.some(({ owner, name }) => isWrapped(owner[name]))) {
    report('warn', TAKEN);
    return undefined;
  }

  /** Responses that are over since the last turn of the loop. Not a Map: V8 keeps what has been in one for long (ring.ts). */
  let awaited: Seen[] = [];
  let ending: Seen | undefined;
  let settling = false;
  let isTaken = false;
  let stopped = false;

  function onServerDuration(durationSeconds: number, attributes: Attributes = {}): void {
    // Without a status it is a handler that has thrown: its response is not over yet, and will be counted when it is.
    if (ending === undefined || attributes[STATUS] === undefined) return;
    const count = take(ending);
    ending = undefined;
    count?.({ durationSeconds, route: attributes['http.route'] as string | undefined });
  }

  // Made with the first request that the app sends, since the SDK is loaded for it.
  const app = lateMeter(() => meterProvider().getMeter('@opentelemetry/instrumentation-http'));
  function clientHistogram(name: string, options?: MetricOptions) {
    let histogram: ReturnType<Meter['createHistogram']> | undefined;
    return {
      record(value: number, attributes?: Attributes) {
        if (stopped) return;
        try {
          histogram ??= app.createHistogram(name, options);
          histogram.record(value, attributes);
        } catch (error) {
          failures.count('record', error);
        }
      },
    };
  }

  class Instrumentation extends HttpInstrumentation {
    // Asked for by the base class's constructor already, which would have an SDK loaded by the global one.
    protected override get meter(): Meter {
      return {
        ...app,
        createHistogram: (name: string, options?: MetricOptions) =>
          name === SERVER_DURATION ? { record: onServerDuration } : clientHistogram(name, options),
      } as Meter;
    }
  }

  const instrumentation = new Instrumentation({
    // Its own enabling waits for modules to be loaded; those it is about are here.
    enabled: false,
    ignoreIncomingRequestHook: ({ socket }: IncomingMessage & { socket?: { server?: unknown } }) => {
      const own = ignored?.();
      return stopped || (own !== undefined && socket?.server === own);
    },
    responseHook: (_span, response) => {
      if (response instanceof ServerResponse) (response as Seen)[SEEN] = true;
    },
    // Called when a response has closed, right before its duration is recorded.
    applyCustomAttributesOnSpan: (_span, _request, response) => {
      if (SEEN in response) ending = response as Seen;
    },
  });
  for (const { name, patch } of instrumentation.getModuleDefinitions()) patch?.(builtins[name]);
  syncBuiltinESMExports();
  const ours = places.map(({ owner, name }) => owner[name]);
  const isOurs = () => places.every(({ owner, name }, i) => owner[name] === ours[i]);

  function settle(): void {
    settling = false;
    const left = awaited;
    awaited = [];
    for (const response of left) take(response)?.(undefined);
  }

  return {
    awaits(response, count) {
      if (!(SEEN in response)) {
        if (!isTaken && !isOurs()) {
          isTaken = true;
          report('warn', TAKEN);
        }
        return false;
      }
      const seen = response as Seen;
      seen[COUNT] = count;
      awaited.push(seen);
      if (!settling) setImmediate(settle).unref();
      settling = true;
      return true;
    },
    settle,
    stop() {
      stopped = true;
      settle();
      // Each looks whether it is still there: the instrumentation's own way back would take another's wrap away.
      for (const method of ours) (method as Partial<ShimWrapped>).__unwrap?.();
      syncBuiltinESMExports();
    },
  };
}

// Once: it is counted by the first who knows.
function take(response: Seen): Count | undefined {
  const { [COUNT]: count } = response;
  response[COUNT] = undefined;
  return count;
}
