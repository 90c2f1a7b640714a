/** What an Authorization header says. Nothing is guessed: a header that is not exactly of its scheme's form says nothing. */

/** Of HTTP's two schemes that are understood here. */
export type Credential =
  | { readonly scheme: 'basic'; readonly user: string; readonly password: string }
  | { readonly scheme: 'bearer'; readonly token: string };

// RFC 9110, 11.4: one space or more; RFC 4648 with its padding, as Prometheus sends it.
const BASIC = /^basic +([a-z0-9+/]*={0,2})$/i;
// RFC 6750, 2.1.
const BEARER = /^bearer +([a-z0-9\-._~+/]+=*)$/i;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** @returns undefined for any other header. @throws never */
export function readAuthorization(header: string | undefined): Credential | undefined {
  if (header === undefined) return undefined;
  const token = BEARER.exec(header)?.[1];
  if (token !== undefined) return { scheme: 'bearer', token };
  const encoded = BASIC.exec(header)?.[1];
  return encoded === undefined ? undefined : basicOf(encoded);
}

// RFC 7617: the user's name ends with the first colon.
function basicOf(encoded: string): Credential | undefined {
  const bytes = Buffer.from(encoded, 'base64');
  if (bytes.toString('base64') !== encoded) return undefined;
  try {
    const text = utf8.decode(bytes);
    const colon = text.indexOf(':');
    // bcrypt takes what ends with NUL, and then begins anew, for the beginning alone.
    if (colon === -1 || text.includes('\0')) return undefined;
    return { scheme: 'basic', user: text.slice(0, colon), password: text.slice(colon + 1) };
  } catch {
    // Not UTF-8: as text, different passwords would be the same.
    return undefined;
  }
}
