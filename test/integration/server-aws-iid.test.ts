import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { SpiffeId } from '@mini-spire/sdk/spiffe-id'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  type PublishedDocument,
  publishedDocuments,
} from '../vectors/aws-iid/published-documents.ts'
import { attest, ServerScene } from './server-scene.ts'

const [{ evidence, expected }, other] = publishedDocuments
const payloadOf = (one: Pick<PublishedDocument, 'evidence'>): Buffer =>
  Buffer.from(JSON.stringify(one.evidence))
const payload = payloadOf({ evidence })
const { accountId, region, instanceId } = expected
const path = `/spire/agent/aws_iid/${accountId}/${region}/${instanceId}`
const agentId = { trustDomain: 'example.org', path }
const plugins = `NodeAttestor "aws_iid" { plugin_data {
  access_key_id = "test" secret_access_key = "test" skip_block_device = true
} }`
const used = {
  statusCode: 7,
  message: expect.stringContaining(
    'nodeattestor(aws_iid): attestation data has already been used to attest an agent',
  ),
}

/** One document that AWS signed, shown to a server again and again. EC2 lists no instances here. */
describe('an instance identity document over the network', () => {
  const saved = process.env['AWS_ENDPOINT_URL']
  let ec2: Server
  let asked = 0

  beforeAll(async () => {
    ec2 = createServer((request, response) => {
      asked++
      request.resume()
      response.end(
        '<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><reservationSet/></DescribeInstancesResponse>',
      )
    })
    await new Promise<void>((resolve) => ec2.listen(0, '127.0.0.1', resolve))
    process.env['AWS_ENDPOINT_URL'] = `http://127.0.0.1:${(ec2.address() as AddressInfo).port}`
  })
  afterAll(() => {
    if (saved === undefined) delete process.env['AWS_ENDPOINT_URL']
    else process.env['AWS_ENDPOINT_URL'] = saved
    ec2.close()
  })

  it('makes one agent of two hundred attempts at once, on four connections [gate 4]', async () => {
    await using scene = await ServerScene.start({ plugins })
    const clients = Array.from({ length: 4 }, () => scene.remote())
    await Promise.all(
      clients.map((one) => attest(one, 'aws_iid', payloadOf(other)).catch(() => {})),
    )
    const attempts = Array.from({ length: 50 }, () =>
      clients.map((one) => attest(one, 'aws_iid', payload)),
    )
    const results = await Promise.allSettled(attempts.flat())
    const [won, ...others] = results.filter((one) => one.status === 'fulfilled')
    expect(others).toEqual([])
    expect(won?.value.id).toBe(`spiffe://example.org${path}`)
    for (const one of results) {
      if (one.status === 'rejected') expect(one.reason).toMatchObject(used)
    }
    const { count } = await scene.local().agents.countAgents({ filter: undefined })
    // The other document, which opened the connections, made one too.
    expect(count).toBe(2)
  })

  it('is used up for as long as its agent is there, restarts and bans included', async () => {
    await using scene = await ServerScene.start({ plugins })
    const { id } = await attest(scene.remote(), 'aws_iid', payload)
    await scene.restart()
    const before = asked
    await expect(attest(scene.remote(), 'aws_iid', payload)).rejects.toMatchObject(used)
    await scene.local().agents.banAgent({ id: agentId })
    await expect(attest(scene.remote(), 'aws_iid', payload)).rejects.toMatchObject(used)
    expect(asked).toBe(before)
    await scene.local().agents.deleteAgent({ id: agentId })
    expect((await attest(scene.remote(), 'aws_iid', payload)).id).toBe(id)
    expect(SpiffeId.parse(id).path).toBe(path)
  })

  it('that was changed is refused, and the log says nothing of it', async () => {
    await using scene = await ServerScene.start({ plugins })
    const document = evidence.document.replace(instanceId, 'i-00000000000000bad')
    const changed = payloadOf({ evidence: { ...evidence, document } })
    await expect(attest(scene.remote(), 'aws_iid', changed)).rejects.toMatchObject({
      statusCode: 3,
      message: expect.stringContaining('does not match the verified PKCS7 content'),
    })
    const log = scene.log.join('')
    expect(log).toContain('does not match the verified PKCS7 content')
    for (const secret of ['i-00000000000000bad', accountId, evidence.rsa2048.slice(0, 40)]) {
      expect(log).not.toContain(secret)
    }
  })
})
