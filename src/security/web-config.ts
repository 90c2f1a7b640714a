/**
 * The web configuration: what Prometheus' own exporters take by `--web.config.file`, and tokens besides. Strict as theirs:
 * what is not known is an error, for it may be a lock that was meant.
 *
 * @see https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md
 */
import { dirname, resolve } from 'node:path';
import { SETTINGS } from '../config.ts';
import { messageOf } from '../errors.ts';
import { readSmallFile, whyUnread } from './small-file.ts';
import { CIPHERS, CLIENT_POLICIES, CURVES, TLS_VERSIONS } from './tls-names.ts';
import { bool, duration, hash, names, oneOf, tokenHash, whole } from './web-config-values.ts';
import { type Place, parseYaml } from './yaml-place.ts';

/** Who may ask, and how often; nothing in the maps: everybody. */
export interface Access {
  /** bcrypt hashes, by user. */
  readonly users: ReadonlyMap<string, string>;
  /** bcrypt hashes, or `sha256:` and 64 hexadecimal digits, by a name for people. */
  readonly tokens: ReadonlyMap<string, string>;
  /** A bucket of `burst` requests that gets one every `intervalMs`. */
  readonly rateLimit?: { readonly intervalMs: number; readonly burst: number };
}

export interface WebConfig extends Access {
  /** As in the file; there when its section has anything in it. */
  readonly tls?: WebTls;
  /** Of every answer, by name. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Names as in the file, values as Node takes them. */
export type WebTls = ReturnType<typeof readTlsSection>;

const MAX_BYTES = 256 * 1024;
// Each is compared with every token that is sent.
const MAX_SLOW_TOKENS = 4;

const text = (place: Place) => place.text();

const TLS_FIELDS = {
  cert: text,
  key: text,
  client_ca: text,
  cert_file: path,
  key_file: path,
  client_ca_file: path,
  client_auth_type: oneOf(CLIENT_POLICIES),
  client_allowed_sans: (place: Place) => place.items(text),
  min_version: oneOf(TLS_VERSIONS),
  max_version: oneOf(TLS_VERSIONS),
  cipher_suites: (place: Place) => place.items(oneOf(CIPHERS)),
  prefer_server_cipher_suites: bool,
  curve_preferences: (place: Place) => place.items(oneOf(CURVES)),
};

// The toolkit's five, with the values that it accepts.
const HEADER_FIELDS = {
  'Content-Security-Policy': headerValue,
  'X-Frame-Options': oneOf(names('deny', 'sameorigin')),
  'X-Content-Type-Options': oneOf(names('nosniff')),
  'X-XSS-Protection': headerValue,
  'Strict-Transport-Security': headerValue,
};

const FIELDS = {
  tls_server_config: readTlsSection,
  http_server_config: (place: Place) =>
    place.fields({ http2: bool, headers: (headers: Place) => headers.fields(HEADER_FIELDS) }),
  basic_auth_users: (place: Place) => place.entries(hash),
  bearer_tokens: readTokens,
  rate_limit: readRateLimit,
};

/**
 * Reads the file anew.
 *
 * @returns what it says; or one clear line that says why it cannot be taken, with nothing of a secret in it
 * @throws never
 */
export function readWebConfig(file: string): { config: WebConfig; problem?: never } | { problem: string } {
  const name = `${SETTINGS.webConfigFile.variable}=${file}`;
  let content: string;
  try {
    content = readSmallFile(file, MAX_BYTES);
  } catch (error) {
    return { problem: `${name} cannot be read (${whyUnread(error)})` };
  }
  try {
    return { config: parseWebConfig(content, dirname(resolve(file))) };
  } catch (error) {
    return { problem: `${name} ${messageOf(error)}` };
  }
}

/** @param directory - which relative paths in it are relative to; absolute. @throws Error whose message is a clear line */
export function parseWebConfig(content: string, directory: string): WebConfig {
  const whole = parseYaml(content);
  // A file that somebody is about to write; whoever means it writes what Prometheus takes as well.
  if (whole.isEmpty) throw new Error('has nothing in it, which would let everybody in: write {} where that is meant');
  const { tls_server_config: tls, http_server_config: http, ...access } = whole.fields(FIELDS);
  const { basic_auth_users: users, bearer_tokens: tokens, rate_limit: rateLimit } = access;
  return {
    users: users ?? new Map(),
    tokens: tokens ?? new Map(),
    // The toolkit's way to unset one.
    headers: Object.fromEntries(Object.entries(http?.headers ?? {}).filter(([, value]) => value !== '')),
    ...(rateLimit && { rateLimit }),
    ...(tls && Object.keys(tls).length > 0 && { tls: withPaths(tls, directory) }),
  };
}

function readTlsSection(place: Place) {
  const tls = place.fields(TLS_FIELDS);
  if (Object.keys(tls).length === 0) return tls;
  for (const [file, inline] of [
    ['cert_file', 'cert'],
    ['key_file', 'key'],
    ['client_ca_file', 'client_ca'],
  ] as const) {
    if (tls[file] && tls[inline]) throw place.problem(`has ${inline} and ${file}: one of them`);
    if (inline !== 'client_ca' && !tls[file] && !tls[inline]) throw place.problem(`needs ${file} or ${inline}`);
  }
  const { isAsked, isRequired, isVerified } = tls.client_auth_type ?? CLIENT_POLICIES.get('NoClientCert')!;
  const authority = tls.client_ca_file ?? tls.client_ca;
  if (authority && !isAsked)
    throw place.problem('has an authority of clients and no client_auth_type that asks for them');
  // Node would take every certificate that any public authority has signed.
  if (isRequired && isVerified && !authority) throw place.problem('needs client_ca_file or client_ca');
  if (tls.client_allowed_sans?.length && !isVerified) {
    throw place.problem(
      'has client_allowed_sans, which need a client_auth_type that verifies: RequireAndVerifyClientCert',
    );
  }
  const versions = [...TLS_VERSIONS.values()];
  if (tls.min_version && tls.max_version && versions.indexOf(tls.min_version) > versions.indexOf(tls.max_version)) {
    throw place.problem('has a min_version above its max_version');
  }
  return tls;
}

function withPaths(tls: WebTls, directory: string): WebTls {
  const absolute = { ...tls };
  for (const name of ['cert_file', 'key_file', 'client_ca_file'] as const) {
    if (tls[name]) absolute[name] = resolve(directory, tls[name]);
  }
  return absolute;
}

function path(place: Place): string {
  const value = place.text();
  if (/\p{Cc}/u.test(value)) throw place.problem('is a path in one line');
  return value;
}

function headerValue(place: Place): string {
  const value = place.text();
  if (!/^[\x20-\x7e]*$/.test(value)) throw place.problem('is one line of ASCII');
  return value;
}

function readTokens(place: Place): Map<string, string> {
  const tokens = place.entries(tokenHash);
  const slow = [...tokens.values()].filter((token) => token.startsWith('$'));
  if (slow.length <= MAX_SLOW_TOKENS) return tokens;
  throw place.problem(
    `has more than ${MAX_SLOW_TOKENS} bcrypt hashes, all of which a wrong token is compared with: use sha256:`,
  );
}

function readRateLimit(place: Place): { intervalMs: number; burst: number } | undefined {
  const { interval = 0, burst = 0 } = place.fields({ interval: duration, burst: whole });
  if (interval === 0) return undefined;
  if (burst === 0) throw place.problem('needs a burst of 1 or more: with 0 nobody would be answered');
  return { intervalMs: interval, burst };
}
