import type { PluginKind } from '@mini-spire/runtime/config/check-plugins'

const unlimited = Number.POSITIVE_INFINITY

/** Types of agent plugins, how many of each there must be, and which of SPIRE's this program has. */
export const agentPluginKinds: readonly PluginKind[] = [
  {
    type: 'KeyManager',
    min: 1,
    max: 1,
    supported: ['disk', 'memory'],
    unsupported: [],
    // TLS asks for the private key itself: there is no way to have another program sign for it.
    whyNotExternal:
      'an external KeyManager is not supported by the mini-spire agent: its TLS connections need a key that it holds itself',
  },
  {
    type: 'NodeAttestor',
    min: 1,
    max: 1,
    supported: [
      'aws_iid',
      'azure_imds',
      'azure_msi',
      'gcp_iit',
      'http_challenge',
      'join_token',
      'k8s_psat',
      'sshpop',
      'tpm_devid',
      'x509pop',
    ],
    unsupported: [],
  },
  {
    type: 'SVIDStore',
    min: 0,
    max: unlimited,
    supported: [],
    unsupported: ['aws_secretsmanager', 'gcp_secretmanager'],
  },
  {
    type: 'WorkloadAttestor',
    min: 1,
    max: unlimited,
    supported: ['docker', 'k8s', 'slurm', 'systemd', 'unix'],
    unsupported: ['windows'],
  },
]
