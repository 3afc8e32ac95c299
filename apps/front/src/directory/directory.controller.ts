import { Body, Controller, Delete, Get, Headers, HttpCode, Param, Post, Res, UseGuards } from '@nestjs/common'
import { ApiBearerAuth, ApiHeader, ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger'
import type { FastifyReply } from 'fastify'
import { sendCertificates } from '../authorities/encoding.js'
import { idempotencyHeader, idempotencyOf } from '../enrollment/enrollment.schemas.js'
import { RequesterGuard } from '../requester/requester.guard.js'
import { CurrentRequester, type AuthenticatedRequester } from '../requester/requester.js'
import {
  digestParameter,
  nonceView,
  registerBody,
  registeredListView,
  registrationView,
  userParameter,
  type NonceView,
  type RegisterBody,
  type RegisteredListView,
  type RegistrationView
} from './directory.schemas.js'
import { RegisteredCertificates } from './registered-certificates.service.js'
import { RegistrationService } from './registration.service.js'
import { AnswersBytes } from '@app/platform'

/** The certificates that users register in the directory (MQRegisterCertificate and its like). */
@ApiTags('directory')
@ApiBearerAuth()
@UseGuards(RequesterGuard)
@Controller('api/v1/directory/users')
export class DirectoryUsersController {
  constructor(
    private readonly registrations: RegistrationService,
    private readonly registered: RegisteredCertificates
  ) {}

  @Post('me/certificates')
  @ApiHeader(idempotencyHeader)
  @ApiHeader({
    name: 'if-match',
    required: false,
    description: 'The `etag` of the list; 412 when it is another by now.'
  })
  @ApiOperation({ summary: 'Register an internal or external certificate of the caller (MQRegisterCertificate)' })
  @ApiResponse({ status: 200, standardSchema: registrationView })
  @ApiResponse({ status: 201, standardSchema: registrationView })
  async register(
    @Body({ schema: registerBody }) body: RegisterBody,
    @Headers('if-match') match: string | undefined,
    @Headers('idempotency-key') key: string | undefined,
    @CurrentRequester() requester: AuthenticatedRequester,
    @Res({ passthrough: true }) reply: FastifyReply
  ): Promise<RegistrationView> {
    const version = versionOf(match)
    const view = await this.registrations.register({ body, requester, version, ...idempotencyOf(key) })
    if (view.code !== 'MQ_OK') reply.status(200)
    else reply.header('location', `/api/v1/directory/users/me/certificates/${view.digest}`)
    return view
  }

  @Post('me/certificate-nonces')
  @ApiOperation({ summary: 'A nonce for the proof that the caller holds the key of an external certificate' })
  @ApiResponse({ status: 201, standardSchema: nonceView })
  challenge(@CurrentRequester() requester: AuthenticatedRequester): Promise<NonceView> {
    return this.registrations.challenge(requester)
  }

  @Get(':user/certificates')
  @ApiOperation({ summary: 'The registered certificates of an account' })
  @ApiResponse({ status: 200, standardSchema: registeredListView })
  async list(
    @Param('user', { schema: userParameter }) user: string,
    @CurrentRequester() requester: AuthenticatedRequester,
    @Res({ passthrough: true }) reply: FastifyReply
  ): Promise<RegisteredListView> {
    const view = await this.registered.list(user, requester)
    reply.header('etag', view.etag)
    return view
  }

  @Get(':user/certificates/:digest')
  @ApiOperation({ summary: 'A registered certificate, DER' })
  @AnswersBytes('application/pkix-cert')
  async fetch(
    @Param('user', { schema: userParameter }) user: string,
    @Param('digest', { schema: digestParameter }) digest: string,
    @CurrentRequester() requester: AuthenticatedRequester,
    @Res() reply: FastifyReply
  ): Promise<void> {
    await sendCertificates(reply, [await this.registered.fetch(user, digest, requester)], 'der')
  }

  @Delete(':user/certificates/:digest')
  @HttpCode(204)
  @ApiOperation({ summary: 'Take a certificate of the caller from the directory' })
  deregister(
    @Param('user', { schema: userParameter }) user: string,
    @Param('digest', { schema: digestParameter }) digest: string,
    @CurrentRequester() requester: AuthenticatedRequester
  ): Promise<void> {
    return this.registered.deregister(user, digest, requester)
  }

  @Get(':user/mqusersigncerts')
  @ApiOperation({ summary: 'The registered certificates of an account as MQUSERSIGNCERTS (MS-MQMQ 2.2.21)' })
  @AnswersBytes('application/octet-stream')
  async export(
    @Param('user', { schema: userParameter }) user: string,
    @CurrentRequester() requester: AuthenticatedRequester,
    @Res() reply: FastifyReply
  ): Promise<void> {
    const blob = await this.registered.export(user, requester)
    await reply.header('content-type', 'application/octet-stream').send(Buffer.from(blob))
  }
}

/** The version of an entity tag; one that no list ever has when it is none of this route's. */
function versionOf(match: string | undefined): number | undefined {
  if (match === undefined || match.trim() === '*') return undefined
  const version = /^"(\d{1,15})"$/.exec(match.trim())?.[1]
  return version === undefined ? -1 : Number(version)
}
