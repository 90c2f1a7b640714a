/** Which clients a TLS server lets in by their certificate, beyond what Node does by itself. */
import type { X509Certificate } from 'node:crypto';
import { isIPv6 } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { ClientPolicy } from './tls-names.ts';

export interface Admission extends ClientPolicy {
  /** A certificate has to have one of these as a subject alternative name, letter by letter; none: any will do. */
  readonly names: readonly string[];
}

// As Node tells names: `DNS:a.example, IP Address:10.0.0.1, URI:"spiffe://a,b"`; what has a comma in it is quoted as JSON.
const NAME = /(?:^|, )(DNS|email|URI|IP Address):("(?:[^"\\]|\\.)*"|[^,]*)/g;

/** Whether this client may ask; for each request, since names may be taken away while it is connected. @throws never */
export function isAdmitted(socket: TLSSocket, { isAsked, isRequired, isVerified, names }: Admission): boolean {
  if (!isAsked) return true;
  const certificate = socket.getPeerX509Certificate();
  if (!certificate) return !isRequired;
  if (isVerified && !socket.authorized) return false;
  return names.length === 0 || namesOf(certificate).some((name) => names.includes(name));
}

function namesOf({ subjectAltName }: X509Certificate): string[] {
  return [...(subjectAltName ?? '').matchAll(NAME)].map(([, kind, name]) =>
    kind === 'IP Address' ? shortAddress(name!) : unquoted(name!),
  );
}

// As people and Go write it: Node has all eight parts of an IPv6 address, in large letters.
function shortAddress(address: string): string {
  return isIPv6(address) ? new URL(`http://[${address}]`).hostname.slice(1, -1) : address;
}

function unquoted(name: string): string {
  if (!name.startsWith('"')) return name;
  try {
    return String(JSON.parse(name));
  } catch {
    // A name that is quoted and is not JSON is nobody's: it is compared as it is.
    return name;
  }
}
