import { AzureAssertions, createAzureCredential } from '@mini-spire/sdk/azure'
import { JwtSource } from '@mini-spire/sdk/workload-api'

await using svids = await JwtSource.create()
using assertions = new AzureAssertions({ svids })
// Clients of Azure's take this as their credential.
const credential = await createAzureCredential({
  assertions,
  tenantId: '11111111-2222-3333-4444-555555555555',
  clientId: '66666666-7777-8888-9999-000000000000',
})
const { expiresOnTimestamp } = await credential.getToken('https://storage.azure.com/.default')
process.stdout.write(`good until ${new Date(expiresOnTimestamp).toISOString()}\n`)
