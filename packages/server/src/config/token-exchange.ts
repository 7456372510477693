import { accessSync, constants } from 'node:fs'
import { isIP } from 'node:net'
import { join } from 'node:path'
import { durationMs, invalid } from '@mini-spire/runtime/config/resolve-daemon'
import type { Decoded } from '@mini-spire/runtime/config/schema'
import { quoteGo } from '@mini-spire/runtime/go-quote'
import type { Logger } from '@mini-spire/runtime/log/logger'
import { osErrorText } from '@mini-spire/runtime/os-error'
import { messageOf } from '@mini-spire/sdk/errors'
import type { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { exchangeId } from '../model/exchange-id.ts'
import { parseCidr, resolveServingProfile } from './federation.ts'
import type { serverSchema } from './schema.ts'
import { resolveClaimPath, resolveClaimRule } from './token-exchange-claim.ts'
import type {
  IssuerKeysConfig,
  TokenExchangeConfig,
  TokenIssuerConfig,
} from './token-exchange-config.ts'
import type { issuerFields } from './token-exchange-schema.ts'

type ServerKeys = Decoded<typeof serverSchema>
type IssuerKeys = Decoded<typeof issuerFields>

const hourMs = 3_600_000
/** Every token that was exchanged is remembered until it expires. */
const longestLifetimeMs = 24 * hourMs

/**
 * The `token_exchange` block, parsed. What is not said is refused rather than guessed: an issuer without audience, rule or selector
 * would give identities to anybody whom it knows.
 *
 * @throws {ConfigError}
 */
export function resolveTokenExchange(
  { token_exchange: keys, data_dir: dataDir }: Pick<ServerKeys, 'token_exchange' | 'data_dir'>,
  trustDomain: TrustDomain,
  log: Logger,
): TokenExchangeConfig | undefined {
  if (!keys) return undefined
  if (!(keys.port > 0 && keys.port <= 65_535)) {
    throw invalid('token_exchange.port must be configured, from 1 to 65535')
  }
  if (keys.address !== '' && isIP(keys.address) === 0) {
    throw invalid(`token_exchange.address: ${quoteGo(keys.address)} is not an IP address`)
  }
  if (!keys.profile) throw invalid('token_exchange.profile must be configured')
  if (keys.issuer.size === 0) throw invalid('token_exchange needs at least one issuer')
  const issuers = [...keys.issuer].map(([name, issuer]) => resolveIssuer(name, issuer, trustDomain))
  const urls = issuers.map(({ url }) => url)
  const twice = urls.find((url, index) => urls.indexOf(url) !== index)
  if (twice !== undefined) {
    throw invalid(`token_exchange: two issuers have the issuer_url ${quoteGo(twice)}`)
  }
  const profile = resolveServingProfile(keys.profile, join(dataDir, 'exchange-acme'))
  if (profile.kind === 'https_spiffe') {
    log.info(
      'Token exchange shows the X509-SVID of the server; clients need its bundle to trust it',
    )
  }
  return { address: keys.address || undefined, port: keys.port, profile, issuers }
}

function resolveIssuer(
  name: string,
  keys: IssuerKeys,
  trustDomain: TrustDomain,
): TokenIssuerConfig {
  const where = `token_exchange.issuer[${quoteGo(name)}]`
  checkName(name, trustDomain, where)
  checkUrl(keys.issuer_url, `${where}.issuer_url`)
  if (keys.audience.length === 0 || keys.audience.includes('')) {
    throw invalid(`${where}.audience must be configured`)
  }
  const rules = [...keys.claim].map(([claim, rule]) => resolveClaimRule(claim, rule, where))
  if (rules.length === 0) throw invalid(`${where} needs at least one claim rule`)
  const selectorType = keys.selector_type || name
  if (selectorType.includes(':')) throw invalid(`${where}.selector_type must not contain ":"`)
  return {
    name,
    url: keys.issuer_url,
    audiences: keys.audience,
    keys: resolveKeys(keys, where),
    ...resolveTimes(keys, where),
    rules,
    selectorType,
    selectors: resolveSelectors(keys.selectors, where),
  }
}

function checkName(name: string, trustDomain: TrustDomain, where: string): void {
  try {
    exchangeId(trustDomain, name)
  } catch (error) {
    throw invalid(`${where}: the name cannot be part of a SPIFFE ID: ${messageOf(error)}`)
  }
}

/** An https URL without user, query and fragment, written as it is compared. */
function checkUrl(text: string, where: string): void {
  if (text === '') throw invalid(`${where} must be configured`)
  const url = URL.canParse(text) ? new URL(text) : undefined
  const isPlain =
    url?.username === '' && url.password === '' && url.search === '' && url.hash === ''
  const isHttps = text.startsWith('https://') && url?.protocol === 'https:'
  if (isPlain && isHttps && !/[?#\s]/.test(text)) return
  throw invalid(`${where}: ${quoteGo(text)} is not an https URL without user, query and fragment`)
}

function resolveKeys(keys: IssuerKeys, where: string): IssuerKeysConfig {
  const { jwks_url: url, jwks_file: path } = keys
  if (url !== '' && path !== '') {
    throw invalid(`${where}: either jwks_url or jwks_file can be set, but not both`)
  }
  const mayLeadTo = keys.jwks_may_lead_to.map((text) =>
    parseCidr(text, `${where}.jwks_may_lead_to`),
  )
  const isDiscovered = url === '' && path === ''
  if (!isDiscovered && mayLeadTo.length > 0) {
    throw invalid(`${where}.jwks_may_lead_to is for keys that are discovered`)
  }
  if (path !== '') {
    if (keys.ca_file !== '') throw invalid(`${where}.ca_file is for keys that are fetched`)
    checkReadable(path, `${where}.jwks_file`)
    return { kind: 'file', path }
  }
  if (keys.ca_file !== '') checkReadable(keys.ca_file, `${where}.ca_file`)
  const caFile = keys.ca_file || undefined
  if (isDiscovered) return { kind: 'discovery', caFile, mayLeadTo }
  if (!URL.canParse(url) || new URL(url).protocol !== 'https:') {
    throw invalid(`${where}.jwks_url: ${quoteGo(url)} is not an https URL`)
  }
  return { kind: 'url', url, caFile }
}

function resolveTimes(
  keys: IssuerKeys,
  where: string,
): Pick<TokenIssuerConfig, 'maxTokenLifetimeMs' | 'maxTokenAgeMs'> {
  const read = (text: string, key: string): number | undefined => {
    if (text === '') return undefined
    const ms = durationMs(text, `could not parse ${where}.${key} ${quoteGo(text)}: `)
    if (ms > 0 && ms <= longestLifetimeMs) return ms
    throw invalid(`${where}.${key}: ${quoteGo(text)} is not between 0 and 24h`)
  }
  return {
    maxTokenLifetimeMs: read(keys.max_token_lifetime, 'max_token_lifetime') ?? hourMs,
    maxTokenAgeMs: read(keys.max_token_age, 'max_token_age'),
  }
}

function resolveSelectors(
  selectors: ReadonlyMap<string, string>,
  where: string,
): TokenIssuerConfig['selectors'] {
  if (selectors.size === 0) throw invalid(`${where}.selectors must be configured`)
  const resolved = [...selectors].map(([name, claim]) => {
    if (name !== '' && !name.includes(':'))
      return [name, resolveClaimPath(claim, `${where}.selectors`)] as const
    throw invalid(`${where}.selectors: ${quoteGo(name)} is not the name of a selector`)
  })
  return new Map(resolved)
}

function checkReadable(path: string, where: string): void {
  try {
    accessSync(path, constants.R_OK)
  } catch (error) {
    throw invalid(`${where}: ${osErrorText('open', path, error)}`)
  }
}
