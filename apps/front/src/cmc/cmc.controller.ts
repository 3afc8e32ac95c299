import { Body, Controller, Headers, HttpCode, Inject, Param, Post, Res, UseGuards } from '@nestjs/common'
import { ApiBearerAuth, ApiConsumes, ApiHeader, ApiOperation, ApiTags } from '@nestjs/swagger'
import type { FastifyReply } from 'fastify'
import { z } from 'zod'
import { AnswersBytes, CONFIG, type Config, Consumes } from '@app/platform'
import { sendMessage } from '../authorities/encoding.js'
import { caParameter, idempotencyHeader, idempotencyOf, messageTypes } from '../enrollment/enrollment.schemas.js'
import { RequesterGuard } from '../requester/requester.guard.js'
import { CurrentRequester, TakesKeyBasedRenewal, type AuthenticatedRequester } from '../requester/requester.js'
import { CmcService } from './cmc.service.js'

/** CMC over HTTP (RFC 10003, RFC 5273 section 4): a request in, a full response out. */
@ApiTags('cmc')
@ApiBearerAuth()
@UseGuards(RequesterGuard)
@Controller('cmc')
export class CmcController {
  constructor(
    private readonly cmc: CmcService,
    @Inject(CONFIG) private readonly config: Config
  ) {}

  @Post(':ca')
  @HttpCode(200)
  @TakesKeyBasedRenewal('by-message')
  @Consumes(...messageTypes)
  @ApiConsumes(...messageTypes)
  @ApiHeader(idempotencyHeader)
  @AnswersBytes('application/pkcs7-mime')
  @ApiOperation({
    summary: 'Submit a CMC or PKCS#10 request and get the full response',
    description: 'A renewal signed with the old key needs no credential where its template lets the key stand for one.'
  })
  async exchange(
    @Param('ca', { schema: caParameter }) caName: string,
    @Body({ schema: z.instanceof(Uint8Array, { error: 'The body must be a CMC or PKCS#10 message in DER.' }) })
    bytes: Uint8Array,
    @Headers('idempotency-key') key: string | undefined,
    @CurrentRequester() requester: AuthenticatedRequester,
    @Res() reply: FastifyReply
  ): Promise<void> {
    const wait = 1000 * Math.min(this.config.limits.submitWaitSeconds, 20)
    await sendMessage(reply, await this.cmc.exchange({ caName, requester, bytes, wait, ...idempotencyOf(key) }), 'der')
  }
}
