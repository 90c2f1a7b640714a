/** Certificates of a test's own, made by openssl as a user would make them. */
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** For `skip` of a test that needs certificates. */
export const NO_OPENSSL = spawnSync('openssl', ['version']).error && 'SKIP: needs openssl, apt-get install openssl';

export interface Certificate {
  readonly cert: string;
  readonly key: string;
  /** Paths of the two. */
  readonly certFile: string;
  readonly keyFile: string;
}

/** A certificate for `localhost` and 127.0.0.1, unless told, in files `<name>.pem` and `<name>.key`, signed by itself unless told. Empty without openssl. */
export function makeCertificate(
  directory: string,
  name: string,
  signer?: Certificate,
  alternativeNames = 'DNS:localhost,IP:127.0.0.1',
): Certificate {
  const certFile = join(directory, `${name}.pem`);
  const keyFile = join(directory, `${name}.key`);
  if (NO_OPENSSL) return { cert: '', key: '', certFile, keyFile };
  const signed = signer ? ['-CA', signer.certFile, '-CAkey', signer.keyFile] : [];
  const names = ['-subj', `/CN=${name}`, '-addext', `subjectAltName=${alternativeNames}`];
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', keyFile];
  execFileSync('openssl', ['req', '-x509', ...key, '-out', certFile, '-days', '2', ...names, ...signed], {
    stdio: 'pipe',
  });
  return { cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8'), certFile, keyFile };
}
