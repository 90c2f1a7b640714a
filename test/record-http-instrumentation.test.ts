/** Holds src/record/http-instrumentation.ts with real servers: what it leaves to whom, and what it does to node:http. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http, { createServer, get, type ServerResponse } from 'node:http';
import https from 'node:https';
import { beforeEach, describe, it } from 'node:test';
import { createNoopMeter, type Histogram, type Meter } from '@opentelemetry/api';
import { isWrapped } from '@opentelemetry/instrumentation';
import { HttpInstrumentation } from '@opentelemetry/instrumentation-http';
import { Failures } from '../src/record/failures.ts';
import { instrumentHttp, type Recorded } from '../src/record/http-instrumentation.ts';
import { SeriesTable } from '../src/snapshot/series-table.ts';
import { makeCertificate, NO_OPENSSL } from './certificates.ts';
import { catchLines } from './lines.ts';
import { atEnd, freshDirectory, type Owner, until } from './processes.ts';
import { get as bytesOf } from './request-count.ts';
import { connect, request } from './requests.ts';
import { listen, watch } from './watched-http.ts';

const TAKEN = /the app has an HttpInstrumentation of its own/;
const NOTHING = { getMeter: createNoopMeter };
const lines = catchLines();
beforeEach(() => {
  lines.length = 0;
});

function instrument(ignored?: () => unknown) {
  const failures = new Failures(new SeriesTable(0));
  return instrumentHttp({ meterProvider: () => NOTHING, failures, ignored });
}

function patched(): string[] {
  const all = { emit: http.Server.prototype.emit, secure: https.Server.prototype.emit, get: http.get, named: get };
  return Object.entries(all).flatMap(([name, method]) => (isWrapped(method) ? [name] : []));
}

/** One of the app's own, with what it records. */
function instrumentAsTheApp(owner: Owner) {
  const recorded: unknown[] = [];
  const histogram = {
    record: (_value: number, attributes: object) => recorded.push(attributes),
  } as unknown as Histogram;
  const own = new HttpInstrumentation({ enabled: false, disableOutgoingRequestInstrumentation: true });
  own.setMeterProvider({ getMeter: () => ({ createHistogram: () => histogram }) as unknown as Meter });
  // As it does when the app requires node:http.
  const definition = own.getModuleDefinitions().find(({ name }) => name === 'http')!;
  definition.patch!(http);
  atEnd(owner, () => definition.unpatch!(http));
  return recorded;
}

describe('requests of an instrumented process', () => {
  it('count with what is recorded when they close, duration and all', async (t) => {
    const instrumented = instrument()!;
    atEnd(t, instrumented.stop);
    const told: (Recorded | undefined)[] = [];
    const { url } = await listen(
      t,
      createServer((_request, response) => {
        response.on('finish', () => assert.ok(instrumented.awaits(response, (recorded) => told.push(recorded))));
        setTimeout(() => response.end(), 50);
      }),
    );
    await request(url);
    await until(() => told.length > 0, 'the word of the instrumentation');
    assert.equal(told.length, 1);
    assert.ok(told[0]!.durationSeconds >= 0.045 && told[0]!.durationSeconds < 30);
    assert.equal(told[0]!.route, undefined);
  });

  it('count once each: answered, aborted, queued behind another, handed on to another server', async (t) => {
    const { counts, active } = watch(t, { instrumented: instrument() });
    const second = createServer((_request, response) => response.end('second'));
    const seen: (string | undefined)[] = [];
    const { url, port } = await listen(
      t,
      createServer((asked, response) => {
        seen.push(asked.url);
        if (asked.url === '/handed') second.emit('request', asked, response);
        else if (!asked.url!.startsWith('/hang')) response.end();
      }),
    );
    await request(`${url}/handed`);
    await request(`${url}/answered`);
    const { socket } = await connect(port, bytesOf('/hang') + bytesOf('/hang/queued'));
    await until(() => seen.includes('/hang/queued'), 'both');
    socket.destroy();
    await until(() => active() === 0, 'their end');
    assert.deepEqual((await counts(4)).sort(), [
      '/answered 200 ok',
      '/handed 200 ok',
      '/hang - aborted',
      '/hang/queued - aborted',
    ]);
  });

  it('count over TLS, answered and aborted', { skip: NO_OPENSSL }, async (t) => {
    const { counts, active } = watch(t, { instrumented: instrument() });
    const { cert, key } = makeCertificate(freshDirectory(t), 'own');
    const server = https.createServer({ cert, key }, (asked, response) => {
      if (asked.url === '/answered') response.end();
      else asked.socket.destroy();
    });
    const { port } = await listen(t, server as unknown as http.Server);
    const ask = (path: string) => request(`https://127.0.0.1:${port}${path}`, { rejectUnauthorized: false });
    await ask('/answered');
    await assert.rejects(ask('/cut'));
    await until(() => active() === 0, 'their end');
    assert.deepEqual((await counts(2)).sort(), ['/answered 200 ok', '/cut - aborted']);
  });

  it('count when the app takes the listeners of the instrumentation away', async (t) => {
    const { counts, active } = watch(t, { instrumented: instrument() });
    const { url } = await listen(
      t,
      createServer((_request, response: ServerResponse) => response.removeAllListeners('close').end()),
    );
    await request(`${url}/bare`);
    assert.deepEqual(await counts(1), ['/bare 200 ok']);
    assert.equal(active(), 0);
  });

  it('do not count on the server that is ours', async (t) => {
    const ignored = () => own;
    const instrumented = instrument(ignored)!;
    const { counts } = watch(t, { instrumented, ignored });
    const own = createServer((_request, response) => {
      assert.equal(
        instrumented.awaits(response, () => {}),
        false,
      );
      response.end();
    });
    const { url } = await listen(t, own);
    const app = await listen(
      t,
      createServer((_request, response) => response.end()),
    );
    await request(`${url}/ours`);
    await request(`${app.url}/app`);
    assert.deepEqual(await counts(1), ['/app 200 ok']);
  });

  it('are all counted when it ends, and node:http is as it was', async (t) => {
    const instrumented = instrument()!;
    assert.deepEqual(patched(), ['emit', 'secure', 'get', 'named']);
    let counted = 0;
    const { url } = await listen(
      t,
      createServer((_request, response) => {
        instrumented.awaits(response, () => {
          counted += 1;
        });
        instrumented.stop();
        assert.equal(counted, 1);
        response.end();
      }),
    );
    await request(url);
    assert.equal(counted, 1);
    assert.deepEqual(patched(), []);
    assert.deepEqual(lines, []);
  });
});

describe('an HttpInstrumentation of the app', () => {
  it('that comes later takes the place, goes on, and one line says that requests count as without it', async (t) => {
    const instrumented = instrument()!;
    const { counts } = watch(t, { instrumented });
    const recorded = instrumentAsTheApp(t);
    const { url } = await listen(
      t,
      createServer((_request, response) => response.end()),
    );
    for (const path of ['/one', '/two']) await request(url + path);
    assert.deepEqual((await counts(2)).sort(), ['/one 200 ok', '/two 200 ok']);
    await until(() => recorded.length === 2, 'what the app records');
    assert.deepEqual(
      lines.map((line) => TAKEN.test(line)),
      [true],
    );
    instrumented.stop();
    assert.deepEqual(patched(), ['emit']);
    await request(`${url}/three`);
    await until(() => recorded.length === 3, 'the app to go on');
  });

  it('that is there before is left where it is', async (t) => {
    const recorded = instrumentAsTheApp(t);
    assert.equal(instrument(), undefined);
    assert.equal(lines.length, 1);
    assert.match(lines[0]!, TAKEN);
    const server = createServer((_request, response) => response.end());
    const { url } = await listen(t, server);
    const closed = once(server, 'close');
    await request(url);
    await until(() => recorded.length === 1, 'what the app records');
    server.close();
    await closed;
  });
});
