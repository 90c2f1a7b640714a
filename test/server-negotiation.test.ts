/** Holds src/server/negotiation.ts: what is given for what is asked, by the weights of RFC 9110, and always something. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Coding, codingFor, type Format, formatFor } from '../src/server/negotiation.ts';

const OM = 'application/openmetrics-text';
// As Prometheus 2.42 and 3.4 send them.
const PROMETHEUS_2 = `${OM};version=1.0.0,${OM};version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1`;
const PROMETHEUS_3 = `${OM};version=1.0.0;escaping=allow-utf-8;q=0.6,${OM};version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2`;
const PROTOBUF_FIRST = `application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7,${PROMETHEUS_3}`;
const BROWSER = 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8';

describe('the format of a scrape', () => {
  const CASES: [accept: string | undefined, format: Format][] = [
    [undefined, 'text'],
    ['', 'text'],
    ['*/*', 'text'],
    ['*/*;q=0', 'text'],
    [BROWSER, 'text'],
    ['application/json', 'text'],
    ['text/plain', 'text'],
    ['text/plain;version=0.0.4', 'text'],
    ['text/*', 'text'],
    [',,;;q=,=', 'text'],
    // A newer text format that is not ours, and whatever else.
    ['text/plain;version=1.0.0;escaping=allow-utf-8, */*;q=0.1', 'text'],
    [PROMETHEUS_2, 'openmetrics'],
    [PROMETHEUS_3, 'openmetrics'],
    [PROTOBUF_FIRST, 'openmetrics'],
    [OM, 'openmetrics'],
    [OM.toUpperCase(), 'openmetrics'],
    [`${OM}; version="1.0.0"; charset=UTF-8`, 'openmetrics'],
    [`${OM};escaping=underscores;version=1.0.0`, 'openmetrics'],
    ['application/*', 'openmetrics'],
    ['text/plain;q=0, */*', 'openmetrics'],
    // As Prometheus 2.5 to 2.41 sent it: of OpenMetrics it knew a draft only.
    [`${OM}; version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1`, 'text'],
    [`${OM};version=2.0.0`, 'text'],
    [`${OM};version=1.0.0;charset=utf-16`, 'text'],
    [`${OM};q=0`, 'text'],
    [`${OM};q=0.4, text/plain;q=0.5`, 'text'],
    [`${OM};q=0.5, text/plain;q=0.4`, 'openmetrics'],
    [`${OM};q=0.5, */*;q=0.9`, 'text'],
    // Of equal weight the one that everybody reads.
    [`${OM}, text/plain`, 'text'],
    [`text/plain, ${OM}`, 'text'],
    [`${OM};q=1.5, text/plain`, 'text'],
    [`${OM};q=much, text/plain;q=0.1`, 'text'],
    // The most specific range counts, wherever it stands.
    [`*/*;q=1, ${OM};version=1.0.0;q=0.2, text/plain;q=0.1`, 'openmetrics'],
    [`${OM};version=1.0.0;q=0, ${OM};q=1`, 'text'],
  ];
  for (const [accept, format] of CASES) {
    it(`is ${format} for ${JSON.stringify(accept)}`, () => assert.equal(formatFor(accept), format));
  }
});

describe('the coding of an answer', () => {
  const CASES: [acceptEncoding: string | undefined, withZstd: Coding, without: Coding][] = [
    [undefined, 'identity', 'identity'],
    ['', 'identity', 'identity'],
    ['identity', 'identity', 'identity'],
    ['gzip', 'gzip', 'gzip'],
    ['zstd', 'zstd', 'identity'],
    ['gzip, zstd', 'zstd', 'gzip'],
    ['zstd, gzip', 'zstd', 'gzip'],
    ['gzip, deflate, br, zstd', 'zstd', 'gzip'],
    ['gzip;q=0.5, zstd;q=0.5', 'zstd', 'gzip'],
    ['gzip;q=0.6, zstd;q=0.5', 'gzip', 'gzip'],
    ['gzip;q=0.5, zstd;q=0.6', 'zstd', 'gzip'],
    ['gzip;q=0, zstd', 'zstd', 'identity'],
    ['zstd;q=0, gzip', 'gzip', 'gzip'],
    ['*', 'gzip', 'gzip'],
    ['*;q=0.5, gzip;q=0', 'identity', 'identity'],
    ['zstd;q=0.001', 'zstd', 'identity'],
    ['identity;q=0.5, gzip', 'gzip', 'gzip'],
    ['identity, gzip;q=0.5', 'identity', 'identity'],
    ['identity, gzip', 'gzip', 'gzip'],
    ['identity;q=0', 'identity', 'identity'],
    ['x-zstd, xgzip', 'identity', 'identity'],
  ];
  for (const [header, withZstd, without] of CASES) {
    it(`is ${withZstd} for ${JSON.stringify(header)}, and ${without} in a Node without zstd`, () => {
      assert.equal(codingFor(header, ['zstd', 'gzip']), withZstd);
      assert.equal(codingFor(header, ['gzip']), without);
    });
  }
});
