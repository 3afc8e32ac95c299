import { Controller, Delete, Get, HttpCode, Param, Query, Req, Res } from '@nestjs/common'
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { z } from 'zod'
import { AnswersBytes, CallerLimits } from '@app/platform'
import { NamedObjects } from '../access/named-objects.js'
import { CurrentOperator, type AuthenticatedOperator } from '../access/operator.js'
import { uuidParameter } from '../access/page.schemas.js'
import { PublicRoute, RequireSignIn } from '../access/require-permission.js'
import { cookieOf, SESSION_COOKIE, setCookie, SIGN_IN_COOKIE } from '../access/session-cookie.js'
import { messagePage, sendPage } from '../pages/page.js'
import { callbackQuery, signedInView, type SignedInView } from './session.schemas.js'
import { SessionService } from './session.service.js'

/** Signing in and out, and who one is. */
@ApiTags('session')
@Controller('api/v1/session')
export class SessionController {
  constructor(
    private readonly sessions: SessionService,
    private readonly named: NamedObjects,
    private readonly limits: CallerLimits
  ) {}

  @Get()
  @RequireSignIn()
  @ApiOperation({ summary: 'Who calls, with which roles, and its sessions' })
  @ApiResponse({ status: 200, standardSchema: signedInView })
  show(@CurrentOperator() operator: AuthenticatedOperator): Promise<SignedInView> {
    return this.sessions.describe(operator, this.named)
  }

  @Get('sign-in')
  @PublicRoute()
  @ApiOperation({ summary: 'Sign in at the identity provider, with a browser' })
  @ApiResponse({ status: 302 })
  async signIn(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    // Anybody may begin, and each beginning is kept until it ends.
    this.limits.signIns.take(request.ip)
    const { address, cookie } = await this.sessions.begin()
    setCookie(reply, SIGN_IN_COOKIE, cookie.secret, { sameSite: 'Lax', seconds: cookie.seconds })
    await reply.status(302).header('location', address).send()
  }

  @Get('callback')
  @PublicRoute()
  @ApiOperation({ summary: 'Come back from the identity provider, with a browser' })
  @AnswersBytes('text/html')
  async callback(
    @Query({ schema: callbackQuery }) { state }: z.infer<typeof callbackQuery>,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply
  ): Promise<void> {
    setCookie(reply, SIGN_IN_COOKIE, '', { sameSite: 'Lax', seconds: 0 })
    const query = request.url.split('?')[1] ?? ''
    const { account, cookie } = await this.sessions.finish(cookieOf(request, SIGN_IN_COOKIE), { state, query })
    setCookie(reply, SESSION_COOKIE, cookie.secret, { sameSite: 'Strict', seconds: cookie.seconds })
    await sendPage(reply, messagePage('Signed in', [`You are signed in as ${account}.`]))
  }

  @Delete()
  @HttpCode(204)
  @RequireSignIn()
  @ApiOperation({ summary: 'Sign out' })
  async signOut(
    @CurrentOperator() operator: AuthenticatedOperator,
    @Res({ passthrough: true }) reply: FastifyReply
  ): Promise<void> {
    await this.sessions.end(operator)
    setCookie(reply, SESSION_COOKIE, '', { sameSite: 'Strict', seconds: 0 })
  }

  @Delete(':id')
  @HttpCode(204)
  @RequireSignIn()
  @ApiOperation({ summary: 'End one of your own sessions' })
  end(
    @Param('id', { schema: uuidParameter }) id: string,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<void> {
    return this.sessions.endOwn(id, operator)
  }
}
