/**
 * What paths that have come before lead to. Each request has its path as a new string, which a Map must read whole to know
 * where to look: those that were asked for of late are found by three of their letters, and compared.
 */

const MAX_PATHS = 1000;
/** A longer one is not kept. */
export const MAX_PATH_LENGTH = 200;
// A power of two.
const RECENT_PLACES = 256;

interface Known<T> {
  readonly path: string;
  readonly to: T;
}

/** Forgets all when it is full, so that clients cannot make it grow. */
export class KnownPaths<T> {
  readonly #known = new Map<string, Known<T>>();
  readonly #recent: (Known<T> | undefined)[] = new Array(RECENT_PLACES).fill(undefined);

  /** @returns undefined when it is not known, or not any more */
  get(path: string): T | undefined {
    const place = placeOf(path);
    const recent = this.#recent[place];
    if (recent !== undefined && recent.path === path) return recent.to;
    const known = this.#known.get(path);
    if (known !== undefined) this.#recent[place] = known;
    return known?.to;
  }

  /** @param path - may be a part of a longer string, which is not kept by it */
  set(path: string, to: T): void {
    if (path.length > MAX_PATH_LENGTH) return;
    if (this.#known.size >= MAX_PATHS) {
      this.#known.clear();
      this.#recent.fill(undefined);
    }
    const copy = JSON.parse(JSON.stringify(path)) as string;
    this.#known.set(copy, { path: copy, to });
  }
}

// Most paths of an app differ in these; who shares a place with another is looked up when the other has been there.
function placeOf(path: string): number {
  const { length } = path;
  if (length === 0) return 0;
  const letters = path.charCodeAt(length - 1) + 7 * path.charCodeAt(length >> 1) + 31 * path.charCodeAt(length >> 2);
  return (letters + 61 * length) & (RECENT_PLACES - 1);
}
