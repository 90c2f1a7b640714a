/** A scrape in every coding and format that the running Node has, from a real process: zstd is there from Node 22.15 on. */
import assert from 'node:assert/strict';
import { get, type IncomingMessage } from 'node:http';
import { buffer } from 'node:stream/consumers';
import test from 'node:test';
import zlib from 'node:zlib';
import { parseExposition, sum } from './exposition.ts';
import { parseOpenMetrics } from './openmetrics.ts';
import { startApp, until } from './processes.ts';
import { COUNT } from './request-count.ts';
import { requests } from './requests.ts';

const REQUESTS = 5;
// Node 20 has none.
const { zstdDecompressSync } = zlib as unknown as { zstdDecompressSync?: (bytes: Buffer) => Buffer };
const DECODED: Readonly<Record<string, (bytes: Buffer) => Buffer>> = {
  identity: (bytes) => bytes,
  gzip: (bytes) => zlib.gunzipSync(bytes),
  ...(zstdDecompressSync && { zstd: zstdDecompressSync }),
};

test('a scrape says the same in each coding and each format', async (t) => {
  const app = await startApp(t, 'counts-its-answers.mjs');
  await requests(`http://127.0.0.1:${app.port}/`, REQUESTS);
  const url = await app.metricsUrl();
  await until(async () => sum(await app.scrape(), COUNT) === REQUESTS, 'all requests');
  for (const [coding, decoded] of Object.entries(DECODED)) {
    const text = await ask(url, { 'accept-encoding': coding });
    assert.equal(text.headers['content-encoding'] ?? 'identity', coding);
    assert.equal(sum(parseExposition(decoded(text.body).toString()), COUNT), REQUESTS, coding);
    const open = await ask(url, { 'accept-encoding': coding, accept: 'application/openmetrics-text;version=1.0.0' });
    assert.match(open.headers['content-type']!, /^application\/openmetrics-text; version=1\.0\.0/);
    assert.ok(parseOpenMetrics(decoded(open.body).toString()), coding);
  }
  const best = (await ask(url, { 'accept-encoding': 'gzip, zstd' })).headers['content-encoding'];
  assert.equal(best, zstdDecompressSync ? 'zstd' : 'gzip');
});

async function ask(
  url: string,
  headers: Record<string, string>,
): Promise<{ headers: IncomingMessage['headers']; body: Buffer }> {
  const res = await new Promise<IncomingMessage>((resolve, reject) => {
    get(url, { headers, agent: false }, resolve).on('error', reject);
  });
  return { headers: res.headers, body: await buffer(res) };
}
