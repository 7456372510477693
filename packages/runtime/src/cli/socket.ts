import { resolve } from 'node:path'
import { GrpcStatus } from '@mini-spire/sdk/grpc-status'
import { isLongerThanSocketPath } from '@mini-spire/sdk/internal/socket-path'
import { systemClock } from '../clock.ts'
import { type GrpcChannel, openUnixChannel } from '../grpc/channel.ts'
import { connectionError } from '../grpc/go-words.ts'
import { GrpcError } from '../grpc/grpc-error.ts'
import { type CheckSocketOptions, checkSocket } from './server-preface.ts'
import { CommandError } from './usage-error.ts'

/** How a daemon's socket is found: by flag, by instance, by environment, by default. */
export interface SocketRules {
  readonly defaultPath: string
  /** Environment variable that names the socket; undefined: none. */
  readonly variable?: string
  /** Environment variable with `%i` for the instance. */
  readonly templateVariable?: string
  /** What is said when `-instance` is used without template. */
  readonly missingTemplate?: string
}

/**
 * The path of the socket to talk to. The default given explicitly counts as not given.
 *
 * @throws {CommandError} for `-instance` without a usable template, whatever else is given
 */
export function findSocket(
  rules: SocketRules,
  given: { readonly socketPath: string; readonly instance?: string },
  environment: { readonly [name: string]: string | undefined },
): string {
  const template = environment[rules.templateVariable ?? ''] ?? ''
  if (given.instance) {
    if (template === '') throw new CommandError(rules.missingTemplate ?? '')
    if (!template.includes('%i')) {
      throw new CommandError(`failed to find %i in ${rules.templateVariable}`)
    }
  }
  if (given.socketPath !== rules.defaultPath) return given.socketPath
  if (given.instance) return template.replaceAll('%i', given.instance)
  return environment[rules.variable ?? ''] || rules.defaultPath
}

/** How the messages of a failed connection print the path: `plain` as an absolute one, `slashes` with two more in front. */
export type PathStyle = 'plain' | 'slashes'

/**
 * Opens a channel to a daemon's socket, and makes sure first that somebody speaks gRPC there.
 *
 * @throws {GrpcError} `Unavailable` or `DeadlineExceeded` with Go's text
 */
export async function openSocket(
  path: string,
  style: PathStyle,
  options: CheckSocketOptions = { clock: systemClock },
): Promise<GrpcChannel> {
  if (path === '') throw unavailable('transport: Error while dialing: dial unix: missing address')
  // A relative path may fit where the absolute one does not.
  const used = path.startsWith('/') ? resolve(path) : path
  const shown = style === 'plain' ? resolve(path) : path.startsWith('/') ? `//${path}` : path
  const dialing = (text: string): GrpcError =>
    unavailable(`transport: Error while dialing: dial unix ${shown}: connect: ${text}`)
  if (isLongerThanSocketPath(used)) throw dialing('invalid argument')
  // Over before it began, as far as Go's clock can tell.
  if ((options.timeoutMs ?? 1) < 1) throw outOfTime('')
  const problem = await checkSocket(used, options)
  if (problem === undefined) return openUnixChannel(used)
  if (problem.stage === 'dial') throw dialing(problem.text)
  if (problem.stage === 'preface')
    throw unavailable(`error reading server preface: ${problem.text}`)
  throw outOfTime(' while waiting for connections to become ready')
}

function outOfTime(when: string): GrpcError {
  return new GrpcError({
    statusCode: GrpcStatus.DeadlineExceeded,
    statusMessage: `context deadline exceeded${when}`,
  })
}

function unavailable(reason: string): GrpcError {
  return new GrpcError({
    statusCode: GrpcStatus.Unavailable,
    statusMessage: connectionError(reason),
  })
}
