import { messageOf, SpiffeError } from '@mini-spire/sdk/errors'
import { grpcStatusFromKind, grpcStatusName } from '@mini-spire/sdk/grpc-status'

/** What begins the text of what SPIRE gets as the status of a call: `keymanager(disk): …`. */
const answered =
  /^(?:(?:bundlepublisher|credentialcomposer|keymanager|nodeattestor|notifier|svidstore|upstreamauthority|workloadattestor)\([^)]*\)|datastore-validation): /

/** Whether an error is what a plugin answered. */
export function isPluginAnswer(error: unknown): boolean {
  return answered.test(messageOf(error))
}

/** An error as Go prints the status of a call: `rpc error: code = Internal desc = …`, with its message or another text. */
export function statusText(error: unknown, text: string = messageOf(error)): string {
  const kind = error instanceof SpiffeError ? error.kind : 'unknown'
  return `rpc error: code = ${grpcStatusName(grpcStatusFromKind(kind))} desc = ${text}`
}

/** What a log line says of an error. SPIRE calls every plugin by gRPC: what one answers is a status there, and reads as one. */
export function errorText(error: unknown): string {
  return isPluginAnswer(error) ? statusText(error) : messageOf(error)
}
