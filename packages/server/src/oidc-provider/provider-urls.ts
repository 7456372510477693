import type { IncomingMessage } from 'node:http'
import { posix } from 'node:path'
import { TLSSocket } from 'node:tls'
import { parseGoUrl } from '@mini-spire/runtime/go-url'
import { HostAllowlist } from '@mini-spire/runtime/https/host-allowlist'
import { hostOf } from '@mini-spire/runtime/https/plain-answer'
import { type DiscoveryUrls, keysPath } from '../oidc/discovery-document.ts'
import type { Refusal } from '../oidc/discovery-responder.ts'
import type { ProviderConfig } from './provider-config.ts'

type UrlConfig = Pick<
  ProviderConfig,
  'domains' | 'allowsInsecureScheme' | 'jwtIssuer' | 'jwksUri' | 'pathPrefix'
>

const malformedHost: Refusal = {
  problem: '400 Bad Request: malformed Host header',
  reason: 'Bad Request: malformed Host header',
}

/** What is wrong with a request whose host cannot be told; nothing else is asked of one for the keys. */
export function hostRefusal(request: IncomingMessage): Refusal | undefined {
  return hostOf(request) === undefined ? malformedHost : undefined
}

/**
 * The URLs for a request: those of the configuration, else of the host that a client asked for, or that a proxy says it asked for. The
 * host must be one of the configured domains either way.
 */
export function providerUrls(
  config: UrlConfig,
): (request: IncomingMessage) => DiscoveryUrls | Refusal {
  const allowlist = new HostAllowlist(config.domains)
  const fixed = fixedUrls(config)
  const prefix = posix.normalize(`/${config.pathPrefix}`)
  const issuerPath = prefix === '/' ? '' : encodeURI(prefix)
  const jwksPath = encodeURI(posix.normalize(`${prefix}/${keysPath}`))
  return (request) => {
    const asked = hostOf(request)
    if (asked === undefined) return malformedHost
    const host = firstOf(request, 'x-forwarded-host') || asked
    const problem = allowlist.problemOf(host)
    if (problem !== undefined) return { problem }
    const origin = `${isInsecure(request, config) ? 'http' : 'https'}://${host}`
    return {
      issuer: fixed.issuer ?? `${origin}${issuerPath}`,
      jwksUri: fixed.jwksUri ?? `${origin}${jwksPath}`,
    }
  }
}

function fixedUrls({ jwtIssuer, jwksUri }: UrlConfig): Partial<DiscoveryUrls> {
  const issuer = jwtIssuer === '' ? undefined : parseGoUrl(jwtIssuer)
  const fixed: { issuer?: string; jwksUri?: string } = {}
  if (issuer) {
    const path = /^[^:]*:\/\/[^/?#]*([^?#]*)/.exec(issuer.text)?.[1] ?? ''
    fixed.issuer = issuer.text
    fixed.jwksUri = `${issuer.scheme}://${issuer.host}${posix.normalize(`${path}/${keysPath}`)}`
  }
  if (jwksUri !== '') fixed.jwksUri = parseGoUrl(jwksUri).text
  return fixed
}

/** Only where the configuration allows it, and neither the connection nor a proxy has TLS. */
function isInsecure(request: IncomingMessage, { allowsInsecureScheme }: UrlConfig): boolean {
  if (!allowsInsecureScheme || request.socket instanceof TLSSocket) return false
  const proto = firstOf(request, 'x-forwarded-proto') || firstOf(request, 'x-forwarded-scheme')
  const forwarded = /proto=(https?)/i.exec(firstOf(request, 'forwarded'))?.[1] ?? ''
  return (proto || forwarded).toLowerCase() !== 'https'
}

/** The first of headers of a name, as the bytes that were sent mean it. */
function firstOf({ headersDistinct }: IncomingMessage, name: string): string {
  return Buffer.from(headersDistinct[name]?.[0] ?? '', 'latin1').toString('utf8')
}
