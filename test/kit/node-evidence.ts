import { execFileSync } from 'node:child_process'
import { createHash, X509Certificate } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { FakeGoogle, FakeInstanceMetadata, FakeKubernetes } from '@mini-spire/sdk/testing/platforms'
import { publishedDocuments } from '../vectors/aws-iid/published-documents.ts'
import { azureImds, azureMsi } from './azure-evidence.ts'
import { startMoto } from './moto.ts'
import { hasProgram, isPythonMissing, missingPeer, pythonPeer } from './peers.ts'
import type { Scene } from './processes.ts'
import { DevIdAuthority, isSwtpmMissing, Swtpm } from './swtpm.ts'

/** Everything two daemons need to attest by one attestor. */
export interface NodeEvidence {
  /** The server's plugin block. */
  readonly server: string
  /** The agent's plugin block. */
  readonly agent: string
  /** Further environment of the server. */
  readonly serverEnvironment?: Readonly<Record<string, string>>
  /** Further environment of the agent. */
  readonly agentEnvironment?: Readonly<Record<string, string>>
  /** The certificate that stands for one that a server of somebody else was built with, PEM. */
  readonly builtInRoot?: { readonly builtIn: string; readonly other: string }
  /** The agent ID that comes of it. */
  readonly agentId: RegExp
  /** Selectors that the agent gets, `type:value`; sorted. */
  readonly selectors: readonly string[]
}

/** An attestor whose evidence can be made on this machine. */
export interface EvidenceKind {
  /** The attestor. */
  readonly name: string
  /** What is attested, where the attestor knows several kinds. */
  readonly of?: string
  readonly isMissing: () => boolean
  /** Installs what it needs, once for all tests: that may take minutes. */
  readonly prepare?: () => Promise<unknown>
  readonly make: (scene: Scene) => Promise<NodeEvidence>
}

/** The attestors whose evidence a test can make: of no cloud, or of one that can be played. */
export const evidenceKinds: readonly EvidenceKind[] = [
  { name: 'aws_iid', isMissing: isPythonMissing, prepare: pythonPeer, make: awsIid },
  {
    name: 'azure_imds',
    isMissing: () => false,
    make: async (scene) => (await azureImds(scene)).evidence,
  },
  {
    name: 'azure_imds',
    of: 'a scale set',
    isMissing: () => false,
    make: async (scene) => (await azureImds(scene, 'set-1')).evidence,
  },
  { name: 'azure_msi', isMissing: () => false, make: azureMsi },
  { name: 'gcp_iit', isMissing: () => false, make: gcpIit },
  { name: 'http_challenge', isMissing: () => false, make: httpChallenge },
  { name: 'k8s_psat', isMissing: () => false, make: k8sPsat },
  { name: 'sshpop', isMissing: isOpenSshMissing, make: sshPop },
  { name: 'tpm_devid', isMissing: isSwtpmMissing, make: tpmDevId },
]

/** A kind with its title. */
export function titled(kind: EvidenceKind): readonly [string, EvidenceKind] {
  return [kind.of === undefined ? kind.name : `${kind.name} of ${kind.of}`, kind]
}

function isOpenSshMissing(): boolean {
  if (hasProgram('sh', '-c', 'command -v ssh-keygen')) return false
  return missingPeer('OpenSSH', 'apt-get install openssh-client')
}

/**
 * SPIRE's server takes no test root for AWS, so the document is one that AWS signed: it verifies by the certificates in
 * either server. What AWS says of that instance is moto's.
 */
async function awsIid(scene: Scene): Promise<NodeEvidence> {
  const [{ evidence, expected }] = publishedDocuments
  const metadata = await FakeInstanceMetadata.start({ evidence })
  scene.defer(() => metadata[Symbol.asyncDispose]())
  const { accountId, region, instanceId, imageId } = expected
  const moto = await startMoto(scene, {
    instances: [{ ...expected, tags: { Name: 'web-1' }, profile: 'web-profile', roles: ['web'] }],
  })
  return {
    server: `NodeAttestor "aws_iid" { plugin_data {
      assume_role = "reader"
      agent_path_template = "/{{ .PluginName }}/{{ .AccountID }}/{{ .Tags.Name }}"
    } }`,
    agent: `NodeAttestor "aws_iid" { plugin_data { ec2_metadata_endpoint = "${metadata.endpoint}" } }`,
    serverEnvironment: moto.environment,
    agentId: new RegExp(`^spiffe://example\\.org/spire/agent/aws_iid/${accountId}/web-1$`),
    selectors: [
      `aws_iid:account_id:${accountId}`,
      `aws_iid:az:${expected.availabilityZone}`,
      `aws_iid:iamrole:arn:aws:iam::${accountId}:role/web`,
      `aws_iid:image:id:${imageId}`,
      `aws_iid:instance:id:${instanceId}`,
      `aws_iid:region:${region}`,
      `aws_iid:sg:id:${moto.groups[instanceId]}`,
      `aws_iid:sg:name:of-${instanceId}`,
      'aws_iid:tag:Name:web-1',
    ],
  }
}

async function gcpIit(scene: Scene): Promise<NodeEvidence> {
  const google = await FakeGoogle.start({
    project_id: 'project-1',
    project_number: 123_456,
    zone: 'europe-west1-b',
    instance_id: '4242',
    instance_name: 'vm-1',
    instance_creation_timestamp: 1_700_000_000,
  })
  scene.defer(() => google[Symbol.asyncDispose]())
  return {
    server: 'NodeAttestor "gcp_iit" { plugin_data { projectid_allow_list = ["project-1"] } }',
    agent: `NodeAttestor "gcp_iit" { plugin_data {
      identity_token_host = "${google.metadataHost}"
    } }`,
    serverEnvironment: google.environment,
    agentId: /^spiffe:\/\/example\.org\/spire\/agent\/gcp_iit\/project-1\/4242$/,
    selectors: [
      'gcp_iit:instance-name:vm-1',
      'gcp_iit:project-id:project-1',
      'gcp_iit:sa:vm@project-1.iam.gserviceaccount.com',
      'gcp_iit:zone:europe-west1-b',
    ],
  }
}

async function httpChallenge(): Promise<NodeEvidence> {
  return {
    server: 'NodeAttestor "http_challenge" { plugin_data {} }',
    agent: 'NodeAttestor "http_challenge" { plugin_data { hostname = "127.0.0.1" } }',
    agentId: /^spiffe:\/\/example\.org\/spire\/agent\/http_challenge\/127\.0\.0\.1$/,
    selectors: ['http_challenge:hostname:127.0.0.1'],
  }
}

async function k8sPsat(scene: Scene): Promise<NodeEvidence> {
  const kubernetes = await FakeKubernetes.start()
  scene.defer(() => kubernetes[Symbol.asyncDispose]())
  kubernetes.nodes.set('node-1', { uid: 'node-uid', labels: { zone: 'a' } })
  kubernetes.pods.set('spire/agent-1', { uid: 'pod-uid', labels: {}, nodeName: 'node-1' })
  const tokenPath = scene.path('service-account-token')
  const audiences = ['spire-server']
  const pod = { podName: 'agent-1', podUid: 'pod-uid' }
  const account = { namespace: 'spire', serviceAccount: 'spire-agent' }
  writeFileSync(tokenPath, kubernetes.token({ ...account, ...pod, audiences }))
  return {
    server: `NodeAttestor "k8s_psat" { plugin_data { clusters = { "main" = {
      service_account_allow_list = ["spire:spire-agent"]
      kube_config_file = "${kubernetes.kubeconfig}"
      allowed_node_label_keys = ["zone"]
    } } } }`,
    agent: `NodeAttestor "k8s_psat" { plugin_data { cluster = "main" token_path = "${tokenPath}" } }`,
    agentId: /^spiffe:\/\/example\.org\/spire\/agent\/k8s_psat\/main\/node-uid$/,
    selectors: [
      'k8s_psat:agent_node_ip:10.0.0.7',
      'k8s_psat:agent_node_label:zone:a',
      'k8s_psat:agent_node_name:node-1',
      'k8s_psat:agent_node_uid:node-uid',
      'k8s_psat:agent_ns:spire',
      'k8s_psat:agent_pod_name:agent-1',
      'k8s_psat:agent_pod_uid:pod-uid',
      'k8s_psat:agent_sa:spire-agent',
      'k8s_psat:cluster:main',
    ],
  }
}

async function sshPop(scene: Scene): Promise<NodeEvidence> {
  const keygen = (...args: readonly string[]): void => {
    execFileSync('ssh-keygen', ['-q', ...args])
  }
  const [authority, host] = [scene.path('ssh-ca'), scene.path('ssh-host')]
  keygen('-t', 'ed25519', '-N', '', '-f', authority)
  keygen('-t', 'rsa', '-b', '2048', '-N', '', '-f', host)
  keygen('-s', authority, '-I', 'host', '-h', '-n', 'web.example.org', `${host}.pub`)
  const [type, key] = readFileSync(`${authority}.pub`, 'utf8').split(' ')
  return {
    server: `NodeAttestor "sshpop" { plugin_data {
      cert_authorities = ["${type} ${key}"]
      canonical_domain = "example.org"
      agent_path_template = "/{{ .PluginName }}/{{ if eq .Serial 0 }}{{ regexFind \\"^[a-z]+\\" .Hostname }}{{ end }}"
    } }`,
    agent: `NodeAttestor "sshpop" { plugin_data {
      host_key_path = "${host}" host_cert_path = "${host}-cert.pub"
    } }`,
    agentId: /^spiffe:\/\/example\.org\/spire\/agent\/sshpop\/web$/,
    selectors: [],
  }
}

async function tpmDevId(scene: Scene): Promise<NodeEvidence> {
  const tpm = Swtpm.start(scene)
  const authority = new DevIdAuthority(scene)
  const { certificate, privateBlob, publicBlob } = tpm.makeDevId('device-1', authority, {
    algorithm: 'ecc256:ecdsa-sha256:null',
    password: 'of-the-key',
  })
  const fingerprint = sha1Of(authority.certificate)
  return {
    server: `NodeAttestor "tpm_devid" { plugin_data {
      devid_ca_path = "${authority.certificate}"
      endorsement_ca_path = "${tpm.endorsementRoots}"
    } }`,
    agent: `NodeAttestor "tpm_devid" { plugin_data {
      tpm_device_path = "${tpm.socket}"
      devid_cert_path = "${certificate}"
      devid_priv_path = "${privateBlob}"
      devid_pub_path = "${publicBlob}"
      devid_password = "of-the-key"
    } }`,
    agentId: new RegExp(`^spiffe://example\\.org/spire/agent/tpm_devid/${sha1Of(certificate)}$`),
    selectors: [
      `tpm_devid:ca:fingerprint:${fingerprint}`,
      'tpm_devid:issuer:cn:devid-ca',
      'tpm_devid:subject:cn:device-1',
    ],
  }
}

function sha1Of(path: string): string {
  const { raw } = new X509Certificate(readFileSync(path))
  return createHash('sha1').update(raw).digest('hex')
}
