import type { DescMessage, FileRegistry } from '@bufbuild/protobuf'
import { GrpcStatus } from '@mini-spire/sdk/grpc-status'
import {
  type ServerReflectionRequest as Request,
  type ServerReflectionResponse as Response,
  ServerReflectionService,
} from '../proto/grpc/reflection/v1/reflection.ts'
import { ApiError } from './api-error.ts'
import type { CallContext } from './call-context.ts'
import { bindService, type ServiceBinding } from './service.ts'

/** The same service under two names: older clients know the second one only. */
const serviceNames = [
  'grpc.reflection.v1.ServerReflection',
  'grpc.reflection.v1alpha.ServerReflection',
]

/** Whether a method is one that describes what is served. */
export function isReflection(method: string): boolean {
  return serviceNames.some((name) => method.startsWith(`/${name}/`))
}

/**
 * Describes what is served to clients that bring no descriptions: names of the services, and the files of our protos.
 *
 * @param services what the host serves beside it
 */
export function bindReflection<C extends CallContext>(
  services: readonly ServiceBinding<C>[],
): ServiceBinding<C> {
  const paths = services.flatMap(({ methods }) => methods.map(({ path }) => path))
  let loading: Promise<Files> | undefined
  const load = (): Promise<Files> => {
    loading ??= readFiles()
    return loading
  }
  const names = [...new Set([...paths.map(serviceOf), ...serviceNames])].sort()
  const { methods } = bindService<C, typeof ServerReflectionService>(ServerReflectionService, {
    serverReflectionInfo: (_call, requests) => answers(requests, names, load),
  })
  return {
    methods: methods.flatMap((method) =>
      serviceNames.map((name) => ({ ...method, path: `/${name}/ServerReflectionInfo` })),
    ),
  }
}

function serviceOf(path: string): string {
  return path.slice(1, path.lastIndexOf('/'))
}

async function* answers(
  requests: AsyncIterable<Request>,
  names: readonly string[],
  load: () => Promise<Files>,
): AsyncGenerator<Response, void, undefined> {
  // Per stream: what a client has been sent it is not sent again.
  const sent = new Set<string>()
  for await (const request of requests) {
    const messageResponse = await answerTo(request, { names, load, sent })
    yield { validHost: request.host, originalRequest: request, messageResponse }
  }
}

interface AnswerSources {
  readonly names: readonly string[]
  readonly load: () => Promise<Files>
  readonly sent: Set<string>
}

type Answer = Response['messageResponse']

async function answerTo(
  { messageRequest: asked }: Request,
  { names, load, sent }: AnswerSources,
): Promise<Answer> {
  switch (asked?.$case) {
    case 'listServices':
      return {
        $case: 'listServicesResponse',
        listServicesResponse: { service: names.map((name) => ({ name })) },
      }
    case 'fileByFilename':
      return filesFrom(await load(), asked.fileByFilename, sent)
    case 'fileContainingSymbol': {
      const files = await load()
      return filesFrom(files, fileOf(files.registry, asked.fileContainingSymbol), sent)
    }
    // We have no extensions.
    case 'fileContainingExtension':
      return notFound
    case 'allExtensionNumbersOfType': {
      const baseTypeName = asked.allExtensionNumbersOfType
      const { registry } = await load()
      if (!registry.getMessage(baseTypeName)) return notFound
      return {
        $case: 'allExtensionNumbersResponse',
        allExtensionNumbersResponse: { baseTypeName, extensionNumber: [] },
      }
    }
    case undefined:
      throw new ApiError('invalid-argument', 'invalid MessageRequest: <nil>')
    default:
      return asked satisfies never
  }
}

const notFound: Answer = {
  $case: 'errorResponse',
  errorResponse: { errorCode: GrpcStatus.NotFound, errorMessage: 'proto: not found' },
}

interface Files {
  readonly registry: FileRegistry
  readonly encode: (name: string) => Uint8Array | undefined
}

/** Our descriptions, read when the first client asks. */
async function readFiles(): Promise<Files> {
  const [{ createFileRegistry, fromBinary, toBinary }, wkt, { descriptors }] = await Promise.all([
    import('@bufbuild/protobuf'),
    import('@bufbuild/protobuf/wkt'),
    import('../proto/descriptors.ts'),
  ])
  const set = fromBinary(wkt.FileDescriptorSetSchema, Buffer.from(descriptors, 'base64'))
  const files = new Map(set.file.map((file) => [file.name, file]))
  return {
    registry: createFileRegistry(set),
    encode: (name) => {
      const file = files.get(name)
      return file && toBinary(wkt.FileDescriptorProtoSchema, file)
    },
  }
}

/** The file and, before a client has them, those it imports, all the way down. */
function filesFrom({ registry, encode }: Files, name: string, sent: Set<string>): Answer {
  const found: Uint8Array[] = []
  const queue = [name]
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    if (sent.has(next) && found.length > 0) continue
    const bytes = encode(next)
    if (!bytes) continue
    sent.add(next)
    found.push(bytes)
    queue.push(...(registry.getFile(next)?.proto.dependency ?? []))
  }
  if (found.length === 0) return notFound
  return {
    $case: 'fileDescriptorResponse',
    fileDescriptorResponse: { fileDescriptorProto: found },
  }
}

/** The file that defines a message, an enum, a service, or a part of one of them; empty when none does. */
function fileOf(registry: FileRegistry, symbol: string): string {
  const whole = registry.get(symbol)
  if (whole) return `${whole.file.name}.proto`
  const dot = symbol.lastIndexOf('.')
  if (dot < 0) return ''
  const parent = registry.get(symbol.slice(0, dot))
  const part = symbol.slice(dot + 1)
  if (parent?.kind === 'service' && parent.methods.some(({ name }) => name === part))
    return `${parent.file.name}.proto`
  if (parent?.kind === 'message' && hasMember(parent, part)) return `${parent.file.name}.proto`
  return ''
}

function hasMember({ fields, oneofs }: DescMessage, name: string): boolean {
  return [...fields, ...oneofs].some((member) => member.name === name)
}
