import { fromBinary } from '@bufbuild/protobuf'
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt'
import { describe, expect, it } from 'vitest'
import { HealthService } from '../proto/grpc/health/v1/health.ts'
import {
  ServerReflectionRequest,
  type ServerReflectionResponse,
} from '../proto/grpc/reflection/v1/reflection.ts'
import type { CallContext } from './call-context.ts'
import { bindReflection, isReflection } from './reflection.ts'
import { bindService, notImplemented } from './service.ts'

type Asked = NonNullable<ServerReflectionRequest['messageRequest']>

const nothing = notImplemented('Nothing')
const health = bindService<CallContext, typeof HealthService>(HealthService, {
  check: nothing,
  list: nothing,
  watch: nothing,
})

/** The answers to one stream of questions. */
async function ask(
  ...asked: readonly (Asked | undefined)[]
): Promise<readonly ServerReflectionResponse[]> {
  const [method] = bindReflection([health]).methods
  if (method?.kind !== 'bidi') throw new Error('no stream')
  const requests = (async function* () {
    for (const messageRequest of asked)
      yield ServerReflectionRequest.fromPartial({ host: 'h', messageRequest })
  })()
  const answers: ServerReflectionResponse[] = []
  for await (const answer of method.handle({} as CallContext, requests))
    answers.push(answer as ServerReflectionResponse)
  return answers
}

/** The names of the files of an answer. */
function filesOf(response: ServerReflectionResponse | undefined): readonly string[] {
  const answer = response?.messageResponse
  if (answer?.$case !== 'fileDescriptorResponse') return [String(answer?.$case)]
  return answer.fileDescriptorResponse.fileDescriptorProto.map(
    (bytes) => fromBinary(FileDescriptorProtoSchema, bytes).name,
  )
}

const symbol = (fileContainingSymbol: string): Asked => ({
  $case: 'fileContainingSymbol',
  fileContainingSymbol,
})

describe('server reflection', () => {
  it('is served under both of its names', () => {
    const paths = bindReflection([health]).methods.map(({ path }) => path)
    expect(paths).toEqual([
      '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
      '/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo',
    ])
    expect([...paths, '/grpc.reflection.v1x/Y'].map(isReflection)).toEqual([true, true, false])
  })

  it('names the services and repeats the question', async () => {
    const [answer] = await ask({ $case: 'listServices', listServices: '' })
    expect(answer).toMatchObject({
      validHost: 'h',
      originalRequest: { host: 'h' },
      messageResponse: {
        listServicesResponse: {
          service: [
            { name: 'grpc.health.v1.Health' },
            { name: 'grpc.reflection.v1.ServerReflection' },
            { name: 'grpc.reflection.v1alpha.ServerReflection' },
          ],
        },
      },
    })
  })

  it('gives the file of a symbol with those it imports, which are sent once per stream', async () => {
    const file = 'spiffe/broker/api.proto'
    const answers = await ask(
      symbol('spiffe.broker.API'),
      symbol('spiffe.broker.API.FetchJWTSVID'),
      symbol('spiffe.broker.WorkloadPIDReference'),
      symbol('spiffe.broker.WorkloadPIDReference.pid'),
      { $case: 'fileByFilename', fileByFilename: file },
    )
    const [first, ...later] = answers.map(filesOf)
    expect(first).toEqual([file, 'google/protobuf/any.proto'])
    expect(later).toEqual(Array(4).fill([file]))
  })

  it.each([
    ['', 'x', 'spiffe.broker.Nothing', 'spiffe.broker.API.Nothing', 'spiffe.broker.JWTSVID.no'],
  ])('knows no %j', async (...names) => {
    const answers = await ask(
      ...names.map(symbol),
      { $case: 'fileByFilename', fileByFilename: '../../etc/passwd' },
      { $case: 'allExtensionNumbersOfType', allExtensionNumbersOfType: 'x' },
      {
        $case: 'fileContainingExtension',
        fileContainingExtension: { containingType: 'spiffe.broker.JWTSVID', extensionNumber: 1 },
      },
    )
    for (const { messageResponse } of answers) {
      expect(messageResponse).toMatchObject({
        errorResponse: { errorCode: 5, errorMessage: 'proto: not found' },
      })
    }
  })

  it('refuses a question that asks nothing', async () => {
    await expect(ask(undefined)).rejects.toMatchObject({
      kind: 'invalid-argument',
      message: 'invalid MessageRequest: <nil>',
    })
  })
})
