import { misconfigured } from '../attestor-errors.ts'

/** The clients of AWS's SDK that this attestor uses. They are installed beside the server, by those who need them. */
export interface AwsSdk {
  readonly ec2: typeof import('@aws-sdk/client-ec2')
  readonly iam: typeof import('@aws-sdk/client-iam')
  readonly credentials: typeof import('@aws-sdk/credential-providers')
  /** Undefined where no organization is asked. */
  readonly organizations: typeof import('@aws-sdk/client-organizations') | undefined
  /** Undefined where no cluster is asked. */
  readonly cluster:
    | {
        readonly eks: typeof import('@aws-sdk/client-eks')
        readonly autoScaling: typeof import('@aws-sdk/client-auto-scaling')
      }
    | undefined
}

/** Which clients are needed beside those for instances. */
export interface AwsSdkNeeds {
  readonly organizations: boolean
  readonly cluster: boolean
}

/**
 * Loads AWS's SDK.
 *
 * @throws {NodeAttestorError} `ERR_NODE_ATTESTOR_CONFIG` where it is not installed; says what to install
 */
export async function loadAwsSdk(needs: AwsSdkNeeds): Promise<AwsSdk> {
  try {
    const [ec2, iam, credentials, organizations, cluster] = await Promise.all([
      import('@aws-sdk/client-ec2'),
      import('@aws-sdk/client-iam'),
      import('@aws-sdk/credential-providers'),
      needs.organizations ? import('@aws-sdk/client-organizations') : undefined,
      needs.cluster ? loadCluster() : undefined,
    ])
    return { ec2, iam, credentials, organizations, cluster }
  } catch (cause) {
    throw misconfigured(`the AWS SDK is not installed; ${howToInstall(needs)}`, cause)
  }
}

async function loadCluster(): Promise<NonNullable<AwsSdk['cluster']>> {
  const [eks, autoScaling] = await Promise.all([
    import('@aws-sdk/client-eks'),
    import('@aws-sdk/client-auto-scaling'),
  ])
  return { eks, autoScaling }
}

function howToInstall(needs: AwsSdkNeeds): string {
  const names = [
    'client-ec2',
    'client-iam',
    'credential-providers',
    ...(needs.organizations ? ['client-organizations'] : []),
    ...(needs.cluster ? ['client-eks', 'client-auto-scaling'] : []),
  ]
  const packages = names.map((name) => `@aws-sdk/${name}`).join(' ')
  return `install it beside the server: npm install ${packages}`
}
