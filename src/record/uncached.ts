/**
 * Whether V8 knows where things are in an app's requests and responses. Where Express has had them on Node 20 it does not,
 * each is of a class of its own (docs/decisions/054-few-questions.md): to have it learn that of each anew costs twice what
 * Reflect.get does, which asks no cache. To be deleted when Node 20 is no longer supported.
 */
const MAKES_CLASSES = process.versions.node.startsWith('20.');

let isExpress = false;

/** Whether what is read at the end of requests is to be read by Reflect.get. */
export function isUncached(): boolean {
  return isExpress;
}

/** Express has had a request. */
export function noteExpress(): void {
  isExpress = MAKES_CLASSES;
}
