/** The names that Go has for the parts of TLS, as a web configuration uses them, and what Node and OpenSSL call the same. */
import type { SecureVersion } from 'node:tls';

/** Whether a client is asked for a certificate, must give one, and must have it from the authority of clients. */
export interface ClientPolicy {
  readonly isAsked: boolean;
  readonly isRequired: boolean;
  readonly isVerified: boolean;
}

/** @see https://pkg.go.dev/crypto/tls#ClientAuthType; the second name of one of them is the toolkit's. */
export const CLIENT_POLICIES: ReadonlyMap<string, ClientPolicy> = new Map([
  ['NoClientCert', { isAsked: false, isRequired: false, isVerified: false }],
  ['RequestClientCert', { isAsked: true, isRequired: false, isVerified: false }],
  ['RequireAnyClientCert', { isAsked: true, isRequired: true, isVerified: false }],
  ['RequireClientCert', { isAsked: true, isRequired: true, isVerified: false }],
  ['VerifyClientCertIfGiven', { isAsked: true, isRequired: false, isVerified: true }],
  ['RequireAndVerifyClientCert', { isAsked: true, isRequired: true, isVerified: true }],
]);

/** Oldest first. */
export const TLS_VERSIONS: ReadonlyMap<string, SecureVersion> = new Map([
  ['TLS10', 'TLSv1'],
  ['TLS11', 'TLSv1.1'],
  ['TLS12', 'TLSv1.2'],
  ['TLS13', 'TLSv1.3'],
] as const);

/** Of TLS 1.3: always on, as in Go, whatever the list of a configuration says. */
export const TLS13_CIPHERS = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
] as const;

/** Go's CipherSuites(): those without known weaknesses. */
export const CIPHERS: ReadonlyMap<string, string> = new Map([
  ...TLS13_CIPHERS.map((name) => [name, name] as const),
  ['TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256', 'ECDHE-ECDSA-AES128-GCM-SHA256'],
  ['TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384', 'ECDHE-ECDSA-AES256-GCM-SHA384'],
  ['TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256', 'ECDHE-ECDSA-CHACHA20-POLY1305'],
  ['TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA', 'ECDHE-ECDSA-AES128-SHA'],
  ['TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA', 'ECDHE-ECDSA-AES256-SHA'],
  ['TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256', 'ECDHE-RSA-AES128-GCM-SHA256'],
  ['TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384', 'ECDHE-RSA-AES256-GCM-SHA384'],
  ['TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256', 'ECDHE-RSA-CHACHA20-POLY1305'],
  ['TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA', 'ECDHE-RSA-AES128-SHA'],
  ['TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA', 'ECDHE-RSA-AES256-SHA'],
]);

/** In Go, of the toolkit, and in OpenSSL. */
export const CURVES: ReadonlyMap<string, string> = new Map([
  ['CurveP256', 'P-256'],
  ['CurveP384', 'P-384'],
  ['CurveP521', 'P-521'],
  ['X25519', 'X25519'],
]);
