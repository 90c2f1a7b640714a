/** A YAML file by places that know their line; what is wrong is told by line and name, never by the text that is there. */
import { createRequire } from 'node:module';
import type { Document, LineCounter, Node, Pair } from 'yaml';
import { nearestName } from '../nearest-name.ts';

// What can be a name and not a secret that has slipped to its place.
const NAME = /^[\w.@-]{1,64}$/;
const MAX_BRACKETS = 1000;
// Lists of lists, and keys of keys, in one line.
const NESTED = /(?:[-?:][ \t]+){50}/;

/** How what is at a place becomes a value. @throws Error whose message is a clear line */
export type Reader<T> = (place: Place) => T;
type ValuesOf<Fields> = { -readonly [K in keyof Fields]?: Fields[K] extends Reader<infer T> ? T : never };

interface Source {
  readonly yaml: typeof import('yaml');
  readonly document: Document;
  readonly lines: LineCounter;
}

/** The whole of a file. @throws Error when it is not YAML */
export function parseYaml(text: string): Place {
  const yaml = createRequire(import.meta.url)('yaml') as typeof import('yaml');
  // Its parser calls itself for each of them, and a thread that runs out of memory for that takes its process with it.
  if ((text.match(/[[{]/g)?.length ?? 0) > MAX_BRACKETS || NESTED.test(text)) throw new Error('is nested too deeply');
  const lines = new yaml.LineCounter();
  // Without pretty errors, which quote the file.
  const options = { lineCounter: lines, prettyErrors: false, logLevel: 'error', uniqueKeys: false } as const;
  const document = yaml.parseDocument(text, options);
  const [error] = document.errors;
  if (error) throw new Error(`line ${lines.linePos(error.pos[0]).line}: this is not YAML (${error.code})`);
  return new Place({ yaml, document, lines }, document.contents, '', 1);
}

/** One value in the file. */
export class Place {
  readonly #source: Source;
  readonly #node: Node | null;
  readonly #line: number;
  readonly #name: string;

  /** @param node - of yaml's, or nothing */
  constructor(source: Source, node: unknown, name: string, line: number) {
    const { isAlias, isNode } = source.yaml;
    const found = isAlias(node) ? node.resolve(source.document) : node;
    this.#source = source;
    this.#node = isNode(found) ? found : null;
    this.#name = name;
    this.#line = line;
    // As nothing it would be a lock that is not there.
    if (isAlias(node) && !isNode(found)) throw this.problem('is an alias of nothing');
  }

  /** Nothing is there: `key:` and no more, or `null`. */
  get isEmpty(): boolean {
    const { isScalar } = this.#source.yaml;
    return this.#node === null || (isScalar(this.#node) && this.#node.value === null);
  }

  /** An error that names this place. @param what - goes on behind its name: `is not one of ...` */
  problem(what: string): Error {
    return new Error(`line ${this.#line}: ${this.#name || 'the file'} ${what}`);
  }

  /** A single value as it is written. */
  text(): string {
    const { isScalar } = this.#source.yaml;
    if (!isScalar(this.#node)) throw this.problem('is a single value');
    const { value, source } = this.#node;
    return typeof value === 'string' ? value : (source ?? '');
  }

  /** The items of a list. */
  items<T>(read: Reader<T>): T[] {
    const { isSeq } = this.#source.yaml;
    if (this.isEmpty) return [];
    if (!isSeq(this.#node)) throw this.problem('is a list');
    return this.#node.items.map((item) => read(this.#at(item, item, this.#name)));
  }

  /** Each name with what it has. @returns in the order of the file */
  entries<T>(read: Reader<T>): Map<string, T> {
    return new Map(this.#pairs().map(([name, place]) => [name, read(place)]));
  }

  /** The values of known names; those with nothing behind them are left out. A name that is not known is an error. */
  fields<Fields extends Readonly<Record<string, Reader<unknown>>>>(fields: Fields): ValuesOf<Fields> {
    const values: Record<string, unknown> = {};
    for (const [name, place] of this.#pairs()) {
      const read = Object.hasOwn(fields, name) ? fields[name] : undefined;
      if (!read) throw unknownName(place, name, Object.keys(fields));
      if (!place.isEmpty) values[name] = read(place);
    }
    return values as ValuesOf<Fields>;
  }

  #pairs(): [string, Place][] {
    const { isMap, isScalar } = this.#source.yaml;
    if (this.isEmpty) return [];
    if (!isMap(this.#node)) throw this.problem('is names with values, each `name: value`');
    const known = new Set<string>();
    return this.#node.items.map(({ key, value }: Pair) => {
      if (!isScalar(key)) throw this.#at(key, value, this.#name).problem('has a name that is none');
      const name = typeof key.value === 'string' ? key.value : (key.source ?? '');
      const place = this.#at(key, value, [this.#name, told(name)].filter(Boolean).join('.'));
      if (known.has(name)) throw place.problem('is there twice');
      known.add(name);
      return [name, place];
    });
  }

  #at(where: unknown, node: unknown, name: string): Place {
    const { yaml, lines } = this.#source;
    const offset = yaml.isNode(where) ? where.range?.[0] : undefined;
    return placeOf(this.#source, node, name, offset === undefined ? this.#line : lines.linePos(offset).line);
  }
}

// Inside the class TypeScript 7.0 would write a statement behind it.
function placeOf(...args: ConstructorParameters<typeof Place>): Place {
  return new Place(...args);
}

function told(name: string): string {
  return NAME.test(name) ? name : '(a name)';
}

function unknownName(place: Place, name: string, known: readonly string[]): Error {
  const near = NAME.test(name) ? nearestName(name, known) : undefined;
  return place.problem(near ? `is not known; is ${near} meant?` : `is not known; there are ${known.join(', ')}`);
}
