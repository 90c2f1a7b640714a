/** Which versions of Node a part measures that is to hold on each: the one that runs it, and 24. */

/** Each once, the running one first; BENCH_NODES names others (`20,24`). */
export function nodeMajors(): number[] {
  const own = Number(process.versions.node.split('.')[0]);
  const named = process.env['BENCH_NODES']?.split(',').map(Number);
  return [...new Set(named ?? [own, 24])];
}
