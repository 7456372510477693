import { ApiError, type StatusDetail } from '@mini-spire/runtime/grpc/api-error'
import { ErrorInfo } from '@mini-spire/runtime/proto/google/rpc/error_details'
import type { ErrorKind } from '@mini-spire/sdk/errors'
import {
  KubernetesObjectReference,
  type WorkloadReference as WireReference,
  WorkloadPIDReference,
} from '@mini-spire/sdk/internal/spiffe/broker/api'
import type { WorkloadReference } from '../../model/workload-reference.ts'
import { messages } from './messages.ts'

const prefix = 'type.googleapis.com/spiffe.broker.'
const pidType = `${prefix}WorkloadPIDReference`
const objectType = `${prefix}KubernetesObjectReference`

/** No type has a longer name: a broker's words go into refusals and the log. */
const maxTypeLength = 512
/** No reference is longer: attestors, plugins among them, get it whole. */
const maxReferenceBytes = 65_536

/** Why a reference leads to nothing, for programs [SPIFFE Broker API 4.8]. */
export type ReferenceReason =
  | 'WORKLOAD_REFERENCE_INVALID'
  | 'WORKLOAD_NOT_FOUND'
  | 'WORKLOAD_NOT_ENTITLED'

/** The type of a reference. @throws {ApiError} invalid-argument, when there is no reference, or a huge one */
export function referenceType(wire: WireReference | undefined): string {
  const type = wire?.reference?.typeUrl ?? ''
  if (type === '') throw invalidReference(messages.referenceMissing)
  const size = wire?.reference?.value.length ?? 0
  if (type.length > maxTypeLength || size > maxReferenceBytes)
    throw invalidReference(messages.referenceTooLong)
  return type
}

/** @throws {ApiError} invalid-argument, when the reference is of a known type and malformed */
export function referenceFromProto(wire: WireReference | undefined): WorkloadReference {
  const typeUrl = referenceType(wire)
  const encoded = wire?.reference?.value ?? new Uint8Array()
  return { typeUrl, encoded, subject: subjectOf(typeUrl, encoded) }
}

function subjectOf(typeUrl: string, encoded: Uint8Array): WorkloadReference['subject'] {
  switch (typeUrl) {
    case pidType: {
      const { pid } = decoded(WorkloadPIDReference, encoded, messages.badPidReference)
      if (pid <= 0) throw invalidReference(messages.pidNotPositive(pid))
      return { kind: 'process', pid }
    }
    case objectType: {
      const text = messages.badObjectReference
      const { type, key, uid } = decoded(KubernetesObjectReference, encoded, text)
      return { kind: 'kubernetes', object: { type, key, uid } }
    }
    default:
      return { kind: 'other' }
  }
}

function decoded<T>(
  type: { decode(bytes: Uint8Array): T },
  encoded: Uint8Array,
  message: string,
): T {
  try {
    return type.decode(encoded)
  } catch (cause) {
    throw invalidReference(message, cause)
  }
}

function invalidReference(message: string, cause?: unknown): ApiError {
  const details = reasonDetails('invalid-argument')
  return new ApiError('invalid-argument', message, { cause, details })
}

/** What travels with a status of this kind when a reference is to blame for it. */
export function reasonDetails(kind: ErrorKind): readonly StatusDetail[] {
  if (kind === 'invalid-argument') return [reasonToProto('WORKLOAD_REFERENCE_INVALID')]
  if (kind === 'not-found') return [reasonToProto('WORKLOAD_NOT_FOUND')]
  return []
}

/** A reason as a detail of a status. */
export function reasonToProto(reason: ReferenceReason): StatusDetail {
  const info = { reason, domain: 'spiffe.io', metadata: new Map<string, string>() }
  return {
    typeUrl: 'type.googleapis.com/google.rpc.ErrorInfo',
    value: ErrorInfo.encode(info).finish(),
  }
}
