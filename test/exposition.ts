/** Reads the text exposition as strictly as Prometheus does: a line that is no sample, or a sample given twice, fails. */
import assert from 'node:assert/strict';

const SAMPLE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/s;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)",?/gy;

export interface Sample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

export function parseExposition(text: string): Sample[] {
  const seen = new Set<string>();
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return lines.map((line) => {
    const [, name, labelText = '', value] = line.match(SAMPLE) ?? assert.fail(`no sample: ${line}`);
    const labels = parseLabels(labelText);
    const series = `${name} ${JSON.stringify(Object.entries(labels).sort())}`;
    assert.ok(!seen.has(series), `given twice: ${line}`);
    seen.add(series);
    return { name: name!, labels, value: Number(value!.replace('Inf', 'Infinity')) };
  });
}

/** The samples of a name whose labels are as told; '' stands for a label that is not there. */
export function select(samples: Sample[], name: string, labels: Record<string, string> = {}): Sample[] {
  const wanted = Object.entries(labels);
  return samples.filter(
    (sample) => sample.name === name && wanted.every(([label, value]) => (sample.labels[label] ?? '') === value),
  );
}

export function sum(samples: Sample[], name: string, labels: Record<string, string> = {}): number {
  return select(samples, name, labels).reduce((total, { value }) => total + value, 0);
}

function parseLabels(text: string): Record<string, string> {
  const pairs = [...text.matchAll(LABEL)];
  assert.equal(pairs.map(([pair]) => pair).join(''), text, `labels of ${text}`);
  assert.equal(new Set(pairs.map(([, label]) => label)).size, pairs.length, `a label given twice: ${text}`);
  return Object.fromEntries(pairs.map(([, label, value]) => [label, value!.replace(/\\(.)/g, unescapeLabel)]));
}

function unescapeLabel(_match: string, character: string): string {
  return character === 'n' ? '\n' : character;
}
