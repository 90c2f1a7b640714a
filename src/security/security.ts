/** Everything that says who may read the endpoint, read together: the settings of TLS, the web configuration, their files. */
import type { SecureContextOptions } from 'node:tls';
import { SETTINGS, type Settings } from '../config.ts';
import type { Admission } from './client-admission.ts';
import { type PemSources, readPems, readTls, settingSources, type TlsSettings, wantsTls } from './tls.ts';
import { CLIENT_POLICIES } from './tls-names.ts';
import { type Access, readWebConfig } from './web-config.ts';
import { webContext, webSources } from './web-tls.ts';

export type SecuritySettings = TlsSettings & Pick<Settings, 'webConfigFile'>;

export interface TlsInForce {
  readonly context: SecureContextOptions;
  /** When the certificate ends. */
  readonly endsMs: number;
  readonly admission: Admission;
}

export interface Security {
  /** Without it the endpoint is plain HTTP. */
  readonly tls?: TlsInForce;
  readonly access: Access;
  readonly headers: Readonly<Record<string, string>>;
  /** All that it was read from, absolute or relative to the working directory. */
  readonly files: readonly string[];
}

/** What is in force; or one clear line that says why nothing may be opened. */
export type ReadSecurity = (Security & { readonly problem?: never }) | { readonly problem: string };

const NOBODY_IN_PARTICULAR: Access = { users: new Map(), tokens: new Map() };

/** Reads all files anew. @throws never */
export function readSecurity(settings: SecuritySettings): ReadSecurity {
  return settings.webConfigFile ? ofWebConfig(settings) : ofSettings(settings);
}

function ofSettings(settings: SecuritySettings): ReadSecurity {
  const open = { access: NOBODY_IN_PARTICULAR, headers: {}, files: [] };
  if (!wantsTls(settings)) return open;
  const read = readTls(settings);
  if (read.problem !== undefined) return read;
  const policy = settings.sslClientAuthRequired ? 'RequireAndVerifyClientCert' : 'NoClientCert';
  const admission = { ...CLIENT_POLICIES.get(policy)!, names: [] };
  return { ...open, tls: { ...read, admission }, files: filesOf(settingSources(settings)) };
}

function ofWebConfig(settings: SecuritySettings): ReadSecurity {
  const file = settings.webConfigFile;
  const web = readWebConfig(file);
  if (web.problem !== undefined) return web;
  const { tls, headers, ...access } = web.config;
  const files = [file];
  if (tls && wantsTls(settings)) {
    const name = `${SETTINGS.webConfigFile.variable}=${file}`;
    return { problem: `${name} has a tls_server_config and PROMETHEUS_SSL_* is set: one of them` };
  }
  if (!tls) {
    const read = ofSettings(settings);
    return read.problem === undefined ? { ...read, access, headers, files: [...files, ...read.files] } : read;
  }
  const sources = webSources(tls, file);
  const read = readPems(sources, webContext(tls));
  if (read.problem !== undefined) return { problem: `${SETTINGS.webConfigFile.variable}: ${read.problem}` };
  const policy = tls.client_auth_type ?? CLIENT_POLICIES.get('NoClientCert')!;
  const admission = { ...policy, names: tls.client_allowed_sans ?? [] };
  return { tls: { ...read, admission }, access, headers, files: [...files, ...filesOf(sources)] };
}

function filesOf({ cert, key, ca }: PemSources): string[] {
  return [cert, key, ca].flatMap((source) => source?.file ?? []);
}
