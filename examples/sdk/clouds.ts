import { FakeAzure, FakeInstanceMetadata, TestAws } from '@mini-spire/sdk/testing/platforms'

const aws = new TestAws(['us-west-2', 'eu-west-1'])
await using metadata = await FakeInstanceMetadata.start({ evidence: aws.evidence() })
// Another instance, and everything is in order; then one thing is wrong.
metadata.evidence = aws.evidence({ instanceId: 'i-1' })
metadata.evidence = aws.evidence({}, 'second-signer')
process.stdout.write(`${metadata.endpoint}: ${Object.keys(aws.certificates.rsa2048)}\n`)

await using azure = await FakeAzure.start({
  tenantId: '11111111-2222-3333-4444-555555555555',
  domain: 'example.onmicrosoft.com',
  subscriptionId: '66666666-7777-8888-9999-000000000000',
  resourceGroup: 'group-1',
  name: 'vm-1',
  location: 'westeurope',
  vmId: '4c4c4544-0052-3310-8051-b4c04f4e3633',
  principalId: '12345678-1234-1234-1234-123456789abc',
  tags: { env: 'test' },
})
azure.wrongDocument = 'other-root'
azure.wrongToken = 'other-tenant'
azure.host('directory').fault = 'unavailable'
process.stdout.write(`${azure.metadataAddress}: ${azure.token('my-service', 'expired')}\n`)
