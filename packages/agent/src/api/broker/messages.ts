import { quoteGo } from '@mini-spire/runtime/go-quote'
import type { SpiffeId } from '@mini-spire/sdk/spiffe-id'

/** Texts that brokers compare. */
export const messages = {
  reflectionOverTcp: 'server reflection is only available over Unix sockets',
  callerUnknown: 'unable to determine caller identity',
  referenceMissing: 'workload reference must be provided',
  referenceTooLong: 'workload reference is too long',
  badPidReference:
    'unable to unmarshal PID reference: proto: cannot parse invalid wire-format data',
  badObjectReference:
    'unable to unmarshal object reference: proto: cannot parse invalid wire-format data',
  pidNotPositive: (pid: number): string => `process ID ${pid} is not a positive integer`,
  typeNotAllowed: (broker: SpiffeId, type: string): string =>
    `broker ${quoteGo(broker.toString())} is not allowed to use reference type ${quoteGo(type)}`,
  typeNotOverTcp: (broker: SpiffeId, type: string): string =>
    `reference type ${quoteGo(type)} is not allowed over TCP for broker ${quoteGo(broker.toString())}`,
  attestationFailed: (reason: string): string => `workload attestation failed: ${reason}`,
  tooManyStreams: (max: number): string => `a broker may have ${max} streams open`,
} as const
