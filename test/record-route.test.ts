/** Holds src/record/route.ts: what clients send becomes few and short endpoints. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { endpointOf, OTHER } from '../src/record/route.ts';

const ENDPOINTS: readonly [string, string][] = [
  ['/', '/'],
  ['/users', '/users'],
  ['/users/', '/users/'],
  ['/users/42', '/users/:id'],
  ['/users/42/orders/7', '/users/:id/orders/:id'],
  ['/things/3f2504e0-4f89-11d3-9a0c-0305e82c3301', '/things/:id'],
  ['/things/3F2504E0-4F89-11D3-9A0C-0305E82C3301', '/things/:id'],
  ['/blobs/da39a3ee5e6b4b0d', '/blobs/:id'],
  ['/mongo/507f1f77bcf86cd799439011', '/mongo/:id'],
  ['/tokens/eyJhbGciOiJIUzI1NiJ9', '/tokens/:id'],
  ['/v1/items', '/v1/items'],
  ['/facade/deadbeef', '/facade/deadbeef'],
  ['/a-very-long-but-readable-name', '/a-very-long-but-readable-name'],
  ['//double//slash', '//double//slash'],
  ['*', '*'],
  ['http://proxied.example:8080/users/42', '/users/:id'],
  ['HTTPS://proxied.example/', '/'],
  ['http://proxied.example', '/'],
];

describe('the endpoint of a path', () => {
  for (const [path, endpoint] of ENDPOINTS) {
    it(`${path} is ${endpoint}`, () => assert.equal(endpointOf(path), endpoint));
  }

  it('that is too long or too deep is the one for everything else', () => {
    assert.equal(endpointOf(`/${'a'.repeat(200)}`), OTHER);
    assert.equal(endpointOf('/a'.repeat(12)), OTHER);
    assert.equal(endpointOf(`/${'a'.repeat(199)}`).length, 200);
    assert.equal(endpointOf('/a'.repeat(11)), '/a'.repeat(11));
  });

  it('has at most 200 characters, whatever clients send', () => {
    const segments = fc.array(fc.oneof(fc.webSegment(), fc.nat().map(String), fc.string(), fc.constant('1')), {
      maxLength: 14,
    });
    const paths = fc.oneof(
      fc.string(),
      fc.webUrl(),
      segments.map((parts) => `/${parts.join('/')}`),
      longest,
    );
    fc.assert(
      fc.property(paths, (path) => assert.ok(endpointOf(path).length <= 200, endpointOf(path))),
      {
        numRuns: 2000,
      },
    );
  });

  it('is the same for its own endpoint: what was replaced stays replaced', () => {
    fc.assert(
      fc.property(fc.webPath(), (path) => {
        const endpoint = endpointOf(path || '/');
        assert.equal(endpointOf(endpoint), endpoint);
      }),
    );
  });
});

// As long as a path may be, with as many segments that become longer as there may be.
const longest = fc.nat(199).map((length) => `${'/1'.repeat(10)}/${'a'.repeat(length)}`);
