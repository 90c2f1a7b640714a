/** The layers of an Express router, 4 and 5: what each matches, and the pattern that it was mounted with. */

/** A path as Express takes it. */
export type Path = string | RegExp | readonly Path[];

/** A route's own part; its handlers do not matter here. */
export interface Route {
  readonly path: Path;
}

/** What a router has in its stack: a route, or something mounted. */
export interface Layer {
  readonly name?: string;
  readonly route?: Route | string;
  readonly handle: Partial<App> & { readonly stack?: readonly Layer[] };
  /** From router 2.3 on. */
  readonly rawPath?: Path;
  /** In router 2, which is that of Express 5. */
  readonly slash?: boolean;
  readonly matchers?: readonly ((path: string) => false | { path: string; params: Record<string, string> })[];
  /** In Express 4. */
  readonly regexp?: RegExp & { fast_slash?: boolean };
  readonly keys?: readonly { name: string | number }[];
}

/** An Express app. */
export interface App {
  handle(...args: unknown[]): void;
  readonly settings: object;
  /** Of one that another has mounted. */
  readonly parent?: App;
  readonly mountpath: Path;
  readonly router?: { readonly stack: readonly Layer[] };
  readonly _router?: { readonly stack: readonly Layer[] };
}

// As path-to-regexp 0.1 writes what is mounted: its beginning, its end, a parameter with its slash, what is escaped.
const BEGINNING = /^\^/;
const END = /(?:\\\/)?\?\(\?=\\\/\|\$\)$/;
const PARAMETER = /\(\?:(\\\/)?\((?:[^()\\]|\\.|\((?:[^()\\]|\\.|\([^()]*\))*\))*\)\)(\?)?/g;
const ESCAPED = /\\(.)/g;
const NOT_PLAIN = /(?<!\\)[()[\]^$*+?|{}.]|\\\w/;

// Of layers that keep no path.
const learned = new WeakMap<Layer, string>();

/** The layers of a router or an app; none of what is neither. */
export function stackOf(handle: Layer['handle']): readonly Layer[] {
  if (Array.isArray(handle?.stack)) return handle.stack;
  if (typeof handle?.handle !== 'function' || !handle.settings) return [];
  // Express 4 throws when it is asked for its `router`.
  return ('lazyrouter' in handle ? handle._router : handle.router)?.stack ?? [];
}

/** What a layer matches at the beginning of a path, '' when it is mounted at the root; undefined when it does not. */
export function matchOf({ slash, regexp, matchers = [], rawPath }: Layer, path: string): string | undefined {
  if (slash || regexp?.fast_slash) return '';
  for (const own of [regexp, rawPath]) {
    // One that keeps its place would be moved on.
    if (own instanceof RegExp && (own.global || own.sticky)) return new RegExp(own.source).exec(path)?.[0];
  }
  if (regexp) return regexp.exec(path)?.[0];
  for (const matcher of matchers) {
    const match = matcher(path);
    if (match) return match.path;
  }
  return undefined;
}

/** What is left of a path for those that are mounted behind. */
export function behind(path: string, text: string): string {
  const rest = path.slice(text.length);
  return rest.startsWith('/') ? rest : `/${rest}`;
}

/**
 * The pattern of what is mounted.
 *
 * @param text - what it matched, '' where that is not known: router 2.0 to 2.2 keep no paths, the first match is taken
 */
export function mountPath(layer: Layer, text: string): string {
  const { rawPath, regexp, keys = [] } = layer;
  if (rawPath !== undefined) return textOf(rawPath);
  if (regexp) return regexp.fast_slash ? '' : plainPath(regexp, keys);
  const known = learned.get(layer) ?? learn(layer, text);
  if (text !== '') learned.set(layer, known);
  return known;
}

/** A path in one line: several as `/a|/b`, a RegExp as it is written. */
export function textOf(path: Path): string {
  return Array.isArray(path) ? path.map(textOf).join('|') : String(path);
}

/** A path below a prefix. */
export function join(prefix: string, path: string): string {
  const above = prefix.endsWith('/') ? prefix.slice(0, -1) : prefix;
  if (above === '' || path === '') return above + path;
  const grouped = above.includes('|') && !above.endsWith(')') ? `(${above})` : above;
  if (path === '/') return grouped;
  return path.startsWith('/') ? grouped + path : `${grouped}/${path}`;
}

function learn({ matchers = [] }: Layer, text: string): string {
  const match = matchers.map((matcher) => matcher(text)).find(Boolean);
  const params = Object.entries(match ? match.params : {});
  const segments = text.split('/').map((segment) => {
    return segment === params[0]?.[1] ? `:${params.shift()![0]}` : segment;
  });
  return segments.join('/');
}

// Express 4 keeps no path of what is mounted, only what it has made of it.
function plainPath(regexp: RegExp, keys: readonly { name: string | number }[]): string {
  const paths = regexp.source.split('|^').map((source) => source.replace(BEGINNING, '').replace(END, ''));
  if (paths.some((path) => NOT_PLAIN.test(path.replaceAll(PARAMETER, '')))) return String(regexp);
  let index = 0;
  const named = paths.map((path) =>
    path.replaceAll(PARAMETER, (_, slash = '', optional = '') => `${slash}:${keys[index++]?.name}${optional}`),
  );
  return named.map((path) => path.replaceAll(ESCAPED, '$1')).join('|');
}
