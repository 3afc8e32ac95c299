import { Injectable } from '@nestjs/common'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { AppError } from '@app/core'
import { CallerAuthentication, CallerLimits } from '@app/platform'
import {
  decodeLegacyRequest,
  decodeRegistrationData,
  decodeRegistrationRequest,
  encodeLegacyReply,
  encodeRegistrationResponse,
  HTTP_STATUS_OF,
  schemaError,
  type RegistrationBody,
  type RegistrationReply,
  type RequestType,
  type SignedRegistrationRequest
} from '@app/registration'
import { ManagementPoint } from './management-point.js'
import { RegistrationService, type RegistrationAnswer } from './registration.service.js'
import { transportOf, type ReceivedMessage } from './transport.js'

/** What a route takes: a type of request, and the client that its address names. */
interface Expected {
  /** Absent where the message alone says whether it registers or asks. */
  readonly type?: RequestType
  readonly smsid?: string
}

interface Sent {
  readonly status: number
  readonly type: string
  readonly body: string | Uint8Array
  readonly retryAfter?: number
}

/** Brings messages from HTTP to the protocol and signed replies back. */
@Injectable()
export class RegistrationEdge {
  constructor(
    private readonly registrations: RegistrationService,
    private readonly point: ManagementPoint,
    private readonly authentication: CallerAuthentication,
    private readonly limits: CallerLimits
  ) {}

  /** Answers in the form of the message. Throws `registration_schema_invalid`, `unauthenticated` and `rate_limited`. */
  async answer(
    body: Uint8Array | RegistrationBody,
    expected: Expected,
    request: FastifyRequest,
    reply: FastifyReply
  ): Promise<void> {
    const received = await this.read(body, expected, request)
    const answer = await this.registrations.receive(received)
    if (answer.status === 3) this.limits.failures.take(request.ip)
    await this.send(reply, request, body instanceof Uint8Array ? xmlOf(answer) : jsonOf(answer))
  }

  /** Answers a message of the legacy wire, in its form. Throws as {@link answer}. */
  async answerLegacy(body: Uint8Array, request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const xml = decodeLegacyRequest({ contentType: request.headers['content-type'] ?? '', body })
    const received = await this.read(Buffer.from(xml, 'utf8'), {}, request)
    const answer = await this.registrations.receive(received)
    if (answer.status === 3) this.limits.failures.take(request.ip)
    const { contentType: type, body: parts } = encodeLegacyReply(encodeRegistrationResponse(answer))
    // The next message would arrive with a method that is not known.
    reply.header('connection', 'close')
    await this.send(reply, request, { status: 200, type, body: parts, ...waitOf(answer) })
  }

  /** The message of a call and what is known of its sender. Throws as {@link answer}. */
  async read(
    body: Uint8Array | RegistrationBody,
    { type, smsid }: Expected,
    request: FastifyRequest
  ): Promise<ReceivedMessage> {
    this.limits.failures.check(request.ip)
    const message = body instanceof Uint8Array ? decodeRegistrationRequest(textOf(body)) : messageOf(body)
    if (message.request.type === 'Registration') this.limits.registrations.take(request.ip)
    const isTaken = type === undefined ? message.request.type !== 'Enrollment' : message.request.type === type
    if (!isTaken) {
      throw schemaError(`This address takes a ${type ?? 'Registration or a Confirmation'}.`, ['Data@RequestType'])
    }
    if (smsid !== undefined && message.request.smsid !== smsid) {
      throw schemaError('Data@SMSID is not the identifier in the address.', ['Data@SMSID'])
    }
    const transport = transportOf(request)
    return { message, transport, callerId: await this.callerOf(request, transport.isEncrypted) }
  }

  /** Sends a reply with the signature of the management point. */
  async send(reply: FastifyReply, request: FastifyRequest, sent: Sent): Promise<void> {
    const body = Buffer.from(sent.body)
    const digest = request.headers['content-digest']
    const requestDigest = typeof digest === 'string' ? digest.trim() : ''
    const signature = await this.point.sign({ status: sent.status, contentType: sent.type, body, requestDigest })
    if (sent.retryAfter !== undefined) reply.header('retry-after', String(sent.retryAfter))
    await reply
      .code(sent.status)
      .headers({ ...signature, 'content-type': sent.type, 'cache-control': 'no-store' })
      .send(body)
  }

  /** Whose token comes with the message (integrated authentication); null without one. */
  private async callerOf(request: FastifyRequest, isEncrypted: boolean): Promise<ReceivedMessage['callerId']> {
    if (request.headers.authorization === undefined) return null
    if (!isEncrypted) throw new AppError('access_denied', 'A token is taken over TLS only, where nobody reads it.')
    const caller = await this.authentication.byToken(request)
    if (caller !== undefined) return caller.principal.id
    this.limits.failures.take(request.ip)
    throw new AppError('unauthenticated', 'The token that came with the message is not good.')
  }
}

function messageOf({ data, signature, proxySmsid }: RegistrationBody): SignedRegistrationRequest {
  return { request: decodeRegistrationData(data), data, signature, proxySmsid }
}

/** XML in UTF-8, or in UTF-16 with its byte order mark. */
function textOf(body: Uint8Array): string {
  const isUtf16 = body[0] === 0xff && body[1] === 0xfe
  try {
    return new TextDecoder(isUtf16 ? 'utf-16le' : 'utf-8', { fatal: true }).decode(body)
  } catch {
    throw schemaError('The message is neither UTF-8 nor UTF-16 with a byte order mark.')
  }
}

function xmlOf(answer: RegistrationAnswer): Sent {
  return { status: 200, type: 'application/xml', body: encodeRegistrationResponse(answer), ...waitOf(answer) }
}

function jsonOf(answer: RegistrationAnswer): Sent {
  const { status, smsid, approval, reason } = answer
  const view: RegistrationReply = {
    status,
    ...(smsid === undefined ? {} : { smsid }),
    ...(approval === undefined ? {} : { approval }),
    ...(reason === undefined ? {} : { reason })
  }
  return { status: HTTP_STATUS_OF[status], type: 'application/json', body: JSON.stringify(view), ...waitOf(answer) }
}

function waitOf({ retryAfter }: RegistrationAnswer): { readonly retryAfter?: number } {
  return retryAfter === undefined ? {} : { retryAfter }
}
