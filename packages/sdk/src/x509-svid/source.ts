import type { X509Svid } from './x509-svid.ts'

/** Anything that has an X509-SVID now: one that never changes, or a source that follows the Workload API. */
export interface X509SvidSource {
  /** The SVID to present now. Throws when there is none. */
  getX509Svid(): X509Svid
}
