/** A Kubernetes object as a broker names it, by key, by UID, or by both; nothing of it is checked yet. */
export interface KubernetesObject {
  readonly type:
    | {
        /** Such as `pods`. */
        readonly plural: string
        /** Such as `apps`; `core` for Kubernetes' own. */
        readonly group: string
      }
    | undefined
  readonly key:
    | {
        /** Empty for what belongs to none. */
        readonly namespace: string
        readonly name: string
      }
    | undefined
  /** Empty: not given. */
  readonly uid: string
}

/** How a broker names a workload. */
export interface WorkloadReference {
  /** `type.googleapis.com/` and the full name of the message. */
  readonly typeUrl: string
  /** The message, as it came. */
  readonly encoded: Uint8Array
  /** What it says, when it is of a kind that the standard defines. */
  readonly subject:
    | { readonly kind: 'process'; readonly pid: number }
    | { readonly kind: 'kubernetes'; readonly object: KubernetesObject }
    | { readonly kind: 'other' }
}
