/** Holds src/security/watched-security.ts look by look: what has changed is taken once it is still and good, and never before. */
import assert from 'node:assert/strict';
import { renameSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it, type TestContext } from 'node:test';
import { setLogLevel } from '../src/report.ts';
import { WatchedSecurity } from '../src/security/watched-security.ts';
import { makeCertificate, NO_OPENSSL } from './certificates.ts';
import { freshDirectory } from './processes.ts';
import { hashOf } from './secured-endpoint.ts';

setLogLevel('none');

const HASH = hashOf('x');

it('what has not changed is not read again, however often it is looked at', (t) => {
  const { watched, write } = watch(t);
  for (let i = 0; i < 5; i += 1) assert.equal(watched.look(), undefined);
  write({ b: HASH });
  watched.look();
  assert.ok(watched.look());
  for (let i = 0; i < 5; i += 1) assert.equal(watched.look(), undefined);
});

it('a file that changes from look to look is let alone until it is still', (t) => {
  const { watched, write } = watch(t);
  for (let i = 0; i < 5; i += 1) {
    // Whole YAML each time, and without the user who is to be there in the end.
    write(Object.fromEntries(Array.from({ length: i }, (_, n) => [`user${n}`, HASH])));
    assert.equal(watched.look(), undefined, `look ${i}`);
  }
  write({ alice: HASH });
  assert.equal(watched.look(), undefined);
  assert.deepEqual([...watched.look()!.access.users.keys()], ['alice']);
});

it('a bad file changes nothing, and is tried until it is good, also when the fault is in a file that it names', {
  skip: NO_OPENSSL ?? false,
}, (t) => {
  const { watched, file } = watch(t);
  const directory = freshDirectory(t);
  const { certFile, keyFile } = makeCertificate(directory, 'tls');
  renameSync(certFile, `${certFile}.later`);
  writeFileSync(file, JSON.stringify({ tls_server_config: { cert_file: certFile, key_file: keyFile } }));
  for (let i = 0; i < 4; i += 1) assert.equal(watched.look(), undefined);
  renameSync(`${certFile}.later`, certFile);
  const security = watched.look();
  assert.ok(security?.tls);
  assert.deepEqual(security.files, [file, certFile, keyFile]);
  // From now on these are looked at, too.
  utimesSync(keyFile, 1, 1);
  assert.equal(watched.look(), undefined);
  assert.ok(watched.look()?.tls);
});

it('a file that goes away changes nothing, nor does the same one that comes back', (t) => {
  const { watched, file, write } = watch(t);
  unlinkSync(file);
  for (let i = 0; i < 3; i += 1) assert.equal(watched.look(), undefined);
  write({ alice: HASH });
  watched.look();
  assert.deepEqual([...(watched.look()?.access.users.keys() ?? [])], ['alice']);
});

it('another file under the name with the same size and time is seen', (t) => {
  const { watched, file, write } = watch(t);
  utimesSync(file, 1000, 1000);
  watched.look();
  watched.look();
  write({ bob: HASH }, `${file}.new`);
  utimesSync(`${file}.new`, 1000, 1000);
  renameSync(`${file}.new`, file);
  watched.look();
  assert.deepEqual([...(watched.look()?.access.users.keys() ?? [])], ['bob']);
});

it('without any file there is nothing to look at', () => {
  const watched = new WatchedSecurity({ ...NO_TLS, webConfigFile: '' });
  assert.equal(watched.read().problem, undefined);
  assert.equal(watched.hasFiles, false);
});

const NO_TLS = { sslCertfile: '', sslKeyfile: '', sslClientCafile: '', sslClientAuthRequired: false };

function watch(t: TestContext) {
  const file = join(freshDirectory(t), 'web.yml');
  const write = (users: Record<string, string>, path = file) =>
    writeFileSync(path, JSON.stringify({ basic_auth_users: users }));
  write({ eve: HASH });
  const watched = new WatchedSecurity({ ...NO_TLS, webConfigFile: file });
  assert.equal(watched.read().problem, undefined);
  return { watched, file, write };
}
