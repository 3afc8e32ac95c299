import { Body, Controller, Delete, Get, HttpCode, Param, Post } from '@nestjs/common'
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger'
import { CurrentOperator, type AuthenticatedOperator } from '../access/operator.js'
import { uuidParameter } from '../access/page.schemas.js'
import { RequirePermission } from '../access/require-permission.js'
import {
  invitationsView,
  inviteBody,
  newInvitationView,
  type InvitationView,
  type InviteBody,
  type NewInvitationView
} from './invitations.schemas.js'
import { InvitationsService } from './invitations.service.js'

/** Links by which people become operators: making them and taking them back. */
@ApiTags('operators')
@Controller('api/v1/invitations')
export class InvitationsController {
  constructor(private readonly invitations: InvitationsService) {}

  @Get()
  @RequirePermission('operator.read')
  @ApiOperation({ summary: 'The invitations that can be redeemed still' })
  @ApiResponse({ status: 200, standardSchema: invitationsView })
  list(@CurrentOperator() operator: AuthenticatedOperator): Promise<{ items: InvitationView[] }> {
    return this.invitations.list(operator)
  }

  @Post()
  @RequirePermission('operator.write')
  @ApiOperation({ summary: 'Invite somebody to become an operator' })
  @ApiResponse({ status: 201, standardSchema: newInvitationView })
  invite(
    @Body({ schema: inviteBody }) body: InviteBody,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<NewInvitationView> {
    return this.invitations.invite(body, operator)
  }

  @Delete(':id')
  @HttpCode(204)
  @RequirePermission('operator.write')
  @ApiOperation({ summary: 'Take an invitation back' })
  revoke(
    @Param('id', { schema: uuidParameter }) id: string,
    @CurrentOperator() operator: AuthenticatedOperator
  ): Promise<void> {
    return this.invitations.revoke(id, operator)
  }
}
