import { readFile, stat } from 'node:fs/promises'
import type { HttpAnswer, HttpClient, HttpRequest } from '@mini-spire/runtime/http/http-client'
import { parseStrictJson } from '@mini-spire/sdk/bundle'
import { RemoteAddresses } from '../federation/remote-addresses.ts'
import type { Cidr } from '../model/cidr.ts'
import { type IssuerKey, maxJwksBytes, readJwks } from './read-jwks.ts'

/** Where the keys of an issuer are. */
export type KeyLocation =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'url'; readonly url: string; readonly caFile: string | undefined }
  | {
      readonly kind: 'discovery'
      readonly issuerUrl: string
      readonly caFile: string | undefined
      /** Networks of ours that the issuer may send us to. */
      readonly mayLeadTo: readonly Cidr[]
    }

/** Fetches the keys that an issuer has now. */
export type FetchKeys = () => Promise<ReadonlyMap<string, IssuerKey>>

const timeoutMs = 5_000
const discoveryPath = '/.well-known/openid-configuration'

/**
 * Makes what fetches an issuer's keys: from a file, from a URL that the operator names, or from the one that the issuer's discovery
 * document names [OpenID Connect Discovery 4]. No redirect is followed. A URL that the operator wrote may lead to any address, one
 * that the issuer chose not to ours, unless it is on the issuer's own host or the operator allows it.
 */
export function keyFetcher(location: KeyLocation, http: Pick<HttpClient, 'request'>): FetchKeys {
  switch (location.kind) {
    case 'file':
      return async () => readJwks(await readBounded(location.path))
    case 'url':
      return async () => {
        const roots = await readRoots(location.caFile)
        return readJwks(await get(http, { url: location.url, ...roots }))
      }
    case 'discovery':
      return () => discover(http, location)
    default:
      return location satisfies never
  }
}

async function discover(
  http: Pick<HttpClient, 'request'>,
  location: KeyLocation & { readonly kind: 'discovery' },
): Promise<ReadonlyMap<string, IssuerKey>> {
  const { issuerUrl, mayLeadTo } = location
  const roots = await readRoots(location.caFile)
  const url = `${issuerUrl.replace(/\/$/, '')}${discoveryPath}`
  const document = parseStrictJson(await get(http, { url, ...roots }), {
    maxCharacters: maxJwksBytes,
  })
  if (document['issuer'] !== issuerUrl)
    throw new Error('its discovery document is of another issuer')
  const keysUrl = document['jwks_uri']
  if (typeof keysUrl !== 'string' || !URL.canParse(keysUrl)) throw new Error('it names no jwks_uri')
  const { protocol, origin } = new URL(keysUrl)
  if (protocol !== 'https:') throw new Error('its jwks_uri is not an https URL')
  const isOwnHost = origin === new URL(issuerUrl).origin
  const addresses = new RemoteAddresses({ allowed: mayLeadTo })
  const checkAddress = (address: string): void => {
    if (!addresses.mayLeadTo(address)) throw new Error('its jwks_uri leads into our own network')
  }
  return readJwks(await get(http, { url: keysUrl, ...roots, ...(!isOwnHost && { checkAddress }) }))
}

async function get(http: Pick<HttpClient, 'request'>, request: HttpRequest): Promise<string> {
  const answer: HttpAnswer = await http.request({ ...request, timeoutMs, maxBytes: maxJwksBytes })
  if (answer.status !== 200) throw new Error(`unexpected status ${answer.statusLine}`)
  return decode(answer.body)
}

async function readBounded(path: string): Promise<string> {
  const { size } = await stat(path)
  if (size > maxJwksBytes) throw new Error(`${path} is longer than ${maxJwksBytes} bytes`)
  return decode(await readFile(path))
}

function decode(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
}

async function readRoots(caFile: string | undefined): Promise<Pick<HttpRequest, 'roots'>> {
  return caFile === undefined ? {} : { roots: [await readFile(caFile, 'utf8')] }
}
