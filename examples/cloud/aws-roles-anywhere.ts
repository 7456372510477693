import { RolesAnywhereCredentials } from '@mini-spire/sdk/aws'
import { X509Source } from '@mini-spire/sdk/workload-api'

await using svids = await X509Source.create()
using aws = new RolesAnywhereCredentials({
  svids,
  trustAnchorArn: 'arn:aws:rolesanywhere:eu-central-1:123456789012:trust-anchor/0a1b2c3d',
  profileArn: 'arn:aws:rolesanywhere:eu-central-1:123456789012:profile/4e5f6a7b',
  roleArn: 'arn:aws:iam::123456789012:role/web',
  region: 'eu-central-1',
})
process.stdout.write(`${(await aws.getCredentials()).expiration.toISOString()}\n`)
