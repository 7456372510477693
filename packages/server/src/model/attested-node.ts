import type { SpiffeId } from '@mini-spire/sdk/spiffe-id'
import type { Selector } from './selector.ts'

/** A node that has proven itself, and the serial numbers under which its agent may call. Serials are decimal strings. */
export interface AttestedNode {
  readonly spiffeId: SpiffeId
  /** Name of the node attestor, such as `join_token`. */
  readonly attestationType: string
  /** Empty: banned. */
  readonly serialNumber: string
  readonly expiresAtSeconds: number
  /** Empty: no renewal is waiting to be used. */
  readonly newSerialNumber: string
  readonly newExpiresAtSeconds: number
  readonly canReattest: boolean
  readonly agentVersion: string
  readonly selectors: readonly Selector[]
}

/** Whether an agent is banned: its current serial number is blank. */
export function isBanned(node: AttestedNode): boolean {
  return node.serialNumber === ''
}
