import {
  type CheckedSection,
  checkUnknownKeys,
} from '@mini-spire/runtime/config/check-unknown-keys'
import { telemetryUnknownKeys } from '@mini-spire/runtime/config/daemon-unknown-keys'
import type { Decoded, SectionSchema } from '@mini-spire/runtime/config/schema'
import type { Logger } from '@mini-spire/runtime/log/logger'
import { serverSchema } from './schema.ts'
import { type ServerFile, serverFileKeys } from './server-file.ts'
import { claimFields, issuerFields } from './token-exchange-schema.ts'

const federationFields = serverSchema.federation.fields
const discoveryFields = serverSchema.oidc_discovery.fields
const endpointFields = federationFields.bundle_endpoint.fields

/** Judges the unknown keys of every block. @throws {ConfigError} `ERR_CONFIG_UNKNOWN_KEY` */
export function checkServerKeys(file: ServerFile, log: Logger, isStrict: boolean): void {
  const { server } = file
  const endpoint = server.federation?.bundle_endpoint
  const discovery = server.oidc_discovery
  const section = (
    name: string,
    decoded: CheckedSection['decoded'],
    schema: SectionSchema,
    isChecked = true,
  ): CheckedSection => ({ name, decoded, schema, isChecked })
  const topLevel: SectionSchema = Object.fromEntries(
    serverFileKeys.map((key) => [key, { type: 'node' }] as const),
  )
  checkUnknownKeys(
    [
      section('top-level', file, topLevel),
      section('server', server, serverSchema),
      section('ca_subject', server.ca_subject, serverSchema.ca_subject.fields),
      section('ratelimit', server.ratelimit, serverSchema.ratelimit.fields),
      section('experimental', server.experimental, serverSchema.experimental.fields, false),
      section('federation', server.federation, federationFields, false),
      section('bundle endpoint', endpoint, endpointFields),
      section('bundle endpoint ACME', endpoint?.acme, endpointFields.acme.fields),
      section('oidc_discovery', discovery, discoveryFields),
      section('oidc_discovery ACME', discovery?.acme, discoveryFields.acme.fields),
      section(
        'oidc_discovery serving_cert_file',
        discovery?.serving_cert_file,
        discoveryFields.serving_cert_file.fields,
      ),
      ...[...(server.federation?.federates_with ?? [])].map(([name, keys]) =>
        section(`federates_with ${name}`, keys, federationFields.federates_with.fields, false),
      ),
      ...exchangeSections(server.token_exchange),
      ...telemetryUnknownKeys(file.telemetry, file.healthChecks),
    ],
    log,
    isStrict,
  )
}

/** A block of ours: a key that is misspelt here would be a check that is not made, so every unknown one is fatal. */
function exchangeSections(keys: ServerFile['server']['token_exchange']): readonly CheckedSection[] {
  const { fields } = serverSchema.token_exchange
  const issuers = [...(keys?.issuer ?? [])]
  const sections: readonly Omit<CheckedSection, 'isChecked'>[] = [
    { name: 'token_exchange', decoded: keys, schema: fields },
    ...issuers.map(([name, decoded]) => {
      return { name: `token_exchange issuer ${name}`, decoded, schema: issuerFields }
    }),
    ...issuers.flatMap(([name, { claim }]) =>
      [...claim].map(([rule, decoded]) => {
        return { name: `token_exchange issuer ${name} claim ${rule}`, decoded, schema: claimFields }
      }),
    ),
  ]
  return sections.map((section) => ({ ...section, isChecked: true, isOurs: true }))
}

/** Warns when any experimental key is set. */
export function warnAboutExperimental(
  keys: Decoded<typeof serverSchema>['experimental'],
  log: Logger,
): void {
  const isSet = Reflect.ownKeys(keys).some((key) => isNonZero(Reflect.get(keys, key)))
  if (!isSet) return
  log.warn(
    'Experimental features have been enabled. Please see doc/upgrading.md for upgrade and compatibility considerations for experimental features.',
  )
}

function isNonZero(value: unknown): boolean {
  return Array.isArray(value) ? value.length > 0 : Boolean(value)
}
