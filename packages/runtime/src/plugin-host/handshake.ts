import type { Readable } from 'node:stream'
import { PluginError } from './plugin-error.ts'

/** Where a plugin listens. */
export type PluginAddress =
  | { readonly network: 'unix'; readonly path: string }
  | { readonly network: 'tcp'; readonly host: string; readonly port: number }

/** The longest handshake line that is read. */
export const maxHandshakeBytes: number = 64 * 1024

/** How much of something else than a handshake is shown. */
const maxShownLength = 200
const coreProtocol = '1'
const pluginProtocol = '1'

/**
 * Reads the line with which a plugin says where it listens: `core|version|network|address|protocol`, with more after it.
 *
 * @throws {PluginError} `ERR_PLUGIN_HANDSHAKE` in go-plugin's words where it has some
 */
export function parseHandshake(line: string): PluginAddress {
  const parts = line.trim().split('|')
  const [core = '', version = '', network = '', address = '', protocol = 'netrpc'] = parts
  if (parts.length < 4) throw refused(unrecognized(line))
  if (core !== coreProtocol) {
    throw refused(
      `incompatible core API version with plugin. Plugin version: ${core}, Core version: ${coreProtocol}`,
    )
  }
  if (version !== pluginProtocol) {
    throw refused(
      `incompatible API version with plugin. Plugin version: ${version}, Client versions: [${pluginProtocol}]`,
    )
  }
  if (protocol !== 'grpc') {
    throw refused(`unsupported plugin protocol "${protocol}". Supported: [grpc]`)
  }
  return parseAddress(network, address)
}

function parseAddress(network: string, address: string): PluginAddress {
  if (network === 'unix' && address.startsWith('/')) return { network, path: address }
  const found = /^(127(?:\.\d{1,3}){3}|localhost|\[::1\]):(\d{1,5})$/.exec(address)
  if (network === 'tcp' && found) {
    return { network, host: found[1] ?? '', port: Number(found[2]) }
  }
  if (network === 'tcp') throw refused(`the plugin listens elsewhere than on this host: ${address}`)
  throw refused(`unknown address type: ${address}`)
}

/**
 * Waits for a plugin's first line. What comes after it stays in the stream.
 *
 * @throws {PluginError} `ERR_PLUGIN_HANDSHAKE` when the stream ends or floods before a line is complete
 */
export function readHandshakeLine(stdout: Readable): Promise<string> {
  return new Promise((resolve, reject) => {
    let received = Buffer.alloc(0)
    const finish = (): void => {
      stdout.off('data', onData)
      stdout.off('end', onEnd)
      stdout.pause()
    }
    const onData = (chunk: Buffer): void => {
      received = Buffer.concat([received, chunk])
      const end = received.indexOf(0x0a)
      if (end >= 0) {
        finish()
        resolve(received.subarray(0, end).toString())
      } else if (received.length > maxHandshakeBytes) {
        finish()
        reject(refused('Unrecognized remote plugin message: the first line never ends'))
      }
    }
    const onEnd = (): void => {
      finish()
      const text = unrecognized(received.toString())
      reject(refused(`${text}\nFailed to read any lines from plugin's stdout`))
    }
    stdout.on('data', onData)
    stdout.once('end', onEnd)
  })
}

/** Names what came instead of a handshake, its beginning at least. */
function unrecognized(text: string): string {
  return `Unrecognized remote plugin message: ${text.trim().slice(0, maxShownLength)}`
}

function refused(message: string): PluginError {
  return new PluginError('ERR_PLUGIN_HANDSHAKE', message)
}
