import type { Clock } from '@mini-spire/runtime/clock'
import type { Node } from '@mini-spire/runtime/config/ast'
import { HttpClient } from '@mini-spire/runtime/http/http-client'
import type { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { AzureImdsAttestor } from './azure-imds/azure-imds.ts'
import { readAzureImdsConfig } from './azure-imds/azure-imds-config.ts'
import { AzureMsiAttestor } from './azure-msi/azure-msi.ts'
import { readAzureMsiConfig } from './azure-msi/azure-msi-config.ts'
import { GcpIitAttestor } from './gcp-iit/gcp-iit.ts'
import { readGcpIitConfig } from './gcp-iit/gcp-iit-config.ts'
import { HttpChallengeAttestor } from './http-challenge/http-challenge.ts'
import { K8sPsatAttestor } from './k8s-psat/k8s-psat.ts'
import { readK8sPsatConfig } from './k8s-psat/k8s-psat-config.ts'
import type { NodeAttestor } from './node-attestor.ts'
import { SshPopAttestor } from './ssh-pop/ssh-pop.ts'
import { readSshPopConfig } from './ssh-pop/ssh-pop-config.ts'
import { TpmDevIdAttestor } from './tpm-devid/tpm-devid.ts'
import { readTpmDevIdConfig } from './tpm-devid/tpm-devid-config.ts'

/** What node attestors get from their server. */
export interface AttestorSurroundings {
  readonly trustDomain: TrustDomain
  readonly clock: Clock
  readonly environment: Readonly<Record<string, string | undefined>>
}

type Create = (data: Node | undefined, surroundings: AttestorSurroundings) => Promise<NodeAttestor>

/** Built-in node attestors that need no more of the server than this, each made from its `plugin_data`. */
export const nodeAttestorBuiltIns: ReadonlyMap<string, Create> = new Map<string, Create>([
  ['aws_iid', createAwsIid],
  ['azure_imds', createAzureImds],
  ['azure_msi', createAzureMsi],
  ['gcp_iit', createGcpIit],
  ['http_challenge', createHttpChallenge],
  ['k8s_psat', createK8sPsat],
  ['sshpop', createSshPop],
  ['tpm_devid', createTpmDevId],
])

/** Loaded when it is configured: certificates, CMS and AWS's SDK are nobody else's. */
async function createAwsIid(
  data: Node | undefined,
  { trustDomain, clock, environment }: AttestorSurroundings,
): Promise<NodeAttestor> {
  const { createAwsIid: create } = await import('./aws-iid/create-aws-iid.ts')
  const http = new HttpClient({ environment, clock })
  return await create(data, { trustDomain, clock, environment, http })
}

async function createAzureImds(
  data: Node | undefined,
  { trustDomain, clock, environment }: AttestorSurroundings,
): Promise<NodeAttestor> {
  const http = new HttpClient({ environment, clock })
  const options = readAzureImdsConfig(data, { http, clock, environment })
  return new AzureImdsAttestor({ ...options, trustDomain })
}

async function createAzureMsi(
  data: Node | undefined,
  { trustDomain, clock, environment }: AttestorSurroundings,
): Promise<NodeAttestor> {
  const http = new HttpClient({ environment, clock })
  const options = readAzureMsiConfig(data, { http, clock, environment })
  return new AzureMsiAttestor({ ...options, trustDomain })
}

async function createGcpIit(
  data: Node | undefined,
  { trustDomain, clock, environment }: AttestorSurroundings,
): Promise<NodeAttestor> {
  const http = new HttpClient({ environment, clock })
  return new GcpIitAttestor({
    ...readGcpIitConfig(data, { http, clock, environment }),
    trustDomain,
  })
}

/** Loaded when it is configured: the patterns of its configuration are read by a library that few need. */
async function createHttpChallenge(
  data: Node | undefined,
  { trustDomain, clock, environment }: AttestorSurroundings,
): Promise<NodeAttestor> {
  const { readHttpChallengeConfig } = await import('./http-challenge/http-challenge-config.ts')
  const http = new HttpClient({ environment, clock })
  return new HttpChallengeAttestor({ ...readHttpChallengeConfig(data), trustDomain, http })
}

async function createK8sPsat(
  data: Node | undefined,
  surroundings: AttestorSurroundings,
): Promise<NodeAttestor> {
  const { trustDomain, clock, environment } = surroundings
  const http = new HttpClient({ environment, clock })
  const options = readK8sPsatConfig(data, { http, clock, environment })
  return new K8sPsatAttestor({ ...options, trustDomain })
}

async function createSshPop(
  data: Node | undefined,
  surroundings: AttestorSurroundings,
): Promise<NodeAttestor> {
  return new SshPopAttestor(readSshPopConfig(data, surroundings))
}

async function createTpmDevId(
  data: Node | undefined,
  surroundings: AttestorSurroundings,
): Promise<NodeAttestor> {
  return new TpmDevIdAttestor(readTpmDevIdConfig(data, surroundings))
}
