import type { IncomingHttpHeaders } from 'node:http'

/** A certificate that a client presents. */
export interface HttpClientCertificate {
  /** PEM, leaf first. */
  readonly chain: string
  /** PEM. */
  readonly key: string
}

/** How redirects are followed. Only those of GET and HEAD are, and only from https to https. */
export interface HttpRedirects {
  /** How many in a row; one more is an error. */
  readonly max: number
  /** Throws to refuse where a redirect leads, before anything is asked there. @default every https URL */
  readonly check?: (next: URL) => void
}

/** One request. */
export interface HttpRequest {
  readonly url: string
  /** @default GET */
  readonly method?: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
  /** Talks plain HTTP to this socket, whatever host the URL names. */
  readonly unixSocket?: string
  /** Trusts these authorities (PEM) in place of the machine's. */
  readonly roots?: readonly string[]
  /**
   * Judges the server's certificates (DER, leaf first; never empty) in place of roots and host name, at every hop and
   * before anything is sent; throws to refuse them.
   */
  readonly verifyServer?: (chain: readonly Uint8Array[]) => void
  /** Presented to the server of the URL, never to one that a redirect leads to. */
  readonly clientCertificate?: HttpClientCertificate
  /**
   * Throws to refuse an IP address that is about to be connected to, at every hop: each address that a name resolves to
   * is asked about, and one refusal refuses the name. Where a proxy stands between, it resolves names, and only an
   * address that the URL itself holds is asked about.
   */
  readonly checkAddress?: (address: string) => void
  /** `none` connects straight, whatever the environment says. @default environment */
  readonly proxy?: 'environment' | 'none'
  /** @default none: an answer that redirects is returned as it is */
  readonly redirects?: HttpRedirects
  /** For the whole exchange, redirects included. @default 30000 */
  readonly timeoutMs?: number
  /** A longer body is not read. @default 4194304 */
  readonly maxBytes?: number
  readonly signal?: AbortSignal
}

/** What came back, whatever its status. */
export interface HttpAnswer {
  readonly status: number
  /** `404 Not Found`, as Go prints a status. */
  readonly statusLine: string
  readonly headers: IncomingHttpHeaders
  readonly body: Uint8Array
}
