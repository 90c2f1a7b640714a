/** The TLS section of a web configuration as Node takes it. */
import type { SecureContextOptions } from 'node:tls';
import type { PemSource, PemSources } from './tls.ts';
import { CIPHERS, TLS_VERSIONS, TLS13_CIPHERS } from './tls-names.ts';
import type { WebTls } from './web-config.ts';

/** @param file - of the configuration, for lines to people */
export function webSources(tls: WebTls, file: string): PemSources {
  return {
    cert: sourceOf(tls, file, 'cert'),
    key: sourceOf(tls, file, 'key'),
    ...((tls.client_ca ?? tls.client_ca_file) && { ca: sourceOf(tls, file, 'client_ca') }),
  };
}

/** Everything of a secure context but certificates and key; the defaults are the toolkit's. */
export function webContext(tls: WebTls): SecureContextOptions {
  const minVersion = tls.min_version ?? (isBefore(tls.max_version, 'TLSv1.2') ? tls.max_version! : 'TLSv1.2');
  const ciphers = cipherList(tls.cipher_suites ?? [], isBefore(minVersion, 'TLSv1.2'));
  const curves = tls.curve_preferences ?? [];
  return {
    minVersion,
    maxVersion: tls.max_version ?? 'TLSv1.3',
    honorCipherOrder: tls.prefer_server_cipher_suites ?? true,
    ...(ciphers && { ciphers }),
    ...(curves.length > 0 && { ecdhCurve: curves.join(':') }),
  };
}

function sourceOf(tls: WebTls, file: string, name: 'cert' | 'key' | 'client_ca'): PemSource {
  const path = tls[`${name}_file`];
  const text = tls[name];
  return {
    told: path ? `${name}_file ${path} in ${file}` : `${name} in ${file}`,
    ...(path ? { file: path } : text !== undefined && { text }),
  };
}

function cipherList(chosen: readonly string[], isOld: boolean): string {
  const old = chosen.filter((name) => !TLS13_CIPHERS.some((one) => one === name));
  // OpenSSL 3 has neither TLS 1.0 nor 1.1 at its usual level, whatever versions are asked for.
  const level = isOld ? ['@SECLEVEL=0'] : [];
  if (chosen.length === 0 && !isOld) return '';
  const suites = chosen.length > 0 ? old : [...CIPHERS.values()].filter((name) => !name.startsWith('TLS_'));
  return [...TLS13_CIPHERS, ...suites, ...level].join(':');
}

function isBefore(version: string | undefined, other: string): boolean {
  const versions: readonly string[] = [...TLS_VERSIONS.values()];
  return version !== undefined && versions.indexOf(version) < versions.indexOf(other);
}
