import { systemClock } from '../clock.ts'
import { type ClientOf, createClient, type GrpcChannel } from '../grpc/client.ts'
import type { ServiceDefinition } from '../grpc/service.ts'
import { assertText } from './argument-text.ts'
import type { AnyCommand } from './command.ts'
import { defineCommand } from './define-command.ts'
import type { FlagsSchema, FlagValues, ParsedFlags } from './flags.ts'
import { findSocket, openSocket, type PathStyle, type SocketRules } from './socket.ts'
import type { Terminal } from './terminal.ts'

/** What a command that talks to a daemon works with. */
export interface ClientContext<S extends FlagsSchema> {
  readonly flags: FlagValues<S>
  /** Names of the flags that were given. */
  readonly given: ReadonlySet<string>
  readonly terminal: Terminal
  /** A client of a service; the connection is made by the first one. @throws {GrpcError} when nobody listens */
  client<D extends ServiceDefinition>(definition: D): Promise<ClientOf<D>>
  /** Prints a reply: as JSON when asked for, else by the function given. */
  print(reply: PrintableReply | readonly PrintableReply[], pretty: () => void): Promise<void>
}

/** A reply with its wire type, encoded. */
export interface PrintableReply {
  /** Such as `spire.api.types.Entry`. */
  readonly type: string
  readonly bytes: Uint8Array
}

/** A command that talks to a daemon over its socket. */
export interface ClientCommand<S extends FlagsSchema> {
  readonly name: string
  readonly flags: S
  readonly socket: SocketRules
  readonly pathStyle: PathStyle
  /** @default 'Error: ' */
  readonly errorPrefix?: string
  readonly afterHelp?: string
  readonly repeatsUsageError?: boolean
  /** How long making the connection may take at most; undefined: as long as that takes. */
  readonly timeoutMsOf?: (flags: FlagValues<S>) => number | undefined
  /** Does the work; what it throws is printed. Resolves to the exit code, 0 unless given. */
  readonly run: (context: ClientContext<S>) => Promise<number | undefined>
}

/** Makes a command that talks to a daemon: finds the socket, connects when asked to, closes the connection. */
export function clientCommand<const S extends FlagsSchema>(command: ClientCommand<S>): AnyCommand {
  const { name, flags, errorPrefix, afterHelp, repeatsUsageError } = command
  return defineCommand({
    name,
    flags,
    ...(errorPrefix === undefined ? {} : { errorPrefix }),
    ...(afterHelp === undefined ? {} : { afterHelp }),
    ...(repeatsUsageError === undefined ? {} : { repeatsUsageError }),
    run: (parsed, terminal) => runConnected(command, parsed, terminal),
  })
}

async function runConnected<S extends FlagsSchema>(
  command: ClientCommand<S>,
  { values, given }: ParsedFlags<S>,
  terminal: Terminal,
): Promise<number> {
  const path = findSocket(command.socket, socketFlags(values), terminal.environment)
  let channel: GrpcChannel | undefined
  try {
    const code = await command.run({
      flags: values,
      given,
      terminal,
      async client(definition) {
        assertText(values)
        const timeoutMs = command.timeoutMsOf?.(values)
        channel ??= await openSocket(path, command.pathStyle, { clock: systemClock, timeoutMs })
        return createClient(definition, channel)
      },
      async print(reply, pretty) {
        if (Reflect.get(values, 'output') !== 'json') return pretty()
        const { formatProtoJson } = await import('./proto-json.ts')
        terminal.out(formatProtoJson(Array.isArray(reply) ? reply : [reply]))
      },
    })
    return code ?? 0
  } finally {
    channel?.close()
  }
}

function socketFlags(values: object): { readonly socketPath: string; readonly instance: string } {
  const text = (name: string): string => {
    const value: unknown = Reflect.get(values, name)
    return typeof value === 'string' ? value : ''
  }
  return { socketPath: text('socketPath'), instance: text('instance') }
}
