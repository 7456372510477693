import { isUtf8 } from 'node:buffer'
import { readFileSync } from 'node:fs'
import { GrpcStatus } from '@mini-spire/sdk/grpc-status'
import { GrpcError } from '../grpc/grpc-error.ts'

/** What Node puts in place of bytes that are no text. */
const replacement = '\ufffd'

/**
 * Refuses flags whose bytes were no UTF-8: sent with what stands in their place, they would name something that nobody meant.
 *
 * @param commandLine the bytes of the command line, read where a value may have such bytes
 * @throws {GrpcError} INTERNAL, in SPIRE's words
 */
export function assertText(
  values: object,
  commandLine: () => Uint8Array = () => readFileSync('/proc/self/cmdline'),
): void {
  const texts: readonly unknown[] = Object.values(values).flat()
  const isDoubtful = texts.some((text) => typeof text === 'string' && text.includes(replacement))
  if (!isDoubtful || isUtf8(commandLine())) return
  throw new GrpcError({
    statusCode: GrpcStatus.Internal,
    statusMessage: 'grpc: error while marshaling: string field contains invalid UTF-8',
  })
}
