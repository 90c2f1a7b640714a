/** OTEL_NODE_RESOURCE_DETECTORS: what else target_info tells. */
import { holdSetting } from './setting-cases.ts';

holdSetting('resourceDetectors', {
  variable: 'OTEL_NODE_RESOURCE_DETECTORS',
  fallback: ['env'],
  valid: [
    ['host,os', ['host', 'os']],
    ['all', ['all']],
    ['none', ['none']],
    ['ENV, process,serviceinstance,', ['env', 'process', 'serviceinstance']],
    ['host,host', ['host']],
  ],
  invalid: ['x', 'host,x', 'all,host', 'none,host', ','],
});
