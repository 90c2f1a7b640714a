/** What a run of tests came to, test by test, read from what its reporter has written: TAP, or the JSON of mocha or jest. */

/** By title, those of its parents before it; tests of one title are told by how many there are of each outcome. */
export type Outcomes = ReadonlyMap<string, string>;

const TAP_LINE = /^( *)(not )?ok\b(?: +\d+)?(?: +- +| +)?(.*?)(?: # (skip|todo)\b.*)?$/i;
const SUBTEST = /^( *)# Subtest: (.*)$/;
// Ports, pids and times in titles are others in every run.
const CHANGING = /\d{3,}/g;

/** @throws Error when there is no test in it */
export function readOutcomes(text: string): Outcomes {
  const found = [mocha, jest, tap].map((read) => read(text)).find((list) => list.length > 0);
  if (!found) throw new Error('no TAP, and no JSON of mocha or jest, in what the command has written to stdout');
  const byTitle = new Map<string, string[]>();
  for (const [title, outcome] of found) {
    const key = title.replaceAll(CHANGING, '#');
    byTitle.set(key, [...(byTitle.get(key) ?? []), outcome]);
  }
  return new Map([...byTitle].map(([title, all]) => [title, all.sort().join()]));
}

type List = [title: string, outcome: string][];

function tap(text: string): List {
  const parents: { indent: number; title: string }[] = [];
  const list: List = [];
  for (const line of text.split('\n')) {
    const [, subIndent, title] = SUBTEST.exec(line) ?? [];
    const [, okIndent, not, name, directive] = (title === undefined && TAP_LINE.exec(line)) || [];
    const indent = (subIndent ?? okIndent)?.length;
    if (indent === undefined) continue;
    while ((parents.at(-1)?.indent ?? -1) >= indent) parents.pop();
    if (title !== undefined) parents.push({ indent, title });
    else {
      const path = [...parents.map((parent) => parent.title), name].join(' > ');
      list.push([path, directive?.toLowerCase() ?? (not ? 'failed' : 'passed')]);
    }
  }
  return list;
}

function mocha(text: string): List {
  type Test = { fullTitle: string };
  const json = jsonIn(text) as { passes?: Test[]; failures?: Test[]; pending?: Test[] } | undefined;
  if (!Array.isArray(json?.passes)) return [];
  const all = { passed: json.passes, failed: json.failures ?? [], skip: json.pending ?? [] };
  return Object.entries(all).flatMap(([outcome, tests]) =>
    tests.map(({ fullTitle }): List[number] => [fullTitle, outcome]),
  );
}

function jest(text: string): List {
  type File = { assertionResults: { fullName: string; status: string }[] };
  const json = jsonIn(text) as { testResults?: File[] } | undefined;
  if (!Array.isArray(json?.testResults)) return [];
  return json.testResults.flatMap(({ assertionResults }) =>
    assertionResults.map(({ fullName, status }): List[number] => [fullName, status]),
  );
}

// Other lines may stand around it.
function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text.slice(text.search(/^\{/m), text.lastIndexOf('}') + 1));
  } catch {
    return undefined;
  }
}
