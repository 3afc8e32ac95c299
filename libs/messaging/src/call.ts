import { AppError } from '@app/core'
import { z } from 'zod'

/** The operations of an interface by their names, each with the schema of its arguments. */
export type CallOperations = Readonly<Record<string, { readonly in: z.ZodType }>>

/** An interface whose calls are messages: they have arguments and no result. */
export interface CallInterface<Operations extends CallOperations = CallOperations> {
  readonly id: string
  /** Major and minor, as `1.0`. */
  readonly version: string
  readonly operations: Operations
}

/** The arguments of an operation as a caller gives them. */
export type CallArguments<Operations extends CallOperations, Name extends keyof Operations> = z.input<
  Operations[Name]['in']
>

/** A call as it travels in the body of a message. */
const callSchema = z.strictObject({
  interface: z.uuid().lowercase(),
  version: z.string().regex(/^\d{1,5}\.\d{1,5}$/),
  operation: z.string().regex(/^[A-Za-z]\w{0,63}$/),
  arguments: z.unknown()
})

/** A call, looked at; whether its arguments fit is not known yet. */
export type Call = z.infer<typeof callSchema>

/**
 * An interface of queued calls. Throws `RPC_S_CANNOT_SUPPORT` for an operation with a result or with anything that goes
 * out: nobody is there to take it. `MQ_ERROR_INVALID_PARAMETER` for an identifier that is no UUID, a version or a name.
 */
export function defineCallInterface<Operations extends CallOperations>(
  definition: CallInterface<Operations>
): CallInterface<Operations> {
  const { version, operations } = definition
  const id = definition.id.toLowerCase()
  for (const [operation, declared] of Object.entries(operations)) {
    if (Object.keys(declared).some(direction => direction !== 'in')) {
      throw new AppError('RPC_S_CANNOT_SUPPORT', `A queued call has no result: "${operation}" has one.`, { operation })
    }
    const parsed = callSchema.safeParse({ interface: id, version, operation, arguments: null })
    if (parsed.success) continue
    const [field = ''] = parsed.error.issues[0]?.path.map(String) ?? []
    throw new AppError('MQ_ERROR_INVALID_PARAMETER', `The interface is wrong at "${field}".`, { field })
  }
  return { ...definition, id }
}

/**
 * The body of a message that makes a call. Throws `RPC_S_PROCNUM_OUT_OF_RANGE` for an operation that the interface lacks,
 * `RPC_X_BAD_STUB_DATA` for arguments that do not fit.
 */
export function encodeCall(to: CallInterface, operation: string, args: unknown): Uint8Array {
  const call = { interface: to.id, version: to.version, operation, arguments: args }
  parseCallArguments(to, call)
  return Buffer.from(JSON.stringify(call))
}

/** The call in the body of a message. Throws `RPC_X_BAD_STUB_DATA` for what is none. */
export function decodeCall(body: Uint8Array): Call {
  try {
    return callSchema.parse(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body)))
  } catch (cause) {
    throw new AppError('RPC_X_BAD_STUB_DATA', 'The message holds no call.', {}, { cause })
  }
}

/** Whether a call is for an interface: the same identifier and major version, and no later minor one (MS-RPCE 3.1.1.5). */
export function isForInterface(call: Call, candidate: CallInterface): boolean {
  const [major, minor] = call.version.split('.').map(Number)
  const [ownMajor, ownMinor] = candidate.version.split('.').map(Number)
  const isSame = call.interface === candidate.id && major === ownMajor
  return isSame && (minor ?? 0) <= (ownMinor ?? 0)
}

/** The arguments of a call. Throws `RPC_S_PROCNUM_OUT_OF_RANGE`, `RPC_X_BAD_STUB_DATA`. */
export function parseCallArguments(candidate: CallInterface, call: Call): unknown {
  const { operation } = call
  const declared = Object.hasOwn(candidate.operations, operation) ? candidate.operations[operation] : undefined
  if (declared === undefined) {
    throw new AppError('RPC_S_PROCNUM_OUT_OF_RANGE', `The interface has no operation "${operation}".`, { operation })
  }
  const parsed = declared.in.safeParse(call.arguments)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const field = issue?.path.join('.') ?? ''
  throw new AppError('RPC_X_BAD_STUB_DATA', `The call is wrong at "${field}": ${issue?.message ?? ''}.`, { field })
}
