import { readFileSync } from 'node:fs'
import type { MintWITSVIDRequest } from '@mini-spire/runtime/proto/spire/api/server/svid/v1/svid'
import type { SPIFFEID } from '@mini-spire/runtime/proto/spire/api/types/spiffeid'

/** A request for a WIT-SVID and what becomes of it. */
export interface WitRequest {
  readonly title: string
  /** Name of a key below; the corpus has what is no key, too. */
  readonly key: string
  readonly algorithm: string
  /** Null: none. Left out: a good one. */
  readonly id?: SPIFFEID | null
  /** In seconds. */
  readonly ttl?: number
  /** How the text of the refusal begins; left out: there is a WIT-SVID. */
  readonly refusal?: string
  /** Of how many minutes, with authorities of two days. */
  readonly minutes?: number
  /** What SPIRE says instead: `accepts`, another code, or another text; docs/decisions/compatibility.md. */
  readonly spire?: string
}

const file: {
  readonly keys: Readonly<Record<string, string>>
  readonly requests: readonly WitRequest[]
} = JSON.parse(readFileSync(new URL('requests.json', import.meta.url), 'utf8'))

export const witRequests: readonly WitRequest[] = file.requests

/** The request as it is sent. */
export function messageOfRequest(request: WitRequest): MintWITSVIDRequest {
  const { id = { trustDomain: 'example.org', path: '/web' }, key, ttl = 60, algorithm } = request
  const publicKey = Buffer.from(file.keys[key] ?? '', 'base64')
  return { id: id ?? undefined, publicKey, ttl, signingAlgorithm: algorithm }
}
