import { fromBinary } from '@bufbuild/protobuf'
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt'
import { descriptors } from '@mini-spire/runtime/proto/descriptors'
import { describe, expect, it } from 'vitest'
import { assertPolicies, exchangeMethod, type Grant, grantsOf, knownMethods } from './policy.ts'

const rpcs = fromBinary(FileDescriptorSetSchema, Buffer.from(descriptors, 'base64'))
  .file.filter(
    ({ package: name }) =>
      /^(spire|minispire)\.api\.server\./.test(name) || name === 'grpc.health.v1',
  )
  .flatMap((file) =>
    file.service.flatMap((service) =>
      service.method.map((method) => `/${file.package}.${service.name}/${method.name}`),
    ),
  )

const methods = [...rpcs, exchangeMethod]

/** What each class may call, spelled out a second time and by class: the matrix is not its own oracle. */
const open: Readonly<Record<Grant, RegExp>> = {
  any: /\/(GetBundle|AttestAgent|ExchangeToken)$/,
  agent:
    /\/(RenewAgent|PostStatus|GetFederatedBundle|(Get|Sync)AuthorizedEntries|BatchNew(X509|WIT)SVID|NewJWTSVID|Subscribe)$/,
  downstream: /\/(NewDownstreamX509CA|Publish(JWT|WIT)Authority)$/,
  local:
    /\/(Count|List|FindAgents|AwaitAgents|GetAgent|GetEntry|GetFederat|Delete|Ban|CreateJoin|Append|Batch(Create|Update|Set|Delete)|Mint|RefreshBundle|\w*Authority(State)?$|GetLogger|SetLogLevel|ResetLogLevel|GetInfo|Check$|Watch$)/,
  admin:
    /\/(Count|FindAgents|AwaitAgents|ListAgents|ListEntries|ListFed|GetAgent|GetEntry|GetFederat|Delete|Ban|CreateJoin|Append|Batch(Create|Update|Set|Delete)|Mint|RefreshBundle|\w*Authority(State)?$)/,
}
const classes = Object.keys(open) as Grant[]
const isOpen = (method: string, who: Grant): boolean =>
  open[who].test(method) && !(who !== 'downstream' && open.downstream.test(method))

describe('the policy', () => {
  it('refuses to start with a method that nobody decided about', () => {
    const unknown = '/spire.api.server.entry.v1.Entry/DropEverything'
    expect(() => assertPolicies([...methods, unknown])).toThrow(
      expect.objectContaining({
        code: 'ERR_METHOD_WITHOUT_POLICY',
        message: `no authorization policy for ${unknown}`,
      }),
    )
  })

  it('knows nobody who may call a method that is not listed', () => {
    expect(grantsOf('/spire.api.server.entry.v1.Entry/')).toBeUndefined()
    expect(grantsOf('/spire.api.server.entry.v1.Entry/listEntries')).toBeUndefined()
    expect(grantsOf('__proto__')).toBeUndefined()
  })

  it('has a row for every method of every server service, and no other rows', () => {
    expect([...knownMethods()].sort()).toEqual([...methods].sort())
    expect(() => assertPolicies(methods)).not.toThrow()
  })

  it.each(methods)('%s is open to whom SPIRE opens it', (method) => {
    const granted = classes.filter((who) => grantsOf(method)?.has(who))
    expect(granted).toEqual(classes.filter((who) => isOpen(method, who)))
  })
})
