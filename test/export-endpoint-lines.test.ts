/** Holds src/export/endpoint.ts: what is said of an endpoint that cannot open, and when. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import test from 'node:test';
import { readSettings } from '../src/config.ts';
import { openEndpoint } from '../src/export/endpoint.ts';
import { catchLines } from './lines.ts';
import { atEnd, freshDirectory } from './processes.ts';

const lines = catchLines();

test('a certificate that is not there is told at once: it does not come by itself, as a port does', (t) => {
  const missing = join(freshDirectory(t), 'no.pem');
  const { settings } = readSettings({ PROMETHEUS_SSL_CERTFILE: missing, PROMETHEUS_SSL_KEYFILE: missing });
  const createServer = () => assert.fail('there is none without its certificate');
  const endpoint = openEndpoint({ settings, createServer }, () => {});
  atEnd(t, () => endpoint.stop());
  assert.equal(lines.length, 1);
  assert.match(lines[0]!, /PROMETHEUS_SSL_CERTFILE.*no\.pem/);
});
