import {
  KubernetesObjectReference,
  type WorkloadReference as WireReference,
  WorkloadPIDReference,
} from '../proto/spiffe/broker/api.ts'

/** Which workload a broker acts for. */
export type WorkloadReference =
  /** A process of the agent's own node. */
  | { readonly kind: 'process'; readonly pid: number }
  /** An object of Kubernetes, by name, by UID, or by both: then it has to be the same. */
  | {
      readonly kind: 'kubernetes'
      /** Such as `pods`. */
      readonly plural: string
      /** Such as `apps`; `core` for Kubernetes' own. */
      readonly group: string
      readonly namespace?: string
      readonly name?: string
      readonly uid?: string
    }
  /** Whatever a plugin of the agent understands. */
  | { readonly kind: 'other'; readonly typeUrl: string; readonly value: Uint8Array }

const prefix = 'type.googleapis.com/spiffe.broker.'

/** A reference as it is sent. */
export function referenceToProto(reference: WorkloadReference): WireReference {
  switch (reference.kind) {
    case 'process': {
      const value = WorkloadPIDReference.encode({ pid: reference.pid }).finish()
      return { reference: { typeUrl: `${prefix}WorkloadPIDReference`, value } }
    }
    case 'kubernetes': {
      const { plural, group, namespace = '', name, uid = '' } = reference
      const key = name === undefined ? undefined : { namespace, name }
      const value = KubernetesObjectReference.encode({ type: { plural, group }, key, uid }).finish()
      return { reference: { typeUrl: `${prefix}KubernetesObjectReference`, value } }
    }
    case 'other':
      return { reference: { typeUrl: reference.typeUrl, value: reference.value } }
    default:
      return reference satisfies never
  }
}
