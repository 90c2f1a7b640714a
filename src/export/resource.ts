/** What target_info tells of the service: what was told by settings, before what detectors find, before the SDK's own. */

import type { Resource, ResourceDetector } from '@opentelemetry/resources';
import * as sdk from '@opentelemetry/resources';
import { distinctLabels } from '../catalogue/naming.ts';
import type { Settings } from '../config.ts';

// Not all lines of the package export all of them. `env` is none: the settings have what it would read.
const DETECTORS: Readonly<Record<string, ResourceDetector | undefined>> = {
  host: sdk.hostDetector,
  os: sdk.osDetector,
  process: sdk.processDetector,
  serviceinstance: sdk.serviceInstanceIdDetector,
};

/** @returns the resource of this process; attributes that need time are pending in it */
export function resourceOf(
  settings: Pick<Settings, 'serviceName' | 'resourceAttributes' | 'resourceDetectors'>,
): Resource {
  const { serviceName, resourceAttributes, resourceDetectors } = settings;
  const names = resourceDetectors.includes('all') ? Object.keys(DETECTORS) : resourceDetectors;
  const detectors = names.map((name) => DETECTORS[name]).filter((detector) => detector !== undefined);
  return sdk
    .defaultResource()
    .merge(sdk.detectResources({ detectors }))
    .merge(sdk.resourceFromAttributes({ ...resourceAttributes, ...(serviceName && { 'service.name': serviceName }) }));
}

/**
 * The part of a resource that is known by now. What is pending (the host's id) is begun to be waited for: a scrape would
 * wait for the thread pool with it, and the serializer complains of it each time.
 */
export function settledResource(resource: Resource): Resource {
  if (!resource.asyncAttributesPending) return resource;
  void resource.waitForAsyncAttributes?.();
  const known = resource.getRawAttributes().filter(([, value]) => !(value instanceof Promise));
  // The first of a name is the one that holds.
  return sdk.resourceFromAttributes(Object.fromEntries(known.reverse()) as sdk.DetectedResourceAttributes);
}

/** A resource as target_info shows it: two labels of one name, or one with a digit in front, and the whole scrape is refused. */
export function shownResource(resource: Resource): Resource {
  const { attributes } = resource;
  const labels = distinctLabels(attributes) as sdk.DetectedResourceAttributes;
  return labels === attributes ? resource : sdk.resourceFromAttributes(labels);
}
