/** The certificates of an https endpoint, read and checked together: with one of them missing or wrong there is no endpoint at all. */
import { X509Certificate } from 'node:crypto';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { SETTINGS, type Settings } from '../config.ts';
import { messageOf } from '../errors.ts';
import { readSmallFile, whyUnread } from './small-file.ts';

export type TlsSettings = Pick<Settings, FileSetting | 'sslClientAuthRequired'>;
type FileSetting = 'sslCertfile' | 'sslKeyfile' | 'sslClientCafile';

/** Where a text in PEM is. */
export interface PemSource {
  /** For people: its setting and, where it is one, its file. */
  readonly told: string;
  readonly file?: string;
  /** Instead of a file. */
  readonly text?: string;
}

/** What there has to be; without an authority of clients none of theirs is looked at. */
export interface PemSources {
  readonly cert: PemSource;
  readonly key: PemSource;
  readonly ca?: PemSource;
}

/** What a server takes as its secure context, and when the certificate ends; or one clear line that says why not. */
export type ReadPems =
  | { readonly context: SecureContextOptions; readonly endsMs: number; readonly problem?: never }
  | { readonly problem: string };

const MAX_PEM_BYTES = 1024 * 1024;
const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----/gs;
const PEM_PRIVATE_KEY = /-----BEGIN [A-Z ]*PRIVATE KEY-----/;

/** Whether the endpoint is to be https: any of its settings says so, for half of them must not mean plain HTTP. */
export function wantsTls(settings: TlsSettings): boolean {
  const { sslCertfile, sslKeyfile, sslClientCafile, sslClientAuthRequired } = settings;
  return [sslCertfile, sslKeyfile, sslClientCafile].some((file) => file !== '') || sslClientAuthRequired;
}

/** Reads the files of the settings anew. @throws never */
export function readTls(settings: TlsSettings): ReadPems {
  const missing = missingSetting(settings);
  return missing ? { problem: missing } : readPems(settingSources(settings));
}

/** The files that the settings name. */
export function settingSources(settings: TlsSettings): PemSources {
  const source = (name: FileSetting): PemSource => ({
    told: `${SETTINGS[name].variable}=${settings[name]}`,
    file: settings[name],
  });
  return {
    cert: source('sslCertfile'),
    key: source('sslKeyfile'),
    ...(settings.sslClientCafile && { ca: source('sslClientCafile') }),
  };
}

/**
 * Reads certificates and key anew.
 *
 * @param more - what else the context is made with
 * @throws never
 */
export function readPems({ cert, key, ca }: PemSources, more: SecureContextOptions = {}): ReadPems {
  try {
    const pems = { cert: pemOf(cert), key: pemOf(key), ...(ca && { ca: pemOf(ca) }) };
    const [{ validTo }] = certificatesIn(cert, pems.cert);
    if (!PEM_PRIVATE_KEY.test(pems.key)) throw new Error(`${key.told} has no private key in PEM`);
    if (ca) certificatesIn(ca, pems.ca!);
    const context = { ...more, ...pems };
    assertPair(`${cert.told} and ${key.told}`, context);
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

function pemOf({ told, file, text }: PemSource): string {
  if (file === undefined) return text ?? '';
  try {
    return readSmallFile(file, MAX_PEM_BYTES);
  } catch (cause) {
    throw new Error(`${told} cannot be read (${whyUnread(cause)})`, { cause });
  }
}

// OpenSSL takes a file of authorities without a single certificate and says nothing.
function certificatesIn({ told }: PemSource, text: string): [X509Certificate, ...X509Certificate[]] {
  try {
    const [first, ...others] = (text.match(PEM_CERTIFICATE) ?? []).map((pem) => new X509Certificate(pem));
    if (first) return [first, ...others];
  } catch (cause) {
    throw new Error(`${told} has a bad certificate (${messageOf(cause)})`, { cause });
  }
  throw new Error(`${told} has no certificate in PEM`);
}

function assertPair(files: string, context: SecureContextOptions): void {
  try {
    createSecureContext(context);
  } catch (cause) {
    throw new Error(`${files} are no pair, or the key is encrypted or damaged (${messageOf(cause)})`, { cause });
  }
}
