/** This package as an instrumentation among others: for apps that set up OpenTelemetry in code. */
import { InstrumentationBase, type InstrumentationConfig } from '@opentelemetry/instrumentation';
import type { Settings } from './config.ts';
import { ownManifest } from './manifest.ts';
import { type Started, start } from './start.ts';

/** `enabled` (true unless told), and settings by name, before those of the environment. */
export interface GunicornInstrumentationConfig extends InstrumentationConfig {
  readonly settings?: Partial<Settings>;
}

/**
 * Measures while it is enabled, from its construction on unless `enabled` is false. It records into the group's files and
 * not into a MeterProvider: what is set by setMeterProvider is not used; see gunicornMetricProducer for a way out by the
 * app's own reader. To be constructed before the app's first server and first instrument.
 */
export class GunicornInstrumentation extends InstrumentationBase<GunicornInstrumentationConfig> {
  // Declared and not initialised: the base class enables before fields of this class would be set.
  declare private started: Started | undefined;

  constructor(config: GunicornInstrumentationConfig = {}) {
    super('@x/gunicorn-otel', ownManifest().version, config);
  }

  protected override init(): [] {
    return [];
  }

  /** Begins to measure, where that has not begun. @throws GUNICORN_OTEL_ERR_DIRECTORY when there is no place for files */
  override enable(): void {
    super.enable();
    this.started ??= start(this.getConfig().settings);
  }

  /** Ends measuring in this process; see Started.stop. */
  override disable(): void {
    super.disable();
    this.started?.stop();
    this.started = undefined;
  }
}
