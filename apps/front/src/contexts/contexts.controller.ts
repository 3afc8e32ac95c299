import { Body, Controller, Delete, Get, HttpCode, Param, Post, Res, UseGuards } from '@nestjs/common'
import { ApiBearerAuth, ApiBody, ApiConsumes, ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger'
import type { FastifyReply } from 'fastify'
import { Consumes } from '@app/platform'
import { RequesterGuard } from '../requester/requester.guard.js'
import { CurrentRequester, TakesImpersonation, type AuthenticatedRequester } from '../requester/requester.js'
import {
  contextBody,
  contextView,
  delegationBody,
  delegationListView,
  exchangedView,
  handleSchema,
  idParameter,
  keyBody,
  keyListView,
  newDelegationView,
  newKeyView,
  type ContextBody,
  type ContextView,
  type DelegationBody,
  type DelegationView,
  type ExchangedView,
  type KeyBody,
  type KeyView,
  type NewDelegationView,
  type NewKeyView
} from './contexts.schemas.js'
import { Delegations } from './delegations.service.js'
import { HeldContexts } from './held-contexts.service.js'
import { MessageKeys } from './message-keys.service.js'

/** An exchange is refused as clients of OAuth 2.0 read it (RFC 6749, section 5.2), anything else about it as everywhere. */
const PROBLEM = { schema: { $ref: '#/components/schemas/Problem' } }
const REFUSALS = { 'application/json': PROBLEM, 'application/problem+json': PROBLEM }

/** Security contexts with keys that the server holds, and who may act for whom. */
@ApiTags('messages')
@ApiBearerAuth()
@UseGuards(RequesterGuard)
@Controller('api/v1/mq')
export class ContextsController {
  constructor(
    private readonly contexts: HeldContexts,
    private readonly keys: MessageKeys,
    private readonly delegations: Delegations
  ) {}

  @Post('keys')
  @ApiOperation({ summary: 'Have the server make and hold a key to sign messages with' })
  @ApiResponse({ status: 201, standardSchema: newKeyView })
  makeKey(
    @Body({ schema: keyBody }) body: KeyBody,
    @CurrentRequester() requester: AuthenticatedRequester
  ): Promise<NewKeyView> {
    return this.keys.make(body, requester)
  }

  @Get('keys')
  @ApiOperation({ summary: 'The keys that the server holds for the caller' })
  @ApiResponse({ status: 200, standardSchema: keyListView })
  listKeys(@CurrentRequester() requester: AuthenticatedRequester): Promise<{ readonly items: KeyView[] }> {
    return this.keys.list(requester)
  }

  @Delete('keys/:id')
  @HttpCode(204)
  @ApiOperation({ summary: 'Destroy a key of the caller' })
  destroyKey(
    @Param('id', { schema: idParameter }) id: string,
    @CurrentRequester() requester: AuthenticatedRequester
  ): Promise<void> {
    return this.keys.destroy(id, requester)
  }

  @Post('security-contexts')
  @TakesImpersonation()
  @ApiOperation({ summary: 'Obtain a security context, for oneself or by an exchanged token (MQGetSecurityContextEx)' })
  @ApiResponse({ status: 201, standardSchema: contextView })
  async obtain(
    @Body({ schema: contextBody }) body: ContextBody,
    @CurrentRequester() requester: AuthenticatedRequester,
    @Res({ passthrough: true }) reply: FastifyReply
  ): Promise<ContextView> {
    const view = await this.contexts.obtain(body, requester)
    reply.header('location', `/api/v1/mq/security-contexts/${view.handle ?? ''}`)
    return view
  }

  @Get('security-contexts/:handle')
  @ApiOperation({ summary: 'A security context of the caller' })
  @ApiResponse({ status: 200, standardSchema: contextView })
  get(
    @Param('handle', { schema: handleSchema }) handle: string,
    @CurrentRequester() requester: AuthenticatedRequester
  ): Promise<ContextView> {
    return this.contexts.get(handle, requester)
  }

  @Delete('security-contexts/:handle')
  @HttpCode(204)
  @ApiOperation({ summary: 'Free a security context; also when there is none (MQFreeSecurityContext)' })
  free(@Param('handle') handle: string, @CurrentRequester() requester: AuthenticatedRequester): Promise<void> {
    return this.contexts.free(handle, requester)
  }

  @Post('delegations')
  @ApiOperation({ summary: 'Let another account act for the caller' })
  @ApiResponse({ status: 201, standardSchema: newDelegationView })
  grant(
    @Body({ schema: delegationBody }) body: DelegationBody,
    @CurrentRequester() requester: AuthenticatedRequester
  ): Promise<NewDelegationView> {
    return this.delegations.grant(body, requester)
  }

  @Get('delegations')
  @ApiOperation({ summary: 'The delegations that the caller gave and has' })
  @ApiResponse({ status: 200, standardSchema: delegationListView })
  listDelegations(
    @CurrentRequester() requester: AuthenticatedRequester
  ): Promise<{ readonly items: DelegationView[] }> {
    return this.delegations.list(requester)
  }

  @Delete('delegations/:id')
  @HttpCode(204)
  @ApiOperation({ summary: 'End a delegation that the caller gave or has' })
  revoke(
    @Param('id', { schema: idParameter }) id: string,
    @CurrentRequester() requester: AuthenticatedRequester
  ): Promise<void> {
    return this.delegations.revoke(id, requester)
  }

  @Post('token')
  @HttpCode(200)
  @Consumes('application/x-www-form-urlencoded')
  @ApiOperation({ summary: 'Exchange the token of a delegation, to act for who gave it (RFC 8693)' })
  @ApiConsumes('application/x-www-form-urlencoded')
  @ApiBody({ required: true, schema: { type: 'object' } })
  @ApiResponse({ status: 200, standardSchema: exchangedView })
  @ApiResponse({ status: '4XX', description: 'The call is refused.', content: REFUSALS })
  async exchange(
    @Body() form: Buffer | undefined,
    @CurrentRequester() requester: AuthenticatedRequester,
    @Res({ passthrough: true }) reply: FastifyReply
  ): Promise<ExchangedView> {
    reply.header('cache-control', 'no-store')
    return this.delegations.exchange(form?.toString('latin1') ?? '', requester)
  }
}
