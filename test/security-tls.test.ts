/** Holds src/security/tls.ts: what is a usable set of files, and which line tells of one that is not. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { readTls, type TlsSettings, wantsTls } from '../src/security/tls.ts';
import { makeCertificate, NO_OPENSSL } from './certificates.ts';
import { freshDirectory } from './processes.ts';

const NONE: TlsSettings = { sslCertfile: '', sslKeyfile: '', sslClientCafile: '', sslClientAuthRequired: false };
const directory = freshDirectory({ after });
const one = makeCertificate(directory, 'one');
const other = makeCertificate(directory, 'other');
const PAIR: TlsSettings = { ...NONE, sslCertfile: one.certFile, sslKeyfile: one.keyFile };
const MISSING = join(directory, 'missing.pem');

describe('https', { skip: NO_OPENSSL ?? false }, () => {
  it('is wanted when any of its settings is set, and not when none is', () => {
    assert.equal(wantsTls(NONE), false);
    for (const name of ['sslCertfile', 'sslKeyfile', 'sslClientCafile'] as const) {
      assert.ok(wantsTls({ ...NONE, [name]: '/x' }), name);
    }
    assert.ok(wantsTls({ ...NONE, sslClientAuthRequired: true }));
  });

  it('has certificate and key as they are in the files, and the authority of clients when there is one', () => {
    const read = readTls(PAIR);
    assert.ok('context' in read);
    assert.deepEqual(read.context, { cert: one.cert, key: one.key });
    assert.ok(Math.abs(read.endsMs - Date.now() - 2 * 86_400_000) < 60_000, String(read.endsMs));
    const mutual = readTls({ ...PAIR, sslClientCafile: other.certFile, sslClientAuthRequired: true });
    assert.ok('context' in mutual && mutual.context.ca === other.cert);
  });

  it('takes a chain in one file', () => {
    const chain = file('chain.pem', one.cert + other.cert);
    assert.ok('context' in readTls({ ...PAIR, sslCertfile: chain, sslClientCafile: chain }));
  });
});

describe('one clear line tells', { skip: NO_OPENSSL ?? false }, () => {
  const broken = one.cert.replace(/^(.{100})..../ms, '$1AAAA');
  const CASES: Record<string, [Partial<TlsSettings>, RegExp]> = {
    'of a certificate without a key': [{ sslKeyfile: '' }, /_CERTFILE is set and PROMETHEUS_SSL_KEYFILE is not/],
    'of a key without a certificate': [{ sslCertfile: '' }, /_KEYFILE is set and PROMETHEUS_SSL_CERTFILE is not/],
    'of client settings without a certificate': [
      { sslCertfile: '', sslKeyfile: '', sslClientCafile: one.certFile },
      /needs PROMETHEUS_SSL_CERTFILE and PROMETHEUS_SSL_KEYFILE/,
    ],
    'of required clients that nobody signs': [
      { sslClientAuthRequired: true },
      /_REQUIRED is true and PROMETHEUS_SSL_CLIENT_CAFILE is not set/,
    ],
    'of a certificate that is not there': [{ sslCertfile: MISSING }, /_CERTFILE=\S+ cannot be read \(ENOENT\)/],
    'of a key that is a directory': [{ sslKeyfile: directory }, /_KEYFILE=\S+ cannot be read \(EISDIR\)/],
    'of an authority that is not there': [{ sslClientCafile: MISSING }, /_CAFILE=\S+ cannot be read \(ENOENT\)/],
    'of a certificate that is a key': [{ sslCertfile: one.keyFile }, /_CERTFILE=\S+ has no certificate/],
    'of a certificate that is damaged': [{ sslCertfile: file('broken.pem', broken) }, /_CERTFILE=\S+ has a bad cert/],
    'of an authority without a certificate': [{ sslClientCafile: file('ca.pem', '') }, /_CAFILE=\S+ has no cert/],
    'of a key that is a certificate': [{ sslKeyfile: one.certFile }, /_KEYFILE=\S+ has no private key/],
    "of another certificate's key": [{ sslKeyfile: other.keyFile }, /_CERTFILE=\S+ and \S+_KEYFILE=\S+ are no pair/],
  };
  for (const [what, [settings, line]] of Object.entries(CASES)) {
    it(what, () => {
      const { problem } = readTls({ ...PAIR, ...settings });
      assert.match(problem ?? '', line);
      assert.doesNotMatch(problem ?? '', /\n|PRIVATE KEY-----/);
    });
  }
});

function file(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}
