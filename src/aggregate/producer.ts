/** The group as a MetricProducer: what every scrape and every push of OTel's readers collects. */

import { emptyResource } from '@opentelemetry/resources';
import type { CollectionResult, MetricData, MetricProducer } from '@opentelemetry/sdk-metrics';
import { OWN_SCOPE } from '../snapshot/own-metrics.ts';
import { SharedNames } from '../snapshot/shared-names.ts';
import { type Member, type Merged, Merger } from './merge.ts';
import type { ResourceSampler, ResourceUsage } from './resources.ts';
import { WallClock } from './wall-clock.ts';
import { WorkerIds } from './worker-ids.ts';
import type { GroupReader, WorkerState } from './workers.ts';

/** What the views project: one moment of the group. */
export interface Scene {
  /** Unix ms. */
  readonly nowMs: number;
  /** The same moment by the clock that ages are told by; the difference is the same from scene to scene. */
  readonly nowMonotonicMs: number;
  /** How often the wall clock has jumped. */
  readonly clockJumps: number;
  /** When the group's totals began. */
  readonly startMs: number;
  /** All processes of the group, exited ones of late included. */
  readonly members: readonly WorkerState[];
  /**
   * Those that serve or measure: the primary only when it serves. The dead too, as long as they are shown under their
   * worker_id: for a while, or for good where that comes back.
   */
  readonly workers: readonly Member[];
  readonly resources: ReadonlyMap<number, ResourceUsage>;
  /** Sums over everybody who ever was. */
  readonly merged: Merged;
  readonly snapshotErrors: ReadonlyMap<string, number>;
}

export interface GroupProducerOptions {
  readonly reader: GroupReader;
  readonly sampler: ResourceSampler;
  readonly clock?: WallClock;
  readonly startMs: number;
  readonly view: View;
}

/** Turns a scene into families; see catalogue/views.ts. */
export type View = (scene: Scene) => MetricData[];

/** Collects a group: its snapshots merged, its processes sampled, all of it projected by the given view. */
export class GroupProducer implements MetricProducer {
  readonly #options: GroupProducerOptions;
  readonly #clock: WallClock;
  readonly #workerIds = new WorkerIds();
  readonly #names = new SharedNames();

  constructor(options: GroupProducerOptions) {
    this.#options = options;
    this.#clock = options.clock ?? new WallClock();
  }

  /** Reads, merges and projects. Waits for no worker, only for the sampling of their memory and CPU. */
  collect(): Promise<CollectionResult> {
    return this.#collect(this.#options.view);
  }

  /** The same group as another view shows it, for one reader, who collects again when he is through with what he has. */
  seenBy(view: View): MetricProducer {
    const merger = new Merger();
    return { collect: () => this.#collect(view, merger) };
  }

  async #collect(view: View, merger?: Merger): Promise<CollectionResult> {
    const metrics = view(await this.scene(merger));
    return {
      resourceMetrics: { resource: emptyResource(), scopeMetrics: [{ scope: { name: OWN_SCOPE }, metrics }] },
      errors: [],
    };
  }

  /**
   * The same moment before it is projected, for who looks at it in another way: at once, see GroupReader.read.
   *
   * @param merger - of the caller's own; several may wait for the same sampling and be merged for one behind the other
   * @throws system errors as long as the totals could not be read
   */
  async scene(merger = new Merger()): Promise<Scene> {
    const { reader, sampler, startMs } = this.#options;
    const resources = await sampler.soon(reader.living());
    const nowMonotonicMs = this.#clock.nowMonotonicMs();
    const idOf = ({ snapshot }: Member) => snapshot.identity.workerId;
    const read = this.#workerIds.apply(reader.read(nowMonotonicMs));
    const states = read.sort((a, b) => compareWorkerIds(idOf(a), idOf(b)));
    const { totals } = reader;
    const summed = [...totals, ...states];
    this.#names.share(summed.map(({ snapshot }) => snapshot));
    const merged = merger.merge(summed, reader.places);
    reader.keepPlaces(merged, nowMonotonicMs);
    return {
      nowMs: this.#clock.unixMsOf(nowMonotonicMs),
      nowMonotonicMs,
      clockJumps: this.#clock.jumps,
      startMs,
      members: states,
      workers: [...totals.filter(({ snapshot }) => snapshot.identity.lasting), ...states.filter(isWorker)],
      resources,
      merged,
      snapshotErrors: reader.errors,
    };
  }
}

// worker_2 before worker_10, whoever's file was found first.
const collator = new Intl.Collator('en', { numeric: true });

/** The order of worker ids for people: by number, where there are numbers. */
export function compareWorkerIds(a: string, b: string): number {
  return collator.compare(a, b);
}

/** A cluster primary is no worker, unless it has served requests itself. */
export function isWorker({ snapshot }: Member): boolean {
  if (snapshot.identity.role !== 'primary') return true;
  return snapshot.metrics.some(
    ({ descriptor, series }) => descriptor.kind === 'histogram' && descriptor.scope === OWN_SCOPE && series.length > 0,
  );
}
