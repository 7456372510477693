import { connect } from 'node:net'
import { resolve } from 'node:path'
import { quoteGo } from '../go-quote.ts'
import { type GrpcChannel, openUnixChannel } from '../grpc/channel.ts'
import { GrpcError } from '../grpc/grpc-error.ts'
import { systemText } from '../os-error.ts'
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
 * Opens a channel to a daemon's socket, and makes sure first that somebody listens there.
 *
 * @throws {GrpcError} `Unavailable` with Go's text
 */
export async function openSocket(path: string, style: PathStyle): Promise<GrpcChannel> {
  if (path === '') throw unavailable('dial unix: missing address')
  const problem = await probe(path)
  if (problem === undefined) return openUnixChannel(resolve(path))
  const shown = style === 'plain' ? resolve(path) : path.startsWith('/') ? `//${path}` : path
  throw unavailable(`dial unix ${shown}: connect: ${problem}`)
}

function probe(path: string): Promise<string | undefined> {
  return new Promise((done) => {
    const socket = connect({ path })
    socket.once('connect', () => {
      socket.destroy()
      done(undefined)
    })
    socket.once('error', (error) => done(systemText(error)))
  })
}

function unavailable(reason: string): GrpcError {
  const dialing = quoteGo(`transport: Error while dialing: ${reason}`)
  return new GrpcError({ statusCode: 14, statusMessage: `connection error: desc = ${dialing}` })
}
