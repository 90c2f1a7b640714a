/** What preload.ts needs when there is a first sign of anything, and not before: every module more delays every process. */
export { messageOf } from './errors.ts';
export { noteFastify } from './fastify-requests.ts';
export { workerExecArgv, workerNodeOptions } from './hand-over.ts';
export { offerMeters } from './offered-meters.ts';
export { report } from './report.ts';
