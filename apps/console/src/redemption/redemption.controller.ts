import { Body, Controller, Get, Post, Req, Res } from '@nestjs/common'
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { isAppError } from '@app/core'
import { AnswersBytes, CallerLimits } from '@app/platform'
import { PublicRoute } from '../access/require-permission.js'
import { redeemBody, redeemedView, type RedeemBody, type RedeemedView } from '../invitations/invitations.schemas.js'
import { messagePage, sendPage } from '../pages/page.js'
import { RedemptionService } from './redemption.service.js'

const command =
  'npx certkeep operator enroll LINK --p12 admin.p12 --password-file admin.password --account NAME --display-name "FULL NAME"'

/** Becoming an operator by a link. */
@ApiTags('operators')
@Controller()
export class RedemptionController {
  constructor(
    private readonly redemption: RedemptionService,
    private readonly limits: CallerLimits
  ) {}

  @Post('api/v1/invitations/redeem')
  @PublicRoute()
  @ApiOperation({ summary: 'Become an operator by an invitation' })
  @ApiResponse({ status: 201, standardSchema: redeemedView })
  async redeem(@Body({ schema: redeemBody }) body: RedeemBody, @Req() request: FastifyRequest): Promise<RedeemedView> {
    this.limits.failures.check(request.ip)
    try {
      return await this.redemption.redeem(body)
    } catch (error) {
      if (isAppError(error, 'unauthenticated')) this.limits.failures.take(request.ip)
      throw error
    }
  }

  @Get('enrol')
  @PublicRoute()
  @ApiOperation({ summary: 'What to do with the link of an invitation, for people' })
  @AnswersBytes('text/html')
  async page(@Res() reply: FastifyReply): Promise<void> {
    const page = messagePage('Become an operator', [
      'This link makes you an operator of a certificate authority, once. A browser does not redeem it: your key is made on your own machine, by the command line.',
      'Run this with the whole address of this page, which ends in a secret, in the place of LINK:',
      [command]
    ])
    await sendPage(reply, page)
  }
}
