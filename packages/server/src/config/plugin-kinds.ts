import type { PluginKind } from '@mini-spire/runtime/config/check-plugins'

const unlimited = Number.POSITIVE_INFINITY

/** Types of server plugins, how many of each there must be, and which of SPIRE's this program has. */
export const serverPluginKinds: readonly PluginKind[] = [
  // `level` is this program's own name for its store; `sql` with sqlite3 means the same.
  {
    type: 'DataStore',
    min: 1,
    max: 1,
    supported: ['sql', 'level'],
    unsupported: [],
    whyNotExternal:
      'pluggability for the DataStore is deprecated; only the built-in "sql" plugin is supported',
  },
  {
    type: 'BundlePublisher',
    min: 0,
    max: unlimited,
    supported: [],
    unsupported: [
      'aws_rolesanywhere_trustanchor',
      'aws_s3',
      'azure_blob',
      'gcp_cloudstorage',
      'k8s_configmap',
    ],
  },
  { type: 'CredentialComposer', min: 0, max: unlimited, supported: ['uniqueid'], unsupported: [] },
  {
    type: 'KeyManager',
    min: 1,
    max: 1,
    supported: ['disk', 'memory'],
    unsupported: ['aws_kms', 'azure_key_vault', 'gcp_kms', 'hashicorp_vault'],
  },
  {
    type: 'NodeAttestor',
    min: 0,
    max: unlimited,
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
    type: 'Notifier',
    min: 0,
    max: unlimited,
    supported: [],
    unsupported: ['gcs_bundle', 'k8sbundle'],
  },
  {
    type: 'UpstreamAuthority',
    min: 0,
    max: 1,
    supported: ['disk', 'spire', 'vault'],
    unsupported: ['aws_pca', 'awssecret', 'cert-manager', 'ejbca', 'gcp_cas'],
  },
]
