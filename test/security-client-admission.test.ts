/** Holds src/security/client-admission.ts: a name counts as it is in the certificate, and nobody can write one into another. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { isAdmitted } from '../src/security/client-admission.ts';
import { CLIENT_POLICIES } from '../src/security/tls-names.ts';
import { NO_OPENSSL } from './certificates.ts';
import { freshDirectory } from './processes.ts';

const directory = freshDirectory({ after });
const VERIFIED = CLIENT_POLICIES.get('RequireAndVerifyClientCert')!;

describe('a name of a certificate', { skip: NO_OPENSSL ?? false }, () => {
  const NAMES = ['DNS:a.example', 'URI:spiffe://shop/x, DNS:evil.example', 'email:me@b.example', 'IP:2001:db8::1'];

  it('is taken whole, of whichever kind', () => {
    const isIn = admits(NAMES);
    for (const name of ['a.example', 'spiffe://shop/x, DNS:evil.example', 'me@b.example', '2001:db8::1']) {
      assert.ok(isIn(name), name);
    }
  });

  it('is none when it is only written in another', () => {
    const isIn = admits(NAMES);
    for (const name of [
      'evil.example',
      'spiffe://shop/x',
      'b.example',
      'DNS:a.example',
      '',
      ' a.example',
      'subject',
      '2001:DB8:0:0:0:0:0:1',
    ]) {
      assert.ok(!isIn(name), name);
    }
  });

  it('is needed where there is a list, and no subject stands in for it', () => {
    const isIn = admits([]);
    assert.ok(!isIn('subject') && !isIn(''));
    assert.ok(isAdmitted(socketWith(certificateOf([])), { ...VERIFIED, names: [] }));
  });
});

function admits(names: string[]): (name: string) => boolean {
  const socket = socketWith(certificateOf(names));
  return (name) => isAdmitted(socket, { ...VERIFIED, names: [name] });
}

function socketWith(certificate: X509Certificate): TLSSocket {
  return { authorized: true, getPeerX509Certificate: () => certificate } as unknown as TLSSocket;
}

// On its command line openssl takes a comma for the end of a name.
function certificateOf(names: string[]): X509Certificate {
  const config = join(directory, 'openssl.cnf');
  const alternatives = names.map((name, i) => name.replace(/^(\w+):/, `$1.${i} = `));
  const extension = names.length > 0 ? 'x509_extensions = v3\n[v3]\nsubjectAltName = @names\n' : '';
  writeFileSync(config, `[req]\ndistinguished_name = dn\n${extension}[dn]\n[names]\n${alternatives.join('\n')}\n`);
  const files = ['-keyout', join(directory, 'key.pem'), '-out', join(directory, 'cert.pem')];
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  execFileSync('openssl', ['req', '-x509', '-config', config, '-subj', '/CN=subject', ...key, ...files], {
    stdio: 'pipe',
  });
  return new X509Certificate(readFileSync(join(directory, 'cert.pem')));
}
