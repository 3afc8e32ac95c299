import {
  Body,
  Controller,
  Delete,
  Get,
  Headers,
  HttpCode,
  Inject,
  Param,
  Post,
  Query,
  Res,
  UseGuards
} from '@nestjs/common'
import { ApiBearerAuth, ApiConsumes, ApiHeader, ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger'
import type { FastifyReply } from 'fastify'
import { z } from 'zod'
import { DISPOSITIONS, isAppError } from '@app/core'
import { decodeDerPemOrBase64 } from '@app/der'
import { AnswersBytes, CONFIG, type Config, Consumes } from '@app/platform'
import { RequesterGuard } from '../requester/requester.guard.js'
import { CurrentRequester, TakesKeyBasedRenewal, type AuthenticatedRequester } from '../requester/requester.js'
import { CERTIFICATE_TYPES, MESSAGE_TYPES, sendCertificates, sendMessage } from '../authorities/encoding.js'
import { FullResponses } from './full-responses.js'
import { EnrollmentService } from './enrollment.service.js'
import {
  caParameter,
  encodingName,
  idempotencyHeader,
  idempotencyOf,
  indexQuery,
  messageTypes,
  propertyParameter,
  propertyView,
  requestIdParameter,
  requestView,
  submitBody,
  waitQuery,
  type EncodingName,
  type PropertyView,
  type RequestView,
  type SubmitBody
} from './enrollment.schemas.js'

const certificateQuery = z.object({ chain: z.stringbool().default(false), format: encodingName.default('pem') })
const responseQuery = z.object({ encoding: encodingName.default('base64') })

/** The mirror of ICertRequest. */
@ApiTags('requests')
@ApiBearerAuth()
@UseGuards(RequesterGuard)
@Controller('api/v1/cas/:ca/requests')
export class EnrollmentController {
  constructor(
    private readonly enrollment: EnrollmentService,
    private readonly fullResponses: FullResponses,
    @Inject(CONFIG) private readonly config: Config
  ) {}

  @Post()
  @TakesKeyBasedRenewal('flagged')
  @Consumes('application/json', ...messageTypes)
  @ApiConsumes('application/json', ...messageTypes)
  @ApiHeader(idempotencyHeader)
  @ApiOperation({
    summary: 'Submit a request (ICertRequest::Submit)',
    description:
      'With the flag CR_IN_ROBO, a renewal signed with the old key needs no credential where its template lets the key stand for one.'
  })
  @ApiResponse({ status: 201, standardSchema: requestView })
  @ApiResponse({ status: 202, standardSchema: requestView })
  async submit(
    @Param('ca', { schema: caParameter }) caName: string,
    @Body({ schema: z.union([z.instanceof(Uint8Array), submitBody]) }) body: Uint8Array | SubmitBody,
    @Query({ schema: waitQuery }) query: z.infer<typeof waitQuery>,
    @Headers('idempotency-key') key: string | undefined,
    @CurrentRequester() requester: AuthenticatedRequester,
    @Res({ passthrough: true }) reply: FastifyReply
  ): Promise<RequestView> {
    const given = body instanceof Uint8Array ? { bytes: binary(body) } : submitted(body)
    const view = await this.enrollment.submit({
      caName,
      requester,
      ...given,
      ...idempotencyOf(key),
      wait: this.milliseconds(query.wait ?? 10)
    })
    const unresolved =
      view.disposition === DISPOSITIONS.under_submission || view.disposition === DISPOSITIONS.incomplete
    if (unresolved) reply.status(202).header('retry-after', '30')
    else reply.header('location', view.links.self)
    return view
  }

  @Get(':id')
  @ApiOperation({ summary: 'What became of a request (RetrievePending)' })
  @ApiResponse({ status: 200, standardSchema: requestView })
  retrieve(
    @Param('ca', { schema: caParameter }) caName: string,
    @Param('id', { schema: requestIdParameter }) id: number,
    @Query({ schema: waitQuery }) query: z.infer<typeof waitQuery>,
    @CurrentRequester() requester: AuthenticatedRequester
  ): Promise<RequestView> {
    return this.enrollment.retrieve({ caName, id, requester }, this.milliseconds(query.wait ?? 0))
  }

  @Delete(':id')
  @HttpCode(204)
  @ApiOperation({ summary: 'Withdraw a pending request' })
  withdraw(
    @Param('ca', { schema: caParameter }) caName: string,
    @Param('id', { schema: requestIdParameter }) id: number,
    @CurrentRequester() requester: AuthenticatedRequester
  ): Promise<void> {
    return this.enrollment.withdraw({ caName, id, requester })
  }

  @Get(':id/full-response')
  @ApiOperation({ summary: 'The signed full CMC response (FR_PROP_FULLRESPONSE)' })
  @AnswersBytes(...MESSAGE_TYPES)
  async fullResponse(
    @Param('ca', { schema: caParameter }) caName: string,
    @Param('id', { schema: requestIdParameter }) id: number,
    @Query({ schema: responseQuery }) query: { readonly encoding: EncodingName },
    @CurrentRequester() requester: AuthenticatedRequester,
    @Res() reply: FastifyReply
  ): Promise<void> {
    await sendMessage(reply, await this.fullResponses.get({ caName, id, requester }), query.encoding)
  }

  @Get(':id/full-response/properties/:property')
  @ApiOperation({ summary: 'A property of the full response (GetFullResponseProperty)' })
  @ApiResponse({ status: 200, standardSchema: propertyView })
  property(
    @Param('ca', { schema: caParameter }) caName: string,
    @Param('id', { schema: requestIdParameter }) id: number,
    @Param('property', { schema: propertyParameter }) property: string,
    @Query({ schema: indexQuery }) query: z.infer<typeof indexQuery>,
    @CurrentRequester() requester: AuthenticatedRequester
  ): Promise<PropertyView> {
    return this.fullResponses.property({ caName, id, requester }, property, query.index)
  }

  @Get(':id/certificate')
  @ApiOperation({ summary: 'The issued certificate (GetCertificate)' })
  @AnswersBytes(...CERTIFICATE_TYPES)
  async certificate(
    @Param('ca', { schema: caParameter }) caName: string,
    @Param('id', { schema: requestIdParameter }) id: number,
    @Query({ schema: certificateQuery }) query: z.infer<typeof certificateQuery>,
    @CurrentRequester() requester: AuthenticatedRequester,
    @Res() reply: FastifyReply
  ): Promise<void> {
    const { certificate, chain } = await this.enrollment.certificate({ caName, id, requester })
    await sendCertificates(reply, query.chain ? [certificate, ...chain] : [certificate], query.format)
  }

  private milliseconds(seconds: number): number {
    return 1000 * Math.min(seconds, this.config.limits.submitWaitSeconds)
  }
}

function submitted(body: SubmitBody): { bytes: Uint8Array; flags?: number | string[]; attributes?: string } {
  return {
    bytes: decodeDerPemOrBase64(Buffer.from(body.request, 'utf8')),
    ...(body.flags === undefined ? {} : { flags: body.flags }),
    ...(body.attributes === undefined ? {} : { attributes: body.attributes })
  }
}

/** A message as it came in; PEM and base64 are taken as well, and what is nothing of all is recorded as it is. */
function binary(body: Uint8Array): Uint8Array {
  try {
    return decodeDerPemOrBase64(body)
  } catch (error) {
    if (isAppError(error, 'pem_invalid')) return body
    throw error
  }
}
