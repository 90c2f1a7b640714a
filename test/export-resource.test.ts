/** Holds src/export/resource.ts: whose word holds in target_info, and that nothing pending is waited for or complained of. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type DiagLogger, diag } from '@opentelemetry/api';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { readSettings } from '../src/config.ts';
import { resourceOf, settledResource } from '../src/export/resource.ts';

describe('the resource', () => {
  it('has what settings tell, whoever set them, and the name of the service before its attribute', () => {
    const file = '/app/gunicorn.conf.mjs';
    const { settings } = readSettings(
      { OTEL_RESOURCE_ATTRIBUTES: 'service.name=no,team=a%20b' },
      {},
      { file, settings: { serviceName: 'shop', resourceDetectors: ['none'] } },
    );
    const { attributes } = settledResource(resourceOf(settings));
    assert.equal(attributes['service.name'], 'shop');
    assert.equal(attributes['team'], 'a b');
    assert.equal(attributes['telemetry.sdk.language'], 'nodejs');
  });

  it('is that of an unknown service when nothing tells its name', () => {
    const { attributes } = resourceOf(readSettings({}).settings);
    assert.match(String(attributes['service.name']), /^unknown_service/);
  });

  it('does not look at the environment by itself', (t) => {
    process.env['OTEL_SERVICE_NAME'] = 'of the environment';
    t.after(() => delete process.env['OTEL_SERVICE_NAME']);
    const { settings } = readSettings({ OTEL_NODE_RESOURCE_DETECTORS: 'env' });
    assert.notEqual(resourceOf(settings).attributes['service.name'], 'of the environment');
  });

  it('has for now what is known, and later all, without a complaint', async (t) => {
    const complaints: unknown[] = [];
    const say = (...parts: unknown[]) => complaints.push(parts);
    diag.setLogger({ error: say, warn: say, info() {}, debug() {}, verbose() {} } as unknown as DiagLogger);
    t.after(() => diag.disable());
    let tell: (id: string) => void = () => {};
    const id = new Promise<string>((resolve) => {
      tell = resolve;
    });
    const older = resourceFromAttributes({ a: 'older', 'host.id': id });
    const resource = older.merge(resourceFromAttributes({ a: 'newer' }));
    assert.deepEqual({ ...settledResource(resource).attributes }, { a: 'newer' });
    tell('7');
    await resource.waitForAsyncAttributes?.();
    assert.deepEqual({ ...settledResource(resource).attributes }, { a: 'newer', 'host.id': '7' });
    assert.deepEqual(complaints, []);
  });
});
