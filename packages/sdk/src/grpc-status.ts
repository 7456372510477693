import type { ErrorKind } from './errors.ts'

/** gRPC's status numbers, by their names in Go (`InvalidArgument`), as logs, metrics and command lines print them. */
export const GrpcStatus = {
  OK: 0,
  Canceled: 1,
  Unknown: 2,
  InvalidArgument: 3,
  DeadlineExceeded: 4,
  NotFound: 5,
  AlreadyExists: 6,
  PermissionDenied: 7,
  ResourceExhausted: 8,
  FailedPrecondition: 9,
  Aborted: 10,
  OutOfRange: 11,
  Unimplemented: 12,
  Internal: 13,
  Unavailable: 14,
  DataLoss: 15,
  Unauthenticated: 16,
} as const

export type GrpcStatusName = keyof typeof GrpcStatus
export type GrpcStatusCode = (typeof GrpcStatus)[GrpcStatusName]

const statusOfKind: Record<ErrorKind, GrpcStatusName> = {
  canceled: 'Canceled',
  unknown: 'Unknown',
  'invalid-argument': 'InvalidArgument',
  'deadline-exceeded': 'DeadlineExceeded',
  'not-found': 'NotFound',
  'already-exists': 'AlreadyExists',
  'permission-denied': 'PermissionDenied',
  'resource-exhausted': 'ResourceExhausted',
  'failed-precondition': 'FailedPrecondition',
  aborted: 'Aborted',
  'out-of-range': 'OutOfRange',
  unimplemented: 'Unimplemented',
  internal: 'Internal',
  unavailable: 'Unavailable',
  'data-loss': 'DataLoss',
  unauthenticated: 'Unauthenticated',
}

const names: readonly GrpcStatusName[] = Object.keys(GrpcStatus) as GrpcStatusName[]
const kindOfStatus = new Map<number, ErrorKind>(
  (Object.entries(statusOfKind) as [ErrorKind, GrpcStatusName][]).map(([kind, name]) => [
    GrpcStatus[name],
    kind,
  ]),
)

/** The gRPC status number of an error kind. */
export function grpcStatusFromKind(kind: ErrorKind): GrpcStatusCode {
  return GrpcStatus[statusOfKind[kind]]
}

/** The error kind of a gRPC status number; a number gRPC does not know is `unknown`. OK (0) has no kind. */
export function kindFromGrpcStatus(code: number): ErrorKind {
  return kindOfStatus.get(code) ?? 'unknown'
}

/** The name of a gRPC status number as Go prints it; `Code(99)` for one that gRPC does not know. */
export function grpcStatusName(code: number): string {
  return names[code] ?? `Code(${code})`
}
