import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts'
import { WebIdentityCredentials } from '@mini-spire/sdk/aws'
import { JwtSource } from '@mini-spire/sdk/workload-api'

await using svids = await JwtSource.create()
using aws = new WebIdentityCredentials({
  svids,
  roleArn: 'arn:aws:iam::123456789012:role/web',
  region: 'eu-central-1',
})
const client = new STSClient({ region: 'eu-central-1', credentials: aws.provider })
process.stdout.write(`${(await client.send(new GetCallerIdentityCommand())).Arn}\n`)
