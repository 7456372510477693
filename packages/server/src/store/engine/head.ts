import { noHash } from '../format/hash.ts'

/** The newest change: its revision and the hash that the next one will name. */
export interface Head {
  readonly revision: number
  readonly hash: string
}

/** Before the first change. */
export const emptyHead: Head = { revision: 0, hash: noHash }
