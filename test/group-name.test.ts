/** Holds src/group-name.ts: which processes are one group where none was inherited. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readSettings } from '../src/config.ts';
import { groupName } from '../src/group-name.ts';
import { FAMILY_VARIABLE } from '../src/process-environment.ts';
import { formatMark, ownMark } from '../src/snapshot/process-mark.ts';

const PM2 = { pm_id: '3', name: 'api' };

function nameIn(env: Record<string, string>): string {
  return groupName(readSettings(env).settings, env);
}

describe('the name of a group', () => {
  it('is the first that is there: of the group, the service, the app in PM2, the family', () => {
    const service = { OTEL_SERVICE_NAME: 'shop', OTEL_RESOURCE_ATTRIBUTES: 'service.name=attribute' };
    assert.equal(nameIn({ GUNICORN_OTEL_GROUP: 'g', ...service, ...PM2 }), 'group-g');
    assert.equal(nameIn({ ...service, ...PM2 }), 'group-shop@9090');
    assert.equal(nameIn({ OTEL_RESOURCE_ATTRIBUTES: 'service.name=attribute', ...PM2 }), 'group-attribute@9090');
    assert.equal(nameIn(PM2), 'group-pm2-api@9090');
    assert.equal(nameIn({ name: 'no app of PM2' }), nameIn({}));
  });

  it('is another one for another port, unless it was given', () => {
    const port = { PROMETHEUS_METRICS_PORT: '9100' };
    assert.equal(nameIn({ OTEL_SERVICE_NAME: 'shop', ...port }), 'group-shop@9100');
    assert.equal(nameIn({ ...PM2, ...port }), 'group-pm2-api@9100');
    assert.match(nameIn(port), /-9100$/);
    assert.equal(nameIn({ GUNICORN_OTEL_GROUP: 'g', ...port }), 'group-g');
  });

  it('without any is that of the topmost process that is preloaded', (t) => {
    const before = process.env[FAMILY_VARIABLE];
    t.after(() => {
      if (before === undefined) delete process.env[FAMILY_VARIABLE];
      else process.env[FAMILY_VARIABLE] = before;
    });
    delete process.env[FAMILY_VARIABLE];
    assert.equal(nameIn({}), `${formatMark(ownMark())}-9090`);
    process.env[FAMILY_VARIABLE] = '12-345-6';
    assert.equal(nameIn({}), '12-345-6-9090');
    process.env[FAMILY_VARIABLE] = '../../etc';
    assert.equal(nameIn({}), `${formatMark(ownMark())}-9090`);
  });

  it('is one segment of a path, and different names stay different', () => {
    const names = ['a/b', 'a_b', 'a b', '..', '../..', 'größe', 'x'.repeat(300), `${'x'.repeat(300)}y`, 'a@b'];
    const given = names.map((name) => nameIn({ GUNICORN_OTEL_GROUP: name }));
    assert.equal(new Set(given).size, names.length);
    for (const name of given) assert.match(name, /^group-[\w.-]{1,120}$/);
  });
});
