import { NodeAttestorError } from './node-attestor-error.ts'

/** What an attestor answers that knows of no challenge. */
export function unexpectedChallenge(attestor: string): NodeAttestorError {
  const message = 'server issued unexpected challenge'
  return new NodeAttestorError(attestor, 'ERR_NODE_ATTESTOR_CHALLENGE', message)
}
