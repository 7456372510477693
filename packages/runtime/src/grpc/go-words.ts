import { STATUS_CODES } from 'node:http'
import { quoteGo } from '../go-quote.ts'
import { systemText } from '../os-error.ts'

const noConnection =
  /^No connection established\. Last error: (?:Error: )?(.*?)(?: \(\d{4}-[\d-]+T[\d:.]+Z\))?\. Resolution note: .*$/s
const systemFailure = /^connect (E[A-Z]+) (.+)$/

/** What the library says of a connection, and what Go's says of the same; scripts and alerts look for the latter. */
const words: Readonly<Record<string, string>> = {
  'Connection dropped': 'error reading from server: EOF',
}

/** What ends a connection before calls can be made, without the name of the part of Go's library that says so. */
const beforeCalls: Readonly<Record<string, string>> = {
  'Client network socket disconnected before secure TLS connection was established':
    'transport: authentication handshake failed: EOF',
  'connection closed during the TLS handshake': 'transport: authentication handshake failed: EOF',
  'Failed to connect': 'error reading server preface: EOF',
  'Protocol error': 'error reading server preface: protocol error',
}

/** Says why a call never came through as Go programs do: `connection error: desc = "transport: Error while dialing: …"`. */
export function inGoWords(details: string): string {
  const reason = noConnection.exec(details)?.[1]
  if (reason !== undefined) return connectionError(beforeCalls[reason] ?? transportError(reason))
  const status = /^Received HTTP status code (\d{3})$/.exec(details)?.[1]
  if (status !== undefined) {
    const name = STATUS_CODES[status] ?? ''
    return `unexpected HTTP status code received from server: ${status} (${name})`
  }
  return words[details] ?? details
}

/** The text of a connection that could not be made. */
export function connectionError(reason: string): string {
  return `connection error: desc = ${quoteGo(reason)}`
}

/** Whether a call failed because there was no connection to make it on. */
export function isConnectionError(statusMessage: string): boolean {
  return statusMessage.startsWith('connection error: ')
}

function transportError(reason: string): string {
  const [, code, address] = systemFailure.exec(reason) ?? []
  if (code === undefined || address === undefined) return `transport: ${reason}`
  const network = address.startsWith('/') ? 'unix' : 'tcp'
  const text = systemText(Object.assign(new Error(code), { code }))
  return `transport: Error while dialing: dial ${network} ${address}: connect: ${text}`
}
