import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseConfig } from '@mini-spire/runtime/config/parse'
import { afterAll, describe, expect, it } from 'vitest'
import { resolveOidcDiscovery } from './oidc-discovery.ts'
import type { OidcDiscoveryConfig } from './resolved-config.ts'
import { decodeServerFile } from './server-file.ts'

const folder = mkdtempSync(join(tmpdir(), 'mini-spire-oidc-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const pem = join(folder, 'pem')
writeFileSync(pem, '')

const files = `serving_cert_file { cert_file_path = "${pem}" key_file_path = "${pem}" }`
const acme = 'acme { email = "ops@example.org" tos_accepted = true }'

function resolve(block: string, keys = 'jwt_issuer = "https://oidc.test"') {
  const { server } = decodeServerFile(
    parseConfig(`server { data_dir = "/data" ${keys} oidc_discovery { ${block} } }`),
  )
  return resolveOidcDiscovery(server)
}

describe('oidc_discovery', () => {
  it('takes everything that relying parties see from the issuer', () => {
    expect(resolve(files)).toEqual<OidcDiscoveryConfig>({
      issuer: 'https://oidc.test',
      pathPrefix: '',
      domains: ['oidc.test'],
      setsKeyUse: false,
      listener: {
        kind: 'https',
        address: undefined,
        port: 443,
        certificate: {
          kind: 'https_web_files',
          certFile: pem,
          keyFile: pem,
          syncIntervalMs: 3_600_000,
        },
      },
    })
    const issuer = 'jwt_issuer = "https://oidc.test:8443/tenant/"'
    expect(resolve(files, issuer)).toMatchObject({
      issuer: 'https://oidc.test:8443/tenant/',
      pathPrefix: '/tenant',
      domains: ['oidc.test'],
    })
  })

  it('gets a certificate for each of its names', () => {
    expect(resolve(`${acme} domains = ["other.test", "oidc.test"] port = 8443`)?.listener).toEqual({
      kind: 'https',
      address: undefined,
      port: 8443,
      certificate: {
        kind: 'https_web',
        acme: {
          directoryUrl: '',
          domainNames: ['oidc.test', 'other.test'],
          email: 'ops@example.org',
          isTosAccepted: true,
          cacheDirectory: '/data/oidc-acme',
        },
      },
    })
  })

  it('is served behind a proxy on a socket file, and not at all unless it is configured', () => {
    expect(resolve('listen_socket_path = "/run/x.sock" set_key_use = true')).toMatchObject({
      setsKeyUse: true,
      listener: { kind: 'socket', path: '/run/x.sock' },
    })
    const { server } = decodeServerFile(parseConfig('server { jwt_issuer = "x" }'))
    expect(resolveOidcDiscovery(server)).toBeUndefined()
  })

  const needs = 'oidc_discovery needs jwt_issuer to be'
  it.each([
    ['', `${needs} the https URL under which relying parties reach it; it is ""`],
    ['jwt_issuer = "oidc.test"', `${needs} the https URL under which`],
    ['jwt_issuer = "http://oidc.test"', `${needs} an https URL`],
    ['jwt_issuer = "https://oidc.test?x"', `${needs} a URL without query and fragment`],
    ['jwt_issuer = "https://oidc.test#"', `${needs} a URL without query and fragment`],
    ['jwt_issuer = "https://u:p@oidc.test"', `${needs} a URL without a user`],
    ['jwt_issuer = "https://OIDC.test"', 'written as every client writes it, "https://oidc.test/"'],
    ['jwt_issuer = "https://oidc.test:443"', 'written as every client writes it'],
    ['jwt_issuer = "https://oidc.test/a/../b"', 'written as every client writes it'],
    ['jwt_issuer = "https://[::1]"', 'oidc_discovery: domain "[::1]" is not a valid domain name'],
    [
      'jwt_issuer = "https://oidc.test" disable_jwt_svids = true',
      'which disable_jwt_svids switches off',
    ],
  ])('is refused with %s', (keys, message) => {
    expect(() => resolve(files, keys)).toThrow(message)
  })

  it.each([
    ['', 'exactly one of acme, serving_cert_file and listen_socket_path'],
    [`${files} ${acme}`, 'exactly one of'],
    [`${files} listen_socket_path = "/x"`, 'exactly one of'],
    ['listen_socket_path = "/x" port = 1', 'has no address and no port'],
    [`${files} address = "localhost"`, 'oidc_discovery.address "localhost" is not an IP address'],
    [`${files} domains = ["A.test"]`, 'domain "A.test" must already be punycode encoded'],
    ['acme { email = "x" }', 'oidc_discovery.acme.tos_accepted must be true'],
    [
      'serving_cert_file { cert_file_path = "/nope" key_file_path = "/nope" }',
      'failed to load certificate: open /nope: no such file or directory',
    ],
  ])('refuses { %s }', (block, message) => {
    expect(() => resolve(block)).toThrow(message)
  })
})
