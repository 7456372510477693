import { messageOf } from '@mini-spire/sdk/errors'
import { NodeAttestorError } from './node-attestor-error.ts'

/** Evidence that cannot be read: INVALID_ARGUMENT. */
export function malformed(message: string, cause?: unknown): NodeAttestorError {
  return new NodeAttestorError('ERR_NODE_EVIDENCE_MALFORMED', message, { cause })
}

/** Evidence that was read and does not prove anything: PERMISSION_DENIED. */
export function refused(message: string, cause?: unknown): NodeAttestorError {
  return new NodeAttestorError('ERR_NODE_EVIDENCE_REFUSED', message, { cause })
}

/** An attestor that could not decide, or SPIRE's status for evidence that it calls so: INTERNAL. */
export function failed(message: string, cause?: unknown): NodeAttestorError {
  return new NodeAttestorError('ERR_NODE_ATTESTOR_FAILED', message, { cause })
}

/** Evidence of something that is nowhere to be found: NOT_FOUND. */
export function notFound(message: string, cause?: unknown): NodeAttestorError {
  return new NodeAttestorError('ERR_NODE_NOT_FOUND', message, { cause })
}

/** `plugin_data` that an attestor does not take. */
export function misconfigured(message: string, cause?: unknown): NodeAttestorError {
  return new NodeAttestorError('ERR_NODE_ATTESTOR_CONFIG', message, { cause })
}

/** Runs, and gives what goes wrong its place: `<what>: <why>`. Errors of attestors pass as they are. */
export function wrapping<T>(
  wrap: (message: string, cause?: unknown) => NodeAttestorError,
  what: string,
  body: () => T,
): T {
  try {
    return body()
  } catch (cause) {
    if (cause instanceof NodeAttestorError) throw cause
    throw wrap(`${what}: ${messageOf(cause)}`, cause)
  }
}

/** Waits, and gives what goes wrong its place: {@link failed} with `<what>: <why>`. */
export async function failing<T>(what: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act()
  } catch (cause) {
    throw failed(`${what}: ${messageOf(cause)}`, cause)
  }
}
