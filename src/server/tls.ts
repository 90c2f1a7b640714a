/** The files of an https endpoint, read and checked together: with one of them missing or wrong there is no endpoint at all. */
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { SETTINGS, type Settings } from '../config.ts';
import { messageOf } from '../errors.ts';

export type TlsSettings = Pick<Settings, FileSetting | 'sslClientAuthRequired'>;
type FileSetting = 'sslCertfile' | 'sslKeyfile' | 'sslClientCafile';

const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----/gs;
const PEM_PRIVATE_KEY = /-----BEGIN [A-Z ]*PRIVATE KEY-----/;

/** Whether the endpoint is to be https: any of its settings says so, for half of them must not mean plain HTTP. */
export function wantsTls(settings: TlsSettings): boolean {
  const { sslCertfile, sslKeyfile, sslClientCafile, sslClientAuthRequired } = settings;
  return [sslCertfile, sslKeyfile, sslClientCafile].some((file) => file !== '') || sslClientAuthRequired;
}

/**
 * Reads the files anew.
 *
 * @returns what a server takes as its secure context, and when the certificate ends; or one clear line that says why not
 * @throws never
 */
export function readTls(
  settings: TlsSettings,
): { context: SecureContextOptions; endsMs: number; problem?: never } | { problem: string } {
  const missing = missingSetting(settings);
  if (missing) return { problem: missing };
  try {
    const cert = fileOf(settings, 'sslCertfile');
    const key = fileOf(settings, 'sslKeyfile');
    const [{ validTo }] = certificatesOf(settings, 'sslCertfile', cert);
    if (!PEM_PRIVATE_KEY.test(key)) throw new Error(`${told(settings, 'sslKeyfile')} has no private key in PEM`);
    const ca = settings.sslClientCafile ? fileOf(settings, 'sslClientCafile') : undefined;
    if (ca !== undefined) certificatesOf(settings, 'sslClientCafile', ca);
    const context = { cert, key, ...(ca !== undefined && { ca }) };
    assertPair(settings, context);
    return { context, endsMs: Date.parse(validTo) };
  } catch (error) {
    return { problem: messageOf(error) };
  }
}

function missingSetting({ sslCertfile, sslKeyfile, sslClientCafile, sslClientAuthRequired }: TlsSettings) {
  const [cert, key, ca] = (['sslCertfile', 'sslKeyfile', 'sslClientCafile'] as const).map(
    (name) => SETTINGS[name].variable,
  );
  if (!sslCertfile && !sslKeyfile) return `what is set of PROMETHEUS_SSL_* needs ${cert} and ${key}, which are not set`;
  if (!sslKeyfile) return `${cert} is set and ${key} is not: https needs both`;
  if (!sslCertfile) return `${key} is set and ${cert} is not: https needs both`;
  // Node would take every certificate that any public authority has signed.
  if (sslClientAuthRequired && !sslClientCafile) {
    return `${SETTINGS.sslClientAuthRequired.variable} is true and ${ca} is not set: nobody could be let in`;
  }
  return undefined;
}

function told(settings: TlsSettings, name: FileSetting): string {
  return `${SETTINGS[name].variable}=${settings[name]}`;
}

function fileOf(settings: TlsSettings, name: FileSetting): string {
  try {
    return readFileSync(settings[name], 'utf8');
  } catch (cause) {
    throw new Error(`${told(settings, name)} cannot be read (${(cause as NodeJS.ErrnoException).code})`, { cause });
  }
}

// OpenSSL takes a file of authorities without a single certificate and says nothing.
function certificatesOf(
  settings: TlsSettings,
  name: FileSetting,
  text: string,
): [X509Certificate, ...X509Certificate[]] {
  try {
    const [first, ...others] = (text.match(PEM_CERTIFICATE) ?? []).map((pem) => new X509Certificate(pem));
    if (first) return [first, ...others];
  } catch (cause) {
    throw new Error(`${told(settings, name)} has a bad certificate (${messageOf(cause)})`, { cause });
  }
  throw new Error(`${told(settings, name)} has no certificate in PEM`);
}

function assertPair(settings: TlsSettings, context: SecureContextOptions): void {
  try {
    createSecureContext(context);
  } catch (cause) {
    const files = `${told(settings, 'sslCertfile')} and ${told(settings, 'sslKeyfile')}`;
    throw new Error(`${files} are no pair, or the key is encrypted or damaged (${messageOf(cause)})`, { cause });
  }
}
