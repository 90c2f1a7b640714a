/** Who is compared where clusters are scraped: ours, and each peer that has a cluster's metrics in its primary. */
import { type Scratch, scratch } from './scratch.ts';

// What does not support the Node that runs is measured on this one, and ours there as well.
const SECOND_NODE = 24;
const OWN_NODE = Number(process.versions.node.split('.')[0]);
const PEERS = [
  { name: 'prom-client', range: '15', oldestNode: 16 },
  { name: '@prometheus-io/client', range: '0.16', oldestNode: 22 },
] as const;

export interface Variant {
  /** With its version. */
  readonly title: string;
  readonly nodeMajor: number;
  readonly peer?: string;
  readonly scratch: Scratch;
}

/** Ours first on each Node. */
export function variants(): readonly Variant[] {
  const here = PEERS.filter(({ oldestNode }) => oldestNode <= OWN_NODE);
  const elsewhere = PEERS.filter(({ oldestNode }) => oldestNode > OWN_NODE);
  return [...onNode(OWN_NODE, here), ...(elsewhere.length > 0 ? onNode(SECOND_NODE, elsewhere) : [])];
}

/** Such as `prom-client 15.1.3, Node 20`. */
export function nameOf({ title, nodeMajor }: Variant): string {
  return `${title}, Node ${nodeMajor}`;
}

function onNode(nodeMajor: number, peers: readonly (typeof PEERS)[number][]): Variant[] {
  const packages = peers.map(({ name, range }) => `${name}@${range}`);
  const folder = scratch(nodeMajor, packages);
  const ours = { title: 'ours', nodeMajor, scratch: folder };
  return [ours, ...peers.map(({ name }) => ({ ...ours, title: `${name} ${folder.versionOf(name)}`, peer: name }))];
}
