import { Body, Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common'
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger'
import { CurrentOperator, type AuthenticatedOperator } from '../access/operator.js'
import { RequirePermission } from '../access/require-permission.js'
import {
  blockBody,
  clientDecisionBody,
  clientDetailView,
  clientsQuery,
  clientsView,
  smsidParameter,
  type BlockBody,
  type ClientDecisionBody,
  type ClientDetailView,
  type ClientsQuery,
  type ClientsView
} from './clients.schemas.js'
import { ClientsService } from './clients.service.js'

/** Clients that have registered. The site is one for every CA, so that deciding takes a role for every CA. */
@ApiTags('configmgr')
@Controller('api/v1/configmgr/clients')
export class ClientsController {
  constructor(private readonly clients: ClientsService) {}

  @Get()
  @RequirePermission('client.read')
  @ApiOperation({ summary: 'Clients that have registered, newest first' })
  @ApiResponse({ status: 200, standardSchema: clientsView })
  list(@Query({ schema: clientsQuery }) query: ClientsQuery): Promise<ClientsView> {
    return this.clients.list(query)
  }

  @Get(':smsid')
  @RequirePermission('client.read')
  @ApiOperation({ summary: 'One client with what it said of itself' })
  @ApiResponse({ status: 200, standardSchema: clientDetailView })
  show(@Param('smsid', { schema: smsidParameter }) smsid: string): Promise<ClientDetailView> {
    return this.clients.show(smsid)
  }

  @Post(':smsid/approve')
  @HttpCode(200)
  @RequirePermission('client.write', { at: 'all' })
  @ApiOperation({ summary: 'Approve a registered client: it may have secrets, and gets its account' })
  @ApiResponse({ status: 200, standardSchema: clientDetailView })
  approve(
    @Param('smsid', { schema: smsidParameter }) smsid: string,
    @Body({ schema: clientDecisionBody }) body: ClientDecisionBody,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<ClientDetailView> {
    return this.clients.setApproval(smsid, true, body, operator)
  }

  @Post(':smsid/unapprove')
  @HttpCode(200)
  @RequirePermission('client.write', { at: 'all' })
  @ApiOperation({ summary: 'Take an approval back; the account is disabled' })
  @ApiResponse({ status: 200, standardSchema: clientDetailView })
  unapprove(
    @Param('smsid', { schema: smsidParameter }) smsid: string,
    @Body({ schema: clientDecisionBody }) body: ClientDecisionBody,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<ClientDetailView> {
    return this.clients.setApproval(smsid, false, body, operator)
  }

  @Post(':smsid/block')
  @HttpCode(200)
  @RequirePermission('client.write', { at: 'all' })
  @ApiOperation({ summary: 'Block a client, disable its account and revoke its certificates' })
  @ApiResponse({ status: 200, standardSchema: clientDetailView })
  block(
    @Param('smsid', { schema: smsidParameter }) smsid: string,
    @Body({ schema: blockBody }) body: BlockBody,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<ClientDetailView> {
    return this.clients.block(smsid, body, operator)
  }

  @Post(':smsid/unblock')
  @HttpCode(200)
  @RequirePermission('client.write', { at: 'all' })
  @ApiOperation({ summary: 'Lift a block; what was revoked stays revoked' })
  @ApiResponse({ status: 200, standardSchema: clientDetailView })
  unblock(
    @Param('smsid', { schema: smsidParameter }) smsid: string,
    @Body({ schema: clientDecisionBody }) body: ClientDecisionBody,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<ClientDetailView> {
    return this.clients.unblock(smsid, body, operator)
  }
}
