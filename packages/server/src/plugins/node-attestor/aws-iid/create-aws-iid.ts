import type { Clock } from '@mini-spire/runtime/clock'
import type { Node } from '@mini-spire/runtime/config/ast'
import type { HttpClient } from '@mini-spire/runtime/http/http-client'
import { messageOf } from '@mini-spire/sdk/errors'
import type { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import type { NodeAttestor } from '../node-attestor.ts'
import { readAccountListFile } from './account-list-file.ts'
import type { AwsApi } from './aws-api.ts'
import { AwsIidAttestor, type AwsIidOptions } from './aws-iid.ts'
import { type AwsIidConfig, readAwsIidConfig } from './aws-iid-config.ts'
import { AwsSdkApi } from './aws-sdk-api.ts'
import { boundedInTime } from './bounded-api.ts'
import { ClusterMembers } from './cluster-members.ts'
import { loadAwsSdk } from './load-aws-sdk.ts'
import { MembershipCache } from './membership-cache.ts'
import { RegionCertificates } from './region-certificates.ts'

/** What reaches AWS. */
export interface AwsIidSurroundings {
  readonly trustDomain: TrustDomain
  readonly http: Pick<HttpClient, 'request'>
  readonly clock: Clock
  readonly environment: Readonly<Record<string, string | undefined>>
}

/**
 * Makes the attestor from its `plugin_data`. AWS is not asked for anything before an agent attests.
 *
 * @throws {NodeAttestorError} `ERR_NODE_ATTESTOR_CONFIG`, also where AWS's SDK is not installed
 */
export async function createAwsIid(
  data: Node | undefined,
  surroundings: AwsIidSurroundings,
): Promise<NodeAttestor> {
  const { environment, http, clock, trustDomain } = surroundings
  const config = readAwsIidConfig(data, environment)
  const sdk = await loadAwsSdk({
    organizations: config.management !== undefined,
    cluster: config.clusterNames !== undefined,
  })
  const api = boundedInTime(new AwsSdkApi({ ...config, sdk, http }), clock)
  const certificates = RegionCertificates.published()
  return new AwsIidAttestor({ ...attestorOptions(config, api, clock), trustDomain, certificates })
}

/** All that the configuration decides. */
export function attestorOptions(
  config: AwsIidConfig,
  api: AwsApi,
  clock: Clock,
): Omit<AwsIidOptions, 'trustDomain' | 'certificates'> {
  const { organization, clusterNames } = config
  return {
    ...config,
    api,
    organization:
      organization &&
      new MembershipCache({
        clock,
        ttlMs: organization.ttlMs,
        load: (signal) => loadAccounts(organization.accountListFile, api, signal),
      }),
    cluster: clusterNames && new ClusterMembers({ api, clock, clusterNames }),
  }
}

async function loadAccounts(
  path: string,
  api: AwsApi,
  signal: AbortSignal,
): Promise<ReadonlySet<string>> {
  if (path === '') return await api.listActiveAccounts(signal)
  try {
    return readAccountListFile(path)
  } catch (cause) {
    throw new Error(`failed to load org account list: ${messageOf(cause)}`, { cause })
  }
}
