import { createIdentityPoolClient, GoogleSubjectTokens } from '@mini-spire/sdk/gcp'
import { JwtSource } from '@mini-spire/sdk/workload-api'

await using svids = await JwtSource.create()
using tokens = new GoogleSubjectTokens({
  svids,
  provider:
    '//iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/spiffe/providers/example-org',
})
// Libraries of Google's take this as `authClient`.
const client = await createIdentityPoolClient({
  tokens,
  serviceAccount: 'web@project-1.iam.gserviceaccount.com',
})
const { status } = await client.request({ url: 'https://storage.googleapis.com/storage/v1/b/data' })
process.stdout.write(`${status}\n`)
