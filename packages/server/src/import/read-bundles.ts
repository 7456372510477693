import { SpiffeId, TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { parseCertificates, parsePublicKey } from '@mini-spire/sdk/x509'
import type { EndpointProfile, FederationRelationship } from '../model/federation-relationship.ts'
import type { TrustBundle } from '../model/trust-bundle.ts'
import { ImportError } from './import-error.ts'
import { recordFrom, type SourceRecord } from './source-record.ts'
import { bytesOf, type Row, type SpireDatabase, textOf } from './spire-database.ts'
import { readStoredBundle, type StoredBundle } from './spire-messages.ts'

/** The trust bundles, the own one included, with their tainted marks. */
export async function* readBundles(
  database: SpireDatabase,
): AsyncGenerator<SourceRecord<'bundle'>, void> {
  for await (const row of database.rows('SELECT trust_domain, data FROM bundles ORDER BY id')) {
    const name = textOf(row, 'trust_domain').replace(/^spiffe:\/\//, '')
    yield recordFrom('bundle', name, () => {
      const stored = readStoredBundle(bytesOf(row, 'data'))
      return bundleOf(TrustDomain.parse(name), stored)
    })
  }
}

/** The federation relationships that were made at run time. */
export async function* readRelationships(
  database: SpireDatabase,
): AsyncGenerator<SourceRecord<'federation-relationship'>, void> {
  const rows = database.rows(
    `SELECT trust_domain, bundle_endpoint_url, bundle_endpoint_profile, endpoint_spiffe_id
      FROM federated_trust_domains ORDER BY id`,
  )
  for await (const row of rows) {
    const name = textOf(row, 'trust_domain')
    yield recordFrom('federation-relationship', name, () => relationshipOf(row, name))
  }
}

function bundleOf(trustDomain: TrustDomain, stored: StoredBundle): TrustBundle {
  for (const { publicKey } of [...stored.jwtKeys, ...stored.witKeys])
    parsePublicKey(publicKey).toKeyObject()
  return {
    trustDomain,
    // SPIRE takes several certificates in one element; here each is an authority of its own.
    x509Authorities: stored.certificates.flatMap(({ der, tainted }) =>
      parseCertificates(der).map(({ raw }) => ({ certificate: new Uint8Array(raw), tainted })),
    ),
    jwtAuthorities: stored.jwtKeys,
    ...(stored.witKeys.length > 0 && { witAuthorities: stored.witKeys }),
    refreshHintSeconds: stored.refreshHintSeconds,
    sequenceNumber: stored.sequenceNumber,
  }
}

function relationshipOf(row: Row, name: string): FederationRelationship {
  return {
    trustDomain: TrustDomain.parse(name),
    bundleEndpointUrl: textOf(row, 'bundle_endpoint_url'),
    profile: profileOf(row),
  }
}

function profileOf(row: Row): EndpointProfile {
  const profile = textOf(row, 'bundle_endpoint_profile')
  switch (profile) {
    case 'https_web':
      return { kind: 'https_web' }
    case 'https_spiffe': {
      const endpointSpiffeId = SpiffeId.parse(textOf(row, 'endpoint_spiffe_id'))
      return { kind: 'https_spiffe', endpointSpiffeId }
    }
    default: {
      const text = `unknown bundle endpoint profile ${JSON.stringify(profile)}`
      throw new ImportError('ERR_IMPORT_RECORD_MALFORMED', text)
    }
  }
}
