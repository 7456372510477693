/** The shape of a package-lock.json this project relies on. */
export interface Lock {
  packages: Record<string, Record<string, unknown>>
}
export function complete(lock: Lock): Lock
