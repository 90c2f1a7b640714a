/** From a thrown value to the label that tells it: short, and few different ones. */

// A code as Node and databases have them (ECONNRESET, ERR_HTTP_..., 23505, HPE_...), not a message or an object.
const CODE = /^[A-Z0-9][A-Z0-9_.-]{1,63}$/;
const NAME = /^[\w.$-]{1,64}$/;
const UNNAMED = 'Error';

/** The error's code, where it is one, else its class. @throws never, whatever was thrown */
export function errorTypeOf(error: unknown): string {
  try {
    const { code, name } = error as { code?: unknown; name?: unknown };
    if (typeof code === 'string' && CODE.test(code)) return code;
    return typeof name === 'string' && NAME.test(name) ? name : UNNAMED;
  } catch {
    // null, undefined, or a getter that throws.
    return UNNAMED;
  }
}
